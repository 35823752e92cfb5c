//! Which external identities a token's subject is a member of: Cedar decides, by their assume policies.

use cedar_policy::{Context, Effect, EntityUid, Policy, Request};
use cedar_policy_core::authorizer::{AuthorizationError, Decision};
use serde::Serialize;

use super::Tags;
use crate::compile::{IdentityRecord, ProviderRecord};
use crate::mismatch::first_failure;
use crate::model::{EntityRef, ExternalIdentityName, MatchMode};
use crate::snapshot::{Asked, Candidates, Slice, Snapshot, Supplied, takes_part_in_assuming};
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

/// The external identities that count for a subject, sorted by name. The subject is made when one may match.
pub(super) fn members_of(
    snapshot: &Snapshot,
    provider: &ProviderRecord,
    subject: impl FnOnce() -> Supplied,
    tags: &Tags,
) -> Vec<ExternalIdentityName> {
    let tags = tags.iter().map(|(claim, values)| (claim.as_str(), values));
    let candidates: Vec<&IdentityRecord> = match snapshot.policies.written.assume.candidates(tags) {
        Candidates::All => provider.identities.iter().collect(),
        Candidates::These(identities) => {
            let mut places: Vec<usize> = identities
                .iter()
                .filter_map(|identity| snapshot.identity_place(identity))
                .filter(|(of, _)| snapshot.providers.get(*of).is_some_and(|other| std::ptr::eq(other, provider)))
                .map(|(_, place)| place)
                .collect();
            places.sort_unstable();
            places.iter().filter_map(|place| provider.identities.get(*place)).collect()
        }
    };
    if candidates.is_empty() {
        return Vec::new();
    }
    let subject = subject();
    let matching: Vec<_> = candidates.into_iter().filter(|identity| matches(snapshot, identity, &subject)).collect();
    counting(provider.provider.external_identities, &matching)
}

/// The same, with what became of each external identity of the provider.
pub(super) fn explain_members(
    snapshot: &Snapshot,
    provider: &ProviderRecord,
    subject: &Supplied,
    tags: &Tags,
) -> Vec<IdentityOutcome> {
    let counted = members_of(snapshot, provider, || subject.clone(), tags);
    provider
        .identities
        .iter()
        .map(|identity| {
            let matched = matches(snapshot, identity, subject);
            let failed = (!matched).then(|| why_not(snapshot, identity, subject)).flatten();
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

fn matches(snapshot: &Snapshot, identity: &IdentityRecord, subject: &Supplied) -> bool {
    let Some((request, slice)) = asked(snapshot, identity, subject) else { return false };
    let response = slice.is_authorized(&request);
    // A forbid that errors must not let anyone in.
    let forbid_failed = response.diagnostics.errors.iter().any(|error| {
        let AuthorizationError::PolicyEvaluationError { id, .. } = error;
        slice.policy(id).is_none_or(|policy| policy.effect() == Effect::Forbid)
    });
    response.decision == Decision::Allow && !forbid_failed
}

/// The question whether a subject is in an identity, with what it is decided over.
fn asked(snapshot: &Snapshot, identity: &IdentityRecord, subject: &Supplied) -> Option<(Request, Slice)> {
    let action = snapshot.schema.actions.named(vocabulary::ASSUME)?;
    let (principal, resource) = (subject.uid(), identity_uid(snapshot, identity)?);
    let asked = Asked {
        principal: &principal,
        action,
        resource: &resource,
        mentioned: &[],
        supplied: &[subject],
        also: &[],
        request: None,
    };
    let slice = Slice::cut(snapshot, &asked, takes_part_in_assuming).ok()?;
    let request = Request::new(principal, action.uid.clone(), resource, Context::empty(), None).ok()?;
    Some((request, slice))
}

fn identity_uid(snapshot: &Snapshot, identity: &IdentityRecord) -> Option<EntityUid> {
    snapshot.schema.types.uid_of(&EntityRef::new(vocabulary::EXTERNAL_IDENTITY, identity.name.as_str()))
}

fn why_not(snapshot: &Snapshot, identity: &IdentityRecord, subject: &Supplied) -> Option<String> {
    let own = snapshot.policies.written.assume.own_policy(&identity_uid(snapshot, identity)?)?;
    let (request, slice) = asked(snapshot, identity, subject)?;
    let policy = Policy::from(slice.policy(own.as_ref())?.clone());
    first_failure(&policy, &request, &slice.entities)
}
