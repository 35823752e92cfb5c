//! How a path is shown: as it is, but letters that would break a line or turn its direction are escaped.

use std::path::Path;

/// A path for faults, answers and logs, each of which is one line.
pub fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if !text.chars().any(misleads) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if misleads(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Control characters, line separators, and the marks that write a text from right to left.
fn misleads(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_line_break_is_shown_on_one_line() {
        assert_eq!(shown(Path::new("a/é b.cedar")), "a/é b.cedar");
        assert_eq!(shown(Path::new("a\nb\u{1b}[31m\u{202e}c")), "a\\nb\\u{1b}[31m\\u{202e}c");
    }
}
