//! A verified token becomes a Cedar principal: who it is, its claims as attributes and tags, its parents.
//!
//! In: a `VerifiedToken` and a snapshot (mappings, users, assume policies). Out: a `Principal`. No I/O. Only what
//! the token proves and the directory knows goes in; nothing of a request ever does.

mod again;
mod identities;
mod longest;
mod resolve;
mod tags;
mod typed;

pub use again::{Remembered, resolve_again};
pub use identities::IdentityOutcome;
pub use longest::LongestText;
pub use resolve::{PrincipalError, resolve, resolve_explained};
pub use tags::{Tags, tags};

use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::EntityUid;
use serde::Serialize;

use crate::snapshot::{PrincipalKey, Supplied};

/// Who a request is about.
#[derive(Clone, Debug)]
pub struct Principal {
    pub uid: EntityUid,
    /// The entity as built from the token; without one, the directory's own entity stands, if it has one.
    pub entity: Option<Supplied>,
    /// The external identities that the token's subject is a member of.
    pub external_identities: Vec<String>,
    /// Claims that no attribute or tag could be made of.
    pub dropped: Vec<DroppedClaim>,
    /// What slices of it can be kept under; `None` for one that is built for a single question.
    pub key: Option<PrincipalKey>,
    /// Of what the token says.
    pub longest_text: LongestText,
}

impl Principal {
    /// A principal that a trusted caller names: exactly what the directory knows of it.
    pub fn named(uid: EntityUid) -> Self {
        let key = Some(PrincipalKey::Known(uid.clone()));
        Self {
            uid,
            entity: None,
            external_identities: Vec::new(),
            dropped: Vec::new(),
            key,
            longest_text: LongestText::default(),
        }
    }

    /// Gives a principal that will be asked about again a number of its own.
    #[must_use]
    pub fn to_be_kept(mut self) -> Self {
        static BUILT: AtomicU64 = AtomicU64::new(0);
        if self.entity.is_some() {
            self.key = Some(PrincipalKey::Built(BUILT.fetch_add(1, Ordering::Relaxed)));
        }
        self
    }
}

/// A claim, or a part of one, that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DroppedClaim {
    pub claim: String,
    pub reason: String,
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
