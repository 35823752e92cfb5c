//! Whether one of a provider's keys signed a token.
//!
//! In: an unverified token, one provider's rules and its keys. Out: the key that verifies it, or the refusal. A
//! token that names a key is checked with keys of that name only, so another provider's `kid` never matches.

use super::error::{VerifyError, shown};
use crate::authn::jwks::{KeySet, VerifyingKey};
use crate::authn::token::UnverifiedToken;
use crate::model::{IdentityProvider, SigningAlgorithm};

/// Whether the provider takes tokens signed like this.
pub fn allowed(algorithm: SigningAlgorithm, provider: &IdentityProvider) -> Result<(), VerifyError> {
    if provider.algorithms.is_empty() || provider.algorithms.contains(&algorithm) {
        return Ok(());
    }
    Err(VerifyError::AlgorithmNotAllowed { provider: provider.name.clone(), algorithm })
}

/// The keys to try, at least one.
pub fn candidates<'k>(
    keys: &'k KeySet,
    key_id: Option<&str>,
    algorithm: SigningAlgorithm,
    provider: &IdentityProvider,
) -> Result<Vec<&'k VerifyingKey>, VerifyError> {
    let candidates: Vec<_> = keys.candidates(key_id, algorithm).take(MAX_KEYS_TRIED).collect();
    match (candidates.is_empty(), key_id) {
        (false, _) => Ok(candidates),
        (true, Some(key_id)) if keys.knows(key_id) => {
            Err(VerifyError::KeyAlgorithm { provider: provider.name.clone(), key_id: shown(key_id), algorithm })
        }
        (true, key_id) => Err(VerifyError::UnknownKey { provider: provider.name.clone(), key_id: key_id.map(shown) }),
    }
}

/// The key whose signature the token bears.
pub fn signer<'k>(
    candidates: &[&'k VerifyingKey],
    token: &UnverifiedToken<'_>,
    algorithm: SigningAlgorithm,
    provider: &IdentityProvider,
) -> Result<&'k VerifyingKey, VerifyError> {
    let signer = candidates.iter().find(|key| key.verifies(token.signed.as_bytes(), token.signature, algorithm));
    signer.copied().ok_or_else(|| VerifyError::Signature {
        provider: provider.name.clone(),
        key_id: token.header.key_id.as_deref().map(shown),
    })
}

/// Signatures tried for one token.
const MAX_KEYS_TRIED: usize = 16;
