//! Which of an issuer's tokens open a door, and to whom: over HTTP, as callers send them.

use cedargate::authn::mint::SigningKey;
use serde_json::{Value, json};

use crate::support::{START, TestIssuer, TestServer};

fn signed(issuer: &TestIssuer, token_type: Option<&str>, claims: Value) -> String {
    let mut all =
        json!({"iss": issuer.issuer, "aud": issuer.audience, "iat": START, "exp": START + 3_600, "sub": "u1"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let key: &SigningKey = &issuer.key();
    let mut header = json!({"alg": "ES256", "kid": key.jwk()["kid"]});
    if let Some(token_type) = token_type {
        header["typ"] = token_type.into();
    }
    key.sign_with_header(&header, &all).unwrap()
}

#[tokio::test]
async fn tokens_for_something_else_open_no_door() {
    let server = TestServer::start().await;
    let jane = json!({"email": "jane@acme.com"});
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    for (token_type, claims, slug) in [
        (Some("logout+jwt"), json!({"events": events}), "token-type"),
        (None, json!({"events": events}), "token-type"),
        (Some("secevent+jwt"), json!({}), "token-type"),
        (Some("oauth-id-jag+jwt"), json!({"client_id": "other"}), "token-type"),
        (Some("dpop+jwt"), json!({}), "token-type"),
        (Some("something+jwt"), json!({}), "token-type"),
        (Some("JWT"), json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}), "token-bound"),
        (Some("at+jwt"), json!({"act": {"sub": "agent7"}}), "token-delegated"),
    ] {
        let mut all = jane.clone();
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let answer = server.ask(&signed(&server.okta, token_type, all.clone()), "viewModel", "Model::\"gpt-4o\"").await;
        assert_eq!(answer.status, 401, "{token_type:?} {all}");
        assert_eq!(answer.body["type"], format!("urn:cedargate:problem:{slug}"), "{token_type:?} {all}");
    }
    for token_type in [None, Some("JWT"), Some("at+jwt"), Some("application/at+jwt")] {
        let answer =
            server.ask(&signed(&server.okta, token_type, jane.clone()), "viewModel", "Model::\"gpt-4o\"").await;
        assert_eq!(answer.body["principal"], "User::\"jane@acme.com\"", "{token_type:?}");
    }
}

#[tokio::test]
async fn an_address_in_a_token_of_github_is_nobodys() {
    let server = TestServer::start().await;
    for claims in [
        json!({"email": "lee@acme.com"}),
        json!({"email": "lee@acme.com", "email_verified": true}),
        json!({"email": "jane@acme.com", "xms_edov": true}),
    ] {
        let token = signed(&server.github, None, claims.clone());
        let answer = server.ask(&token, "viewModel", "Model::\"gpt-4o\"").await;
        assert_eq!(answer.body["principal"], "ExternalSubject::\"github|u1\"", "{claims}");
        assert_eq!(answer.body["decision"], "deny", "{claims}");
        // Nor can it administer in their name.
        let made = server
            .client
            .post(format!("{}/tenants/acme/teams", server.url))
            .header("authorization", format!("Bearer {token}"))
            .json(&json!({"name": "mine"}))
            .send()
            .await
            .unwrap();
        assert!(made.status().is_client_error(), "{claims}");
    }
    let denied = signed(&server.okta, None, json!({"email": "jane@acme.com", "email_verified": false}));
    let answer = server.ask(&denied, "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!(answer.body["principal"], "ExternalSubject::\"okta|u1\"");
}
