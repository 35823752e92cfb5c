//! The answer: Cedar's decision, with its reasons put into ids that a person can find in a file.

use std::collections::BTreeMap;

use cedar_policy::{AuthorizationError, Effect, PolicyId, Response};
use cedar_policy_core::ast;
use serde::{Deserialize, Serialize};

use super::ForbidErrors;
use super::explain::Explanation;
use crate::snapshot::{PolicySource, Slice, Snapshot, exact};

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
    pub policies: Vec<DeterminingPolicy>,
    /// Every policy that could not be evaluated, sorted by id.
    pub errors: Vec<EvaluationError>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
    /// What it took, for those who measure.
    #[serde(skip)]
    pub work: Work,
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

/// A policy that made the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeterminingPolicy {
    pub id: String,
    pub effect: &'static str,
    /// `file:line`
    pub source: String,
    pub annotations: BTreeMap<String, String>,
    /// A grant's role and subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
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
    let mut policies: Vec<_> =
        response.diagnostics().reason().filter_map(|id| determining(snapshot, slice, id)).collect();
    policies.sort_by(|left, right| left.id.cmp(&right.id));
    let mut errors: Vec<_> = response.diagnostics().errors().map(|error| failed(snapshot, slice, error)).collect();
    errors.sort_by(|left, right| left.id.cmp(&right.id));
    let forbid_failed = errors.iter().any(|error| error.effect == FORBID);
    let (decision, reason) = match response.decision() {
        cedar_policy::Decision::Deny if !policies.is_empty() => (Decision::Deny, Reason::Forbidden),
        // INVARIANT: an allow never stands over a forbid that nobody could evaluate.
        _ if forbid_failed && forbid_errors == ForbidErrors::Deny => (Decision::Deny, Reason::PolicyError),
        cedar_policy::Decision::Allow => (Decision::Allow, Reason::Permitted),
        cedar_policy::Decision::Deny => (Decision::Deny, Reason::NotPermitted),
    };
    if reason == Reason::PolicyError {
        // The permits that matched did not determine this.
        policies.clear();
    }
    Answer { decision, reason, policies, errors, explanation: None, work: Work::default() }
}

fn determining(snapshot: &Snapshot, slice: &Slice, id: &PolicyId) -> Option<DeterminingPolicy> {
    let policy = slice.policy(id)?;
    let source = source(snapshot, slice, id);
    let annotations = policy.annotations().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let annotations = annotations.filter(|(name, _): &(&str, &str)| *name != "id");
    Some(DeterminingPolicy {
        id: exact(id).to_owned(),
        effect: effect(policy.effect()),
        source: source.as_ref().map(ToString::to_string).unwrap_or_default(),
        annotations: annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        role: source.as_ref().and_then(|source| source.role.clone()),
        subject: source.and_then(|source| source.subject),
    })
}

fn source(snapshot: &Snapshot, slice: &Slice, id: &PolicyId) -> Option<PolicySource> {
    snapshot.policies.source(slice.number(id)?)
}

fn failed(snapshot: &Snapshot, slice: &Slice, error: &AuthorizationError) -> EvaluationError {
    let AuthorizationError::PolicyEvaluationError(error) = error;
    let id = error.policy_id();
    // INVARIANT: a policy that is not found counts as a forbid: fail closed.
    let found = slice.policy(id).map_or(Effect::Forbid, ast::Policy::effect);
    EvaluationError {
        id: exact(id).to_owned(),
        effect: effect(found),
        source: source(snapshot, slice, id).map(|source| source.to_string()).unwrap_or_default(),
        message: crate::tree::one_line(error.inner()),
    }
}

pub(super) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Forbid => FORBID,
    }
}

const FORBID: &str = "forbid";
