//! Tokens made to deceive.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::*;
use crate::authn::algorithm;
use crate::authn::mint;

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

#[tokio::test]
async fn the_public_key_is_no_shared_secret() {
    let world = World::with_keys(&[&RSA]).await;
    let jwk = RSA.jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let secrets = [modulus, jwk["n"].as_str().unwrap().into(), jwk.to_string().into_bytes(), Vec::new()];
    for (algorithm, secret) in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512].into_iter().zip(secrets) {
        let header = json!({"alg": format!("{algorithm:?}"), "kid": "rsa"});
        let message = format!("{}.{}", encode(&header), encode(&good()));
        let key = EncodingKey::from_secret(&secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        assert_eq!(world.slug(&format!("{message}.{signature}")), "token-algorithm");
        // The same signature under the algorithm of the key.
        let header = json!({"alg": "RS256", "kid": "rsa"});
        let message = format!("{}.{}", encode(&header), encode(&good()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        assert_eq!(world.slug(&format!("{message}.{signature}")), "token-signature");
    }
}

#[tokio::test]
async fn unsigned_tokens_are_refused_however_none_is_spelled() {
    let world = World::with_keys(&[&RSA]).await;
    for none in ["none", "None", "NONE", "nOnE"] {
        let unsigned = format!("{}.{}.", encode(&json!({"alg": none})), encode(&good()));
        assert_eq!(world.slug(&unsigned), "token-algorithm", "{none}");
    }
    let token = RSA.sign(&good()).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(world.slug(&format!("{signed}.")), "token-malformed");
    assert_eq!(world.slug(&format!("{signed}.AAAA")), "token-signature");
}

#[tokio::test]
async fn another_payload_under_a_known_signature_is_refused() {
    let world = World::with_keys(&[&RSA, &ED]).await;
    for key in [&*RSA, &*ED] {
        let token = key.sign(&good()).unwrap();
        assert!(world.verify(&token).is_ok());
        let parts: Vec<_> = token.split('.').collect();
        let payload = encode(&claims(json!({"sub": "admin"})));
        assert_eq!(world.slug(&format!("{}.{payload}.{}", parts[0], parts[2])), "token-signature");
        let other = key.sign(&claims(json!({"sub": "other"}))).unwrap();
        let (_, other_signature) = other.rsplit_once('.').unwrap();
        assert_eq!(world.slug(&format!("{}.{}.{other_signature}", parts[0], parts[1])), "token-signature");
    }
}

#[tokio::test]
async fn keys_that_the_token_brings_are_never_used() {
    let evil = fresh(SigningAlgorithm::EdDSA, "ed");
    let server = TestIssuer::serving(&[&evil]);
    let world = World::with_keys(&[&ED]).await;
    let header = json!({"alg": "EdDSA", "kid": "ed", "jwk": evil.jwk(), "jku": server.address, "x5u": server.address,
        "x5c": ["MIIC"], "x5t": "abc", "typ": "at+jwt", "cty": "x"});
    let forged = evil.sign_with_header(&header, &good()).unwrap();
    assert_eq!(world.slug(&forged), "token-signature");
    assert_eq!(world.refreshing(&forged).await.unwrap_err().slug(), "token-signature");
    assert_eq!(server.requests(), 0);
    assert!(world.verify(&ED.sign_with_header(&header, &good()).unwrap()).is_ok());
}

#[tokio::test]
async fn critical_headers_are_refused_even_when_well_signed() {
    let world = World::with_keys(&[&ED]).await;
    let header = json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"], "exp": NOW});
    assert_eq!(world.slug(&ED.sign_with_header(&header, &good()).unwrap()), "token-malformed");
}

#[tokio::test]
async fn ambiguous_oversized_and_deep_tokens_are_refused_even_when_well_signed() {
    let world = World::with_keys(&[&ED]).await;
    let header = br#"{"alg":"EdDSA","kid":"ed"}"#;
    let payload = |more: &str| good().to_string().replacen('{', &format!("{{{more},"), 1);
    let sign = |header: &[u8], payload: &str| ED.sign_bytes(header, payload.as_bytes()).unwrap();
    assert!(world.verify(&sign(header, &payload(r#""a":1"#))).is_ok());
    assert_eq!(world.slug(&sign(header, &payload(r#""sub":"x""#))), "token-malformed");
    let twice = br#"{"alg":"EdDSA","kid":"ed","kid":"ed"}"#;
    assert_eq!(world.slug(&sign(twice, &payload(r#""a":1"#))), "token-malformed");
    let long = format!(r#""a":"{}""#, "x".repeat(13_000));
    assert_eq!(world.slug(&sign(header, &payload(&long))), "token-malformed");
    let deep = format!(r#""a":{}1{}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(world.slug(&sign(header, &payload(&deep))), "token-malformed");
    let many: Vec<_> = (0..256).map(|claim| format!(r#""c{claim}":1"#)).collect();
    assert_eq!(world.slug(&sign(header, &payload(&many.join(",")))), "token-malformed");
}

#[tokio::test]
async fn a_key_is_used_for_its_own_algorithm_only() {
    let p384 = fresh(SigningAlgorithm::ES384, "ec");
    let world = World::with_keys(&[&RSA, &p384]).await;
    for (key, alg) in [(&*RSA, "RS384"), (&*RSA, "PS256"), (&*RSA, "ES256"), (&p384, "ES256"), (&p384, "EdDSA")] {
        let token = key.sign_with_header(&json!({"alg": alg, "kid": key.key_id()}), &good()).unwrap();
        assert_eq!(world.slug(&token), "token-algorithm", "{alg}");
    }
}

#[tokio::test]
async fn a_signature_of_another_curve_does_not_verify() {
    let (p256, p384) = (fresh(SigningAlgorithm::ES256, "ec"), fresh(SigningAlgorithm::ES384, "ec"));
    let world = World::with_keys(&[&p256]).await;
    let token = p384.sign_with_header(&json!({"alg": "ES256", "kid": "ec"}), &good()).unwrap();
    assert_eq!(world.slug(&token), "token-signature");
    assert_eq!(world.slug(&p384.sign(&good()).unwrap()), "token-algorithm");
}

#[tokio::test]
async fn a_key_for_encryption_does_not_verify_tokens() {
    let mut encryption = RSA.jwk();
    encryption["use"] = "enc".into();
    let body = json!({"keys": [encryption, ED.jwk()]}).to_string();
    let issuer = TestIssuer::answering(crate::authn::keys::test_issuer::Answer::Body(body, None));
    let world = World::of(vec![provider("okta", &issuer)]).await;
    assert_eq!(world.slug(&RSA.sign(&good()).unwrap()), "token-signature");
}

#[tokio::test]
async fn every_supported_algorithm_verifies_its_own_tokens() {
    let keys: Vec<_> = algorithm::ALL.into_iter().map(|one| fresh(one, algorithm::name(one))).collect();
    let world = World::with_keys(&keys.iter().collect::<Vec<_>>()).await;
    for key in &keys {
        let token = key.sign(&good()).unwrap();
        assert_eq!(world.verify(&token).unwrap().algorithm, Some(key.algorithm()));
        let nameless = json!({"alg": algorithm::name(key.algorithm())});
        assert!(world.verify(&key.sign_with_header(&nameless, &good()).unwrap()).is_ok());
    }
    assert_eq!(mint::jwks(&keys)["keys"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn no_mutated_token_verifies_and_none_panics() {
    let p256 = fresh(SigningAlgorithm::ES256, "p256");
    let world = World::with_keys(&[&RSA, &ED, &p256]).await;
    let tokens = [&*RSA, &*ED, &p256].map(|key| key.sign(&good()).unwrap());
    let mutation = (0..tokens.len(), any::<prop::sample::Index>(), any::<char>(), 0..4_u8);
    let run = TestRunner::default().run(&mutation, |(token, place, letter, kind)| {
        let mut letters: Vec<char> = tokens[token].chars().collect();
        let place = place.index(letters.len());
        match kind {
            0 => letters[place] = letter,
            1 => letters.insert(place, letter),
            2 => drop(letters.remove(place)),
            _ => letters.truncate(place),
        }
        let mutated: String = letters.into_iter().collect();
        prop_assert!(mutated == tokens[token] || world.verify(&mutated).is_err(), "{}", mutated);
        Ok(())
    });
    run.unwrap();
    let text =
        TestRunner::default().run(&("\\PC*", "[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*"), |(one, other)| {
            prop_assert!(world.verify(&one).is_err() && world.verify(&other).is_err());
            Ok(())
        });
    text.unwrap();
}
