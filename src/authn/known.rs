//! Tokens that were verified a moment ago: not verified again, but never longer good than verifying would say.
//!
//! A token is known by the digest of all of it. What is known of it holds while its providers are configured as they
//! were, no key set was fetched anew or grew too old, and its times hold: those are looked at every time. So
//! verifying and remembering always agree. Only tokens that verified are remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::claims::NumericDate;
use super::verify::VerifiedToken;
use crate::digest::sha256;
use crate::model::IdentityProvider;

/// The SHA-256 of a whole token.
pub type TokenDigest = [u8; 32];

/// What a token is known by.
pub fn digest_of(token: &str) -> TokenDigest {
    sha256(token.as_bytes())
}

/// A token that verified, and what that rests on.
pub(super) struct KnownToken {
    pub verified: Arc<VerifiedToken>,
    /// `exp` and `nbf`.
    pub expires: NumericDate,
    pub starts: Option<NumericDate>,
    /// As they were configured.
    pub providers: Arc<[IdentityProvider]>,
    /// How often keys had changed by then.
    pub key_changes: u64,
    pub token_bytes: usize,
}

/// Tokens within so many bytes.
pub struct KnownTokens {
    tokens: Option<Cache<TokenDigest, Arc<KnownToken>, BySize>>,
    pub lookups: Lookups,
}

/// How often something was looked for, and found.
#[derive(Debug, Default)]
pub struct Lookups {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
}

impl Lookups {
    pub fn count(&self, was_found: bool) {
        let counter = if was_found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy)]
struct BySize;

impl Weighter<TokenDigest, Arc<KnownToken>> for BySize {
    fn weight(&self, _: &TokenDigest, known: &Arc<KnownToken>) -> u64 {
        (BYTES_AT_LEAST + known.token_bytes * BYTES_A_BYTE) as u64
    }
}

impl KnownTokens {
    /// Remembers within so many bytes; 0 remembers nothing.
    pub fn within(most_bytes: usize) -> Self {
        let cache = || Cache::with_weighter(most_bytes / TYPICAL_BYTES, most_bytes as u64, BySize);
        Self { tokens: (most_bytes > 0).then(cache), lookups: Lookups::default() }
    }

    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Arc<KnownToken>> {
        self.tokens.as_ref()?.get(digest)
    }

    pub(super) fn remember(&self, digest: TokenDigest, known: KnownToken) {
        if let Some(tokens) = &self.tokens {
            tokens.insert(digest, Arc::new(known));
        }
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.tokens.as_ref().map_or(0, Cache::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Claims as values take several times what they take as text.
const BYTES_A_BYTE: usize = 4;
const BYTES_AT_LEAST: usize = 500;
const TYPICAL_BYTES: usize = 4_000;
