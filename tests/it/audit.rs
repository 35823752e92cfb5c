//! The decision log: a line a decision with all that replaying takes, nothing that must not be there, and a queue
//! that drops or blocks as it was told.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ChildStdout;
use std::thread::JoinHandle;

use cedargate::config::{RawAuditSink, RawConfig, RawWhenFull};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{ServerProcess, TestServer, TestTree, eventually};

const MODEL: &str = r#"Model::"gpt-4o""#;

/// A server that writes its log to `decisions.log` in a folder of its own.
async fn logging(change: impl FnOnce(&mut RawConfig)) -> (TestServer, TempDir) {
    let folder = TempDir::new().unwrap();
    let server = TestServer::configured(|raw| {
        raw.audit.sink = RawAuditSink::File;
        raw.audit.path = Some(folder.path().join("decisions.log"));
        change(raw);
    })
    .await;
    (server, folder)
}

/// Every line of every file of the log, oldest first; each must be whole JSON.
fn lines(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files
        .sort_by_key(|path| path.extension().and_then(|number| number.to_str()?.parse::<i32>().ok()).map_or(0, |n| -n));
    let text = |path: &std::path::PathBuf| fs::read_to_string(path).unwrap();
    files.iter().flat_map(|path| text(path).lines().map(parse).collect::<Vec<_>>()).collect()
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("a torn line: {error}: {line}"))
}

fn partner(server: &TestServer) -> String {
    let realm = json!({"roles": ["partner", "viewer"]});
    server.okta.token(json!({
        "sub": "00u9", "email": "pat@partner.example", "department": "research", "realm_access": realm,
        "amr": ["hwk"], "acr": "gold-level",
    }))
}

#[tokio::test]
async fn a_line_holds_all_that_replaying_the_decision_takes() {
    let (mut server, folder) = logging(|_| {}).await;
    let token = partner(&server);
    let body = json!({
        "token": token, "action": "invokeModel", "context": {"tokens_requested": 5},
        "resource": {"type": "Model", "id": "gpt-4o", "attributes": {"tier": "silver"}, "parents": ["Workspace::\"production\""]},
    });
    let reply =
        server.post_with("/authorize", body, &[("x-request-id", "request-7"), ("x-cedargate-key", CALLER_KEY)]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    server.stop().await;

    let text = fs::read_to_string(folder.path().join("decisions.log")).unwrap();
    assert_eq!(text.lines().count(), 1);
    let line = parse(text.trim_end());
    for member in ["decision", "reason", "errors", "external_identities", "generation", "revision", "decision_id"] {
        assert_eq!(line[member], reply.body[member], "{member}");
    }
    assert_eq!(line["policies"], json!(["collaborator/Model/gpt-4o/user/ExternalIdentity/partner-integration"]));
    assert_eq!(
        (&line["request_id"], &line["tenant"], &line["caller"]),
        (&json!("request-7"), &json!("acme"), &json!("key:test"))
    );
    assert_eq!(line["time"], "2026-01-09T10:00:00.000000Z");
    assert!(line["elapsed_us"].is_u64());
    assert_eq!(
        line["request"],
        json!({
            "action": "invokeModel", "context": {"tokens_requested": 5},
            "resource": {"type": "Model", "id": "gpt-4o", "attributes": {"tier": "silver"}, "parents": ["Workspace::\"production\""]},
        })
    );
    let principal = &line["principal"];
    assert_eq!(principal["uid"], r#"ExternalSubject::"okta|00u9""#);
    assert_eq!(principal["attributes"]["claims"]["amr"], json!(["hwk"]));
    assert_eq!(principal["tags"]["department"], json!(["research"]));
    assert!(principal["parents"].to_string().contains("partner-integration"), "{principal}");
    // The token itself is nowhere: none of its three parts.
    assert!(token.split('.').all(|part| !text.contains(part)));
}

#[tokio::test]
async fn masked_claims_never_appear_in_clear() {
    let masks = ["email", "department", "realm_access/roles", "acr", "address/street"];
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    // A typed claim that is an object.
    tree.edit("schema/gateway.cedarschema", |text| {
        text.replace("type Claims = {", "type Claims = {\n  address?: {street?: String, city?: String},")
    });
    let path = tree.path().join("decisions.log");
    let mut server = TestServer::over(tree, okta, github, |raw| {
        raw.audit.sink = RawAuditSink::File;
        raw.audit.path = Some(path.clone());
        raw.audit.mask = masks.map(str::to_owned).into();
    })
    .await;
    let token = server.okta.token(json!({
        "sub": "00u9", "email": "pat@partner.example", "department": "research", "acr": "gold-level",
        "realm_access": {"roles": ["partner", "secret-role"]}, "address": {"street": "Elm Street 5", "city": "Springwood"},
    }));
    let reply = server.ask(&token, "invokeModel", MODEL).await;
    assert_eq!(reply.body["decision"], "allow", "{}", reply.body);
    server.stop().await;
    let text = fs::read_to_string(&path).unwrap();
    for hidden in ["pat@partner", "research", "secret-role", "gold-level", "Elm Street"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    assert!(text.contains("Springwood"), "what is not masked is there: {text}");
    assert!(text.contains("partner-integration"));
}

#[tokio::test]
async fn a_batch_is_a_line_for_each_of_its_questions() {
    let (mut server, folder) = logging(|_| {}).await;
    let item = |action: &str| json!({"action": action, "resource": MODEL});
    let requests = [item("viewModel"), item("invokeModel"), item("editModel"), item("viewModel")];
    let reply = server.post("/authorize/batch", json!({"token": partner(&server), "requests": requests})).await;
    // Neither a refused token nor a question that does not fit is a decision.
    assert_eq!(server.ask("nonsense", "viewModel", MODEL).await.status, 401);
    assert_eq!(server.ask(&partner(&server), "noSuchAction", MODEL).await.status, 400);
    server.stop().await;
    let ids = |items: &[Value]| items.iter().map(|item| item["decision_id"].clone()).collect::<Vec<_>>();
    let written = lines(folder.path());
    assert_eq!(ids(&written), ids(reply.body["results"].as_array().unwrap()));
    assert!(written.iter().all(|line| line["request_id"] == written[0]["request_id"]));
}

#[tokio::test]
async fn a_rotated_log_keeps_whole_lines_and_no_more_files_than_it_may() {
    let (mut server, folder) = logging(|raw| {
        raw.audit.rotate_bytes = 4096;
        raw.audit.keep = 3;
    })
    .await;
    let token = partner(&server);
    let mut last = Value::Null;
    for _ in 0..4 {
        let requests = vec![json!({"action": "viewModel", "resource": MODEL}); 10];
        let reply = server.post("/authorize/batch", json!({"token": token, "requests": requests})).await;
        last = reply.body["results"][9]["decision_id"].clone();
    }
    server.stop().await;
    let sizes: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 4, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 4096 + 4096), "{sizes:?}");
    let written = lines(folder.path());
    assert!(written.len() >= 6 && written.len() < 40, "{}", written.len());
    assert_eq!(written.last().unwrap()["decision_id"], last);
}

/// The binary with its log on a standard output that nobody reads yet, and a queue of one.
async fn with_a_stuck_log(when_full: RawWhenFull) -> (TestTree, ServerProcess) {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let when_full = if when_full == RawWhenFull::Drop { "drop" } else { "block" };
    let settings = format!(
        "audit = {{sink = \"stdout\", queue = 1, when_full = \"{when_full}\"}}\nhttp.stop_delay_milliseconds = 0\n"
    );
    let server = ServerProcess::start(&tree, &settings);
    (tree, server)
}

/// More lines than a pipe and the writer's buffers hold.
fn many() -> Value {
    let item = json!({"action": "viewModel", "resource": {"type": "Model", "id": "x".repeat(1500)}});
    let requests = vec![item; MANY];
    json!({"principal": "User::\"jane@acme.com\"", "requests": requests})
}

async fn records(server: &ServerProcess, outcome: &str) -> usize {
    let text = server.ops_text("/metrics").await;
    let name = format!("cedargate_decision_log_records{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(name.as_str())).unwrap().parse().unwrap()
}

fn read(stdout: ChildStdout) -> JoinHandle<Vec<Value>> {
    std::thread::spawn(move || BufReader::new(stdout).lines().map(|line| parse(&line.unwrap())).collect())
}

#[tokio::test]
async fn a_full_queue_that_drops_counts_what_is_lost_and_delays_no_answer() {
    let (_tree, mut server) = with_a_stuck_log(RawWhenFull::Drop).await;
    let reply = server.post("/authorize/batch", &many()).await.unwrap();
    let status = reply.status();
    assert_eq!(status, 200, "{}", reply.text().await.unwrap());
    let dropped = records(&server, "dropped").await;
    assert!(dropped > 0);
    let written = read(server.stdout());
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
    assert_eq!(written.join().unwrap().len(), MANY - dropped);
}

#[tokio::test]
async fn a_full_queue_that_blocks_loses_nothing() {
    let (_tree, mut server) = with_a_stuck_log(RawWhenFull::Block).await;
    let (client, url) = (server.client.clone(), format!("{}/authorize/batch", server.url));
    let request = client.post(url).header("x-cedargate-key", crate::support::server::CALLER_KEY).json(&many());
    let asking = tokio::spawn(request.send());
    eventually("an answer waits for the log", || async { records(&server, "waited").await > 0 }).await;
    assert!(!asking.is_finished());
    let written = read(server.stdout());
    assert_eq!(asking.await.unwrap().unwrap().status(), 200);
    assert_eq!(records(&server, "dropped").await, 0);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
    assert_eq!(written.join().unwrap().len(), MANY);
}

#[tokio::test]
async fn no_answer_goes_out_that_cannot_be_recorded_where_the_log_blocks() {
    let full = |when_full| {
        TestServer::configured(move |raw| {
            raw.audit.sink = RawAuditSink::File;
            // Takes nothing, as a disk without room.
            raw.audit.path = Some("/dev/full".into());
            raw.audit.when_full = when_full;
        })
    };
    let server = full(RawWhenFull::Block).await;
    let token = partner(&server);
    for _ in 0..3 {
        let reply = server.ask(&token, "viewModel", MODEL).await;
        assert_eq!((reply.status, reply.slug()), (503, "log-unavailable"), "{}", reply.body);
        assert!(reply.headers.contains_key("retry-after"));
        assert!(!reply.body.to_string().contains("allow"), "{}", reply.body);
    }
    let requests = vec![json!({"action": "viewModel", "resource": MODEL}); 3];
    let reply = server.post("/authorize/batch", json!({"token": token, "requests": requests})).await;
    assert!(!reply.body.to_string().contains("\"decision\":"), "{}", reply.body);
    // Told to go on without, it does, and counts.
    let server = full(RawWhenFull::Drop).await;
    assert_eq!(server.ask(&partner(&server), "viewModel", MODEL).await.status, 200);
    eventually("the loss is counted", || async {
        let text = server.ops("/metrics").await.body.as_str().unwrap().to_owned();
        text.contains("cedargate_decision_log_records{outcome=\"failed\"} 1")
    })
    .await;
}

#[tokio::test]
async fn every_answer_of_a_log_that_blocks_is_on_record_before_it_goes_out() {
    let (server, folder) = logging(|raw| raw.audit.when_full = RawWhenFull::Block).await;
    let token = partner(&server);
    for _ in 0..10 {
        let reply = server.ask(&token, "viewModel", MODEL).await;
        let written = lines(folder.path());
        assert_eq!(written.last().unwrap()["decision_id"], reply.body["decision_id"]);
    }
}

/// The log in a file that cannot grow any more in the middle of a line, and can again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_that_fills_up_loses_no_answered_line_and_keeps_every_line_whole() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let path = tree.path().join("decisions.log");
    let settings = format!(
        "audit = {{sink = \"file\", path = \"{}\", when_full = \"block\"}}\nhttp.stop_delay_milliseconds = 0\n",
        path.display()
    );
    let mut server = ServerProcess::start(&tree, &settings);
    server.limit_file_size(Some(20_000));
    let mut answered = Vec::new();
    let mut refused = 0;
    while refused < 5 {
        let (status, body) = server.vouch("User::\"jane@acme.com\"", "viewModel", MODEL).await;
        match status {
            200 => answered.push(body["decision_id"].clone()),
            _ => {
                assert_eq!((status, &body["type"]), (503, &json!("urn:cedargate:problem:log-unavailable")), "{body}");
                refused += 1;
            }
        }
        assert!(answered.len() < 1000, "the disk never fills up");
    }
    let ids = || {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n'), "a torn line at the end");
        text.lines().map(|line| parse(line)["decision_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(), answered);
    server.limit_file_size(None);
    for _ in 0..3 {
        let (status, body) = server.vouch("User::\"jane@acme.com\"", "viewModel", MODEL).await;
        assert_eq!(status, 200, "{body}");
        answered.push(body["decision_id"].clone());
    }
    assert_eq!(ids(), answered);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
}

const MANY: usize = 100;
