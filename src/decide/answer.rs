//! The answer: Cedar's decision, with its reasons put into ids that a person can find in a file.

use std::sync::Arc;

use cedar_policy_core::authorizer::{self, AuthorizationError, Response};
use serde::{Deserialize, Serialize, Serializer};

use super::ForbidErrors;
use super::explain::Explanation;
use crate::snapshot::{Slice, Snapshot, ToldPolicy};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    Deny,
}

/// Why the decision is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// At least one permit matched, and no forbid.
    Permitted,
    /// A forbid matched.
    Forbidden,
    /// Nothing permits it.
    NotPermitted,
    /// A forbid could not be evaluated.
    PolicyError,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Forbidden => "forbidden",
            Self::NotPermitted => "not_permitted",
            Self::PolicyError => "policy_error",
        }
    }
}

impl Decision {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub decision: Decision,
    pub reason: Reason,
    /// The determining policies, sorted by id.
    #[serde(serialize_with = "each")]
    pub policies: Vec<Arc<ToldPolicy>>,
    /// Every policy that could not be evaluated, sorted by id.
    pub errors: Vec<EvaluationError>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
    /// What it took, for those who measure.
    #[serde(skip)]
    pub work: Work,
}

fn each<S: Serializer>(policies: &[Arc<ToldPolicy>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(policies.iter().map(Arc::as_ref))
}

/// What a decision took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Policies that Cedar evaluated.
    pub policies: usize,
    /// Entities that it could look at.
    pub entities: usize,
    /// Whether they were kept from an earlier request.
    pub is_kept: bool,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationError {
    pub id: String,
    pub effect: &'static str,
    pub source: String,
    pub message: String,
}

/// Cedar's response as an answer.
pub(super) fn from_response(
    snapshot: &Snapshot,
    slice: &Slice,
    response: &Response,
    forbid_errors: ForbidErrors,
) -> Answer {
    let mut policies: Vec<_> = response.diagnostics.reason.iter().filter_map(|id| slice.told(snapshot, id)).collect();
    policies.sort_by(|left, right| left.id.cmp(&right.id));
    let mut errors: Vec<_> = response.diagnostics.errors.iter().map(|error| failed(snapshot, slice, error)).collect();
    errors.sort_by(|left, right| left.id.cmp(&right.id));
    let forbid_failed = errors.iter().any(|error| error.effect == FORBID);
    let (decision, reason) = match response.decision {
        authorizer::Decision::Deny if !policies.is_empty() => (Decision::Deny, Reason::Forbidden),
        // INVARIANT: an allow never stands over a forbid that nobody could evaluate.
        _ if forbid_failed && forbid_errors == ForbidErrors::Deny => (Decision::Deny, Reason::PolicyError),
        authorizer::Decision::Allow => (Decision::Allow, Reason::Permitted),
        authorizer::Decision::Deny => (Decision::Deny, Reason::NotPermitted),
    };
    if reason == Reason::PolicyError {
        // The permits that matched did not determine this.
        policies.clear();
    }
    Answer { decision, reason, policies, errors, explanation: None, work: Work::default() }
}

fn failed(snapshot: &Snapshot, slice: &Slice, error: &AuthorizationError) -> EvaluationError {
    let AuthorizationError::PolicyEvaluationError { id, error } = error;
    let told = slice.told(snapshot, id);
    EvaluationError {
        id: AsRef::<str>::as_ref(id).to_owned(),
        // INVARIANT: a policy that is not found counts as a forbid: fail closed.
        effect: told.as_ref().map_or(FORBID, |told| told.effect),
        source: told.map(|told| told.source.clone()).unwrap_or_default(),
        message: crate::tree::one_line(error),
    }
}

const FORBID: &str = "forbid";
