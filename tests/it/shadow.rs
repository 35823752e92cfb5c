//! A candidate beside the live tree: it is asked everything, answers nothing, and what it would have answered
//! otherwise is counted.

use cedargate::config::RawConfig;
use serde_json::{Value, json};

use crate::support::process::token_for_now;
use crate::support::server::issuers;
use crate::support::tree::copy;
use crate::support::{Reply, ServerProcess, TestServer, TestTree, eventually};

const MODEL: &str = r#"Model::"gpt-4o""#;
const JANE: &str = r#"User::"jane@acme.com""#;
const DENY_ALL: &str = "@id(\"nothing\") forbid (principal, action, resource);\n";

/// The sample with a copy of it as a candidate, one file of which is another.
async fn beside(file: &str, text: impl Into<String>, change: impl FnOnce(&mut RawConfig)) -> TestServer {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    copy(&tree.policies(), &tree.path().join("candidate/policies"));
    tree.write(&format!("candidate/policies/{file}"), &text.into());
    let candidate = tree.path().join("candidate");
    TestServer::over(tree, okta, github, |raw| {
        raw.policies.candidate = Some(candidate);
        change(raw);
    })
    .await
}

async fn metrics(server: &TestServer) -> String {
    server.ops("/metrics").await.body.as_str().unwrap().to_owned()
}

/// The value of a line of the metrics, 0 without one.
fn value(metrics: &str, name: &str) -> u64 {
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map_or(0, |value| value.parse().unwrap())
}

async fn compared(server: &TestServer, outcome: &str) -> u64 {
    let name = format!("cedargate_shadow_decisions_total{{tenant=\"acme\",outcome=\"{outcome}\"}}");
    value(&metrics(server).await, &name)
}

async fn candidate(server: &TestServer) -> Value {
    server.ops("/status").await.body["candidate"]["tenants"]["acme"].clone()
}

async fn loaded(server: &TestServer) {
    eventually("the candidate is loaded", || async { candidate(server).await["generation"].is_string() }).await;
}

async fn counts(server: &TestServer, outcome: &str, count: u64) {
    let what = format!("{count} × {outcome}");
    eventually(&what, || async { compared(server, outcome).await == count }).await;
}

/// An answer without what is different on each server and each time.
fn plain(mut reply: Reply, server: &TestServer) -> (u16, Value) {
    for member in ["decision_id", "generation", "instance"] {
        reply.body.as_object_mut().unwrap().remove(member);
    }
    let text = reply.body.to_string().replace(&server.tree.path().display().to_string(), "");
    (reply.status, serde_json::from_str(&text).unwrap())
}

async fn ask_all(server: &TestServer) -> Vec<(u16, Value)> {
    let mut replies = Vec::new();
    for action in ["viewModel", "invokeModel", "editModel", "noSuchAction"] {
        for token in [server.jane(), server.partner()] {
            replies.push(plain(server.ask(&token, action, MODEL).await, server));
        }
        replies.push(plain(server.vouch(JANE, action, MODEL).await, server));
    }
    replies
}

#[tokio::test]
async fn a_candidate_never_changes_an_answer() {
    let expected = ask_all(&TestServer::start().await).await;
    assert!(expected.iter().any(|(_, body)| body["decision"] == "allow"));
    for (file, text, queue) in [
        ("platform/all.cedar", DENY_ALL, 10_000),
        ("platform/all.cedar", "permit (principal, action, resource);\n", 10_000),
        // With a queue that is full most of the time.
        ("platform/all.cedar", DENY_ALL, 1),
        // One that cannot be loaded.
        ("acme/broken.cedar", "permit (principal, action, resource) when {\n", 10_000),
    ] {
        let server = beside(file, text, |raw| raw.shadow.queue = queue).await;
        let is_seen = || async { !candidate(&server).await["last_reload"]["at"].is_null() };
        eventually("the candidate is looked at", is_seen).await;
        assert_eq!(ask_all(&server).await, expected, "{file}, {queue}");
    }
}

#[tokio::test]
async fn differences_are_counted_by_tenant_and_kind() {
    let server = beside("platform/all.cedar", DENY_ALL, |_| {}).await;
    loaded(&server).await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
    assert_eq!(server.ask(&server.partner(), "invokeModel", MODEL).await.body["decision"], "allow");
    assert_eq!(server.vouch(JANE, "manageModel", MODEL).await.body["decision"], "deny");
    counts(&server, "newly_denied", 2).await;
    counts(&server, "other_reason", 1).await;
    assert_eq!(compared(&server, "same").await + compared(&server, "newly_allowed").await, 0);
    let text = metrics(&server).await;
    assert_eq!(value(&text, "cedargate_candidate_last_reload_ok{tenant=\"acme\"}"), 1, "{text}");
    assert_eq!(value(&text, "cedargate_candidate_reloads_total{tenant=\"acme\",outcome=\"ok\"}"), 1);
    assert_eq!(value(&text, "cedargate_reloads_total{tenant=\"acme\",outcome=\"ok\"}"), 1, "the live tree has its own");

    let server = beside("platform/all.cedar", "permit (principal, action, resource);\n", |_| {}).await;
    loaded(&server).await;
    assert_eq!(server.vouch(JANE, "manageModel", MODEL).await.body["decision"], "deny");
    counts(&server, "newly_allowed", 1).await;
    // Nothing of the candidate is written, and its keys are nobody's.
    assert!(!server.tree.path().join("candidate/policies/acme/compiled").exists());
    assert!(server.tree.path().join("policies/acme/compiled/bundle.json").exists());
}

#[tokio::test]
async fn whom_a_token_stands_for_is_the_candidates_to_say() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    copy(&tree.policies(), &tree.path().join("candidate"));
    tree.edit("candidate/acme/manifests/external-identities.yaml", |text| {
        text.replace("  realm_access/roles: partner\n", "")
    });
    let folder = tree.path().join("candidate");
    let server = TestServer::over(tree, okta, github, |raw| raw.policies.candidate = Some(folder)).await;
    loaded(&server).await;
    let outsider = server.okta.token(json!({"sub": "00u8", "department": "research"}));
    for _ in 0..2 {
        assert_eq!(server.ask(&outsider, "viewModel", MODEL).await.body["decision"], "deny");
    }
    counts(&server, "newly_allowed", 2).await;
    // Another audience: the candidate would not take the token.
    server
        .tree
        .edit("candidate/acme/manifests/identity-providers.yaml", |text| text.replace("api://gateway", "api://other"));
    let before = candidate(&server).await["generation"].clone();
    eventually("the candidate is another", || async { candidate(&server).await["generation"] != before }).await;
    assert_eq!(server.ask(&outsider, "viewModel", MODEL).await.status, 200);
    counts(&server, "error", 1).await;
}

#[tokio::test]
async fn an_edit_of_the_candidate_takes_effect_and_a_broken_one_does_not() {
    let server = beside("acme/new.cedar", "// nothing yet\n", |_| {}).await;
    loaded(&server).await;
    let live = server.status("acme").await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
    counts(&server, "same", 1).await;
    server.tree.write("candidate/policies/acme/new.cedar", DENY_ALL);
    let generation = candidate(&server).await["generation"].clone();
    eventually("the edit is loaded", || async { candidate(&server).await["generation"] != generation }).await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
    counts(&server, "newly_denied", 1).await;

    server.tree.write("candidate/policies/acme/new.cedar", "forbid (");
    eventually("the fault is seen", || async { candidate(&server).await["last_reload"]["ok"] == false }).await;
    let fault = candidate(&server).await["last_reload"]["errors"][0].clone();
    assert!(fault["file"].as_str().unwrap().ends_with("candidate/policies/acme/new.cedar"), "{fault}");
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
    counts(&server, "newly_denied", 2).await;
    let after = server.status("acme").await;
    assert_eq!((&after["generation"], &after["last_reload"]), (&live["generation"], &live["last_reload"]));
    assert_eq!(value(&metrics(&server).await, "cedargate_candidate_last_reload_ok{tenant=\"acme\"}"), 0);
}

#[tokio::test]
async fn a_candidate_that_cannot_be_loaded_compares_nothing_and_says_why() {
    let server = beside("acme/broken.cedar", "permit (\n", |_| {}).await;
    eventually("the fault is seen", || async { candidate(&server).await["last_reload"]["ok"] == false }).await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
    assert_eq!(server.get("/ready").await.status, 200);
    server.tree.remove("candidate/policies/acme/broken.cedar");
    loaded(&server).await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
    counts(&server, "same", 1).await;
    assert!(!metrics(&server).await.contains("cedargate_shadow_dropped_total{"));

    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let gone = tree.path().join("no-such-folder");
    let server = TestServer::over(tree, okta, github, |raw| raw.policies.candidate = Some(gone)).await;
    eventually("it is said that there is none", || async {
        server.ops("/status").await.body["candidate"]["tree"]["ok"] == false
    })
    .await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.body["decision"], "allow");
}

#[tokio::test]
async fn what_finds_no_place_is_dropped_and_counted_and_delays_nothing() {
    let server = beside("platform/all.cedar", DENY_ALL, |raw| raw.shadow.queue = 1).await;
    loaded(&server).await;
    let item = json!({"action": "viewModel", "resource": MODEL});
    let body = json!({"token": server.jane(), "requests": vec![item; 100]});
    let reply = server.post("/authorize/batch", body).await;
    assert!(reply.body["results"].as_array().unwrap().iter().all(|answer| answer["decision"] == "allow"));
    let dropped = || async {
        value(&metrics(&server).await, "cedargate_shadow_dropped_total{tenant=\"acme\",why=\"queue_full\"}")
    };
    eventually("each was compared or dropped", || async {
        compared(&server, "newly_denied").await + dropped().await == 100
    })
    .await;
    assert!(dropped().await > 0);
    assert!(compared(&server, "newly_denied").await > 0);
}

#[tokio::test]
async fn without_a_candidate_nothing_is_spent() {
    let server = TestServer::start().await;
    server.ask(&server.jane(), "viewModel", MODEL).await;
    let text = metrics(&server).await;
    assert!(
        !text.lines().any(|line| line.starts_with("cedargate_shadow") || line.starts_with("cedargate_candidate")),
        "{text}"
    );
    assert_eq!(server.ops("/status").await.body["candidate"], Value::Null);
    // And no thread waits for what never comes.
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let of_candidate = |server: &ServerProcess| server.threads().iter().any(|name| name.trim() == "candidate");
    assert!(!of_candidate(&ServerProcess::start(&tree, "")));
    let with_one = format!("policies.candidate = \"{}\"\n", tree.path().join("candidate").display());
    if cfg!(target_os = "linux") {
        assert!(of_candidate(&ServerProcess::start(&tree, &with_one)), "or the names are others");
    }
}

#[tokio::test]
async fn the_log_tells_of_differences_without_e_mails_and_not_too_many() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    copy(&tree.policies(), &tree.path().join("candidate/policies"));
    tree.write("candidate/policies/platform/all.cedar", DENY_ALL);
    let settings =
        format!("policies.candidate = \"{}\"\nshadow.log_per_second = 2\n", tree.path().join("candidate").display());
    let server = ServerProcess::start(&tree, &settings);
    let token = token_for_now(&okta, json!({"sub": "00u1", "email": "jane@acme.com"}));
    let item = json!({"action": "viewModel", "resource": MODEL});
    let body = json!({"tenant": "acme", "token": token, "requests": vec![item; 20]});
    let count = || async {
        value(
            &server.ops_text("/metrics").await,
            "cedargate_shadow_decisions_total{tenant=\"acme\",outcome=\"newly_denied\"}",
        )
    };
    eventually("decisions are compared", || async {
        server.post("/authorize/batch", &body).await.unwrap();
        count().await >= 20
    })
    .await;
    eventually("differences are told", || async { server.log().contains("the candidate decides otherwise") }).await;
    let log = server.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("the candidate decides otherwise")).collect();
    let line = told[0];
    for part in [
        "tenant=acme",
        "outcome=\"newly_denied\"",
        r#"principal.uid=User::"***""#,
        "action=viewModel",
        r#"resource.uid=Model::"gpt-4o""#,
        "decision=\"allow\"",
        "candidate.decision=\"deny\"",
        "candidate/policies/platform/all.cedar:1",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!told.iter().any(|line| line.contains("jane@")), "{line}");
    assert!(told.len() < 20, "{}", told.len());
}
