//! Policies that cannot be evaluated: an erroring forbid fails closed, an erroring permit permits nothing, and all
//! of them are in the answer.

use serde_json::{Value, json};

use super::{ask_keyed, ask_with};
use crate::support::server::issuers;
use crate::support::{TestServer, TestTree};

/// Overflows for every request that asks for more than one token.
const FORBID: &str = r#"
@id("broken-forbid")
forbid (principal, action == Action::"viewModel", resource)
when { context has tokens_requested && context.tokens_requested * 9223372036854775807 < 0 };
"#;

fn overflowing() -> Value {
    json!({"context": {"tokens_requested": 2}})
}

#[tokio::test]
async fn a_forbid_that_cannot_be_evaluated_makes_the_answer_deny() {
    let server = TestServer::with_file("policies/acme/broken.cedar", FORBID).await;
    let answer = ask_with(&server, overflowing()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["decision"], "deny");
    assert_eq!(answer.body["reason"], "policy_error");
    assert_eq!(answer.body["policies"], json!([]));
    let errors = answer.body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["id"], "broken-forbid");
    assert_eq!(errors[0]["effect"], "forbid");
    assert!(errors[0]["source"].as_str().unwrap().ends_with("policies/acme/broken.cedar:2"), "{errors:?}");
    assert!(errors[0]["message"].as_str().unwrap().contains("overflow"), "{errors:?}");
    // The same policy, evaluated, stands in nobody's way.
    let answer = ask_with(&server, json!({"context": {"tokens_requested": 1}})).await;
    assert_eq!((&answer.body["decision"], &answer.body["errors"]), (&json!("allow"), &json!([])));
}

#[tokio::test]
async fn with_forbid_errors_skip_the_answer_is_plain_cedars_and_the_error_is_in_it() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    tree.write("policies/acme/broken.cedar", FORBID);
    let skip = serde_json::from_value(json!("skip")).unwrap();
    let server = TestServer::over(tree, okta, github, |raw| raw.decisions.forbid_errors = skip).await;
    let answer = ask_with(&server, overflowing()).await;
    assert_eq!((&answer.body["decision"], &answer.body["reason"]), (&json!("allow"), &json!("permitted")));
    assert_eq!(answer.body["errors"][0]["id"], "broken-forbid");
}

#[tokio::test]
async fn a_forbid_that_matched_outranks_one_that_could_not_be_evaluated() {
    let server = TestServer::with_file("policies/acme/broken.cedar", FORBID).await;
    let ip = json!({"__extn": {"fn": "ip", "arg": "198.51.100.7"}});
    let answer = ask_with(&server, json!({"context": {"tokens_requested": 2, "ip": ip}})).await;
    assert_eq!((&answer.body["decision"], &answer.body["reason"]), (&json!("deny"), &json!("forbidden")));
    assert_eq!(answer.body["policies"][0]["id"], "platform/blocked-networks");
    assert_eq!(answer.body["errors"][0]["id"], "broken-forbid");
}

#[tokio::test]
async fn a_permit_that_cannot_be_evaluated_permits_nothing_and_spoils_nothing() {
    let permit = FORBID.replace("forbid", "permit").replace("< 0", "> 0");
    let server = TestServer::with_file("policies/acme/broken.cedar", &permit).await;
    let allowed = ask_with(&server, overflowing()).await;
    assert_eq!((&allowed.body["decision"], &allowed.body["reason"]), (&json!("allow"), &json!("permitted")));
    assert_eq!(allowed.body["errors"][0]["id"], "broken-permit");
    assert_eq!(allowed.body["errors"][0]["effect"], "permit");
    let mut denied = overflowing();
    denied["resource"] = json!("Model::\"llama-3-70b\"");
    denied["token"] = server.okta.token(json!({"sub": "x", "email": "omar@acme.com", "client_id": "x"})).into();
    denied["resource"] = json!("Model::\"unheard-of\"");
    let denied = ask_with(&server, denied).await;
    assert_eq!((&denied.body["decision"], &denied.body["reason"]), (&json!("deny"), &json!("not_permitted")));
    assert_eq!(denied.body["errors"][0]["id"], "broken-permit");
}

#[tokio::test]
async fn explain_shows_the_condition_that_could_not_be_evaluated() {
    let server = TestServer::with_file("policies/acme/broken.cedar", FORBID).await;
    let mut question = overflowing();
    question["explain"] = json!(true);
    let answer = ask_keyed(&server, question).await;
    let near_misses = answer.body["near_misses"].as_array().unwrap();
    let broken = near_misses.iter().find(|miss| miss["id"] == "broken-forbid").unwrap();
    assert!(broken["failed"].as_str().unwrap().contains("overflow"), "{broken}");
}
