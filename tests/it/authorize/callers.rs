//! Who is calling, and how it is said who a question is about.

use cedargate::authn::hash_key;
use cedargate::config::{Permission, RawCallerKey};
use serde_json::json;

use super::assert_problem;
use crate::support::TestServer;
use crate::support::server::CALLER_KEY;

const OTHER_KEY: &str = "cgcaller_other";

async fn server_with_other_key(may: Vec<Permission>, tenants: Option<Vec<String>>) -> TestServer {
    TestServer::configured(|raw| {
        raw.callers.keys.push(RawCallerKey { name: "other".into(), hash: hash_key(OTHER_KEY), may, tenants });
    })
    .await
}

#[tokio::test]
async fn a_token_may_come_in_the_header_or_in_the_body() {
    let server = TestServer::start().await;
    let body = json!({"action": "viewModel", "resource": "Model::\"gpt-4o\""});
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {}", server.jane());
        let answer = server.post_with("/authorize", body.clone(), &[("authorization", &header)]).await;
        assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")), "{scheme}");
    }
    let answer = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!(answer.body["decision"], "allow");
}

#[tokio::test]
async fn who_a_question_is_about_is_said_once() {
    let server = TestServer::start().await;
    let bearer = format!("Bearer {}", server.jane());
    let question = json!({"action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let key = ("x-cedargate-key", CALLER_KEY);
    for (with, headers) in [
        (json!({"token": server.jane()}), vec![("authorization", bearer.as_str())]),
        (json!({"principal": "User::\"jane@acme.com\""}), vec![("authorization", bearer.as_str()), key]),
        (json!({"principal": "User::\"jane@acme.com\"", "token": server.jane()}), vec![key]),
    ] {
        let mut body = question.clone();
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        assert_problem(&server.post_with("/authorize", body, &headers).await, 400, "malformed-request");
    }
}

#[tokio::test]
async fn vouching_takes_a_key_that_may_vouch() {
    let server = server_with_other_key(vec![], None).await;
    let body = json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    assert_problem(&server.post("/authorize", body.clone()).await, 403, "caller-may-not");
    for (key, slug) in
        [(OTHER_KEY, "caller-may-not"), ("cgcaller_wrong", "caller-key-unknown"), ("", "caller-key-unknown")]
    {
        let reply = server.post_with("/authorize", body.clone(), &[("x-cedargate-key", key)]).await;
        assert_problem(&reply, 403, slug);
        let batch = json!({"requests": [body]});
        let reply = server.post_with("/authorize/batch", batch, &[("x-cedargate-key", key)]).await;
        match slug {
            // A fault of this question, and of no other.
            "caller-may-not" => assert_eq!(reply.body["results"][0]["error"]["status"], 403, "{}", reply.body),
            _ => assert_problem(&reply, 403, slug),
        }
    }
    let answer = server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await;
    assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")));
}

#[tokio::test]
async fn a_wrong_key_is_refused_even_beside_a_good_token() {
    let server = TestServer::start().await;
    let body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let reply = server.post_with("/authorize", body, &[("x-cedargate-key", "cgcaller_wrong")]).await;
    assert_problem(&reply, 403, "caller-key-unknown");
}

#[tokio::test]
async fn a_key_of_another_tenant_may_not_ask_about_this_one() {
    let server = server_with_other_key(vec![Permission::Vouch], Some(vec!["globex".into()])).await;
    let body = json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let reply = server.post_with("/authorize", body, &[("x-cedargate-key", OTHER_KEY)]).await;
    assert_problem(&reply, 403, "caller-may-not");
    let body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let reply = server.post_with("/authorize", body, &[("x-cedargate-key", OTHER_KEY)]).await;
    assert_problem(&reply, 403, "caller-may-not");
}

#[tokio::test]
async fn with_anonymous_nobody_a_token_alone_does_not_do() {
    let server = TestServer::configured(|raw| {
        raw.callers.anonymous = toml_choice();
    })
    .await;
    let body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    assert_problem(&server.post("/authorize", body.clone()).await, 403, "caller-may-not");
    let answer = server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await;
    assert_eq!(answer.status, 200);
}

/// `nobody`, whose type the library does not name outside.
fn toml_choice<T: serde::de::DeserializeOwned>() -> T {
    serde_json::from_value(json!("nobody")).unwrap()
}

#[tokio::test]
async fn a_vouched_principal_is_of_a_type_that_the_schema_knows() {
    let server = TestServer::start().await;
    for (principal, slug) in [("jane@acme.com", "malformed-request"), ("Spaceship::\"x\"", "unknown-principal-type")] {
        assert_problem(&server.vouch(principal, "viewModel", "Model::\"gpt-4o\"").await, 400, slug);
    }
    // Types that the action is not for are denied like anyone else whom nothing permits.
    for nobody in ["User::\"nobody@acme.com\"", "Model::\"gpt-4o\"", "Team::\"ml\""] {
        let answer = server.vouch(nobody, "viewModel", "Model::\"gpt-4o\"").await;
        assert_eq!((answer.status, &answer.body["reason"]), (200, &json!("not_permitted")), "{nobody}");
    }
}
