//! A text in, yes or the first place beyond a bound: what a parser needs to know before it recurses.
//!
//! Reads tokens and no grammar, from start to end once. Texts that Cedar refuses may pass here, and texts within the
//! bounds always do.

use super::{MAX_NESTING, MAX_POLICY_BYTES, MAX_STEPS, MAX_TERMS};

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Policies,
    Schema,
    Json,
}

/// The first place of a text that is beyond a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// In bytes.
    pub offset: usize,
    pub message: String,
}

/// Looks for the first place beyond a bound.
///
/// # Errors
/// That place.
pub fn scan(text: &str, language: Language) -> Result<(), Beyond> {
    let mut scanner = Scanner { language, open: vec![Level::default()], ifs: 0, terms: 0, policy_start: None };
    let mut letters = text.char_indices().peekable();
    while let Some((offset, letter)) = letters.next() {
        let next = letters.peek().map(|(_, letter)| *letter);
        match letter {
            '"' => {
                scanner.begin(offset);
                while let Some((_, letter)) = letters.next() {
                    match letter {
                        '\\' => drop(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if next == Some('/') && language != Language::Json => {
                while letters.next_if(|(_, letter)| !matches!(letter, '\n' | '\r')).is_some() {}
            }
            letter if letter.is_whitespace() => {}
            letter if is_word(letter) => {
                scanner.begin(offset);
                let mut end = offset + letter.len_utf8();
                while let Some((at, letter)) = letters.next_if(|(_, letter)| is_word(*letter)) {
                    end = at + letter.len_utf8();
                }
                scanner.word(text.get(offset..end).unwrap_or_default(), offset)?;
            }
            _ => {
                scanner.begin(offset);
                if matches!((letter, next), ('|', Some('|')) | ('&', Some('&'))) {
                    letters.next();
                }
                scanner.sign(letter, offset)?;
            }
        }
        scanner.check_size(offset)?;
    }
    Ok(())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

struct Scanner {
    language: Language,
    /// The brackets that are open, and the text around all of them.
    open: Vec<Level>,
    /// The `if`s that are open in all levels.
    ifs: usize,
    /// Of the policy, joined by `&&` and `||`.
    terms: usize,
    policy_start: Option<usize>,
}

/// What is between two brackets.
#[derive(Default)]
struct Level {
    ifs: Vec<If>,
    /// Since the last sign that ends an operand.
    steps: usize,
}

/// How far an `if` has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum If {
    Test,
    Then,
    Else,
}

impl Scanner {
    fn begin(&mut self, offset: usize) {
        self.policy_start.get_or_insert(offset);
    }

    fn check_size(&self, offset: usize) -> Result<(), Beyond> {
        let start = self.policy_start.filter(|_| self.language == Language::Policies);
        match start.filter(|start| offset - start > MAX_POLICY_BYTES) {
            Some(start) => beyond(start, format!("a policy of more than {MAX_POLICY_BYTES} bytes: split it")),
            None => Ok(()),
        }
    }

    fn sign(&mut self, sign: char, offset: usize) -> Result<(), Beyond> {
        match sign {
            '(' | '[' | '{' => {
                if sign == '[' {
                    self.step(offset)?;
                }
                self.open.push(Level::default());
                self.check_nesting(offset)
            }
            '<' if self.language == Language::Schema => {
                self.open.push(Level::default());
                self.check_nesting(offset)
            }
            ')' | ']' | '}' => {
                self.close();
                Ok(())
            }
            '>' if self.language == Language::Schema => {
                self.close();
                Ok(())
            }
            ';' if self.open.len() == 1 => {
                self.end_operands();
                (self.terms, self.policy_start) = (0, None);
                Ok(())
            }
            ',' | ';' => {
                self.end_operands();
                Ok(())
            }
            '|' | '&' => self.term(offset),
            '.' | '+' | '-' | '*' => self.step(offset),
            '=' | '!' | '<' | '>' => {
                self.level(|level| level.steps = 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &str, offset: usize) -> Result<(), Beyond> {
        if self.language != Language::Policies {
            return Ok(());
        }
        match word {
            "if" => {
                self.level(|level| {
                    level.ifs.push(If::Test);
                    level.steps = 0;
                });
                self.ifs += 1;
                self.check_nesting(offset)
            }
            "then" => {
                self.go_on(If::Test, If::Then);
                Ok(())
            }
            "else" => {
                self.go_on(If::Then, If::Else);
                Ok(())
            }
            "in" | "is" | "has" | "like" => {
                self.level(|level| level.steps = 0);
                Ok(())
            }
            // Clauses are joined as if by `&&`.
            "when" | "unless" if self.open.len() == 1 => self.term(offset),
            _ => Ok(()),
        }
    }

    /// An inner `if` reaches as far as it can: one that is in its `else` ends where an outer one goes on.
    fn go_on(&mut self, from: If, to: If) {
        let mut ended = 0;
        self.level(|level| {
            level.steps = 0;
            while level.ifs.last() == Some(&If::Else) && level.ifs.contains(&from) {
                level.ifs.pop();
                ended += 1;
            }
            if let Some(last) = level.ifs.last_mut().filter(|last| **last == from) {
                *last = to;
            }
        });
        self.ifs -= ended;
    }

    fn term(&mut self, offset: usize) -> Result<(), Beyond> {
        self.level(|level| level.steps = 0);
        self.terms += 1;
        if self.language == Language::Policies && self.terms > MAX_TERMS {
            return beyond(offset, format!("a policy of more than {MAX_TERMS} terms of `&&` and `||`: split it"));
        }
        Ok(())
    }

    fn step(&mut self, offset: usize) -> Result<(), Beyond> {
        let mut steps = 0;
        self.level(|level| {
            level.steps += 1;
            steps = level.steps;
        });
        if self.language == Language::Policies && steps > MAX_STEPS {
            return beyond(offset, format!("more than {MAX_STEPS} accesses or sums in a row: shorten the chain"));
        }
        Ok(())
    }

    fn end_operands(&mut self) {
        let mut ended = 0;
        self.level(|level| {
            ended = level.ifs.len();
            *level = Level::default();
        });
        self.ifs -= ended;
    }

    fn close(&mut self) {
        // More brackets are closed than were opened: the parser says so.
        if self.open.len() > 1 {
            self.end_operands();
            self.open.pop();
        }
    }

    fn check_nesting(&self, offset: usize) -> Result<(), Beyond> {
        // A clause has braces of its own.
        let own = usize::from(self.language == Language::Policies);
        if self.open.len() - 1 + self.ifs > MAX_NESTING + own {
            let what = if self.language == Language::Policies { "brackets and `if`s" } else { "brackets" };
            return beyond(offset, format!("more than {MAX_NESTING} {what} in each other: make the nesting less deep"));
        }
        Ok(())
    }

    fn level(&mut self, change: impl FnOnce(&mut Level)) {
        if let Some(level) = self.open.last_mut() {
            change(level);
        }
    }
}

fn beyond(offset: usize, message: String) -> Result<(), Beyond> {
    Err(Beyond { offset, message })
}
