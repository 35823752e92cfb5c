//! Key sets as providers publish them, and as they should not.

mod as_published;
mod properties;
mod refused;

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{KeySet, KeySetError, MAX_KEYS, MAX_PUBLISHED, SkippedKey, VerifyingKey};
use crate::authn::algorithm::{self, OF_RSA};
use crate::authn::mint::SigningKey;
use crate::model::SigningAlgorithm;

static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::RS256, "rsa").unwrap());
static P256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES256, "p256").unwrap());
static P384: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES384, "p384").unwrap());
static P521: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES512, "p521").unwrap());
static ED: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::EdDSA, "ed").unwrap());

fn with(key: &SigningKey, members: Value) -> Value {
    let mut jwk = key.jwk();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn why_skipped(jwk: &Value) -> SkippedKey {
    VerifyingKey::from_jwk(jwk).expect_err(&jwk.to_string())
}

fn verifiable(jwk: &Value) -> Vec<SigningAlgorithm> {
    let key = VerifyingKey::from_jwk(jwk).unwrap();
    algorithm::ALL.into_iter().filter(|algorithm| key.may_verify(*algorithm)).collect()
}

#[test]
fn a_key_without_alg_verifies_what_its_type_and_curve_allow() {
    let without = json!({"alg": null, "use": null, "kid": null});
    assert_eq!(verifiable(&with(&RSA, without.clone())), OF_RSA);
    assert_eq!(verifiable(&with(&P256, without.clone())), [SigningAlgorithm::ES256]);
    assert_eq!(verifiable(&with(&P384, without.clone())), [SigningAlgorithm::ES384]);
    assert_eq!(verifiable(&with(&P521, without.clone())), [SigningAlgorithm::ES512]);
    assert_eq!(verifiable(&with(&ED, without)), [SigningAlgorithm::EdDSA]);
}

#[test]
fn a_key_with_alg_verifies_nothing_else() {
    assert_eq!(verifiable(&RSA.jwk()), [SigningAlgorithm::RS256]);
    assert_eq!(verifiable(&with(&RSA, json!({"alg": "PS384"}))), [SigningAlgorithm::PS384]);
    for alg in ["RSA-OAEP", "HS256", "none", "ES256", "ES256K", "rs256"] {
        assert!(matches!(why_skipped(&with(&RSA, json!({"alg": alg}))), SkippedKey::Algorithm { .. }), "{alg}");
    }
    assert_eq!(verifiable(&with(&ED, json!({"alg": "Ed25519"}))), [SigningAlgorithm::EdDSA]);
    assert!(matches!(why_skipped(&with(&P256, json!({"alg": "ES384"}))), SkippedKey::Algorithm { .. }));
}

#[test]
fn the_set_of_entra_is_used_as_it_is() {
    let members = json!({"alg": null, "x5t": "abc", "x5c": ["MIIC"], "issuer": "https://login.microsoftonline.com/x/v2.0",
        "cloud_instance_name": "microsoftonline.com", "unknown": {"nested": [1]}});
    let set = set(&[with(&RSA, members)]).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, 0));
    assert!(set.candidates(Some("rsa"), SigningAlgorithm::RS256).next().is_some());
}

#[test]
fn unusable_keys_are_skipped_with_a_reason_beside_usable_ones() {
    let keys = [
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}),
        json!({"kty": "LMS", "kid": "quantum", "pub": "AAAA"}),
        with(&RSA, json!({"use": "enc", "kid": "enc"})),
        json!("not even an object"),
        RSA.jwk(),
    ];
    let set = set(&keys).unwrap();
    assert_eq!(set.key_ids().collect::<Vec<_>>(), ["rsa"]);
    assert_eq!(
        set.skipped(),
        [
            "key `secret`: symmetric keys never verify tokens",
            "key `quantum`: `kty` `LMS` is not supported",
            "key `enc`: `use` is `enc`, not `sig`",
            "key number 4: `kty` is missing or not what the key type asks for",
        ]
    );
}

#[test]
fn keys_for_other_purposes_are_skipped() {
    assert!(matches!(why_skipped(&with(&RSA, json!({"use": "enc"}))), SkippedKey::Use { .. }));
    assert!(matches!(why_skipped(&with(&RSA, json!({"use": 7}))), SkippedKey::Use { .. }));
    assert_eq!(why_skipped(&with(&RSA, json!({"key_ops": ["encrypt", "wrapKey"]}))), SkippedKey::Operations);
    assert_eq!(why_skipped(&with(&RSA, json!({"key_ops": "verify"}))), SkippedKey::Operations);
    assert!(VerifyingKey::from_jwk(&with(&RSA, json!({"key_ops": ["verify"], "use": null}))).is_ok());
    assert_eq!(why_skipped(&with(&ED, json!({"d": "c2VjcmV0"}))), SkippedKey::Private);
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff >> (bytes.len() * 8 - bits);
        URL_SAFE_NO_PAD.encode(bytes)
    };
    for bits in [512, 1024, 2047, 8193, 16_384] {
        assert_eq!(why_skipped(&with(&RSA, json!({"n": modulus(bits)}))), SkippedKey::Size { bits });
    }
    for bits in [2048, 3072, 8192] {
        assert!(VerifyingKey::from_jwk(&with(&RSA, json!({"n": modulus(bits)}))).is_ok(), "{bits}");
    }
    let padded = [vec![0; 200], vec![0xff; 128]].concat();
    let padded = with(&RSA, json!({"n": URL_SAFE_NO_PAD.encode(padded)}));
    assert_eq!(why_skipped(&padded), SkippedKey::Size { bits: 1024 });
}

#[test]
fn a_leading_zero_in_the_modulus_does_no_harm() {
    let jwk = RSA.jwk();
    let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let padded = with(&RSA, json!({"n": URL_SAFE_NO_PAD.encode([vec![0], n].concat())}));
    let token = RSA.sign(&json!({})).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = VerifyingKey::from_jwk(&padded).unwrap();
    assert!(key.verifies(signed.as_bytes(), signature, SigningAlgorithm::RS256));
}

#[test]
fn broken_keys_are_skipped() {
    let member = |member| SkippedKey::Member { member };
    assert_eq!(why_skipped(&with(&RSA, json!({"e": "AQ"}))), SkippedKey::Exponent);
    assert_eq!(why_skipped(&with(&RSA, json!({"e": "AA"}))), SkippedKey::Exponent);
    assert_eq!(why_skipped(&with(&RSA, json!({"e": null}))), member("e"));
    assert_eq!(why_skipped(&with(&RSA, json!({"n": "a+b_"}))), member("n"));
    assert_eq!(why_skipped(&with(&RSA, json!({"n": 7}))), member("n"));
    assert_eq!(why_skipped(&with(&RSA, json!({"kid": 7}))), member("kid"));
    assert_eq!(why_skipped(&with(&RSA, json!({"alg": 7}))), member("alg"));
    let off_curve = URL_SAFE_NO_PAD.encode([7; 32]);
    assert_eq!(why_skipped(&with(&P256, json!({"x": off_curve}))), SkippedKey::Broken);
    assert_eq!(why_skipped(&with(&P256, json!({"x": "AQAB"}))), SkippedKey::Broken);
    assert_eq!(why_skipped(&with(&P256, json!({"y": null}))), member("y"));
    assert_eq!(why_skipped(&with(&ED, json!({"x": "AQAB"}))), SkippedKey::Broken);
    for (key, curve) in [(&*P256, "P-192"), (&*P256, "secp256k1"), (&*ED, "Ed448"), (&*ED, "X25519")] {
        assert!(matches!(why_skipped(&with(key, json!({"crv": curve}))), SkippedKey::Curve { .. }), "{curve}");
    }
    assert_eq!(why_skipped(&with(&P256, json!({"crv": "P-384"}))), SkippedKey::Broken);
    assert_eq!(why_skipped(&with(&P256, json!({"crv": "P-521"}))), SkippedKey::Broken);
}

#[test]
fn a_set_without_a_usable_key_is_an_error_that_says_why() {
    let error = set(&[with(&RSA, json!({"use": "enc"}))]).unwrap_err();
    assert_eq!(error.to_string(), "the key set has no usable key: key `rsa`: `use` is `enc`, not `sig`");
    assert!(matches!(set(&[]), Err(KeySetError::NoUsableKey { .. })));
    for other in ["[]", "{}", "null", r#"{"keys":{}}"#] {
        assert_eq!(KeySet::parse(other.as_bytes()).unwrap_err(), KeySetError::NoKeys, "{other}");
    }
    for broken in ["", "<html>", "{"] {
        assert!(matches!(KeySet::parse(broken.as_bytes()), Err(KeySetError::NotJson { .. })), "{broken}");
    }
    assert!(KeySet::parse("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn keys_over_the_limit_are_left_out_and_counted() {
    let many: Vec<_> = (0..MAX_KEYS + 5).map(|key| with(&ED, json!({"kid": key.to_string()}))).collect();
    let set = set(&many).unwrap();
    assert_eq!(set.len(), MAX_KEYS);
    assert_eq!(set.skipped(), ["5 keys after the first 100: over the limit"]);
}

#[test]
fn keys_that_may_not_be_used_take_no_others_place() {
    let bad = |many: usize| vec![with(&RSA, json!({"use": "enc"})); many];
    let set = |many| set(&[bad(many), vec![RSA.jwk()]].concat());
    assert_eq!(set(MAX_PUBLISHED - 1).unwrap().len(), 1);
    assert!(matches!(set(MAX_PUBLISHED), Err(KeySetError::NoUsableKey { .. })));
}

#[test]
fn candidates_carry_the_kid_and_fit_the_algorithm() {
    let nameless = with(&P256, json!({"kid": null}));
    let set = set(&[RSA.jwk(), P256.jwk(), P384.jwk(), nameless]).unwrap();
    let count = |key_id, algorithm| set.candidates(key_id, algorithm).count();
    assert_eq!(count(Some("p256"), SigningAlgorithm::ES256), 1);
    assert_eq!(count(Some("p256"), SigningAlgorithm::ES384), 0);
    assert_eq!(count(Some("P256"), SigningAlgorithm::ES256), 0);
    assert_eq!(count(None, SigningAlgorithm::ES256), 2);
    assert_eq!(count(Some(""), SigningAlgorithm::ES256), 0);
}
