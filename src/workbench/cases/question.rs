//! What a suite asks: its cases, tables and lists as questions that can be put to the decider.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::Entity;

use super::people::Who;
use super::shape::At;
use crate::decide::{AccessQuery, Decision, Reason};

/// Some checks that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    pub kind: GroupKind,
    /// Of a table or a list.
    pub name: Option<String>,
    pub checks: Vec<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    Cases,
    Matrix,
    List,
}

/// What passes or fails as one.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    pub at: At,
    pub why: Option<String>,
    pub asks: Asks,
}

#[derive(Clone, Debug)]
pub enum Asks {
    /// One question, what its answer must be.
    One(Box<Question>, Expected),
    /// One question for each there is; and of which the answer must be allow.
    Only(Vec<Candidate>),
}

/// One who, or one thing that, may be on a list.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub label: String,
    pub is_listed: bool,
    pub question: Question,
}

/// A question, ready to be decided.
#[derive(Clone, Debug)]
pub struct Question {
    /// How the suite calls who asks.
    pub called: String,
    pub who: Who,
    pub query: AccessQuery,
    /// Where its context is written.
    pub context_at: At,
    pub entities: Arc<[Entity]>,
}

/// What an answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub decision: Option<Decision>,
    pub reason: Option<Reason>,
    pub policies: Option<Policies>,
    pub external_identities: Option<BTreeSet<String>>,
    pub errors: Option<Errors>,
    pub refused: Option<String>,
}

/// The ids of determining policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policies {
    Exactly(BTreeSet<String>),
    AtLeast(BTreeSet<String>),
}

/// Policies that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errors {
    Exactly(BTreeSet<String>),
    /// So many.
    Count(usize),
}

impl Expected {
    pub fn decision(decision: Decision) -> Self {
        Self { decision: Some(decision), ..Self::default() }
    }
}
