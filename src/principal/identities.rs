//! Which external identities a token's subject is a member of: Cedar decides, by their assume policies.

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, Policy, PolicySet, Request, ResourceConstraint,
};
use serde::Serialize;

use crate::compile::{IdentityRecord, ProviderRecord};
use crate::mismatch::first_failure;
use crate::model::{EntityRef, ExternalIdentityName, MatchMode};
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// Whether an external identity matched, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentityOutcome {
    pub name: String,
    pub matched: bool,
    /// Matched, but a more specific one counts instead.
    pub outranked: bool,
    /// The first condition that did not hold.
    pub failed: Option<String>,
}

/// The external identities that count for a subject, sorted by name.
pub(super) fn members_of(
    snapshot: &Snapshot,
    provider: &ProviderRecord,
    subject: &EntityUid,
    entities: &Entities,
) -> Vec<ExternalIdentityName> {
    let matching: Vec<_> =
        provider.identities.iter().filter(|identity| matches(snapshot, identity, subject, entities)).collect();
    counting(provider.provider.external_identities, &matching)
}

/// The same, with what became of each external identity of the provider.
pub(super) fn explain_members(
    snapshot: &Snapshot,
    provider: &ProviderRecord,
    subject: &EntityUid,
    entities: &Entities,
) -> Vec<IdentityOutcome> {
    let counted = members_of(snapshot, provider, subject, entities);
    provider
        .identities
        .iter()
        .map(|identity| {
            let matched = matches(snapshot, identity, subject, entities);
            let failed = (!matched).then(|| why_not(snapshot, identity, subject, entities)).flatten();
            let outranked = matched && !counted.contains(&identity.name);
            IdentityOutcome { name: identity.name.to_string(), matched, outranked, failed }
        })
        .collect()
}

/// With most-specific, only those with the most conditions count; ties all count.
fn counting(mode: MatchMode, matching: &[&IdentityRecord]) -> Vec<ExternalIdentityName> {
    let most = matching.iter().map(|identity| identity.conditions).max().unwrap_or(0);
    matching
        .iter()
        .filter(|identity| mode == MatchMode::All || identity.conditions == most)
        .map(|identity| identity.name.clone())
        .collect()
}

fn matches(snapshot: &Snapshot, identity: &IdentityRecord, subject: &EntityUid, entities: &Entities) -> bool {
    let (Some(request), Some(uid)) = (assume_request(identity, subject), identity_uid(identity)) else {
        return false;
    };
    let policies = snapshot.policies.assume.about(&uid);
    let response = Authorizer::new().is_authorized(&request, policies, entities);
    // A forbid that errors must not let anyone in.
    let forbid_failed = response.diagnostics().errors().any(|error| {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        is_forbid(policies, error.policy_id())
    });
    response.decision() == Decision::Allow && !forbid_failed
}

fn is_forbid(policies: &PolicySet, id: &cedar_policy::PolicyId) -> bool {
    policies.policy(id).is_some_and(|policy| policy.effect() == cedar_policy::Effect::Forbid)
}

fn assume_request(identity: &IdentityRecord, subject: &EntityUid) -> Option<Request> {
    let action = vocabulary::uid(&EntityRef::new(vocabulary::ACTION, vocabulary::ASSUME)).ok()?;
    let resource = identity_uid(identity)?;
    Request::new(subject.clone(), action, resource, Context::empty(), None).ok()
}

pub(super) fn identity_uid(identity: &IdentityRecord) -> Option<EntityUid> {
    vocabulary::uid(&EntityRef::new(vocabulary::EXTERNAL_IDENTITY, identity.name.as_str())).ok()
}

fn why_not(snapshot: &Snapshot, identity: &IdentityRecord, subject: &EntityUid, entities: &Entities) -> Option<String> {
    let uid = identity_uid(identity)?;
    let request = assume_request(identity, subject)?;
    let is_its_own = |policy: &&Policy| policy.resource_constraint() == ResourceConstraint::Eq(uid.clone());
    let policy = snapshot.policies.assume.about(&uid).policies().find(is_its_own)?;
    first_failure(policy, &request, entities)
}
