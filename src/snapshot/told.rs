//! What an answer tells of a policy: ids and places that a person can find in a file.

use std::collections::BTreeMap;
use std::ops::Deref;

use cedar_policy::{Effect, PolicyId};
use cedar_policy_core::ast;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::Snapshot;
use super::policies::PolicyNumber;

/// A policy that made a decision.
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

/// The same, put into JSON once for all answers.
#[derive(Clone, Debug)]
pub struct ToldPolicy {
    policy: DeterminingPolicy,
    json: Box<RawValue>,
}

impl From<DeterminingPolicy> for ToldPolicy {
    fn from(policy: DeterminingPolicy) -> Self {
        // Texts alone are always JSON.
        let json = to_raw_value(&policy).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { policy, json }
    }
}

impl Deref for ToldPolicy {
    type Target = DeterminingPolicy;

    fn deref(&self) -> &DeterminingPolicy {
        &self.policy
    }
}

impl PartialEq for ToldPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy
    }
}

impl Eq for ToldPolicy {}

impl Serialize for ToldPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl DeterminingPolicy {
    pub(super) fn of(policy: &ast::Policy, number: PolicyNumber, snapshot: &Snapshot) -> Self {
        let policies = &snapshot.policies;
        let id = PolicyId::new(policy.id());
        let source = policies.source(number).map(|source| policies.told_source(&id, source));
        let annotations = policy.annotations().filter(|(name, _)| name.as_ref() != "id");
        let text = |(name, value): (&ast::AnyId, &ast::Annotation)| {
            let value: &str = value.as_ref();
            (name.to_string(), value.to_owned())
        };
        Self {
            id: AsRef::<str>::as_ref(policy.id()).to_owned(),
            effect: effect(policy.effect()),
            source: source.as_ref().map(|source| snapshot.told_source(source)).unwrap_or_default(),
            annotations: annotations.map(text).collect(),
            role: source.as_ref().and_then(|source| source.role.clone()),
            subject: source.and_then(|source| source.subject),
        }
    }
}

/// An effect, as policies write it.
pub fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}
