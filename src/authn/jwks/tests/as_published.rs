//! Key sets as issuers write them, right and nearly right, and documents that are none.

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use serde_json::json;

use super::*;

/// A member exactly as given, `null` included.
fn holding(key: &SigningKey, member: &str, value: Value) -> Value {
    let mut jwk = key.jwk();
    jwk[member] = value;
    jwk
}

fn octets(key: &SigningKey, member: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(key.jwk()[member].as_str().unwrap()).unwrap()
}

/// Whether the key as it is written here verifies what the key signs.
fn reads_as(jwk: &Value, key: &SigningKey) -> bool {
    let token = key.sign(&json!({})).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    VerifyingKey::from_jwk(jwk).is_ok_and(|read| read.verifies(signed.as_bytes(), signature, key.algorithm()))
}

/// RFC 7515, appendix A.4.
#[test]
fn the_signature_of_the_standard_is_verified_with_es512() {
    let jwk = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    });
    let signed = b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA";
    let signature = [
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCA",
        "PZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    ]
    .concat();
    let key = VerifyingKey::from_jwk(&jwk).unwrap();
    assert!(key.verifies(signed, &signature, SigningAlgorithm::ES512));
    assert!(!key.verifies(b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZB", &signature, SigningAlgorithm::ES512));
    for algorithm in [SigningAlgorithm::ES256, SigningAlgorithm::ES384, SigningAlgorithm::EdDSA] {
        assert!(!key.verifies(signed, &signature, algorithm));
    }
    for broken in ["", "AA", signature.get(..172).unwrap(), &format!("{signature}="), &format!("{signature}AAAA")] {
        assert!(!key.verifies(signed, broken, SigningAlgorithm::ES512), "{broken}");
    }
}

#[test]
fn a_member_that_is_null_is_absent() {
    for member in ["kid", "use", "alg", "key_ops", "d", "x5c"] {
        let jwk = holding(&P256, member, Value::Null);
        assert!(reads_as(&jwk, &P256), "{member}");
    }
    assert_eq!(VerifyingKey::from_jwk(&holding(&P256, "kid", Value::Null)).unwrap().id(), None);
    assert!(VerifyingKey::from_jwk(&holding(&RSA, "n", Value::Null)).is_err());
}

#[test]
fn numbers_are_read_padded_or_in_plain_base64_and_never_with_anything_else_in_them() {
    for (key, member) in [(&*RSA, "n"), (&*RSA, "e"), (&*P256, "x"), (&*P256, "y"), (&*P521, "x"), (&*ED, "x")] {
        let octets = octets(key, member);
        for text in [URL_SAFE.encode(&octets), STANDARD.encode(&octets), STANDARD_NO_PAD.encode(&octets)] {
            assert!(reads_as(&holding(key, member, text.clone().into()), key), "{member} {text}");
        }
        let text = key.jwk()[member].as_str().unwrap().to_owned();
        let (start, end) = text.split_at(text.len() / 2);
        for text in [format!("{start} {end}"), format!("{text}\n"), format!(" {text}"), format!("{start}\n{end}")] {
            assert!(VerifyingKey::from_jwk(&holding(key, member, text.clone().into())).is_err(), "{member} {text:?}");
        }
    }
    // Both alphabets in one text: nobody wrote that.
    assert!(VerifyingKey::from_jwk(&holding(&RSA, "n", format!("-/{}", "A".repeat(342)).into())).is_err());
}

#[test]
fn a_coordinate_is_a_number_whose_leading_zeros_may_be_cut_or_added() {
    let short = (0..4096).map(|_| SigningKey::generate(SigningAlgorithm::ES256, "short").unwrap());
    let short = short.into_iter().find(|key| octets(key, "x")[0] == 0).unwrap();
    let cut = URL_SAFE_NO_PAD.encode(&octets(&short, "x")[1..]);
    assert!(reads_as(&holding(&short, "x", cut.into()), &short));
    let longer = URL_SAFE_NO_PAD.encode([vec![0], octets(&P384, "y")].concat());
    assert!(reads_as(&holding(&P384, "y", longer.into()), &P384));
    // Cut where there was no zero, it is no point of the curve.
    let broken = URL_SAFE_NO_PAD.encode(&octets(&P256, "x")[1..]);
    assert_eq!(why_skipped(&holding(&P256, "x", broken.into())), SkippedKey::Broken);
    assert!(VerifyingKey::from_jwk(&holding(&P256, "x", "".into())).is_err());
    let cut = URL_SAFE_NO_PAD.encode(&octets(&ED, "x")[1..]);
    assert_eq!(why_skipped(&holding(&ED, "x", cut.into())), SkippedKey::Broken);
}

#[test]
fn a_key_of_which_only_the_certificate_is_published_says_so() {
    let only = json!({"kty": "RSA", "kid": "old", "use": "sig", "x5c": ["MIIC"]});
    let told = why_skipped(&only).to_string();
    assert_eq!(told, "only its certificate is published (`x5c`), which is not read: `n` is missing");
    let set = set(&[only, RSA.jwk()]).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, 1));
    let told = why_skipped(&json!({"kty": "EC", "crv": "P-256", "x5u": "https://x.test/c"})).to_string();
    assert!(told.contains("`x` is missing"), "{told}");
}

#[test]
fn keys_that_encrypt_are_left_out_beside_those_that_sign() {
    let encrypts = json!({"alg": "RSA-OAEP", "use": "enc", "kid": "enc"});
    let set = set(&[with(&RSA, encrypts), RSA.jwk()]).unwrap();
    assert_eq!(set.skipped(), ["key `enc`: `use` is `enc`, not `sig`"]);
}

#[test]
fn keys_of_the_same_name_are_all_tried() {
    let others = (0..3).map(|_| SigningKey::generate(SigningAlgorithm::ES256, "p256").unwrap().jwk());
    let mut keys: Vec<_> = others.collect();
    keys.push(P256.jwk());
    let set = set(&keys).unwrap();
    assert_eq!(set.candidates(Some("p256"), SigningAlgorithm::ES256).count(), 4);
}

#[test]
fn a_map_of_certificates_says_what_it_is() {
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";
    let map = json!({"k1": certificate, "k2": certificate});
    let told = KeySet::parse(map.to_string().as_bytes()).unwrap_err().to_string();
    assert!(told.starts_with("the document is a map of certificates"), "{told}");
    assert!(told.contains("/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"), "{told}");
    let mixed = json!({"k1": certificate, "error": "x"});
    assert_eq!(KeySet::parse(mixed.to_string().as_bytes()).unwrap_err(), KeySetError::NoKeys);
}

#[test]
fn a_discovery_document_says_where_its_keys_are() {
    let document = json!({"issuer": "https://x.test", "jwks_uri": "https://x.test/keys?api_key=secret"});
    let told = KeySet::parse(document.to_string().as_bytes()).unwrap_err().to_string();
    assert_eq!(
        told,
        "the document is what an issuer says of itself, not a key set: its keys are at `https://x.test/keys?api_key=***`"
    );
}
