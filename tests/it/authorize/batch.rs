//! `/authorize/batch`: many questions, their order, and what is wrong with one of them.

use serde_json::{Value, json};

use super::assert_problem;
use crate::support::server::CALLER_KEY;
use crate::support::{Reply, TestServer};

fn question(action: &str) -> Value {
    json!({"action": action, "resource": "Model::\"gpt-4o\""})
}

fn with(mut question: Value, more: Value) -> Value {
    question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    question
}

fn all(reply: &Reply, member: &str) -> Vec<Value> {
    reply.body["results"].as_array().unwrap().iter().map(|result| result[member].clone()).collect()
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_questions_and_of_one_generation() {
    let server = TestServer::start().await;
    let actions = ["invokeModel", "viewModel", "editModel", "viewModel", "invokeModel"];
    let requests: Vec<_> = actions.iter().map(|action| question(action)).collect();
    let reply = server.post("/authorize/batch", json!({"token": server.jane(), "requests": requests})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    // Team `ml` owns the workspace, not the model.
    assert_eq!(all(&reply, "decision"), ["deny", "allow", "deny", "allow", "deny"]);
    let generations = all(&reply, "generation");
    assert!(generations.iter().all(|generation| generation == &generations[0]));
    let mut ids: Vec<_> = all(&reply, "decision_id").iter().map(ToString::to_string).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), actions.len());
}

#[tokio::test]
async fn each_question_is_about_its_own_principal_or_else_the_batchs() {
    let server = TestServer::start().await;
    let body = json!({"principal": "User::\"omar@acme.com\"", "requests": [
        question("viewModel"),
        with(question("viewModel"), json!({"principal": "User::\"sofia@acme.com\""})),
        with(question("viewModel"), json!({"token": server.partner()})),
        question("viewModel"),
    ]});
    let reply = server.post_with("/authorize/batch", body, &[("x-cedargate-key", CALLER_KEY)]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let (omar, sofia) = ("User::\"omar@acme.com\"", "User::\"sofia@acme.com\"");
    assert_eq!(all(&reply, "principal"), [omar, sofia, "ExternalSubject::\"okta|00u9\"", omar]);
}

#[tokio::test]
async fn the_header_is_the_default_of_a_batch() {
    let server = TestServer::start().await;
    let bearer = format!("Bearer {}", server.jane());
    let body =
        json!({"requests": [question("viewModel"), with(question("viewModel"), json!({"token": server.partner()}))]});
    let reply = server.post_with("/authorize/batch", body, &[("authorization", &bearer)]).await;
    assert_eq!(all(&reply, "principal"), ["User::\"jane@acme.com\"", "ExternalSubject::\"okta|00u9\""]);
}

#[tokio::test]
async fn an_empty_batch_has_no_answers() {
    let server = TestServer::start().await;
    let reply = server.post("/authorize/batch", json!({"token": server.jane(), "requests": []})).await;
    assert_eq!((reply.status, reply.body), (200, json!({"results": []})));
}

#[tokio::test]
async fn a_fault_names_the_question_that_has_it() {
    let server = TestServer::start().await;
    for (bad, status, slug) in [
        (question("flyModel"), 400, "unknown-action"),
        (with(question("viewModel"), json!({"resource": "x"})), 400, "malformed-request"),
        (with(question("viewModel"), json!({"context": {"weather": 1}})), 400, "context-invalid"),
        (with(question("viewModel"), json!({"token": "x"})), 401, "token-malformed"),
        (with(question("viewModel"), json!({"token": "x", "principal": "User::\"a\""})), 400, "malformed-request"),
        (with(question("viewModel"), json!({"principal": "User::\"a\""})), 403, "caller-may-not"),
    ] {
        let body = json!({"token": server.jane(), "requests": [question("viewModel"), bad, question("viewModel")]});
        let reply = server.post("/authorize/batch", body).await;
        assert_problem(&reply, status, slug);
        assert!(reply.body["detail"].as_str().unwrap().starts_with("`requests[1]`"), "{}", reply.body);
        assert!(reply.body.get("results").is_none());
    }
}

#[tokio::test]
async fn a_question_about_nobody_is_named_too() {
    let server = TestServer::start().await;
    let body =
        json!({"requests": [with(question("viewModel"), json!({"token": server.jane()})), question("viewModel")]});
    let reply = server.post("/authorize/batch", body).await;
    assert_problem(&reply, 401, "token-missing");
    assert!(reply.body["detail"].as_str().unwrap().starts_with("`requests[1]`"), "{}", reply.body);
}

#[tokio::test]
async fn a_batch_of_the_wrong_shape_is_malformed() {
    let server = TestServer::start().await;
    for body in [
        json!({"token": "x"}),
        json!({"token": "x", "requests": {}}),
        json!({"token": "x", "requests": [1]}),
        json!({"token": "x", "requests": [], "action": "viewModel"}),
        json!({"token": "x", "requests": [{"tenant": "acme", "action": "viewModel", "resource": "Model::\"a\""}]}),
    ] {
        assert_problem(&server.post("/authorize/batch", body).await, 400, "malformed-request");
    }
}
