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
async fn what_is_wrong_with_one_question_stands_in_its_place_and_the_others_are_answered() {
    let server = TestServer::start().await;
    let expired = server.okta.token(json!({"sub": "00u1", "email": "jane@acme.com", "exp": 1}));
    for (bad, status, slug) in [
        (question("flyModel"), 400, "unknown-action"),
        (with(question("viewModel"), json!({"resource": "x"})), 400, "malformed-request"),
        (with(question("viewModel"), json!({"resource": "Spaceship::\"x\""})), 400, "unknown-resource-type"),
        (with(question("viewModel"), json!({"context": {"weather": 1}})), 400, "context-invalid"),
        (with(question("viewModel"), json!({"token": "x"})), 401, "token-malformed"),
        (with(question("viewModel"), json!({"token": expired})), 401, "token-expired"),
        (with(question("viewModel"), json!({"token": "x", "principal": "User::\"a\""})), 400, "malformed-request"),
        (with(question("viewModel"), json!({"principal": "User::\"a\""})), 403, "caller-may-not"),
        (with(question("viewModel"), json!({"tenant": "acme"})), 400, "malformed-request"),
        (with(question("viewModel"), json!({"explain": 1})), 400, "malformed-request"),
        (json!({"action": "viewModel"}), 400, "malformed-request"),
        (json!([null, null, "viewModel", "Model::\"gpt-4o\"", null, false]), 400, "malformed-request"),
        (json!(1), 400, "malformed-request"),
        (json!(null), 400, "malformed-request"),
    ] {
        let requests = json!([question("viewModel"), bad, question("invokeModel")]);
        let reply = server.post("/authorize/batch", json!({"token": server.jane(), "requests": requests})).await;
        assert_eq!(reply.status, 200, "{bad}: {}", reply.body);
        assert_eq!(all(&reply, "decision"), [json!("allow"), json!(null), json!("deny")], "{bad}: {}", reply.body);
        let result = &reply.body["results"][1];
        assert_eq!(result.as_object().unwrap().len(), 1, "{result}");
        let problem = &result["error"];
        assert_eq!(problem["type"], format!("urn:cedargate:problem:{slug}"), "{bad}: {problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["instance"], reply.headers["x-request-id"].to_str().unwrap());
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_all_questions_is_the_status() {
    let server = TestServer::start().await;
    let requests = json!([with(question("viewModel"), json!({"token": server.jane()})), question("viewModel")]);
    for (of_all, status, slug) in [
        (json!({"token": "x"}), 401, "token-malformed"),
        (json!({"principal": "User::\"a\""}), 403, "caller-may-not"),
        (json!({"token": server.jane(), "tenant": "globex"}), 404, "tenant-unknown"),
    ] {
        let body = with(of_all, json!({"requests": requests}));
        assert_problem(&server.post("/authorize/batch", body).await, status, slug);
    }
}

#[tokio::test]
async fn a_question_about_nobody_is_the_only_one_without_an_answer() {
    let server = TestServer::start().await;
    let body =
        json!({"requests": [with(question("viewModel"), json!({"token": server.jane()})), question("viewModel")]});
    let reply = server.post("/authorize/batch", body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["results"][0]["decision"], "allow");
    assert_eq!(reply.body["results"][1]["error"]["status"], 401);
    assert_eq!(reply.body["results"][1]["error"]["type"], "urn:cedargate:problem:token-missing");
    let reply =
        server.post("/authorize/batch", json!({"requests": [question("viewModel"), question("editModel")]})).await;
    assert_problem(&reply, 401, "token-missing");
}

#[tokio::test]
async fn a_batch_of_the_wrong_shape_is_malformed() {
    let server = TestServer::start().await;
    for body in [
        json!({"token": "x"}),
        json!({"token": "x", "requests": {}}),
        json!(["acme", null, "x", null, []]),
        json!({"token": "x", "requests": [], "action": "viewModel"}),
    ] {
        assert_problem(&server.post("/authorize/batch", body).await, 400, "malformed-request");
    }
}
