//! `authorize` and `token explain`: one look with the server's own decider and verifier.

use cedargate::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{Ran, cedargate, sample};
use crate::support::server::issuers;
use crate::support::{TestIssuer, TestTree};

fn authorize(tree: &TestTree, more: &[&str]) -> Ran {
    let arguments = ["authorize", "--tenant", "acme", "--resource", "Model::\"gpt-4o\""];
    cedargate(tree.path(), &[&arguments[..], more].concat())
}

/// A token that the machine's own clock takes.
fn fresh(issuer: &TestIssuer, claims: Value) -> String {
    let now = SystemClock.now().timestamp();
    let mut all = json!({"iat": now, "exp": now + 600});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    issuer.token(all)
}

#[test]
fn a_principal_by_name_is_allowed_with_0_or_denied_with_2() {
    let tree = sample();
    let jane = ["--principal", "User::\"jane@acme.com\""];
    let ran = authorize(&tree, &[&jane[..], &["--action", "viewModel"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("allow (permitted)"), "{}", ran.stdout);
    let ran = authorize(&tree, &[&jane[..], &["--action", "invokeModel"]].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("deny (not_permitted)"), "{}", ran.stdout);
}

#[test]
fn json_is_the_answer_that_the_server_gives() {
    let tree = sample();
    let arguments = ["--principal", "User::\"jane@acme.com\"", "--action", "viewModel", "--json"];
    let answer = authorize(&tree, &arguments).json();
    assert_eq!((&answer["decision"], &answer["reason"]), (&json!("allow"), &json!("permitted")));
    let policy = &answer["policies"][0];
    assert_eq!(policy["id"], "collaborator/Model/gpt-4o/viewer/Team/ml");
    let source = policy["source"].as_str().unwrap();
    assert!(source.starts_with("policies/acme/manifests/"), "{source}");
    for member in ["errors", "principal", "external_identities", "generation", "revision", "decision_id"] {
        assert!(answer.get(member).is_some(), "{member}: {answer}");
    }
    assert!(answer.get("near_misses").is_none());
    let explained = authorize(&tree, &[&arguments[..], &["--explain"]].concat()).json();
    assert!(!explained["near_misses"].as_array().unwrap().is_empty());
    assert_eq!(explained["generation"], answer["generation"]);
}

#[test]
fn explain_says_in_words_what_was_false() {
    let tree = sample();
    let ran = authorize(
        &tree,
        &[
            "--principal",
            "VirtualAccount::\"ci\"",
            "--action",
            "invokeModel",
            "--context",
            r#"{"tokens_requested": 1}"#,
            "--explain",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("false: context.tokens_requested > resource.max_tokens"), "{}", ran.stdout);
}

#[test]
fn claims_are_taken_as_a_providers_word() {
    let tree = sample();
    tree.write("claims.json", r#"{"sub": "00u9", "department": "research", "realm_access": {"roles": ["partner"]}}"#);
    let claims = ["--claims", "claims.json", "--provider", "okta", "--action", "invokeModel"];
    let answer = authorize(&tree, &[&claims[..], &["--json"]].concat());
    assert_eq!((answer.code, &answer.json()["principal"]), (0, &json!("ExternalSubject::\"okta|00u9\"")));
    assert_eq!(answer.json()["external_identities"], json!(["everyone", "partner-integration"]));
    let night = r#"{"time": {"__extn": {"fn": "datetime", "arg": "2026-01-09T23:30:00Z"}}}"#;
    let denied = authorize(&tree, &[&claims[..], &["--json", "--context", night]].concat());
    assert_eq!((denied.code, &denied.json()["reason"]), (2, &json!("forbidden")));
}

#[test]
fn what_cannot_be_asked_is_3() {
    let tree = sample();
    tree.write("claims.json", "{}");
    let jane = "User::\"jane@acme.com\"";
    for more in [
        &["--principal", jane, "--action", "flyModel"][..],
        &["--principal", jane, "--action", "view"],
        &["--principal", "jane", "--action", "viewModel"],
        &["--principal", jane, "--action", "viewModel", "--context", "{"],
        &["--principal", jane, "--action", "viewModel", "--context", "{\"weather\": 1}"],
        &["--claims", "claims.json", "--provider", "okta", "--action", "viewModel"],
        &["--claims", "claims.json", "--provider", "nobody", "--action", "viewModel"],
        &["--claims", "nowhere.json", "--provider", "okta", "--action", "viewModel"],
    ] {
        let ran = authorize(&tree, &[more, &["--json"]].concat());
        assert_eq!(ran.code, 3, "{more:?}: {}", ran.stdout);
        assert!(!ran.json()["faults"].as_array().unwrap().is_empty(), "{more:?}");
    }
    let arguments =
        ["authorize", "--tenant", "globex", "--principal", jane, "--action", "viewModel", "--resource", "Model::\"a\""];
    assert_eq!(cedargate(tree.path(), &arguments).code, 3);
    tree.write("policies/acme/broken.cedar", "permit (");
    assert_eq!(authorize(&tree, &["--principal", jane, "--action", "viewModel"]).code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_verified_against_its_providers_keys() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let token = fresh(&okta, json!({"sub": "00u1", "email": "jane@acme.com"}));
    let ran = authorize(&tree, &["--token", &token, "--action", "viewModel", "--json"]);
    assert_eq!((ran.code, &ran.json()["principal"]), (0, &json!("User::\"jane@acme.com\"")));
    let expired = okta.token(json!({"sub": "00u1", "exp": 1_700_000_000}));
    let ran = authorize(&tree, &["--token", &expired, "--action", "viewModel", "--json"]);
    assert_eq!(ran.code, 1);
    assert!(ran.json()["error"].as_str().unwrap().starts_with("token-expired"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_explain_shows_every_step_and_the_principal() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let claims = json!({"sub": "00u9", "department": "research", "amr": 5});
    let token = fresh(&okta, claims);
    let ran = cedargate(tree.path(), &["token", "explain", "--tenant", "acme", &token, "--json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let shown = ran.json();
    assert_eq!((&shown["valid"], &shown["provider"], &shown["key"]), (&json!(true), &json!("okta"), &json!("okta-1")));
    let outcome = |name: &str| {
        let steps = shown["steps"].as_array().unwrap();
        steps.iter().rfind(|step| step["name"] == name).unwrap_or_else(|| panic!("no {name}"))["outcome"].clone()
    };
    for name in ["provider", "key", "signature", "issuer", "audience", "expiry", "unique_id", "email"] {
        assert_eq!(outcome(name), "passed", "{name}");
    }
    assert_eq!(shown["claims"]["kept"]["department"], json!(["research"]));
    assert!(shown["claims"]["dropped"].to_string().contains("amr"), "{shown}");
    let identities = shown["external_identities"].as_array().unwrap();
    let identity = |name: &str| identities.iter().find(|identity| identity["name"] == name).unwrap();
    assert_eq!(identity("everyone")["matched"], true);
    assert_eq!(identity("partner-integration")["matched"], false);
    assert!(identity("partner-integration")["failed"].as_str().unwrap().contains("realm_access/roles"), "{shown}");
    assert_eq!(shown["principal"]["uid"], "ExternalSubject::\"okta|00u9\"");
    let ran = cedargate(tree.path(), &["token", "explain", "--tenant", "acme", &token]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("principal ExternalSubject::\"okta|00u9\""), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_explain_shows_the_step_that_refused() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let foreign = fresh(&okta, json!({"sub": "a", "aud": "api://other"}));
    for (token, slug, step) in [
        (okta.token(json!({"sub": "a", "exp": 1_700_000_000})), "token-expired", "expiry"),
        (foreign, "token-audience", "audience"),
        ("x.y.z".to_owned(), "token-malformed", "shape"),
    ] {
        let ran = cedargate(tree.path(), &["token", "explain", "--tenant", "acme", &token, "--json"]);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        let shown = ran.json();
        assert_eq!((&shown["valid"], &shown["error"]["slug"]), (&json!(false), &json!(slug)));
        let steps = shown["steps"].as_array().unwrap();
        assert!(steps.iter().any(|it| it["name"] == step && it["outcome"] == "failed"), "{shown}");
    }
}
