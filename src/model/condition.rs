//! What must hold of a claim: of external identities, and of what a provider asks of every token.
//!
//! In: JSON as people write it, and the texts that a token's claim holds. Out: whether it holds. A claim is a set of
//! texts: a pattern holds when some element matches. An absent claim satisfies nothing but `{exists: false}`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claim_text::claim_text;

/// Claim path → what must hold of it. All paths must.
pub type Conditions = BTreeMap<String, Condition>;

/// What must hold of one claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Condition {
    /// Some element is one of these, byte for byte. Never empty.
    OneOf(BTreeSet<String>),
    /// Some element matches.
    Like(Pattern),
    /// One of these holds. Never empty.
    Any(Vec<Condition>),
    /// Each of these holds, of whichever elements. Never empty.
    All(Vec<Condition>),
    /// The claim is there, and this does not hold of it.
    Not(Box<Condition>),
    Exists(bool),
}

/// A text with something left open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    Prefix(String),
    Suffix(String),
    /// `*` is any run of characters, also none; `\*` is a star. Nothing else is special.
    Glob(String),
    /// The same text but for the case of ASCII letters.
    #[serde(rename = "ci")]
    IgnoringCase(String),
}

/// Why a value is not a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    #[error(
        "must be a value, a list of values, or one of `{{prefix}}`, `{{suffix}}`, `{{glob}}`, `{{ci}}`, `{{any}}`, \
         `{{all}}`, `{{not}}`, `{{exists}}`"
    )]
    Form,
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    Depth,
}

impl Condition {
    /// The condition that some element is just this.
    pub fn is(text: impl Into<String>) -> Self {
        Self::OneOf(BTreeSet::from([text.into()]))
    }

    /// Reads a condition as people write it.
    ///
    /// # Errors
    /// When the value is none.
    pub fn read(value: &Value) -> Result<Self, ConditionError> {
        Self::read_within(value, MAX_DEPTH)
    }

    fn read_within(value: &Value, depth: usize) -> Result<Self, ConditionError> {
        let depth = depth.checked_sub(1).ok_or(ConditionError::Depth)?;
        match value {
            Value::Array(values) if !values.is_empty() => {
                // Written as a token's claims are, or `2.0` would never be the claim 2.
                let texts: Option<_> = values.iter().map(claim_text).collect();
                texts.map(Self::OneOf).ok_or(ConditionError::Form)
            }
            Value::Object(members) => match members.iter().next() {
                Some((name, value)) if members.len() == 1 => Self::read_form(name, value, depth),
                _ => Err(ConditionError::Form),
            },
            single => claim_text(single).map(Self::is).ok_or(ConditionError::Form),
        }
    }

    fn read_form(name: &str, value: &Value, depth: usize) -> Result<Self, ConditionError> {
        let text = || value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or(ConditionError::Form);
        let list = || match value {
            Value::Array(values) if !values.is_empty() => {
                values.iter().map(|value| Self::read_within(value, depth)).collect::<Result<Vec<_>, _>>()
            }
            _ => Err(ConditionError::Form),
        };
        Ok(match name {
            "prefix" => Self::Like(Pattern::Prefix(text()?)),
            "suffix" => Self::Like(Pattern::Suffix(text()?)),
            "glob" => Self::Like(Pattern::Glob(text()?)),
            "ci" => Self::Like(Pattern::IgnoringCase(text()?)),
            "any" => Self::Any(list()?),
            "all" => Self::All(list()?),
            "not" => Self::Not(Box::new(Self::read_within(value, depth)?)),
            "exists" => Self::Exists(value.as_bool().ok_or(ConditionError::Form)?),
            _ => return Err(ConditionError::Form),
        })
    }

    /// The condition as people write it: a single value by itself.
    pub fn written(&self) -> Value {
        let form = |name: &str, value: Value| Value::Object(Map::from_iter([(name.to_owned(), value)]));
        let list = |conditions: &[Self]| conditions.iter().map(Self::written).collect();
        match self {
            Self::OneOf(texts) => match texts.first() {
                Some(only) if texts.len() == 1 => Value::from(only.as_str()),
                _ => texts.iter().map(String::as_str).collect(),
            },
            Self::Like(pattern) => form(pattern.name(), pattern.text().into()),
            Self::Any(conditions) => form("any", list(conditions)),
            Self::All(conditions) => form("all", list(conditions)),
            Self::Not(condition) => form("not", condition.written()),
            Self::Exists(exists) => form("exists", (*exists).into()),
        }
    }

    /// Whether it holds of a claim's texts; `None` where there is no such claim.
    pub fn holds(&self, texts: Option<&BTreeSet<String>>) -> bool {
        let some = |fits: &dyn Fn(&String) -> bool| texts.is_some_and(|texts| texts.iter().any(fits));
        match self {
            Self::OneOf(these) => some(&|text| these.contains(text)),
            Self::Like(pattern) => some(&|text| pattern.matches(text)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(texts)),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(texts)),
            Self::Not(condition) => texts.is_some() && !condition.holds(texts),
            Self::Exists(exists) => texts.is_some() == *exists,
        }
    }

    /// The patterns in it.
    pub fn patterns(&self) -> Vec<&Pattern> {
        match self {
            Self::Like(pattern) => vec![pattern],
            Self::Any(conditions) | Self::All(conditions) => conditions.iter().flat_map(Self::patterns).collect(),
            Self::Not(condition) => condition.patterns(),
            Self::OneOf(_) | Self::Exists(_) => Vec::new(),
        }
    }

    /// Every text in it, for the bounds on them.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::OneOf(texts) => texts.iter().map(String::as_str).collect(),
            Self::Like(pattern) => vec![pattern.text()],
            Self::Any(conditions) | Self::All(conditions) => conditions.iter().flat_map(Self::texts).collect(),
            Self::Not(condition) => condition.texts(),
            Self::Exists(_) => vec![""],
        }
    }

    /// A plain text with a star in it, which most likely was meant as a pattern.
    pub fn plain_star(&self) -> Option<&str> {
        match self {
            Self::OneOf(texts) => texts.iter().map(String::as_str).find(|text| text.contains('*')),
            Self::Any(conditions) | Self::All(conditions) => conditions.iter().find_map(Self::plain_star),
            Self::Not(condition) => condition.plain_star(),
            Self::Like(_) | Self::Exists(_) => None,
        }
    }
}

impl Pattern {
    /// Its name in conditions.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prefix(_) => "prefix",
            Self::Suffix(_) => "suffix",
            Self::Glob(_) => "glob",
            Self::IgnoringCase(_) => "ci",
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Prefix(text) | Self::Suffix(text) | Self::Glob(text) | Self::IgnoringCase(text) => text,
        }
    }

    /// The element of a derived tag that says that the pattern matches: `glob:refs/tags/v*`.
    pub fn label(&self) -> String {
        format!("{}:{}", self.name(), self.text())
    }

    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::Glob(glob) => glob_matches(glob, text),
            Self::IgnoringCase(other) => text.eq_ignore_ascii_case(other),
        }
    }
}

/// Each run between stars is taken at its first place: linear in practice, and never worse than length × length.
fn glob_matches(glob: &str, text: &str) -> bool {
    let runs = runs(glob);
    let (Some((first, rest)), Some(mut left)) = (runs.split_first(), Some(text)) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text == first };
    let Some(after) = left.strip_prefix(first.as_str()) else { return false };
    left = after;
    for run in middle {
        let Some(at) = left.find(run.as_str()) else { return false };
        left = left.get(at + run.len()..).unwrap_or_default();
    }
    left.ends_with(last.as_str())
}

/// The texts between a glob's stars, at least one.
fn runs(glob: &str) -> Vec<String> {
    let mut runs = vec![String::new()];
    let mut letters = glob.chars().peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\\' if letters.next_if_eq(&'*').is_some() => '*',
            '*' => {
                runs.push(String::new());
                continue;
            }
            other => other,
        };
        if let Some(run) = runs.last_mut() {
            run.push(letter);
        }
    }
    runs
}

impl TryFrom<Value> for Condition {
    type Error = ConditionError;

    fn try_from(value: Value) -> Result<Self, ConditionError> {
        Self::read(&value)
    }
}

impl From<Condition> for Value {
    fn from(condition: Condition) -> Self {
        condition.written()
    }
}

/// Levels of `any`, `all` and `not`, the condition itself counted as the first.
pub const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests;
