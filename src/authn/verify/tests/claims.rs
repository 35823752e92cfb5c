//! Each claim check, with the slug it refuses by.

use serde_json::{Value, json};

use super::*;
use crate::authn::trace::{Check, Outcome, Step};
use crate::authn::{Claims, TrailingSlash};

#[tokio::test]
async fn a_good_token_is_verified_with_everything_it_says() {
    let world = World::with_keys(&[&ED]).await;
    let token = ED.sign(&claims(json!({"email": " Jane@Acme.com ", "email_verified": "true"}))).unwrap();
    let verified = world.verify(&token).unwrap();
    assert_eq!((verified.provider.as_str(), verified.unique_id.as_str()), ("okta", "00u1"));
    assert_eq!(
        (verified.email.as_deref(), verified.trusted_email.as_deref()),
        (Some("Jane@Acme.com"), Some("Jane@Acme.com"))
    );
    assert_eq!((verified.key_id.as_deref(), verified.algorithm), (Some("ed"), Some(SigningAlgorithm::EdDSA)));
    assert_eq!(verified.expires_at, Some(NOW + 300));
    assert_eq!(verified.claims.get("iss"), Some(&json!(ISSUER)));
}

#[tokio::test]
async fn a_token_expires_exactly_when_the_leeway_is_over() {
    let world = World::with_keys(&[&ED]).await;
    let token = ED.sign(&claims(json!({"exp": NOW}))).unwrap();
    world.clock.advance(29);
    assert!(world.verify(&token).is_ok());
    world.clock.advance(1);
    assert_eq!(world.slug(&token), "token-expired");
    world.clock.advance(1);
    assert_eq!(world.slug(&token), "token-expired");
}

#[tokio::test]
async fn a_float_expiry_is_the_number_it_is() {
    let world = World::with_keys(&[&ED]).await;
    let half = ED.sign(&claims(json!({"exp": NOW as f64 + 0.5, "auth_time": 1.5, "nbf": NOW as f64 - 0.25}))).unwrap();
    assert_eq!(world.verify(&half).unwrap().expires_at, Some(NOW));
    world.clock.advance(30);
    assert!(world.verify(&half).is_ok());
    world.clock.advance(1);
    assert_eq!(world.slug(&half), "token-expired");
}

#[tokio::test]
async fn times_that_are_missing_or_no_numbers_are_refused() {
    let world = World::with_keys(&[&ED]).await;
    let cases = [
        (json!({"exp": null}), "token-expired"),
        (json!({"exp": (NOW + 300).to_string()}), "token-malformed"),
        (json!({"exp": true}), "token-malformed"),
        (json!({"exp": [NOW + 300]}), "token-malformed"),
        (json!({"exp": 1e300}), "token-malformed"),
        (json!({"exp": u64::MAX}), "token-malformed"),
        (json!({"exp": -1}), "token-expired"),
        (json!({"exp": 0}), "token-expired"),
        (json!({"nbf": NOW + 31}), "token-not-yet-valid"),
        (json!({"nbf": NOW.to_string()}), "token-malformed"),
    ];
    for (changes, slug) in cases {
        assert_eq!(world.slug(&ED.sign(&claims(changes.clone())).unwrap()), slug, "{changes}");
    }
    let null_expiry = {
        let mut claims = good();
        claims["exp"] = Value::Null;
        ED.sign(&claims).unwrap()
    };
    assert_eq!(world.slug(&null_expiry), "token-malformed");
    assert!(world.verify(&ED.sign(&claims(json!({"nbf": NOW + 30}))).unwrap()).is_ok());
}

#[tokio::test]
async fn the_audience_is_required_when_configured() {
    let world = World::with_keys(&[&ED]).await;
    for good in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE])] {
        assert!(world.verify(&ED.sign(&claims(json!({"aud": good}))).unwrap()).is_ok(), "{good}");
    }
    let bad = [
        json!(null),
        json!("other"),
        json!([]),
        json!(["other"]),
        json!([["api://gateway"]]),
        json!(7),
        json!({"0": AUDIENCE}),
        json!([AUDIENCE, 7]),
        json!("api://gateway/"),
        json!("API://gateway"),
        json!(""),
    ];
    for bad in bad {
        assert_eq!(world.slug(&ED.sign(&claims(json!({"aud": bad}))).unwrap()), "token-audience", "{bad}");
    }
}

#[tokio::test]
async fn a_provider_without_audience_takes_tokens_meant_for_others() {
    let mut world = World::with_keys(&[&ED]).await;
    world.providers[0].audiences.clear();
    for aud in [json!(null), json!("other"), json!(7)] {
        assert!(world.verify(&ED.sign(&claims(json!({"aud": aud}))).unwrap()).is_ok(), "{aud}");
    }
}

#[tokio::test]
async fn the_unique_id_is_a_string_or_a_whole_number() {
    let world = World::with_keys(&[&ED]).await;
    let id = |sub: Value| world.verify(&ED.sign(&claims(json!({"sub": sub}))).unwrap()).map(|token| token.unique_id);
    assert_eq!(id(json!(42)).unwrap(), "42");
    assert_eq!(id(json!(u64::MAX)).unwrap(), u64::MAX.to_string());
    assert_eq!(id(json!(" a|\"b\"\n ")).unwrap(), " a|\"b\"\n ");
    assert_eq!(id(json!("x".repeat(512))).unwrap().len(), 512);
    for bad in [
        json!(null),
        json!(""),
        json!(" \t"),
        json!(1.5),
        json!(true),
        json!(["a"]),
        json!({"a": "b"}),
        json!("x".repeat(513)),
    ] {
        assert_eq!(id(bad.clone()).unwrap_err().slug(), "token-subject", "{bad}");
    }
}

#[tokio::test]
async fn the_unique_id_and_the_email_may_be_anywhere_in_the_claims() {
    let mut world = World::with_keys(&[&ED]).await;
    world.providers[0].claims = ClaimNames {
        unique_id: vec!["user/oid".into()],
        email: "https://acme.com/mail".into(),
        ..ClaimNames::default()
    };
    let token = ED.sign(&claims(json!({"user": {"oid": "o-1"}, "https://acme.com/mail": "a@b.c"}))).unwrap();
    let verified = world.verify(&token).unwrap();
    assert_eq!((verified.unique_id.as_str(), verified.email.as_deref()), ("o-1", Some("a@b.c")));
    assert_eq!(world.slug(&ED.sign(&good()).unwrap()), "token-subject");
}

#[tokio::test]
async fn an_odd_email_is_no_email_and_no_reason_to_refuse() {
    let world = World::with_keys(&[&ED]).await;
    for email in [json!(["a@b.c"]), json!(""), json!(7), json!({}), json!(null)] {
        let token = ED.sign(&claims(json!({"email": email, "email_verified": true}))).unwrap();
        let token = world.verify(&token).unwrap();
        assert_eq!((token.email, token.trusted_email), (None, None), "{email}");
    }
}

#[tokio::test]
async fn issuers_compare_exactly_unless_the_slash_is_ignored() {
    let mut world = World::with_keys(&[&ED]).await;
    let slash = ED.sign(&claims(json!({"iss": format!("{ISSUER}/")}))).unwrap();
    assert_eq!(world.slug(&slash), "token-unknown-provider");
    world.verifier.settings.trailing_slash = TrailingSlash::Ignore;
    assert!(world.verify(&slash).is_ok());
    assert!(world.verify(&ED.sign(&good()).unwrap()).is_ok());
    for other in [format!("{ISSUER}//"), format!("{ISSUER}/x"), ISSUER.to_uppercase(), format!(" {ISSUER}")] {
        assert_eq!(world.slug(&ED.sign(&claims(json!({"iss": other}))).unwrap()), "token-unknown-provider", "{other}");
    }
}

#[tokio::test]
async fn a_missing_issuer_is_refused_when_every_provider_has_one() {
    let mut world = World::with_keys(&[&ED]).await;
    for iss in [json!(null), json!(7), json!([ISSUER])] {
        assert_eq!(world.slug(&ED.sign(&claims(json!({"iss": iss}))).unwrap()), "token-issuer", "{iss}");
    }
    world.providers[0].issuer = None;
    assert!(world.verify(&ED.sign(&claims(json!({"iss": null}))).unwrap()).is_ok());
    world.providers.clear();
    assert_eq!(world.slug(&ED.sign(&good()).unwrap()), "token-unknown-provider");
    assert_eq!(world.slug(&ED.sign(&claims(json!({"iss": null}))).unwrap()), "token-unknown-provider");
}

#[tokio::test]
async fn the_issuer_is_checked_again_after_the_signature() {
    let world = World::with_keys(&[&ED]).await;
    let claims = Claims::parse(claims(json!({"iss": "https://evil.test"})).to_string().as_bytes()).unwrap();
    let refused = super::super::checks::issuer(&claims, &world.providers[0], TrailingSlash::Exact);
    assert_eq!(refused.unwrap_err().slug(), "token-issuer");
}

#[tokio::test]
async fn trusted_claims_need_a_unique_id_and_nothing_else() {
    let world = World::with_keys(&[&ED]).await;
    let trust = |json: &str| world.verifier.trust(Claims::parse(json.as_bytes()).unwrap(), &world.providers[0]);
    let trusted = trust(r#"{"sub":"a","email":"x@y.z","email_verified":false,"exp":1}"#).unwrap();
    assert_eq!((trusted.unique_id.as_str(), trusted.email.as_deref()), ("a", Some("x@y.z")));
    assert_eq!((trusted.trusted_email, trusted.algorithm, trusted.expires_at), (None, None, Some(1)));
    assert_eq!(trust("{}").unwrap_err().slug(), "token-subject");
}

#[tokio::test]
async fn an_explanation_has_every_step_in_order() {
    let world = World::with_keys(&[&ED]).await;
    let (steps, result) = world.verifier.explain(&ED.sign(&good()).unwrap(), &world.providers).await;
    assert!(result.is_ok());
    // What the provider does not ask for.
    let unasked = [Check::AuthorizedParty, Check::Age, Check::RequiredClaims];
    let expected = |step: &Step| if unasked.contains(&step.name) { Outcome::Skipped } else { Outcome::Passed };
    assert!(steps.iter().all(|step| step.outcome == expected(step)), "{steps:?}");
    let names = serde_json::to_value(steps.iter().map(|step| step.name).collect::<Vec<_>>()).unwrap();
    assert_eq!(
        names,
        json!([
            "shape",
            "algorithm",
            "bearer",
            "provider",
            "allowed_algorithm",
            "key",
            "signature",
            "expiry",
            "not_before",
            "issuer",
            "audience",
            "kind",
            "authorized_party",
            "age",
            "required_claims",
            "unique_id",
            "email"
        ])
    );
}

#[tokio::test]
async fn an_explanation_names_the_failed_step_and_what_was_not_reached() {
    let world = World::with_keys(&[&ED]).await;
    let token = ED.sign(&claims(json!({"aud": "other"}))).unwrap();
    let (steps, result) = world.verifier.explain(&token, &world.providers).await;
    let outcome = |name| steps.iter().find(|step| step.name == name).unwrap().outcome;
    assert_eq!(result.unwrap_err().slug(), "token-audience");
    assert_eq!((outcome(Check::Signature), outcome(Check::Audience)), (Outcome::Passed, Outcome::Failed));
    assert_eq!(outcome(Check::UniqueId), Outcome::Skipped);
    let (steps, _) = world.verifier.explain("nonsense", &world.providers).await;
    assert_eq!((steps.len(), steps[0].outcome), (17, Outcome::Failed));
}
