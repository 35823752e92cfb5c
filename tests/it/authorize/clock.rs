//! `decisions.clock`: the server's time where a gateway sends none, recorded and frozen.

use std::fs;

use cedargate::config::{RawAuditSink, RawConfig, RawDecisionClock};
use serde_json::{Value, json};

use super::assert_problem;
use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{Reply, TestServer, TestTree};

/// Nobody looks at models after noon.
const MORNINGS: &str = r#"@id("mornings") forbid (principal, action == Action::"viewModel", resource)
when { context has time && context.time.toTime() >= duration("12h") };"#;

/// 2026-01-09, at 10:00 and at 14:00.
const MORNING: i64 = crate::support::START;
const AFTERNOON: i64 = MORNING + 4 * 3600;

async fn server_at(start: i64, change: impl FnOnce(&mut RawConfig)) -> TestServer {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    tree.write("policies/acme/mornings.cedar", MORNINGS);
    TestServer::over_at(start, tree, okta, github, change).await
}

async fn view(server: &TestServer, context: Value) -> Reply {
    // By name: whatever the time is, no token is expired.
    let body = json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel",
        "resource": "Model::\"gpt-4o\"", "context": context});
    server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await
}

#[tokio::test]
async fn a_rule_about_the_hour_holds_for_gateways_that_send_none() {
    let now = |raw: &mut RawConfig| raw.decisions.clock = RawDecisionClock::Now;
    for (start, decision) in [(MORNING, "allow"), (AFTERNOON, "deny")] {
        let server = server_at(start, now).await;
        for context in [json!({}), json!(null), json!({"time": null}), json!({"user_agent": "x"})] {
            let answer = view(&server, context.clone()).await;
            assert_eq!(answer.body["decision"], decision, "{context}: {}", answer.body);
        }
        // A time that is given stands.
        let given = view(&server, json!({"time": "2026-01-09T09:00:00Z"})).await;
        assert_eq!(given.body["decision"], "allow", "{}", given.body);
        assert_problem(&view(&server, json!({"time": "noon"})).await, 400, "context-invalid");
        // The clock goes on.
        server.clock.advance(AFTERNOON - start);
        assert_eq!(view(&server, json!({})).await.body["decision"], "deny");
    }
    let off = server_at(AFTERNOON, |_| {}).await;
    assert_eq!(view(&off, json!({})).await.body["decision"], "allow");
}

#[tokio::test]
async fn only_a_declared_time_is_put_in() {
    let server = server_at(AFTERNOON, |raw| {
        raw.decisions.clock = RawDecisionClock::Now;
        raw.decisions.clock_attribute = "user_agent".into();
    })
    .await;
    // Of another type, or by a name that nothing declares: then there is none.
    assert_eq!(view(&server, json!({})).await.body["decision"], "allow");
    let server = server_at(AFTERNOON, |raw| {
        raw.decisions.clock = RawDecisionClock::Now;
        raw.decisions.clock_attribute = "hour".into();
    })
    .await;
    assert_eq!(view(&server, json!({})).await.body["decision"], "allow");
}

#[tokio::test]
async fn the_time_is_recorded_and_the_decision_made_again_with_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let log = folder.path().join("decisions.log");
    let path = log.clone();
    let mut server = server_at(AFTERNOON, |raw| {
        raw.decisions.clock = RawDecisionClock::Now;
        raw.audit.sink = RawAuditSink::File;
        raw.audit.path = Some(path);
    })
    .await;
    assert_eq!(view(&server, json!({"user_agent": "x"})).await.body["decision"], "deny");
    server.stop().await;
    let text = fs::read_to_string(&log).unwrap();
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["request"]["context"], json!({"user_agent": "x", "time": "2026-01-09T14:00:00.000Z"}));
    let (policies, schema) = (server.tree.policies(), server.tree.path().join("schema"));
    let replayed = std::process::Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["replay", "--json", "--policies"])
        .arg(policies)
        .arg("--schema")
        .arg(schema)
        .arg(&log)
        .output()
        .unwrap();
    assert_eq!(replayed.status.code(), Some(0), "{}", String::from_utf8_lossy(&replayed.stdout));
}

#[tokio::test]
async fn cases_are_judged_at_their_own_time() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    tree.write("policies/acme/mornings.cedar", MORNINGS);
    tree.write("cedargate.toml", "[decisions]\nclock = \"now\"\n");
    let suite = |now: &str, expect: &str| {
        format!(
            "type: cases\nnow: {now}\ncases:\n  - {{principal: User::jane@acme.com, action: viewModel, resource: Model::gpt-4o, expect: {expect}}}\n"
        )
    };
    for (now, expect, code) in [
        ("2026-01-09T10:00:00Z", "allow", 0),
        ("2026-01-09T14:00:00Z", "deny", 0),
        ("2026-01-09T14:00:00Z", "allow", 4),
    ] {
        tree.write("policies/acme/cases/mornings.yaml", &suite(now, expect));
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .current_dir(tree.path())
            .args(["test", "--config", "cedargate.toml", "policies/acme/cases/mornings.yaml"])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(code), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}
