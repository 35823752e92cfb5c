//! One published key, checked once so that verifying needs no further questions.
//!
//! In: a JWK. Out: a prepared key with the algorithms it may verify, or why it is left out. The key's own `alg`
//! narrows what its type allows; where it has none (Entra ID), the type and curve decide alone.

use serde_json::Value;

use super::material::Material;
use crate::authn::algorithm;
use crate::authn::verify::shown;
use crate::model::SigningAlgorithm;

/// Why a key is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkippedKey {
    #[error("`{member}` is missing or not what the key type asks for")]
    Member { member: &'static str },
    #[error("`kty` `{key_type}` is not supported")]
    KeyType { key_type: String },
    #[error("symmetric keys never verify tokens")]
    Symmetric,
    #[error("only its certificate is published (`{certificate}`), which is not read: `{member}` is missing")]
    OnlyCertificate { certificate: &'static str, member: &'static str },
    #[error("the curve `{curve}` is not supported")]
    Curve { curve: String },
    #[error("`use` is `{usage}`, not `sig`")]
    Use { usage: String },
    #[error("`key_ops` does not list `verify`")]
    Operations,
    #[error("`alg` `{algorithm}` does not sign tokens with a key of this type")]
    Algorithm { algorithm: String },
    #[error("an RSA key of {bits} bits; 2048 to 8192 are accepted")]
    Size { bits: usize },
    #[error("the modulus `n` is even, so it is not that of an RSA key")]
    EvenModulus,
    #[error("the exponent `e` is not an odd number from 3 to 4294967295")]
    Exponent,
    #[error("a point of small order: anybody can sign by it")]
    SmallOrder,
    #[error("its private part is published")]
    Private,
    #[error("the numbers do not make a key")]
    Broken,
}

/// A key that may verify tokens.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    id: Option<String>,
    algorithms: Vec<SigningAlgorithm>,
    material: Material,
}

impl VerifyingKey {
    /// # Errors
    /// When the key may not or cannot verify tokens.
    pub fn from_jwk(jwk: &Value) -> Result<Self, SkippedKey> {
        let id = match member(jwk, "kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(SkippedKey::Member { member: "kid" }),
        };
        may_be_used(jwk)?;
        let (fitting, material) = Material::read(jwk)?;
        // RFC 7518 §6: `d` is the private part of every asymmetric type.
        if member(jwk, "d").is_some() {
            return Err(SkippedKey::Private);
        }
        Ok(Self { id, algorithms: narrowed(jwk, fitting)?, material })
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn may_verify(&self, algorithm: SigningAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether the signature is this key's over these bytes.
    pub fn verifies(&self, signed: &[u8], signature: &str, algorithm: SigningAlgorithm) -> bool {
        self.may_verify(algorithm) && self.material.verifies(signed, signature, algorithm)
    }
}

/// A member that says something: some issuers write `null` for what a key does not have.
pub(super) fn member<'a>(jwk: &'a Value, name: &str) -> Option<&'a Value> {
    jwk.get(name).filter(|value| !value.is_null())
}

pub(super) fn text<'a>(jwk: &'a Value, name: &'static str) -> Result<&'a str, SkippedKey> {
    member(jwk, name).and_then(Value::as_str).ok_or(SkippedKey::Member { member: name })
}

fn may_be_used(jwk: &Value) -> Result<(), SkippedKey> {
    match member(jwk, "use") {
        None => {}
        Some(Value::String(usage)) if usage == "sig" => {}
        Some(other) => return Err(SkippedKey::Use { usage: shown(other.as_str().unwrap_or("not a string")) }),
    }
    let may_verify = match member(jwk, "key_ops") {
        None => true,
        Some(operations) => operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify")),
    };
    if may_verify { Ok(()) } else { Err(SkippedKey::Operations) }
}

fn narrowed(jwk: &Value, fitting: &[SigningAlgorithm]) -> Result<Vec<SigningAlgorithm>, SkippedKey> {
    let named = match member(jwk, "alg") {
        None => return Ok(fitting.to_vec()),
        Some(Value::String(name)) => name,
        Some(_) => return Err(SkippedKey::Member { member: "alg" }),
    };
    algorithm::parse(named)
        .filter(|algorithm| fitting.contains(algorithm))
        .map(|algorithm| vec![algorithm])
        .ok_or_else(|| SkippedKey::Algorithm { algorithm: shown(named) })
}
