//! A provider's published keys: a JWK set in, the keys that may verify tokens out.
//!
//! A key that we cannot or must not use (encryption, symmetric, too small, of an unknown type, broken) is skipped
//! with its reason, and never spoils those beside it. Members we do not know are ignored, as RFC 7517 §4 asks.
//! A set without one usable key is an error, so it never replaces a good one.

mod key;
mod material;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::keys::shown_uri;
use crate::digest::sha256;
use crate::model::SigningAlgorithm;
pub use key::{SkippedKey, VerifyingKey};

/// Keys of one set that are used; more are left out.
pub const MAX_KEYS: usize = 100;
/// Keys of one set that are looked at, those that may not be used among them.
pub const MAX_PUBLISHED: usize = 400;

/// Why a document is not a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("the key set is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the key set has no `keys` of type array")]
    NoKeys,
    #[error(
        "the document is a map of certificates, not a key set: use the address of the provider's JWK set (Google's and \
         Firebase's is `{JWK_SET_OF_GOOGLE}`)"
    )]
    CertificateMap,
    #[error("the document is what an issuer says of itself, not a key set: its keys are at `{jwks_uri}`")]
    Discovery { jwks_uri: String },
    #[error("the key set has no usable key: {}", .skipped.join("; "))]
    NoUsableKey { skipped: Vec<String> },
}

/// The usable keys of one provider; never empty.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<String>,
    /// Of the document.
    digest: [u8; 32],
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When it is not one, or holds no key that may verify a token.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(json)
            .map_err(|error| KeySetError::NotJson { line: error.line(), column: error.column() })?;
        let published = document.get("keys").and_then(Value::as_array).ok_or_else(|| what_else(&document))?;
        let mut set = Self { keys: Vec::new(), skipped: Vec::new(), digest: sha256(json) };
        let mut looked_at = 0;
        for (position, jwk) in published.iter().enumerate().take(MAX_PUBLISHED) {
            if set.keys.len() == MAX_KEYS {
                break;
            }
            looked_at = position + 1;
            match VerifyingKey::from_jwk(jwk) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.skipped.push(format!("{}: {reason}", label(position, jwk))),
            }
        }
        if published.len() > looked_at {
            let more = published.len() - looked_at;
            set.skipped.push(format!("{more} keys after the first {looked_at}: over the limit"));
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

    /// Whether both are of the same document, and so of the same keys.
    pub fn is_written_as(&self, other: &Self) -> bool {
        self.digest == other.digest
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

/// What a document without keys is, as far as that can be told.
fn what_else(document: &Value) -> KeySetError {
    let Some(members) = document.as_object() else { return KeySetError::NoKeys };
    if let Some(jwks_uri) = members.get("jwks_uri").and_then(Value::as_str) {
        return KeySetError::Discovery { jwks_uri: shown_uri(jwks_uri) };
    }
    let is_certificate = |value: &Value| value.as_str().is_some_and(|text| text.trim_start().starts_with(CERTIFICATE));
    if !members.is_empty() && members.values().all(is_certificate) {
        return KeySetError::CertificateMap;
    }
    KeySetError::NoKeys
}

fn label(position: usize, jwk: &Value) -> String {
    match jwk.get("kid").and_then(Value::as_str) {
        Some(key_id) => format!("key `{}`", super::verify::shown(key_id)),
        None => format!("key number {}", position + 1),
    }
}

const REASONS_SHOWN: usize = 5;
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const JWK_SET_OF_GOOGLE: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
