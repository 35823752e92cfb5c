//! What gateways have at hand as a context: notations that mean the same, members that the schema does not declare.

use serde_json::{Value, json};

use super::{ask_keyed, ask_with, assert_problem};
use crate::support::TestServer;

async fn detail(server: &TestServer, context: Value) -> String {
    let reply = ask_with(server, json!({"context": context})).await;
    assert_problem(&reply, 400, "context-invalid");
    reply.body["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_field_that_does_not_fit_is_named_with_what_it_may_be() {
    let server = TestServer::start().await;
    for (context, said) in [
        (json!({"tokens_requested": 1.5}), "`context.tokens_requested`: `1.5` is not a whole number (Long)"),
        (json!({"time": "tonight"}), "`context.time`: `\"tonight\"` is not a date and time (datetime)"),
        (json!({"weather": "rain"}), "`context.weather`: is not declared by the schema"),
        (json!({"user_agnt": "x"}), "`context.user_agnt`: is not declared by the schema (did you mean `user_agent`?)"),
    ] {
        let detail = detail(&server, context).await;
        assert!(detail.contains(said), "{detail}");
    }
    let resource = json!({"type": "Model", "id": "gpt-4o", "attributes": {"max_tokens": 1.5}});
    let reply = ask_keyed(&server, json!({"resource": resource})).await;
    assert_problem(&reply, 400, "resource-invalid");
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(detail.contains("`resource.attributes.max_tokens`: `1.5` is not a whole number (Long)"), "{detail}");
}

#[tokio::test]
async fn a_mapped_address_is_blocked_where_its_plain_form_is() {
    let server = TestServer::start().await;
    for ip in [
        json!("198.51.100.7"),
        json!("::ffff:198.51.100.7"),
        json!("::ffff:c633:6407"),
        json!({"__extn": {"fn": "ip", "arg": "::ffff:198.51.100.7"}}),
    ] {
        let answer = ask_with(&server, json!({"context": {"ip": ip}})).await;
        assert_eq!(answer.body["policies"][0]["id"], "platform/blocked-networks", "{ip}: {}", answer.body);
    }
}

#[tokio::test]
async fn null_is_absent_and_times_may_have_any_offset() {
    let server = TestServer::start().await;
    for context in [
        json!({"user_agent": null, "tokens_requested": null}),
        json!({"time": "2026-11-28T18:03:00+01:00"}),
        json!({"time": "2026-11-28T18:03-07:00"}),
        json!({"time": {"__extn": {"fn": "datetime", "arg": "2026-11-28T18:03:00.5+01:00"}}}),
    ] {
        let answer = ask_with(&server, json!({"context": context})).await;
        assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")), "{context}: {}", answer.body);
    }
    let resource = json!({"type": "Model", "id": "gpt-4o", "attributes": {"max_tokens": null}});
    let answer = ask_keyed(&server, json!({"resource": resource})).await;
    assert_eq!(answer.body["decision"], "allow", "{}", answer.body);
}

#[tokio::test]
async fn members_that_the_schema_does_not_declare_can_be_left_out_and_are_told() {
    let server = TestServer::start().await;
    let attributes = json!({"tier": "gold", "colour": "red"});
    let question = json!({
        "action": "callTool", "resource": {"type": "McpTool", "id": "t", "attributes": {"colour": "red"}},
        "context": {"weather": "rain", "user_agent": "x", "arguments": {"per_page": 3, "path": "/"}},
    });
    assert_problem(&ask_keyed(&server, question.clone()).await, 400, "context-invalid");
    let mut dropping = question;
    dropping["unknown"] = json!("drop");
    let answer = ask_keyed(&server, dropping.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let dropped = ["context.arguments.per_page", "context.weather", "resource.attributes.colour"];
    let mut told: Vec<_> =
        answer.body["dropped"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, dropped);
    // What is declared is still read by its type.
    dropping["context"]["user_agent"] = json!(1);
    assert_problem(&ask_keyed(&server, dropping).await, 400, "context-invalid");
    // Each question of a batch says for itself.
    let about = |unknown: &str| {
        json!({"token": server.jane(), "action": "viewModel", "unknown": unknown,
        "resource": {"type": "Model", "id": "gpt-4o", "attributes": attributes}})
    };
    let requests = json!({"requests": [about("drop"), about("refuse")]});
    let key = [("x-cedargate-key", crate::support::server::CALLER_KEY)];
    let reply = server.post_with("/authorize/batch", requests, &key).await;
    assert_eq!(reply.body["results"][0]["dropped"], json!(["resource.attributes.colour"]), "{}", reply.body);
    assert_eq!(reply.body["results"][1]["error"]["status"], 400, "{}", reply.body);
}
