//! 200: what an answer holds, allow or deny, and what `explain` adds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ask_with;
use crate::support::TestServer;
use crate::support::server::CALLER_KEY;

#[tokio::test]
async fn an_allow_holds_every_documented_member() {
    let server = TestServer::start().await;
    let answer = ask_with(&server, json!({})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let members: BTreeSet<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = [
        "decision",
        "reason",
        "policies",
        "errors",
        "principal",
        "external_identities",
        "generation",
        "revision",
        "decision_id",
    ];
    assert_eq!(members, BTreeSet::from(documented));
    assert_eq!(answer.body["decision"], "allow");
    assert_eq!(answer.body["reason"], "permitted");
    assert_eq!(answer.body["errors"], json!([]));
    assert_eq!(answer.body["principal"], "User::\"jane@acme.com\"");
    assert_eq!(answer.body["external_identities"], json!(["everyone"]));
    assert_eq!(answer.body["generation"].as_str().unwrap().len(), 64);
    assert_eq!(answer.body["revision"], 1);
    assert_eq!(answer.body["decision_id"].as_str().unwrap().len(), 26);
    let policy = &answer.body["policies"][0];
    assert_eq!(policy["id"], "collaborator/Model/gpt-4o/viewer/Team/ml");
    assert_eq!(policy["effect"], "permit");
    assert_eq!(policy["annotations"], json!({}));
    assert_eq!(policy["role"], "viewer");
    assert_eq!(policy["subject"], "Team::\"ml\"");
}

#[tokio::test]
async fn the_source_of_a_grant_is_the_line_of_the_manifest_that_holds_it() {
    let server = TestServer::start().await;
    let answer = ask_with(&server, json!({})).await;
    let source = answer.body["policies"][0]["source"].as_str().unwrap();
    let (file, line) = source.rsplit_once(':').unwrap();
    // Wherever on the machine the tree is.
    assert!(file.starts_with("policies/acme/manifests/"), "{source}");
    let text = server.tree.read(file);
    let line = text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
    assert!(line.contains("team:ml") && line.contains("viewer"), "{line}");
}

#[tokio::test]
async fn a_deny_for_want_of_a_permit_is_a_200_without_policies() {
    let server = TestServer::start().await;
    let answer = ask_with(&server, json!({"action": "invokeModel"})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["decision"], "deny");
    assert_eq!(answer.body["reason"], "not_permitted");
    assert_eq!(answer.body["policies"], json!([]));
}

#[tokio::test]
async fn a_forbid_that_matched_is_named_with_its_place_and_its_annotations() {
    let server = TestServer::start().await;
    let context = json!({"ip": {"__extn": {"fn": "ip", "arg": "198.51.100.7"}}});
    let answer = ask_with(&server, json!({"context": context})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["decision"], "deny");
    assert_eq!(answer.body["reason"], "forbidden");
    let policies = answer.body["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1, "{policies:?}");
    assert_eq!(policies[0]["id"], "platform/blocked-networks");
    assert_eq!(policies[0]["effect"], "forbid");
    assert_eq!(policies[0]["annotations"]["reason"], "this network is blocked");
    assert!(policies[0].get("role").is_none() && policies[0].get("subject").is_none());
    let source = policies[0]["source"].as_str().unwrap();
    assert_eq!(source, "policies/platform/networks.cedar:3");
}

#[tokio::test]
async fn an_action_is_a_name_or_a_uid_and_a_resource_a_string_or_an_object() {
    let server = TestServer::start().await;
    let actions = [
        json!("viewModel"),
        json!("Action::\"viewModel\""),
        json!("Action::viewModel"),
        json!({"type": "Action", "id": "viewModel"}),
    ];
    let resources = [json!("Model::\"gpt-4o\""), json!("Model::gpt-4o"), json!({"type": "Model", "id": "gpt-4o"})];
    for action in &actions {
        for resource in &resources {
            let answer = ask_with(&server, json!({"action": action, "resource": resource})).await;
            assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")), "{action} {resource}");
        }
    }
}

#[tokio::test]
async fn a_principal_and_parents_are_taken_in_every_notation() {
    let server = TestServer::start().await;
    let key = [("x-cedargate-key", CALLER_KEY)];
    for principal in
        [json!("User::\"jane@acme.com\""), json!("User::jane@acme.com"), json!({"type": "User", "id": "jane@acme.com"})]
    {
        for parent in [json!("ModelProvider::openai"), json!({"type": "ModelProvider", "id": "openai"})] {
            let resource = json!({"type": "Model", "id": "gpt-4o", "parents": [parent]});
            let body = json!({"principal": principal, "action": "viewModel", "resource": resource});
            let answer = server.post_with("/authorize", body, &key).await;
            assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")), "{principal} {parent}");
            assert_eq!(answer.body["principal"], "User::\"jane@acme.com\"");
        }
    }
    for wrong in [json!("jane@acme.com"), json!("User::"), json!({"type": "User"}), json!(["User", "jane"]), json!(7)] {
        let body = json!({"principal": wrong, "action": "viewModel", "resource": "Model::gpt-4o"});
        assert_eq!(server.post_with("/authorize", body, &key).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_deny_comes_with_its_own_status_where_that_is_asked_for() {
    let server = TestServer::start().await;
    let body = |action: &str| json!({"token": server.jane(), "action": action, "resource": "Model::gpt-4o"});
    let denied = server.post("/authorize?deny=403", body("manageModel")).await;
    assert_eq!((denied.status, &denied.body["decision"]), (403, &json!("deny")));
    assert_eq!(denied.body["reason"], "not_permitted");
    let allowed = server.post("/tenants/acme/authorize?deny=403", body("viewModel")).await;
    assert_eq!((allowed.status, &allowed.body["decision"]), (200, &json!("allow")));
    // Without it, and for what is no answer, nothing changes.
    assert_eq!(server.post("/authorize", body("manageModel")).await.status, 200);
    let refused = server.post("/authorize?deny=403", json!({"action": "viewModel", "resource": "Model::m"})).await;
    assert_eq!((refused.status, &refused.body["type"]), (401, &json!("urn:cedargate:problem:token-missing")));
    for odd in ["deny=401", "deny=", "status=403"] {
        assert_eq!(server.post(&format!("/authorize?{odd}"), body("viewModel")).await.status, 400, "{odd}");
    }
}

#[tokio::test]
async fn an_absent_null_or_empty_context_is_the_same() {
    let server = TestServer::start().await;
    for with in [json!({}), json!({"context": null}), json!({"context": {}})] {
        assert_eq!(ask_with(&server, with).await.body["decision"], "allow");
    }
}

#[tokio::test]
async fn explain_names_each_near_miss_with_the_first_part_that_was_false() {
    let server = TestServer::start().await;
    let context = json!({"tokens_requested": 100});
    let body = json!({"token": server.partner(), "action": "invokeModel", "resource": "Model::\"gpt-4o\"", "context": context});
    let mut explained = body.clone();
    explained["explain"] = json!(true);
    let key = [("x-cedargate-key", CALLER_KEY)];
    let answer = server.post_with("/authorize", explained.clone(), &key).await;
    assert_eq!(answer.body["decision"], "allow");
    let near_misses = answer.body["near_misses"].as_array().unwrap();
    let failed = |id: &str| -> &Value {
        &near_misses.iter().find(|miss| miss["id"] == id).unwrap_or_else(|| panic!("{id}: {near_misses:?}"))["failed"]
    };
    assert_eq!(failed("acme/token-budget"), "context.tokens_requested > resource.max_tokens");
    assert_eq!(failed("acme/gold-models-at-night"), "context has time");
    assert!(failed("collaborator/Model/gpt-4o/user/VirtualAccount/ci").as_str().unwrap().contains("VirtualAccount"));
    for miss in near_misses {
        let source = miss["source"].as_str().unwrap();
        assert!(source.starts_with("policies/") && source.contains(':'), "{miss}");
        assert_ne!(miss["id"], answer.body["policies"][0]["id"]);
    }
    let without = server.post("/authorize", body).await;
    assert!(without.body.get("near_misses").is_none());
    // Near misses name grants and people: whoever has only a token is answered without, and told so.
    let anyones = server.post("/authorize", explained).await;
    assert_eq!((anyones.status, &anyones.body["decision"]), (200, &json!("allow")));
    assert!(anyones.body.get("near_misses").is_none(), "{}", anyones.body);
    assert_eq!(anyones.body["dropped"], json!(["explain"]));
    assert!(answer.body.get("dropped").is_none(), "{}", answer.body);
}
