//! A decision of the live tree, with all that it takes to make it again by another.

use std::sync::Arc;

use ulid::Ulid;

use crate::authn::{TokenDigest, VerifiedToken};
use crate::decide::{AccessQuery, Answer, Decision, Reason, ToldPolicy};
use crate::model::{Generation, IdentityProvider, Revision, TenantId};
use crate::principal::Principal;
use crate::snapshot::Snapshot;

/// One decision. It holds nothing of the snapshot that made it but what is shared anyway: a reload need not wait.
#[derive(Clone, Debug)]
pub struct Decided {
    pub tenant: TenantId,
    pub generation: Generation,
    pub revision: Revision,
    pub principal: Arc<Principal>,
    pub proof: Option<Proof>,
    /// What the token was verified against.
    pub providers: Arc<[IdentityProvider]>,
    pub query: AccessQuery,
    pub decision: Decision,
    pub reason: Reason,
    pub policies: Vec<Arc<ToldPolicy>>,
    pub decision_id: Ulid,
    pub request_id: Arc<str>,
}

/// A verified token.
#[derive(Clone, Debug)]
pub struct Proof {
    pub verified: Arc<VerifiedToken>,
    pub digest: TokenDigest,
    pub token_bytes: usize,
}

impl Decided {
    pub fn of(
        snapshot: &Snapshot,
        (principal, proof): (&Arc<Principal>, Option<&Proof>),
        query: &AccessQuery,
        answer: &Answer,
        (decision_id, request_id): (Ulid, &Arc<str>),
    ) -> Self {
        Self {
            tenant: snapshot.tenant.clone(),
            generation: snapshot.generation,
            revision: snapshot.revision,
            principal: Arc::clone(principal),
            proof: proof.cloned(),
            providers: Arc::clone(&snapshot.identity_providers),
            query: AccessQuery { explain: false, ..query.clone() },
            decision: answer.decision,
            reason: answer.reason,
            policies: answer.policies.clone(),
            decision_id,
            request_id: Arc::clone(request_id),
        }
    }
}
