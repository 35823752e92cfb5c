//! The rest of the statuses: addresses, methods, sizes, what is not there yet; and the request's id.

use serde_json::json;

use super::{ask_with, assert_problem};
use cedargate::config::RawRequire;

use crate::support::server::issuers;
use crate::support::{TestServer, TestTree};

#[tokio::test]
async fn a_tenant_or_an_address_that_is_not_there_is_404() {
    let server = TestServer::start().await;
    for tenant in ["globex", "", "../acme", "platform", "ACME"] {
        assert_problem(&ask_with(&server, json!({"tenant": tenant})).await, 404, "tenant-unknown");
    }
    let body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    for path in ["/tenants/globex/authorize", "/tenants/ACME/authorize"] {
        assert_problem(&server.post(path, body.clone()).await, 404, "tenant-unknown");
    }
    for path in ["/", "/authorise", "/authorize/", "/tenants/acme/authorise", "/authorize/batch/1"] {
        assert_problem(&server.post(path, body.clone()).await, 404, "not-found");
    }
}

#[tokio::test]
async fn a_tenant_is_named_in_the_address_or_in_the_body_and_alike() {
    let server = TestServer::start().await;
    let mut body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    assert_eq!(server.post("/tenants/acme/authorize", body.clone()).await.body["decision"], "allow");
    body["tenant"] = "acme".into();
    assert_eq!(server.post("/authorize", body.clone()).await.body["decision"], "allow");
    assert_eq!(server.post("/tenants/acme/authorize", body.clone()).await.body["decision"], "allow");
    body["tenant"] = "globex".into();
    assert_problem(&server.post("/tenants/acme/authorize", body).await, 400, "malformed-request");
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_405() {
    let server = TestServer::start().await;
    let reply = server.get("/authorize").await;
    assert_problem(&reply, 405, "method-not-allowed");
    assert_eq!(reply.headers["allow"], "POST");
    assert_problem(&server.post("/live", json!({})).await, 405, "method-not-allowed");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let server = TestServer::configured(|raw| raw.http.max_body_bytes = 2048).await;
    let padded = |bytes: usize| ask_with(&server, json!({"context": {"user_agent": "x".repeat(bytes)}}));
    assert_eq!(padded(1).await.status, 200);
    assert_problem(&padded(2048).await, 413, "too-large");
}

#[tokio::test]
async fn a_batch_over_the_limit_is_413() {
    let server = TestServer::configured(|raw| raw.http.max_batch = 2).await;
    let question = json!({"action": "viewModel", "resource": "Model::\"gpt-4o\""});
    for (count, status) in [(2, 200), (3, 413)] {
        let requests = vec![question.clone(); count];
        let reply = server.post("/authorize/batch", json!({"token": server.jane(), "requests": requests})).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        if status == 413 {
            assert_problem(&reply, 413, "too-large");
        }
    }
}

#[tokio::test]
async fn a_thousand_questions_fit_into_one_batch() {
    let server = TestServer::start().await;
    // As long as tool lists are: a good two hundred bytes each.
    let question = |number: usize| {
        json!({"action": "callTool", "resource": {"type": "McpTool", "id": format!("tool-{number}")},
            "context": {"user_agent": "x".repeat(200), "arguments": {"path": format!("/{number}")}}})
    };
    let batch = |server: &TestServer, count: usize| json!({"token": server.jane(), "requests": (0..count).map(question).collect::<Vec<_>>()});
    assert!(batch(&server, 1000).to_string().len() > 256 * 1024);
    let reply = server.post("/authorize/batch", batch(&server, 1000)).await;
    assert_eq!((reply.status, reply.body["results"].as_array().map(Vec::len)), (200, Some(1000)));
    let reply = server.post("/authorize/batch", batch(&server, 1001)).await;
    assert_problem(&reply, 413, "too-large");
    let server = TestServer::configured(|raw| raw.http.max_questions_body_bytes = 4096).await;
    assert_eq!(server.post("/authorize/batch", batch(&server, 10)).await.status, 200);
    assert_problem(&server.post("/authorize/batch", batch(&server, 20)).await, 413, "too-large");
}

#[tokio::test]
async fn a_tenant_that_never_loaded_is_503_without_a_cause() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    tree.write("policies/acme/secret-name.cedar", "permit (");
    let server = TestServer::over(tree, okta, github, |raw| raw.ready.require = RawRequire::All).await;
    let reply = ask_with(&server, json!({})).await;
    assert_problem(&reply, 503, "no-snapshot");
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(!reply.body.to_string().contains("secret-name"), "{}", reply.body);
    assert_problem(&server.get("/ready").await, 503, "not-ready");
    assert_eq!(server.get("/live").await.status, 200);
}

#[tokio::test]
async fn a_provider_whose_keys_were_never_fetched_is_503_and_the_other_one_works() {
    let (okta, github) = issuers().await;
    okta.go_down();
    let tree = TestTree::sample(&okta, &github);
    let server = TestServer::over(tree, okta, github, |_| {}).await;
    let reply = ask_with(&server, json!({})).await;
    assert_problem(&reply, 503, "keys-unavailable");
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(!reply.body.to_string().contains("127.0.0.1"), "{}", reply.body);
    let token = server.github.token(json!({"sub": "repo:acme/site", "repository_owner": "acme"}));
    let answer = server.ask(&token, "invokeModel", "Model::\"embeddings\"").await;
    assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")));
}

#[tokio::test]
async fn the_requests_id_is_echoed_or_made_up() {
    let server = TestServer::start().await;
    let body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let id_of = async |headers: &[(&str, &str)]| {
        let reply = server.post_with("/authorize", body.clone(), headers).await;
        assert_eq!(reply.status, 200);
        reply.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id_of(&[("x-request-id", "my-request/1")]).await, "my-request/1");
    let (one, other) = (id_of(&[]).await, id_of(&[]).await);
    assert!(one.len() == 26 && other.len() == 26 && one != other, "{one} {other}");
    let long = "x".repeat(129);
    for hostile in ["", "a b", "a\tb", long.as_str(), "é"] {
        let id = id_of(&[("x-request-id", hostile)]).await;
        assert!(id.len() == 26 && id != hostile, "{hostile}: {id}");
    }
    assert_eq!(server.get("/nowhere").await.headers["x-request-id"].len(), 26);
}
