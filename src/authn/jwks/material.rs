//! The numbers of a key: a JWK in, what verifies signatures and with which algorithms out, or why it is left out.
//!
//! Writings that mean one number are read as that number: base64url or base64, padded or not, with leading zeros
//! or without. Numbers by which somebody else than the key's owner could sign are refused.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::key::{SkippedKey, member, text};
use crate::authn::algorithm;
use crate::authn::verify::shown;
use crate::model::SigningAlgorithm;

/// A public key, ready to verify.
#[derive(Clone, Debug)]
pub(super) enum Material {
    Library(DecodingKey),
    /// `jsonwebtoken` has no ES512.
    P521(ParsedPublicKey),
}

impl Material {
    /// The key of a JWK, and the algorithms that its type and curve allow.
    pub fn read(jwk: &Value) -> Result<(&'static [SigningAlgorithm], Self), SkippedKey> {
        match text(jwk, "kty")? {
            "RSA" => Ok((algorithm::OF_RSA, rsa(jwk)?)),
            "EC" => elliptic(jwk),
            "OKP" => Ok((EDWARDS, edwards(jwk)?)),
            "oct" => Err(SkippedKey::Symmetric),
            other => Err(SkippedKey::KeyType { key_type: shown(other) }),
        }
    }

    /// Whether the signature, in base64url, is this key's over these bytes.
    pub fn verifies(&self, signed: &[u8], signature: &str, algorithm: SigningAlgorithm) -> bool {
        match (self, algorithm::of_library(algorithm)) {
            (Self::Library(key), Some(algorithm)) => {
                jsonwebtoken::crypto::verify(signature, signed, key, algorithm).unwrap_or(false)
            }
            (Self::P521(key), None) => {
                URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| key.verify_sig(signed, &signature).is_ok())
            }
            _ => false,
        }
    }
}

fn rsa(jwk: &Value) -> Result<Material, SkippedKey> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (n, e) = (without_zeros(&modulus), without_zeros(&exponent));
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(SkippedKey::Size { bits });
    }
    if !is_odd(n) {
        return Err(SkippedKey::EvenModulus);
    }
    // With 1, every text is its own signature; large ones make each verification dear.
    if e == [1] || !is_odd(e) || e.len() > MAX_EXPONENT_BYTES {
        return Err(SkippedKey::Exponent);
    }
    let components = RsaPublicKeyComponents { n, e };
    components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(|_| SkippedKey::Broken)?;
    Ok(Material::Library(DecodingKey::from_rsa_raw_components(n, e)))
}

fn elliptic(jwk: &Value) -> Result<(&'static [SigningAlgorithm], Material), SkippedKey> {
    let (fitting, size, library): (_, usize, &'static dyn VerificationAlgorithm) = match text(jwk, "crv")? {
        "P-256" => (P256, 32, &ECDSA_P256_SHA256_FIXED),
        "P-384" => (P384, 48, &ECDSA_P384_SHA384_FIXED),
        "P-521" => (P521, 66, &ECDSA_P521_SHA512_FIXED),
        other => return Err(SkippedKey::Curve { curve: shown(other) }),
    };
    let (x, y) = (coordinate(jwk, "x", size)?, coordinate(jwk, "y", size)?);
    let point = [&[UNCOMPRESSED_POINT], x.as_slice(), y.as_slice()].concat();
    let parsed = ParsedPublicKey::new(library, &point).map_err(|_| SkippedKey::Broken)?;
    let is_p521 = fitting == P521;
    let material = if is_p521 { Material::P521(parsed) } else { Material::Library(DecodingKey::from_ec_der(&point)) };
    Ok((fitting, material))
}

/// RFC 7518 §6.2.1.2 asks for exactly the curve's size, but some issuers cut a number's leading zeros, or add one for
/// the sign. The number is the same, and only one that makes a point of the curve passes.
fn coordinate(jwk: &Value, member: &'static str, size: usize) -> Result<Vec<u8>, SkippedKey> {
    let octets = bytes(jwk, member)?;
    let number = without_zeros(&octets);
    let missing = size.checked_sub(number.len()).ok_or(SkippedKey::Broken)?;
    Ok([vec![0; missing].as_slice(), number].concat())
}

fn edwards(jwk: &Value) -> Result<Material, SkippedKey> {
    match text(jwk, "crv")? {
        "Ed25519" => {}
        other => return Err(SkippedKey::Curve { curve: shown(other) }),
    }
    let x = bytes(jwk, "x")?;
    let point: [u8; 32] = x.as_slice().try_into().map_err(|_| SkippedKey::Broken)?;
    let without_sign = y_of(point);
    if SMALL_ORDER.contains(&without_sign) {
        return Err(SkippedKey::SmallOrder);
    }
    if is_beyond_the_prime(without_sign) || ParsedPublicKey::new(&ED25519, &x).is_err() {
        return Err(SkippedKey::Broken);
    }
    Ok(Material::Library(DecodingKey::from_ed_der(&x)))
}

/// A point's y coordinate, little-endian: all of it but the bit that is the sign of x.
fn y_of(mut point: [u8; 32]) -> [u8; 32] {
    let [.., last] = &mut point;
    *last &= 0x7f;
    point
}

/// Whether y is 2²⁵⁵ − 19 or more, which RFC 8032 §5.1.3 forbids: such a point is written in two ways.
fn is_beyond_the_prime([first, middle @ .., last]: [u8; 32]) -> bool {
    first >= 0xed && middle == [0xff; 30] && last == 0x7f
}

fn bytes(jwk: &Value, member: &'static str) -> Result<Vec<u8>, SkippedKey> {
    let text = number(jwk, member)?;
    let engine = if text.contains(['+', '/']) { BASE64 } else { BASE64URL };
    let bytes = engine.decode(text).map_err(|_| SkippedKey::Member { member })?;
    if bytes.is_empty() { Err(SkippedKey::Member { member }) } else { Ok(bytes) }
}

fn number<'a>(jwk: &'a Value, name: &'static str) -> Result<&'a str, SkippedKey> {
    let certificate = ["x5c", "x5u"].into_iter().find(|one| member(jwk, one).is_some());
    match (member(jwk, name), certificate) {
        (None, Some(certificate)) => Err(SkippedKey::OnlyCertificate { certificate, member: name }),
        _ => text(jwk, name),
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;
const MAX_EXPONENT_BYTES: usize = 4;
const P256: &[SigningAlgorithm] = &[SigningAlgorithm::ES256];
const P384: &[SigningAlgorithm] = &[SigningAlgorithm::ES384];
const P521: &[SigningAlgorithm] = &[SigningAlgorithm::ES512];
const EDWARDS: &[SigningAlgorithm] = &[SigningAlgorithm::EdDSA];
/// SEC 1 §2.3.3: what an uncompressed point starts with.
const UNCOMPRESSED_POINT: u8 = 4;
/// RFC 7518 §2 asks for base64url without padding; some issuers pad, or write plain base64.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// The y coordinates, little-endian, of Ed25519's eight points of small order, in every writing: a signature by such
/// a key is made without any secret.
const SMALL_ORDER: [[u8; 32]; 7] = [
    // The neutral point, also written with the prime added.
    ends(0x01, 0x00, 0x00),
    ends(0xee, 0xff, 0x7f),
    // Of order two.
    ends(0xec, 0xff, 0x7f),
    // Of order four, also written with the prime added.
    ends(0x00, 0x00, 0x00),
    ends(0xed, 0xff, 0x7f),
    // Of order eight.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut number = [middle; 32];
    let [low, .., high] = &mut number;
    *low = first;
    *high = last;
    number
}
