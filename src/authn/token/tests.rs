//! The shape of tokens: what is taken apart, and what is refused before anything is checked.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::{TokenError, UnverifiedToken};
use crate::authn::claims::ClaimsError;

fn token(header: &str, payload: &str) -> String {
    format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

fn refused(text: &str) -> TokenError {
    UnverifiedToken::parse(text, 16 * 1024).expect_err(text)
}

const ES256: &str = r#"{"alg":"ES256"}"#;

#[test]
fn a_token_is_three_parts_of_strict_base64url() {
    let good = token(ES256, r#"{"sub":"a"}"#);
    let parts = UnverifiedToken::parse(&good, good.len()).unwrap();
    assert_eq!((parts.header.algorithm.as_str(), parts.header.key_id, parts.signature), ("ES256", None, "c2ln"));
    for bad in ["", ".", "..", "...", "a", "a.b", ".b.c", "a..c", "a.b.c.d", "a.b.c.d.e"] {
        assert!(matches!(refused(bad), TokenError::Parts), "{bad}");
    }
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert!(matches!(refused(&format!("{signed}.")), TokenError::Unsigned));
    for signature in ["c2l=", "c2lnZw==", "c2 n", "c2ln\n", "c+/n", "c2lnx", "é", "c2l"] {
        let text = format!("{signed}.{signature}");
        let padded_or_not_canonical = matches!(refused(&text), TokenError::Base64 { part: "signature" });
        assert!(padded_or_not_canonical || signature == "c2l", "{signature}");
    }
    let padded = format!("{}.{}.c2ln", URL_SAFE.encode(ES256), URL_SAFE.encode("{}"));
    assert!(matches!(refused(&padded), TokenError::Base64 { .. }));
    assert!(matches!(refused(&format!("Bearer {good}")), TokenError::Base64 { part: "header" }));
}

#[test]
fn a_token_of_17_kilobytes_is_refused_unread() {
    let long = token(ES256, &format!(r#"{{"sub":"{}"}}"#, "a".repeat(12_700)));
    assert!(long.len() > 17_000 - 100);
    assert!(matches!(refused(&long), TokenError::TooLong { limit: 16_384, .. }));
    assert!(UnverifiedToken::parse(&long, long.len()).is_ok());
}

#[test]
fn duplicate_members_are_refused_in_header_and_payload() {
    let header = refused(&token(r#"{"alg":"ES256","alg":"none"}"#, "{}"));
    assert!(matches!(header, TokenError::Json { part: "header", fault: ClaimsError::Duplicate { .. } }));
    let payload = refused(&token(ES256, r#"{"sub":"a","sub":"b"}"#));
    assert!(matches!(payload, TokenError::Json { part: "payload", fault: ClaimsError::Duplicate { .. } }));
    assert_eq!(payload.to_string(), "the token's payload has the member `sub` twice");
}

#[test]
fn claims_nested_200_deep_are_refused() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    assert!(matches!(refused(&token(ES256, &deep)), TokenError::Json { fault: ClaimsError::TooDeep, .. }));
}

#[test]
fn the_header_is_an_object_with_a_string_alg() {
    for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":1}"#] {
        assert!(matches!(refused(&token(header, "{}")), TokenError::NoAlgorithm), "{header}");
    }
    assert!(matches!(refused(&token("[]", "{}")), TokenError::Json { part: "header", .. }));
    let nameless = token(r#"{"alg":"ES256","kid":null}"#, "{}");
    assert_eq!(UnverifiedToken::parse(&nameless, nameless.len()).unwrap().header.key_id, None);
    assert!(matches!(refused(&token(ES256, "[]")), TokenError::Json { part: "payload", .. }));
    assert!(matches!(refused(&token(r#"{"alg":"ES256","kid":1}"#, "{}")), TokenError::KeyIdNotAString));
}

#[test]
fn critical_and_encrypted_tokens_are_refused() {
    for crit in [r#"["exp"]"#, "[]", "null", r#"["b64"]"#] {
        let header = format!(r#"{{"alg":"ES256","crit":{crit}}}"#);
        assert!(matches!(refused(&token(&header, "{}")), TokenError::Critical), "{crit}");
    }
    let header = r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#;
    assert!(matches!(refused(&token(header, "{}")), TokenError::Encrypted));
}

#[test]
fn unsupported_algorithms_are_named_even_without_a_signature() {
    for alg in ["none", "None", "HS256", "HS384", "HS512", "ESP512", "ES256K", "Ed448", "", "../x"] {
        let text = token(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
        for text in [text.as_str(), text.strip_suffix("c2ln").unwrap()] {
            let parts = UnverifiedToken::parse(text, text.len()).unwrap();
            assert!(matches!(parts.header.signing_algorithm(), Err(TokenError::Algorithm { .. })), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*", dots in "[a-zA-Z0-9_.-]{0,80}") {
        let _ = UnverifiedToken::parse(&text, 1024);
        let _ = UnverifiedToken::parse(&dots, 1024);
    }

    #[test]
    fn arbitrary_parts_never_panic(
        header in prop::collection::vec(any::<u8>(), 0..60),
        payload in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let text = format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let _ = UnverifiedToken::parse(&text, 1024);
    }
}
