//! The chain over a tenant's revisions: a revision in, the digest of all that led to it out.
//!
//! A revision's number says nothing of its history: after a backup was put back the same numbers are given out again.
//! The chain begins with random bytes at each life of a tenant, so no two histories ever have one in common.

use aws_lc_rs::rand;
use chrono::SecondsFormat;

use super::document::document_of;
use super::store::{Author, Changes, StoreError};
use crate::digest::Digester;
use crate::model::{Chain, Revision, TenantId};

/// What a revision does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Makes the tenant: its chain begins.
    Made,
    /// Changes facts; with the digest of these changes.
    Changed([u8; 32]),
    /// Ends the tenant.
    Ended,
}

impl Step {
    /// The step that some changes are.
    pub fn of(changes: &Changes) -> Result<Self, StoreError> {
        let mut digester = Digester::default();
        for (key, fact) in changes {
            let value = fact.as_ref().map(|fact| serde_json::to_string(&document_of(fact))).transpose();
            let value = value.map_err(|error| StoreError::Damaged(error.to_string()))?;
            digester.add(key.kind.name());
            digester.add(&key.id);
            digester.add(if value.is_some() { "put" } else { "taken" });
            digester.add(value.unwrap_or_default());
        }
        Ok(Self::Changed(digester.finish().0))
    }
}

/// The chain at a revision; `before` is the last one of the same life, if it has one.
pub(super) fn link(
    before: Option<&[u8]>,
    tenant: &TenantId,
    revision: Revision,
    step: Step,
    author: &Author,
) -> Result<Chain, StoreError> {
    let mut digester = Digester::default();
    match before.filter(|_| !matches!(step, Step::Made)) {
        Some(before) => digester.add(before),
        None => digester.add(seed()?),
    }
    digester.add(tenant.as_str());
    digester.add(revision.0.to_be_bytes());
    match step {
        Step::Made => digester.add("made"),
        Step::Ended => digester.add("ended"),
        Step::Changed(digest) => digester.add(digest),
    }
    digester.add(&author.actor);
    digester.add(author.at.to_rfc3339_opts(SecondsFormat::Micros, true));
    Ok(Chain(digester.finish().0))
}

/// Where a chain begins.
fn seed() -> Result<[u8; 16], StoreError> {
    let mut seed = [0; 16];
    rand::fill(&mut seed).map_err(|_| StoreError::Database("the system gives no random numbers".into()))?;
    Ok(seed)
}
