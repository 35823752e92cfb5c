//! A stranger's word: what a request says of its resource counts from callers with a key only, and an outsider who asks
//! for what only others may is denied, not refused.

use serde_json::{Value, json};

use super::{ask_keyed, ask_with, assert_problem};
use crate::support::TestServer;

/// Omar manages the cluster that the workspace `research` is on; this model is not in it.
fn placed(server: &TestServer) -> Value {
    let omar = server.okta.token(json!({"sub": "00u3", "email": "omar@acme.com"}));
    let resource = json!({"type": "Model", "id": "embeddings", "parents": ["Workspace::\"research\""]});
    json!({"token": omar, "action": "editModel", "resource": resource})
}

#[tokio::test]
async fn a_stranger_cannot_place_a_resource_where_they_may_do_what_they_want() {
    let server = TestServer::start().await;
    let answer = ask_with(&server, placed(&server)).await;
    assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("deny")), "{}", answer.body);
    assert_eq!(answer.body["dropped"], json!(["resource.parents"]));
    let keyed = ask_keyed(&server, placed(&server)).await;
    assert_eq!((&keyed.body["decision"], keyed.body.get("dropped")), (&json!("allow"), None), "{}", keyed.body);
}

#[tokio::test]
async fn a_strangers_attributes_are_left_out_and_told_so() {
    let server = TestServer::start().await;
    let resource = json!({"type": "Model", "id": "gpt-4o", "attributes": {"max_tokens": 10, "tier": "gold"}});
    let body = json!({"token": server.partner(), "action": "invokeModel", "resource": resource,
        "context": {"tokens_requested": 100}, "explain": true});
    let answer = ask_with(&server, body.clone()).await;
    assert_eq!(answer.body["decision"], "allow", "{}", answer.body);
    assert_eq!(answer.body["dropped"], json!(["resource.attributes", "explain"]));
    let keyed = ask_keyed(&server, body).await;
    assert_eq!(keyed.body["policies"][0]["id"], "acme/token-budget");
    // Nothing said is nothing left out.
    let empty =
        json!({"resource": {"type": "Model", "id": "gpt-4o", "attributes": {}, "parents": []}, "explain": false});
    assert!(ask_with(&server, empty).await.body.get("dropped").is_none());
}

#[tokio::test]
async fn the_same_holds_for_each_question_of_a_batch() {
    let server = TestServer::start().await;
    let body = json!({"requests": [placed(&server), {"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""}]});
    let reply = server.post("/authorize/batch", body).await;
    let results = &reply.body["results"];
    assert_eq!((&results[0]["decision"], &results[0]["dropped"]), (&json!("deny"), &json!(["resource.parents"])));
    assert_eq!((&results[1]["decision"], results[1].get("dropped")), (&json!("allow"), None));
}

#[tokio::test]
async fn a_server_may_take_anyones_word() {
    let server = TestServer::configured(|raw| {
        raw.callers.describe = cedargate::config::RawCountsFrom::Anyone;
        raw.callers.explain = cedargate::config::RawCountsFrom::Anyone;
    })
    .await;
    let mut body = placed(&server);
    body["explain"] = json!(true);
    let answer = ask_with(&server, body).await;
    assert_eq!(answer.body["decision"], "allow", "{}", answer.body);
    assert!(answer.body["near_misses"].is_array() && answer.body.get("dropped").is_none(), "{}", answer.body);
}

#[tokio::test]
async fn an_outsider_who_asks_for_what_only_users_may_is_denied() {
    let (okta, github) = crate::support::server::issuers().await;
    let tree = crate::support::TestTree::sample(&okta, &github);
    tree.write(
        "schema/pay.cedarschema",
        "action payModel appliesTo { principal: [User], resource: Model, context: { amount?: Long } };",
    );
    tree.write("policies/acme/pay.cedar", "permit (principal, action == Action::\"payModel\", resource);");
    let server = TestServer::over(tree, okta, github, |_| {}).await;
    let model = json!("Model::\"gpt-4o\"");
    let ask = |token: String, with: Value| {
        let mut body = json!({"token": token, "action": "payModel", "resource": model});
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        ask_with(&server, body)
    };
    assert_eq!(ask(server.jane(), json!({})).await.body["decision"], "allow");
    let answer = ask(server.partner(), json!({"context": {"amount": 3}})).await;
    assert_eq!((answer.status, &answer.body["reason"]), (200, &json!("not_permitted")), "{}", answer.body);
    assert_eq!(answer.body["policies"], json!([]));
    for (with, slug) in [
        (json!({"action": "payModels"}), "unknown-action"),
        (json!({"resource": "Spaceship::\"x\""}), "unknown-resource-type"),
        (json!({"resource": "Agent::\"analyst\""}), "request-invalid"),
        (json!({"context": {"weather": 1}}), "context-invalid"),
    ] {
        assert_problem(&ask(server.partner(), with).await, 400, slug);
    }
}
