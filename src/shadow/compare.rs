//! A decision in, what the candidate makes of it out, counted.

use std::sync::Arc;

use super::{Decided, Proof};
use crate::ask::KnownPrincipals;
use crate::authn::{Verifier, VerifyError};
use crate::decide::{Answer, Change, Decider, QueryError};
use crate::model::IdentityProvider;
use crate::principal::{Principal, PrincipalError};
use crate::snapshot::Snapshot;
use crate::telemetry::ShadowMetrics;

/// What comparing takes.
pub struct Comparing {
    pub decider: Decider,
    pub verifier: Verifier,
    /// As the candidate resolves them.
    pub principals: KnownPrincipals,
    pub metrics: ShadowMetrics,
}

/// What the candidate made otherwise.
#[derive(Debug)]
pub(super) enum Compared {
    Changed(Change, Answer),
    /// It would not have decided.
    Refused(Refusal),
}

/// Why the candidate would not have decided.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Token(#[from] VerifyError),
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl Refusal {
    /// Names the kind: the sentence may tell who asked.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Token(error) => error.slug(),
            Self::Principal(PrincipalError::ProviderGone(_)) => "provider-gone",
            Self::Principal(PrincipalError::Deactivated) => "user-deactivated",
            Self::Principal(PrincipalError::NoSuchType(_)) => "principal-invalid",
            Self::Query(error) => error.slug(),
        }
    }
}

impl Comparing {
    /// What is different, if anything is.
    pub(super) fn compare(&self, decided: &Decided, candidate: &Snapshot) -> Option<Compared> {
        let tenant = decided.tenant.as_str();
        if candidate.is_of_kept_bundle() && candidate.revision != decided.revision {
            // One directory serves both, and the candidate has not read this revision yet, or is ahead: what differs
            // would be the directory's doing.
            self.metrics.dropped(tenant, "other_revision");
            return None;
        }
        match self.decide(decided, candidate) {
            Err(refusal) => {
                self.metrics.compared(tenant, "error");
                Some(Compared::Refused(refusal))
            }
            Ok(answer) => {
                let ids: Vec<&str> = decided.policies.iter().map(|policy| policy.id.as_str()).collect();
                let change = Change::between(decided.decision, decided.reason, &ids, &answer);
                self.metrics.compared(tenant, change.map_or("same", Change::as_str));
                change.map(|change| Compared::Changed(change, answer))
            }
        }
    }

    fn decide(&self, decided: &Decided, candidate: &Snapshot) -> Result<Answer, Refusal> {
        let principal = match &decided.proof {
            Some(proof) => self.resolve(proof, &decided.providers, candidate)?,
            // Named, or known by a token of our own: exactly what the candidate's directory has.
            None => Arc::clone(&decided.principal),
        };
        Ok(self.decider.decide(candidate, &principal, &decided.query)?)
    }

    fn resolve(
        &self,
        proof: &Proof,
        live: &[IdentityProvider],
        candidate: &Snapshot,
    ) -> Result<Arc<Principal>, Refusal> {
        let verified = proof.verified.as_ref();
        let of = |providers: &'_ [IdentityProvider]| providers.iter().position(|one| one.name == verified.provider);
        let (was, now) = (
            of(live).and_then(|place| live.get(place)),
            of(&candidate.identity_providers).and_then(|place| candidate.identity_providers.get(place)),
        );
        let now = now.ok_or_else(|| PrincipalError::ProviderGone(verified.provider.to_string()))?;
        let (digest, token_bytes) = (proof.digest, proof.token_bytes);
        if was == Some(now) {
            return Ok(self.principals.get_or_resolve(candidate, token_bytes, digest, verified)?);
        }
        let taken = self.verifier.taken_by(verified, now)?;
        Ok(self.principals.get_or_resolve(candidate, token_bytes, digest, &taken)?)
    }
}
