//! Why an edit is refused: what to change about it, and what kind of conflict it is.

use crate::directory::fact::{FactKey, Kind};
use crate::directory::store::StoreError;

/// Why an edit comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Never empty.
    #[error("{}", said(.0))]
    Refused(Vec<Refusal>),
    #[error("others keep changing this tenant: try again")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One reason against an edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0} is there already")]
    Exists(FactKey),
    #[error("there is no {0}")]
    Missing(FactKey),
    /// A fact mentions what is not there.
    #[error("{}there is no {mentioned}", asked_by(.by))]
    Dangling { by: FactKey, mentioned: FactKey },
    /// What is to be removed is still mentioned.
    #[error("{key} is in use by {}: remove these first, or ask for `cascade`", listed(.by, *.more))]
    InUse { key: FactKey, by: Vec<FactKey>, more: bool },
    /// What is to be removed is named where no directory reaches.
    #[error("{key} is in use: {} names it: change that first, or ask for `cascade`", .by.join(", "))]
    Named { key: FactKey, by: Vec<String> },
    /// A file that somebody wrote has the same.
    #[error("{key}: {what} is already declared at `{place}`")]
    Taken { key: FactKey, what: String, place: String },
    #[error("removing {0} would take along more than {MOST_CASCADED} others: remove some of these first")]
    TooManyInUse(FactKey),
    #[error("{0} is built in and cannot be changed")]
    BuiltIn(FactKey),
    /// It does not fit the schema, or itself.
    #[error("{}{message}", asked_by(.by))]
    Unfit { by: FactKey, message: String },
    #[error("{by}: {other} stands for the value `{value}` of identity provider `{provider}` already")]
    MappedTwice { by: FactKey, other: FactKey, provider: String, value: String },
}

impl Refusal {
    /// The fact that was wanted otherwise than it may be.
    pub fn about(&self) -> &FactKey {
        match self {
            Self::Exists(key) | Self::Missing(key) | Self::TooManyInUse(key) | Self::BuiltIn(key) => key,
            Self::InUse { key, .. } | Self::Named { key, .. } | Self::Taken { key, .. } => key,
            Self::Dangling { by, .. } | Self::Unfit { by, .. } | Self::MappedTwice { by, .. } => by,
        }
    }
}

/// The most that one removal takes along.
pub(super) const MOST_CASCADED: usize = 100_000;
/// The most users of something that are named.
pub(super) const MOST_NAMED: usize = 10;
const MOST_SAID: usize = 20;

pub(super) fn or(refusals: Vec<Refusal>) -> Result<(), EditError> {
    if refusals.is_empty() { Ok(()) } else { Err(EditError::Refused(refusals)) }
}

fn said(refusals: &[Refusal]) -> String {
    let mut said: Vec<_> = refusals.iter().take(MOST_SAID).map(ToString::to_string).collect();
    if refusals.len() > MOST_SAID {
        said.push(format!("and {} more", refusals.len() - MOST_SAID));
    }
    said.join("; ")
}

/// Grants have ids that tell nobody anything.
fn asked_by(key: &FactKey) -> String {
    if key.kind == Kind::Collaborator { String::new() } else { format!("{key}: ") }
}

fn listed(keys: &[FactKey], more: bool) -> String {
    let mut listed: Vec<_> = keys.iter().map(ToString::to_string).collect();
    if more {
        listed.push("others".to_owned());
    }
    listed.join(", ")
}
