//! One published key, checked once so that verifying needs no further questions.
//!
//! In: a JWK. Out: a prepared key with the algorithms it may verify, or why it is left out. The key's own `alg`
//! narrows what its type allows; where it has none (Entra ID), the type and curve decide alone.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

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
    key: DecodingKey,
}

impl VerifyingKey {
    /// # Errors
    /// When the key may not or cannot verify tokens.
    pub fn from_jwk(jwk: &Value) -> Result<Self, SkippedKey> {
        let id = match jwk.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(SkippedKey::Member { member: "kid" }),
        };
        may_be_used(jwk)?;
        let (fitting, key) = match text(jwk, "kty")? {
            "RSA" => (algorithm::OF_RSA, rsa(jwk)?),
            "EC" => elliptic(jwk)?,
            "OKP" => (EDWARDS, edwards(jwk)?),
            "oct" => return Err(SkippedKey::Symmetric),
            other => return Err(SkippedKey::KeyType { key_type: shown(other) }),
        };
        // RFC 7518 §6: `d` is the private part of every asymmetric type.
        if jwk.get("d").is_some() {
            return Err(SkippedKey::Private);
        }
        Ok(Self { id, algorithms: narrowed(jwk, fitting)?, key })
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn may_verify(&self, algorithm: SigningAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether the signature is this key's over these bytes.
    pub fn verifies(&self, signed: &[u8], signature: &str, algorithm: SigningAlgorithm) -> bool {
        self.may_verify(algorithm)
            && jsonwebtoken::crypto::verify(signature, signed, &self.key, algorithm::of_library(algorithm))
                .unwrap_or(false)
    }
}

fn may_be_used(jwk: &Value) -> Result<(), SkippedKey> {
    match jwk.get("use") {
        None => {}
        Some(Value::String(usage)) if usage == "sig" => {}
        Some(other) => return Err(SkippedKey::Use { usage: shown(other.as_str().unwrap_or("not a string")) }),
    }
    let may_verify = match jwk.get("key_ops") {
        None => true,
        Some(operations) => operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify")),
    };
    if may_verify { Ok(()) } else { Err(SkippedKey::Operations) }
}

fn narrowed(jwk: &Value, fitting: &[SigningAlgorithm]) -> Result<Vec<SigningAlgorithm>, SkippedKey> {
    let named = match jwk.get("alg") {
        None => return Ok(fitting.to_vec()),
        Some(Value::String(name)) => name,
        Some(_) => return Err(SkippedKey::Member { member: "alg" }),
    };
    algorithm::parse(named)
        .filter(|algorithm| fitting.contains(algorithm))
        .map(|algorithm| vec![algorithm])
        .ok_or_else(|| SkippedKey::Algorithm { algorithm: shown(named) })
}

fn rsa(jwk: &Value) -> Result<DecodingKey, SkippedKey> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (n, e) = (without_zeros(&modulus), without_zeros(&exponent));
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(SkippedKey::Size { bits });
    }
    let trivial_exponent = e == [1] || e.last().is_none_or(|last| last % 2 == 0);
    let components = RsaPublicKeyComponents { n, e };
    if trivial_exponent || components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).is_err() {
        return Err(SkippedKey::Broken);
    }
    Ok(DecodingKey::from_rsa_raw_components(n, e))
}

fn elliptic(jwk: &Value) -> Result<(&'static [SigningAlgorithm], DecodingKey), SkippedKey> {
    let (fitting, coordinate_bytes, library): (_, usize, &'static dyn VerificationAlgorithm) = match text(jwk, "crv")? {
        "P-256" => (P256, 32, &ECDSA_P256_SHA256_FIXED),
        "P-384" => (P384, 48, &ECDSA_P384_SHA384_FIXED),
        other => return Err(SkippedKey::Curve { curve: shown(other) }),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    // RFC 7518 §6.2.1.2: a coordinate has exactly the curve's size.
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(SkippedKey::Broken);
    }
    let point = [&[UNCOMPRESSED_POINT], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(library, &point).map_err(|_| SkippedKey::Broken)?;
    Ok((fitting, DecodingKey::from_ec_der(&point)))
}

fn edwards(jwk: &Value) -> Result<DecodingKey, SkippedKey> {
    match text(jwk, "crv")? {
        "Ed25519" => {}
        other => return Err(SkippedKey::Curve { curve: shown(other) }),
    }
    let x = bytes(jwk, "x")?;
    if x.len() != ED25519_BYTES || ParsedPublicKey::new(&ED25519, &x).is_err() {
        return Err(SkippedKey::Broken);
    }
    Ok(DecodingKey::from_ed_der(&x))
}

fn text<'a>(jwk: &'a Value, member: &'static str) -> Result<&'a str, SkippedKey> {
    jwk.get(member).and_then(Value::as_str).ok_or(SkippedKey::Member { member })
}

fn bytes(jwk: &Value, member: &'static str) -> Result<Vec<u8>, SkippedKey> {
    URL_SAFE_NO_PAD.decode(text(jwk, member)?).map_err(|_| SkippedKey::Member { member })
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;
const P256: &[SigningAlgorithm] = &[SigningAlgorithm::ES256];
const P384: &[SigningAlgorithm] = &[SigningAlgorithm::ES384];
const EDWARDS: &[SigningAlgorithm] = &[SigningAlgorithm::EdDSA];
const ED25519_BYTES: usize = 32;
/// SEC 1 §2.3.3: what an uncompressed point starts with.
const UNCOMPRESSED_POINT: u8 = 4;
