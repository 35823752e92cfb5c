//! Tokens that an issuer signs for something else open no door.

use serde_json::json;

use super::*;
use crate::authn::trace::{Check, Outcome};
use crate::model::{Condition, TokenKind};

/// A good token of a type.
fn typed(token_type: Value, changes: Value) -> String {
    let mut header = json!({"alg": "EdDSA", "kid": "ed"});
    if !token_type.is_null() {
        header["typ"] = token_type;
    }
    ED.sign_with_header(&header, &claims(changes)).unwrap()
}

#[tokio::test]
async fn tokens_for_something_else_are_taken_from_nobody() {
    let mut world = World::with_keys(&[&ED]).await;
    let never = [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "statuslist+jwt",
        "oauth-id-jag+jwt",
        "entity-statement+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "Application/LOGOUT+JWT",
    ];
    // Also where someone lists them.
    for types in [vec![], never.iter().map(|name| name.to_ascii_lowercase()).collect()] {
        world.providers[0].tokens.types = types;
        for name in never {
            assert_eq!(world.slug(&typed(json!(name), json!({}))), "token-type", "{name}");
        }
    }
}

#[tokio::test]
async fn what_a_token_says_tells_it_apart_where_its_type_does_not() {
    let world = World::with_keys(&[&ED]).await;
    for (said, slug) in [
        (json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}), "token-type"),
        (json!({"events": {}}), "token-type"),
        (json!({"htm": "POST", "htu": "https://x"}), "token-type"),
        (json!({"token_introspection": {"active": true}}), "token-type"),
        (json!({"status_list": {"bits": 1, "lst": "x"}}), "token-type"),
        (json!({"cnf": {"jkt": "x"}}), "token-bound"),
        (json!({"cnf": {"x5t#S256": "x"}}), "token-bound"),
        (json!({"act": {"sub": "agent7"}}), "token-delegated"),
        (json!({"act": {"sub": "a", "act": {"sub": "b"}}}), "token-delegated"),
        (json!({"act": "agent7"}), "token-delegated"),
    ] {
        for token_type in [json!(null), json!("JWT"), json!("at+jwt")] {
            assert_eq!(world.slug(&typed(token_type, said.clone())), slug, "{said}");
        }
    }
    // What only looks alike.
    for said in [json!({"status": {"status_list": {"idx": 1, "uri": "https://x"}}}), json!({"may_act": {"sub": "a"}})] {
        assert!(world.verify(&typed(json!("JWT"), said.clone())).is_ok(), "{said}");
    }
}

#[tokio::test]
async fn a_provider_says_which_types_it_takes() {
    let mut world = World::with_keys(&[&ED]).await;
    for (types, token_type, is_taken) in [
        (vec![], json!(null), true),
        (vec![], json!("JWT"), true),
        (vec![], json!("application/at+JWT"), true),
        (vec![], json!("vc+jwt"), false),
        (vec![], json!(""), false),
        (vec!["at+jwt"], json!("at+jwt"), true),
        (vec!["at+jwt"], json!("JWT"), false),
        // RFC 8725 §3.11: whoever lists types asks for them.
        (vec!["at+jwt"], json!(null), false),
        (vec!["jwt", "acme+jwt"], json!(null), true),
        (vec!["jwt", "acme+jwt"], json!("ACME+jwt"), true),
    ] {
        world.providers[0].tokens.types = types.iter().map(|name| (*name).to_owned()).collect();
        let verified = world.verify(&typed(token_type.clone(), json!({})));
        assert_eq!(verified.is_ok(), is_taken, "{types:?} {token_type}");
        assert!(verified.err().is_none_or(|error| error.slug() == "token-type"));
    }
    assert_eq!(world.slug(&typed(json!(7), json!({}))), "token-malformed");
}

#[tokio::test]
async fn id_tokens_and_access_tokens_are_told_apart() {
    let mut world = World::with_keys(&[&ED]).await;
    let (nonce, hash) = (json!({"nonce": "n"}), json!({"at_hash": "h"}));
    for (kind, token_type, said, is_taken) in [
        (TokenKind::Any, json!("JWT"), nonce.clone(), true),
        (TokenKind::Access, json!("JWT"), json!({}), true),
        (TokenKind::Access, json!("JWT"), nonce.clone(), false),
        (TokenKind::Access, json!(null), hash.clone(), false),
        (TokenKind::Access, json!("at+jwt"), json!({"auth_time": NOW}), true),
        (TokenKind::Id, json!("JWT"), json!({}), false),
        (TokenKind::Id, json!("JWT"), nonce.clone(), true),
        (TokenKind::Id, json!(null), json!({"auth_time": NOW}), true),
        (TokenKind::Id, json!("at+jwt"), nonce, false),
    ] {
        world.providers[0].tokens.kind = kind;
        assert_eq!(
            world.verify(&typed(token_type.clone(), said.clone())).is_ok(),
            is_taken,
            "{kind:?} {token_type} {said}"
        );
    }
}

#[tokio::test]
async fn the_audience_is_in_the_first_claim_that_is_there() {
    let mut world = World::with_keys(&[&ED]).await;
    world.providers[0].tokens.audience_claims = vec!["aud".into(), "client_id".into()];
    for (said, is_taken) in [
        (json!({}), true),
        (json!({"aud": null, "client_id": AUDIENCE}), true),
        // Present, but another's: the other claim is not looked at.
        (json!({"aud": "other", "client_id": AUDIENCE}), false),
        (json!({"aud": [], "client_id": AUDIENCE}), false),
        (json!({"aud": null, "azp": AUDIENCE}), false),
    ] {
        assert_eq!(world.verify(&typed(json!(null), said.clone())).is_ok(), is_taken, "{said}");
    }
}

#[tokio::test]
async fn only_the_providers_own_clients_tokens_are_taken() {
    let mut world = World::with_keys(&[&ED]).await;
    world.providers[0].tokens.authorized_parties = vec!["web".into(), "cli".into()];
    for (said, is_taken) in [
        (json!({"azp": "web"}), true),
        (json!({"client_id": "cli"}), true),
        (json!({"appid": "web"}), true),
        (json!({"cid": "web"}), true),
        (json!({"azp": "other", "client_id": "web"}), false),
        (json!({"azp": ["web"]}), false),
        (json!({}), false),
    ] {
        let verified = world.verify(&typed(json!(null), said.clone()));
        assert_eq!(verified.is_ok(), is_taken, "{said}");
        assert!(verified.err().is_none_or(|error| error.slug() == "token-claims"));
    }
}

#[tokio::test]
async fn tokens_that_live_too_long_or_are_too_old_are_refused() {
    let mut world = World::with_keys(&[&ED]).await;
    world.providers[0].tokens.max_lifetime = Some(300);
    for (said, slug) in [
        (json!({}), None),
        (json!({"exp": NOW + 301}), Some("token-claims")),
        (json!({"iat": null}), Some("token-claims")),
        (json!({"iat": "now"}), Some("token-malformed")),
        // Issued in the future, it could live for as long as it likes.
        (json!({"iat": NOW + 3_600, "exp": NOW + 3_700}), Some("token-not-yet-valid")),
    ] {
        let verified = world.verify(&typed(json!(null), said.clone()));
        assert_eq!(verified.err().map(|error| error.slug()), slug, "{said}");
    }
    world.providers[0].tokens.max_lifetime = None;
    world.providers[0].tokens.max_age = Some(60);
    assert_eq!(world.verify(&typed(json!(null), json!({}))).unwrap().too_old_at, Some(NOW + 60));
    assert_eq!(world.slug(&typed(json!(null), json!({"iat": NOW - 100}))), "token-expired");
    // A token that is known to be good gets too old as well.
    let token = typed(json!(null), json!({}));
    let providers: Arc<[_]> = world.providers.clone().into();
    let digest = crate::authn::digest_of(&token);
    assert!(world.verifier.verify_known(&token, &digest, &providers).await.is_ok());
    world.clock.advance(60 + 31);
    let refused = world.verifier.verify_known(&token, &digest, &providers).await.unwrap_err();
    assert_eq!(refused.slug(), "token-expired");
}

#[tokio::test]
async fn a_provider_requires_what_it_likes() {
    let mut world = World::with_keys(&[&ED]).await;
    let required = json!({"token_use": "access", "scope": {"glob": "gateway:*"}, "groups": {"not": "suspended"}});
    for (path, condition) in required.as_object().unwrap() {
        world.providers[0].tokens.required_claims.insert(path.clone(), Condition::read(condition).unwrap());
    }
    let good = json!({"token_use": "access", "scope": "openid gateway:read", "groups": ["a"]});
    assert!(world.verify(&typed(json!(null), good.clone())).is_ok());
    for (claim, value) in [
        ("token_use", json!("id")),
        ("token_use", json!(null)),
        ("scope", json!("openid")),
        ("groups", json!(["a", "suspended"])),
        ("groups", json!(null)),
    ] {
        let mut said = good.clone();
        said[claim] = value;
        assert_eq!(world.slug(&typed(json!(null), said.clone())), "token-claims", "{said}");
    }
}

#[tokio::test]
async fn an_explanation_tells_what_the_token_is_for() {
    let world = World::with_keys(&[&ED]).await;
    let (steps, result) = world.verifier.explain(&typed(json!("logout+jwt"), json!({})), &world.providers).await;
    assert!(result.is_err());
    let step = steps.iter().find(|step| step.name == Check::Bearer).unwrap();
    assert_eq!(step.outcome, Outcome::Failed);
    assert!(step.detail.starts_with("a logout token is not a bearer token"), "{}", step.detail);
}
