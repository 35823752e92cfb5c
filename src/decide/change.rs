//! Two answers to one question, of two trees or of two times: what is different.

use serde::Serialize;

use super::{Answer, Decision, Reason};

/// How an answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    NewlyAllowed,
    NewlyDenied,
    /// The same decision, for another reason or by other policies.
    OtherReason,
}

impl Change {
    /// `None` when the answer is as it was. Policies are compared by id, in order.
    pub fn between(before: Decision, reason: Reason, policies: &[impl AsRef<str>], now: &Answer) -> Option<Self> {
        match (before, now.decision) {
            (Decision::Deny, Decision::Allow) => Some(Self::NewlyAllowed),
            (Decision::Allow, Decision::Deny) => Some(Self::NewlyDenied),
            (Decision::Allow, Decision::Allow) | (Decision::Deny, Decision::Deny) => {
                let ids = policies.iter().map(AsRef::as_ref);
                let is_same = reason == now.reason && ids.eq(now.policies.iter().map(|policy| policy.id.as_str()));
                (!is_same).then_some(Self::OtherReason)
            }
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewlyAllowed => "newly_allowed",
            Self::NewlyDenied => "newly_denied",
            Self::OtherReason => "other_reason",
        }
    }
}
