//! Principals that verified tokens stand for: made once for a token and what a snapshot says of identities.
//!
//! Kept under everything that one is made of: the snapshot's identities, the provider that vouches for the token, and the digest of
//! the whole token.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::authn::{Lookups, TokenDigest, VerifiedToken};
use crate::principal::{Principal, PrincipalError, resolve};
use crate::snapshot::Snapshot;

/// Principals within so many bytes.
pub struct KnownPrincipals {
    principals: Option<Cache<Key, Arc<Principal>, BySize>>,
    pub lookups: Lookups,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Of the snapshot, and of those that say the same of whom tokens stand for.
    identity_serial: u64,
    /// The provider's place in the snapshot.
    provider: usize,
    digest: TokenDigest,
    token_bytes: usize,
}

#[derive(Clone, Copy)]
struct BySize;

impl Weighter<Key, Arc<Principal>> for BySize {
    fn weight(&self, key: &Key, _: &Arc<Principal>) -> u64 {
        (BYTES_AT_LEAST + key.token_bytes * BYTES_A_BYTE) as u64
    }
}

impl KnownPrincipals {
    /// Keeps within so many bytes; 0 keeps none.
    pub fn within(most_bytes: usize) -> Self {
        let cache = || Cache::with_weighter(most_bytes / TYPICAL_BYTES, most_bytes as u64, BySize);
        Self { principals: (most_bytes > 0).then(cache), lookups: Lookups::default() }
    }

    /// The principal of a token that verified.
    ///
    /// # Errors
    /// As [`resolve`].
    pub fn get_or_resolve(
        &self,
        snapshot: &Snapshot,
        token_bytes: usize,
        digest: TokenDigest,
        verified: &VerifiedToken,
    ) -> Result<Arc<Principal>, PrincipalError> {
        let provider = snapshot.identity_providers.iter().position(|provider| provider.name == verified.provider);
        let (Some(principals), Some(provider)) = (&self.principals, provider) else {
            return resolve(verified, snapshot).map(Arc::new);
        };
        let key = Key { identity_serial: snapshot.identity_serial, provider, digest, token_bytes };
        let known = principals.get(&key);
        self.lookups.count(known.is_some());
        if let Some(known) = known {
            return Ok(known);
        }
        let principal = Arc::new(resolve(verified, snapshot)?.to_be_kept());
        principals.insert(key, Arc::clone(&principal));
        Ok(principal)
    }

    /// How many principals are kept.
    pub fn len(&self) -> usize {
        self.principals.as_ref().map_or(0, Cache::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Claims as Cedar values take several times what they take as text.
const BYTES_A_BYTE: usize = 6;
const BYTES_AT_LEAST: usize = 2_000;
const TYPICAL_BYTES: usize = 8_000;
