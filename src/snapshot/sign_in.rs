//! What a snapshot knows of sign-ins besides providers: tokens of our own by their hashes, and who is switched off.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cedar_policy::EntityUid;

use super::{EntityStore, Snapshot};
use crate::compile::TokenRecord;
use crate::digest::read_hex;
use crate::model::{Email, EntityRef, Fault, Faults, TokenId};
use crate::schema::LoadedSchema;
use crate::vocabulary::{self, USER};

/// Who signs in how.
#[derive(Debug, Default)]
pub struct SignIns {
    tokens: HashMap<[u8; 32], OwnToken>,
    deactivated: BTreeSet<Email>,
}

/// A token of our own.
#[derive(Clone, Debug)]
pub struct OwnToken {
    pub id: TokenId,
    pub owner: EntityUid,
    /// Seconds since the epoch.
    pub expires_at: Option<i64>,
    /// The same in all snapshots that have the token.
    pub last_use: Arc<LastUse>,
}

/// When a token was last used, in seconds since the epoch; 0 is never.
#[derive(Debug, Default)]
pub struct LastUse(AtomicI64);

impl LastUse {
    pub fn note(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }

    pub fn at(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }
}

impl SignIns {
    pub(super) fn of(
        tokens: Vec<TokenRecord>,
        deactivated: BTreeSet<Email>,
        schema: &LoadedSchema,
        before: Option<&Snapshot>,
    ) -> Self {
        let known = before.map(|before| &before.sign_ins.tokens);
        let token = |record: TokenRecord| {
            let TokenRecord { id, hash, owner, expires_at } = record;
            let digest = read_hex(&hash)?;
            let last_use = known.and_then(|known| known.get(&digest)).map(|known| Arc::clone(&known.last_use));
            let owner = schema.types.uid_of(&owner)?;
            Some((digest, OwnToken { id, owner, expires_at, last_use: last_use.unwrap_or_default() }))
        };
        Self { tokens: tokens.into_iter().filter_map(token).collect(), deactivated }
    }

    /// The token of ours with this SHA-256. How long it takes to find says nothing of the text.
    pub fn token(&self, digest: &[u8; 32]) -> Option<&OwnToken> {
        self.tokens.get(digest)
    }

    pub fn tokens(&self) -> impl Iterator<Item = &OwnToken> {
        self.tokens.values()
    }

    pub fn is_deactivated(&self, email: &Email) -> bool {
        self.deactivated.contains(email)
    }

    pub(super) fn deactivates_as(&self, other: &Self) -> bool {
        self.deactivated == other.deactivated
    }

    /// A user who is switched off must not come back by an entity file.
    pub(super) fn check_deactivated(&self, entities: &EntityStore, faults: &mut Faults) {
        for email in &self.deactivated {
            let uid = vocabulary::uid(&EntityRef::new(USER, email.as_str())).ok();
            // No address in the message: faults are shown to whoever may look at `/status`.
            if let Some(place) = uid.and_then(|uid| entities.place(&uid)) {
                faults.push(Fault::of_file(place, "the directory deactivates this user: remove the entity"));
            }
        }
    }
}
