//! Questions whose answer is deny before any policy is looked at: one that nobody of the principal's type can ask, and
//! one that holds a text too long to be matched in time.

use serde_json::{Map, Value};

use super::query::AccessQuery;
use super::{Answer, Decision, EvaluationError, Reason, Work};
use crate::principal::Principal;
use crate::schema::ActionFacts;

/// Why no policy is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The schema gives the action to other types of principals.
    NotForThem,
    TooLong(EvaluationError),
}

impl Settled {
    /// Whether a question that fits the schema is settled.
    pub fn of(principal: &Principal, action: &ActionFacts, query: &AccessQuery, most_bytes: usize) -> Option<Self> {
        if !action.applies_to_principal(principal.uid.type_name()) {
            return Some(Self::NotForThem);
        }
        let own = &principal.longest_text;
        let own =
            (own.bytes > most_bytes).then(|| Found { path: format!("principal: {}", own.name), bytes: own.bytes });
        own.or_else(|| too_long(query, most_bytes)).map(|found| Self::TooLong(found.error(most_bytes)))
    }

    pub fn answer(&self) -> Answer {
        let (reason, errors) = match self {
            Self::NotForThem => (Reason::NotPermitted, Vec::new()),
            Self::TooLong(error) => (Reason::PolicyError, vec![error.clone()]),
        };
        Answer {
            decision: Decision::Deny,
            reason,
            policies: Vec::new(),
            errors,
            explanation: None,
            work: Work::default(),
        }
    }
}

/// A text of a question, and where it is.
struct Found {
    path: String,
    bytes: usize,
}

impl Found {
    fn error(&self, most_bytes: usize) -> EvaluationError {
        EvaluationError {
            id: BOUND.to_owned(),
            // INVARIANT: what cannot be looked at counts as forbidden: fail closed.
            effect: "forbid",
            source: String::new(),
            message: format!(
                "`{}` is a text of {} bytes, and policies look at no text longer than {most_bytes}: shorten it, or raise `{BOUND}`",
                self.path, self.bytes
            ),
        }
    }
}

/// The first text of a question's context or of what it says of the resource that is longer than this.
fn too_long(query: &AccessQuery, most_bytes: usize) -> Option<Found> {
    let context = || find_in(query.context.as_ref()?, most_bytes).map(|found| found.below("context"));
    let described = || find_in_members(&query.resource.attributes, most_bytes);
    context().or_else(|| described().map(|found| found.below("resource.attributes")))
}

impl Found {
    fn below(self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{name}{dot}{}", self.path), ..self }
    }
}

fn find_in(value: &Value, most_bytes: usize) -> Option<Found> {
    match value {
        Value::String(text) => (text.len() > most_bytes).then(|| Found { path: String::new(), bytes: text.len() }),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .find_map(|(index, element)| find_in(element, most_bytes).map(|found| found.below(&format!("[{index}]")))),
        Value::Object(members) => find_in_members(members, most_bytes),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn find_in_members(members: &Map<String, Value>, most_bytes: usize) -> Option<Found> {
    members.iter().find_map(|(name, value)| find_in(value, most_bytes).map(|found| found.below(name)))
}

/// The setting that bounds texts, by which the error is called too.
pub(super) const BOUND: &str = "decisions.max_string_bytes";
