//! 400: every way in which a question cannot be asked, with its slug.

use serde_json::json;

use super::{ask_keyed, ask_with, assert_problem};
use crate::support::TestServer;

#[tokio::test]
async fn a_body_that_is_not_one_json_object_is_malformed() {
    let server = TestServer::start().await;
    let twice = r#"{"action":"viewModel","resource":"Model::\"a\""}{}"#;
    // By position, in the order of the members.
    let by_position = r#"["acme",null,null,"viewModel","Model::\"gpt-4o\"",null,false,null]"#;
    for body in ["", "{", "null", "[]", "\"x\"", twice, "{\"action\": \"viewModel\",}", by_position] {
        assert_problem(&server.post_bytes("/authorize", body.to_owned()).await, 400, "malformed-request");
        assert_problem(&server.post_bytes("/authorize/batch", body.to_owned()).await, 400, "malformed-request");
    }
    let not_utf8 = b"{\"action\": \"\xff\", \"resource\": \"Model::\\\"a\\\"\"}".to_vec();
    assert_problem(&server.post_bytes("/authorize", not_utf8).await, 400, "malformed-request");
    let deep = format!("{{\"action\":\"viewModel\",\"resource\":\"Model::\\\"a\\\"\",\"context\":{}", "[".repeat(5000));
    assert_problem(&server.post_bytes("/authorize", deep).await, 400, "malformed-request");
}

#[tokio::test]
async fn a_member_of_the_wrong_type_is_malformed() {
    let server = TestServer::start().await;
    for with in [
        json!({"action": 1}),
        json!({"action": null}),
        json!({"action": ["viewModel"]}),
        json!({"resource": 1}),
        json!({"resource": null}),
        json!({"resource": ["Model", "gpt-4o"]}),
        json!({"resource": {"type": "Model"}}),
        json!({"resource": {"type": "Model", "id": 4}}),
        json!({"resource": {"type": "Model", "id": "a", "attributes": []}}),
        json!({"resource": {"type": "Model", "id": "a", "parents": "Workspace::\"research\""}}),
        json!({"resource": {"type": "Model", "id": "a", "parents": [{"type": "Workspace"}]}}),
        json!({"action": {"type": "Action"}}),
        json!({"principal": {"type": "User", "id": 1}, "token": null}),
        json!({"explain": "yes"}),
        json!({"tenant": 1}),
        json!({"token": {}}),
        json!({"unknown": true}),
        json!({"unknown": "keep"}),
    ] {
        assert_problem(&ask_with(&server, with).await, 400, "malformed-request");
    }
}

#[tokio::test]
async fn an_action_or_a_resource_that_is_missing_is_malformed() {
    let server = TestServer::start().await;
    for body in [json!({"action": "viewModel"}), json!({"resource": "Model::\"gpt-4o\""}), json!({})] {
        let mut body = body;
        body["token"] = server.jane().into();
        assert_problem(&server.post("/authorize", body).await, 400, "malformed-request");
    }
}

#[tokio::test]
async fn a_member_that_nobody_knows_is_malformed() {
    let server = TestServer::start().await;
    for with in [
        json!({"subject": "x"}),
        json!({"resource": {"type": "Model", "id": "gpt-4o", "attrs": {}}}),
        json!({"resource": {"type": "Model", "id": "gpt-4o", "tags": {}}}),
    ] {
        assert_problem(&ask_with(&server, with).await, 400, "malformed-request");
    }
}

#[tokio::test]
async fn a_member_that_is_there_twice_is_malformed_at_any_depth() {
    let server = TestServer::start().await;
    let token = server.jane();
    let resource = r#""resource": "Model::\"gpt-4o\"""#;
    for members in [
        format!(r#""action": "viewModel", "action": "viewModel", {resource}"#),
        format!(r#""action": "viewModel", {resource}, {resource}"#),
        format!(r#""action": "viewModel", {resource}, "context": {{"user_agent": "a", "user_agent": "b"}}"#),
        r#""action": "viewModel", "resource": {"type": "Model", "id": "a", "attributes": {"tier": "a", "tier": "b"}}"#
            .to_owned(),
        r#""action": "viewModel", "resource": {"type": "Model", "id": "a", "id": "b"}"#.to_owned(),
        r#""action": "callTool", "resource": "McpTool::\"a\"", "context": {"arguments": {"path": "a", "path": "b"}}"#
            .to_owned(),
    ] {
        let body = format!(r#"{{"token": "{token}", {members}}}"#);
        assert_problem(&server.post_bytes("/authorize", body).await, 400, "malformed-request");
    }
}

#[tokio::test]
async fn an_action_that_the_schema_does_not_have_is_named() {
    let server = TestServer::start().await;
    for action in ["flyModel", "", "Action::\"flyModel\"", "Model::\"gpt-4o\"", "viewmodel"] {
        let reply = ask_with(&server, json!({"action": action})).await;
        assert_problem(&reply, 400, "unknown-action");
        assert!(reply.body["detail"].as_str().unwrap().contains(action), "{}", reply.body);
    }
}

#[tokio::test]
async fn a_group_of_actions_and_our_own_action_cannot_be_asked_for() {
    let server = TestServer::start().await;
    for action in ["view", "manage", "assume"] {
        assert_problem(&ask_with(&server, json!({"action": action})).await, 400, "request-invalid");
    }
}

#[tokio::test]
async fn a_resource_type_that_the_schema_does_not_have_is_named() {
    let server = TestServer::start().await;
    for resource in [json!("Spaceship::\"x\""), json!({"type": "Spaceship", "id": "x"}), json!({"type": "", "id": "x"})]
    {
        assert_problem(&ask_with(&server, json!({"resource": resource})).await, 400, "unknown-resource-type");
    }
    let parents = json!({"type": "Model", "id": "a", "parents": ["Spaceship::\"x\""]});
    assert_problem(&ask_keyed(&server, json!({"resource": parents})).await, 400, "unknown-resource-type");
}

#[tokio::test]
async fn a_resource_that_is_no_entity_is_malformed() {
    let server = TestServer::start().await;
    for resource in ["", "gpt-4o", "Model::", "::gpt-4o", "Model::\"gpt-4o", "Model::\"a\" ; x"] {
        assert_problem(&ask_with(&server, json!({"resource": resource})).await, 400, "malformed-request");
    }
}

#[tokio::test]
async fn an_action_that_does_not_apply_to_the_resource_is_refused() {
    let server = TestServer::start().await;
    let reply = ask_with(&server, json!({"action": "viewModel", "resource": "Agent::\"analyst\""})).await;
    assert_problem(&reply, 400, "request-invalid");
    assert_eq!(reply.body["detail"], "action `viewModel` does not apply to a `Agent`");
}

#[tokio::test]
async fn attributes_and_parents_that_do_not_fit_the_schema_are_refused() {
    let server = TestServer::start().await;
    for described in [
        json!({"attributes": {"tier": 1}}),
        json!({"attributes": {"colour": "red"}}),
        json!({"attributes": {"max_tokens": "many"}}),
        json!({"attributes": {"max_tokens": 1.5}}),
        json!({"parents": ["Prompt::\"summarize\""]}),
        json!({"parents": ["Model::\"gpt-4o\""]}),
        json!({"parents": ["Team::\"ml\""]}),
    ] {
        let mut resource = json!({"type": "Model", "id": "gpt-4o"});
        resource.as_object_mut().unwrap().extend(described.as_object().unwrap().clone());
        let reply = ask_keyed(&server, json!({"resource": resource})).await;
        assert_eq!(reply.status, 400, "{described}");
        assert_problem(&reply, 400, "resource-invalid");
    }
}

#[tokio::test]
async fn a_context_that_does_not_fit_the_schema_is_refused() {
    let server = TestServer::start().await;
    for context in [
        json!([]),
        json!("x"),
        json!(1),
        json!({"weather": "rain"}),
        json!({"tokens_requested": "many"}),
        json!({"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.999"}}}),
        json!({"time": "2026-13-01T00:00:00Z"}),
        json!({"agent": {"__entity": {"type": "Model", "id": "gpt-4o"}}}),
        json!({"arguments": {"path": "/"}}),
    ] {
        assert_problem(&ask_with(&server, json!({"context": context})).await, 400, "context-invalid");
    }
}

#[tokio::test]
async fn a_context_may_be_written_with_the_schemas_own_types() {
    let server = TestServer::start().await;
    let context =
        json!({"ip": "10.0.0.1", "time": "2026-01-09T10:00:00Z", "agent": {"type": "Agent", "id": "analyst"}});
    assert_eq!(ask_with(&server, json!({"context": context})).await.status, 200);
}
