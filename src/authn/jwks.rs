//! A provider's published keys: a JWK set in, the keys that may verify tokens out.
//!
//! A key that we cannot or must not use (encryption, symmetric, too small, of an unknown type, broken) is skipped
//! with its reason, and never spoils those beside it. Members we do not know are ignored, as RFC 7517 §4 asks.
//! A set without one usable key is an error, so it never replaces a good one.

mod key;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::model::SigningAlgorithm;
pub use key::{SkippedKey, VerifyingKey};

/// Keys of one set that are used; more are left out.
pub const MAX_KEYS: usize = 100;

/// Why a document is not a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("the key set is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the key set has no `keys` of type array")]
    NoKeys,
    #[error("the key set has no usable key: {}", .skipped.join("; "))]
    NoUsableKey { skipped: Vec<String> },
}

/// The usable keys of one provider; never empty.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<String>,
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When it is not one, or holds no key that may verify a token.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(json)
            .map_err(|error| KeySetError::NotJson { line: error.line(), column: error.column() })?;
        let published = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeys)?;
        let mut set = Self { keys: Vec::new(), skipped: Vec::new() };
        for (position, jwk) in published.iter().take(MAX_KEYS).enumerate() {
            match VerifyingKey::from_jwk(jwk) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.skipped.push(format!("{}: {reason}", label(position, jwk))),
            }
        }
        if published.len() > MAX_KEYS {
            let more = published.len() - MAX_KEYS;
            set.skipped.push(format!("{more} keys after the first {MAX_KEYS}: over the limit"));
        }
        if set.keys.is_empty() {
            set.skipped.truncate(REASONS_SHOWN);
            return Err(KeySetError::NoUsableKey { skipped: set.skipped });
        }
        Ok(set)
    }

    /// The keys that may verify a token with this `kid` and `alg`. With a `kid`, only keys that carry it; without,
    /// every key that fits.
    pub fn candidates(&self, key_id: Option<&str>, algorithm: SigningAlgorithm) -> impl Iterator<Item = &VerifyingKey> {
        self.keys
            .iter()
            .filter(move |key| key_id.is_none_or(|wanted| key.id() == Some(wanted)) && key.may_verify(algorithm))
    }

    /// Whether a key carries this `kid`, for whatever algorithm.
    pub fn knows(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.id() == Some(key_id))
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(VerifyingKey::id)
    }

    /// The keys that were left out, each with its reason.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }
}

fn label(position: usize, jwk: &Value) -> String {
    match jwk.get("kid").and_then(Value::as_str) {
        Some(key_id) => format!("key `{}`", super::verify::shown(key_id)),
        None => format!("key number {}", position + 1),
    }
}

const REASONS_SHOWN: usize = 5;
