//! Answers that changed in the same way, counted together, with one of them as an example.

use serde::Serialize;

use crate::decide::{Answer, Change, Reason};

/// What such answers have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Kind {
    pub change: Change,
    pub tenant: String,
    pub action: String,
    pub principal_type: String,
    pub resource_type: String,
    /// The determining policies, by id.
    pub policies_before: Vec<String>,
    pub policies_now: Vec<String>,
}

/// Answers that changed in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    #[serde(flatten)]
    pub kind: Kind,
    pub count: u64,
    /// The first in the log.
    pub example: Example,
}

/// One answer that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    pub file: String,
    pub line: u64,
    pub time: String,
    pub decision_id: String,
    pub principal: String,
    pub resource: String,
    pub before: Side,
    pub now: Side,
}

/// A reason and the determining policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    pub reason: Reason,
    pub policies: Vec<Placed>,
}

/// A policy, and where it stands in the tree, if it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Side {
    /// Today's.
    pub(super) fn of(answer: &Answer) -> Self {
        let placed = answer.policies.iter().map(|policy| Placed {
            id: policy.id.clone(),
            source: Some(policy.source.clone()).filter(|source| !source.is_empty()),
        });
        Self { reason: answer.reason, policies: placed.collect() }
    }
}
