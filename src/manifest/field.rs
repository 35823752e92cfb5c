//! Fields of documents, whichever door they come in by: values that are values, or which field is wrong.

use serde_json::Value;

use crate::model::bounds::BoundError;
use crate::model::{Condition, Conditions, NameError};

/// Which field of a document is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {message}")]
pub struct DocumentError {
    /// Its path from the document: `config.jwks_uri`.
    pub field: String,
    pub message: String,
}

impl DocumentError {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }
}

/// Conditions on claims, by their paths.
pub(crate) fn conditions<'v>(
    field: &str,
    given: impl Iterator<Item = (&'v String, &'v Value)>,
) -> Result<Conditions, DocumentError> {
    let condition = |(path, value): (&String, &Value)| {
        if path.is_empty() {
            return Err(DocumentError::new(field, "a condition needs the path of a claim"));
        }
        let read = Condition::read(value)
            .map_err(|error| DocumentError::new(field, format!("the condition on `{path}` {error}")))?;
        Ok((path.clone(), read))
    };
    given.map(condition).collect()
}

/// What to say of a star in a plain text: its author most likely means a pattern, and would wait for it to match.
pub(crate) fn plain_star(path: &str, condition: &Condition) -> Option<String> {
    let text = condition.plain_star()?;
    Some(format!(
        "the condition on `{path}`: `{text}` is compared as it stands; for a pattern write `{{glob: \"{text}\"}}`"
    ))
}

pub(crate) fn bounded(field: &str, checked: Result<(), BoundError>) -> Result<(), DocumentError> {
    checked.map_err(|error| DocumentError::new(field, error.to_string()))
}

pub(crate) fn named<T>(field: &str, parsed: Result<T, NameError>) -> Result<T, DocumentError> {
    parsed.map_err(|error| DocumentError::new(field, error.to_string()))
}
