//! 401: every slug that a token can earn over HTTP, and the tokens next to it that are taken.

use cedargate::authn::mint::SigningKey;
use cedargate::model::SigningAlgorithm;
use serde_json::{Value, json};

use super::assert_problem;
use crate::support::{START, TestIssuer, TestServer};

#[track_caller]
fn assert_refused(reply: &crate::support::Reply, slug: &str) {
    assert_problem(reply, 401, slug);
    assert_eq!(reply.headers["www-authenticate"], "Bearer error=\"invalid_token\"");
}

async fn ask(server: &TestServer, token: &str) -> crate::support::Reply {
    server.ask(token, "viewModel", "Model::\"gpt-4o\"").await
}

/// Jane's token with other claims.
fn jane_with(server: &TestServer, claims: Value) -> String {
    let mut all = json!({"sub": "00u1", "email": "jane@acme.com"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    server.okta.token(all)
}

#[tokio::test]
async fn no_token_at_all_is_token_missing() {
    let server = TestServer::start().await;
    let body = json!({"action": "viewModel", "resource": "Model::\"gpt-4o\""});
    assert_refused(&server.post("/authorize", body.clone()).await, "token-missing");
    assert_refused(&server.post("/authorize/batch", json!({"requests": [body]})).await, "token-missing");
}

#[tokio::test]
async fn what_is_no_token_is_token_malformed() {
    let server = TestServer::start().await;
    let good = server.jane();
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for token in [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        format!("{header}.{payload}"),
        format!("{good}.{signature}"),
        format!("{header}.{payload}."),
        format!("{good} "),
        format!("{header}.{payload}=.{signature}"),
        "x".repeat(17 * 1024),
        jane_with(&server, json!({"exp": "1767956400"})),
        jane_with(&server, json!({"nbf": "soon"})),
        server.okta.key().sign_bytes(br#"{"alg":"ES256","kid":"okta-1"}"#, b"[]").unwrap(),
    ] {
        assert_refused(&ask(&server, &token).await, "token-malformed");
    }
}

#[tokio::test]
async fn a_header_that_asks_for_what_we_do_not_know_is_token_malformed() {
    let server = TestServer::start().await;
    let claims = json!({"iss": server.okta.issuer, "aud": "api://gateway", "sub": "a", "exp": START + 60});
    let header = json!({"alg": "ES256", "kid": "okta-1", "crit": ["b64"], "b64": false});
    let token = server.okta.key().sign_with_header(&header, &claims).unwrap();
    assert_refused(&ask(&server, &token).await, "token-malformed");
}

#[tokio::test]
async fn a_payload_that_the_signature_is_not_for_is_token_signature() {
    let server = TestServer::start().await;
    let (jane, lee) = (server.jane(), server.okta.token(json!({"sub": "00u2", "email": "lee@acme.com"})));
    // The good one first: nothing remembered about it may help the forged one.
    assert_eq!(ask(&server, &jane).await.status, 200);
    let (signed, signature) = jane.rsplit_once('.').unwrap();
    let (others, _) = lee.rsplit_once('.').unwrap();
    assert_refused(&ask(&server, &format!("{others}.{signature}")).await, "token-signature");
    let (header, _) = signed.split_once('.').unwrap();
    let (_, payload) = others.split_once('.').unwrap();
    assert_refused(&ask(&server, &format!("{header}.{payload}.{signature}")).await, "token-signature");
}

#[tokio::test]
async fn a_key_that_the_provider_does_not_have_is_token_signature() {
    let server = TestServer::start().await;
    let claims = json!({"iss": server.okta.issuer, "aud": "api://gateway", "sub": "a", "exp": START + 60});
    for key_id in ["okta-1", "github-1", "unheard-of"] {
        let mine = SigningKey::generate(SigningAlgorithm::ES256, key_id).unwrap();
        assert_refused(&ask(&server, &mine.sign(&claims).unwrap()).await, "token-signature");
    }
    // Another provider's real key does not sign for this one.
    assert_refused(&ask(&server, &server.github.key().sign(&claims).unwrap()).await, "token-signature");
}

#[tokio::test]
async fn a_token_is_good_until_its_expiry_and_the_leeway_have_passed() {
    let server = TestServer::start().await;
    for (exp, taken) in [(START - 29, true), (START - 30, false), (START - 31, false)] {
        let reply = ask(&server, &jane_with(&server, json!({"exp": exp}))).await;
        if taken {
            assert_eq!(reply.status, 200, "{exp}: {}", reply.body);
        } else {
            assert_refused(&reply, "token-expired");
        }
    }
    assert_refused(&ask(&server, &jane_with(&server, json!({"exp": null}))).await, "token-expired");
    assert_eq!(ask(&server, &jane_with(&server, json!({"exp": START as f64 + 0.5}))).await.status, 200);
}

#[tokio::test]
async fn a_token_expires_while_the_server_runs() {
    let server = TestServer::start().await;
    let token = server.jane();
    server.clock.advance(3600 + 29);
    assert_eq!(ask(&server, &token).await.status, 200);
    server.clock.advance(2);
    assert_refused(&ask(&server, &token).await, "token-expired");
}

#[tokio::test]
async fn a_token_of_the_future_is_token_not_yet_valid() {
    let server = TestServer::start().await;
    assert_eq!(ask(&server, &jane_with(&server, json!({"nbf": START + 30}))).await.status, 200);
    assert_refused(&ask(&server, &jane_with(&server, json!({"nbf": START + 31}))).await, "token-not-yet-valid");
}

#[tokio::test]
async fn a_token_without_an_issuer_is_token_issuer() {
    let server = TestServer::start().await;
    for issuer in [json!(null), json!(["https://acme.okta.com"]), json!(1)] {
        assert_refused(&ask(&server, &jane_with(&server, json!({"iss": issuer}))).await, "token-issuer");
    }
}

#[tokio::test]
async fn a_token_of_an_issuer_that_nobody_trusts_is_token_unknown_provider() {
    let server = TestServer::start().await;
    let stranger = TestIssuer::start("okta", "api://gateway").await;
    assert_refused(&ask(&server, &stranger.token(json!({"sub": "a"}))).await, "token-unknown-provider");
    assert_eq!(stranger.served(), 0);
    // Issuers are exact: neither a slash nor a letter's case is overlooked.
    for issuer in [format!("{}/", server.okta.issuer), server.okta.issuer.to_uppercase()] {
        assert_refused(&ask(&server, &jane_with(&server, json!({"iss": issuer}))).await, "token-unknown-provider");
    }
}

#[tokio::test]
async fn a_token_meant_for_nobody_or_for_others_is_token_audience() {
    let server = TestServer::start().await;
    for audience in [json!(null), json!("api://other"), json!(["api://other"]), json!([]), json!(1), json!("")] {
        assert_refused(&ask(&server, &jane_with(&server, json!({"aud": audience}))).await, "token-audience");
    }
    for audience in [json!("api://gateway"), json!(["api://other", "api://gateway"])] {
        let reply = ask(&server, &jane_with(&server, json!({"aud": audience}))).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

#[tokio::test]
async fn a_token_of_nobody_is_token_subject() {
    let server = TestServer::start().await;
    for subject in [json!(null), json!(""), json!("  "), json!([]), json!({}), json!(true), json!("x".repeat(513))] {
        assert_refused(&ask(&server, &jane_with(&server, json!({"sub": subject}))).await, "token-subject");
    }
}

#[tokio::test]
async fn an_algorithm_without_a_key_of_its_own_is_token_algorithm() {
    let server = TestServer::start().await;
    let claims = json!({"iss": server.okta.issuer, "aud": "api://gateway", "sub": "a", "exp": START + 60});
    for algorithm in ["HS256", "none", "None", "HS512", "ES512", "es256"] {
        let header = json!({"alg": algorithm, "kid": "okta-1"});
        let token = server.okta.key().sign_with_header(&header, &claims).unwrap();
        assert_refused(&ask(&server, &token).await, "token-algorithm");
    }
    // The key is one for ES256, whatever the header says.
    let header = json!({"alg": "ES384", "kid": "okta-1"});
    let token = server.okta.key().sign_with_header(&header, &claims).unwrap();
    assert_refused(&ask(&server, &token).await, "token-algorithm");
}

#[tokio::test]
async fn a_refusal_never_repeats_the_token() {
    let server = TestServer::start().await;
    let token = jane_with(&server, json!({"exp": START - 3600}));
    let reply = ask(&server, &token).await;
    assert!(!reply.body.to_string().contains(token.rsplit_once('.').unwrap().1), "{}", reply.body);
}
