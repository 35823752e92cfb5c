//! What is acknowledged is so: a deleted tenant stays deleted, a database that was put back is what decides, and what is
//! not live yet says so.

mod databases;
mod ended;
mod kinds;
mod lagging;
mod rewound;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::server::CALLER_KEY;
use crate::support::{ServerProcess, TestTree, eventually};

const JANE: &str = "User::\"jane@acme.com\"";
const MODEL: &str = "Model::\"gpt-4o\"";

fn database(tree: &TestTree) -> PathBuf {
    tree.path().join("cedargate.db")
}

fn compiled(tree: &TestTree) -> PathBuf {
    tree.policies().join("acme/compiled")
}

/// Tenant `acme` with jane and a model, and a grant if `is_granted`; the last revision.
async fn make(server: &ServerProcess, is_granted: bool) -> u64 {
    let mut last = 0;
    for (path, body) in [
        ("/tenants", json!({"name": "acme"})),
        ("/tenants/acme/users", json!({"email": "jane@acme.com"})),
        ("/tenants/acme/resources", json!({"resource": "Model::gpt-4o"})),
    ] {
        last = change(server, path, body).await;
    }
    if is_granted { grant(server).await } else { last }
}

async fn grant(server: &ServerProcess) -> u64 {
    let body = json!({"resource": "Model::gpt-4o", "subject": "user:jane@acme.com", "role": "viewer"});
    change(server, "/tenants/acme/collaborators", body).await
}

async fn change(server: &ServerProcess, path: &str, body: Value) -> u64 {
    let response = server.post(path, &body).await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert_eq!(status, 201, "{body}");
    body["revision"].as_u64().unwrap()
}

async fn delete(server: &ServerProcess) -> u16 {
    let request = server.client.delete(format!("{}/tenants/acme", server.url)).header("x-cedargate-key", CALLER_KEY);
    request.send().await.unwrap().status().as_u16()
}

/// What jane is answered, by a revision if one is named: status, and decision if it is one.
async fn asked(server: &ServerProcess, at_least: Option<u64>) -> (u16, Option<String>) {
    let mut body = json!({"principal": JANE, "action": "viewModel", "resource": MODEL});
    if let Some(revision) = at_least {
        body["at_least"] = revision.into();
    }
    let response = server.post("/tenants/acme/authorize", &body).await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["decision"].as_str().map(str::to_owned))
}

fn allowed() -> (u16, Option<String>) {
    (200, Some("allow".to_owned()))
}

fn denied() -> (u16, Option<String>) {
    (200, Some("deny".to_owned()))
}

/// Waits a little longer for what changes: a build for tests takes its time to check a tenant's policies.
const PATIENT: &str = "http.at_least_timeout_milliseconds = 60000\nhttp.request_timeout_seconds = 120\n";

/// Starts it, and waits until every tenant was loaded or has a fault that is told.
pub async fn started(tree: &TestTree, settings: &str) -> ServerProcess {
    let server = ServerProcess::start(tree, settings);
    eventually("all is loaded", || async {
        let ready = server.ops_text("/ready").await;
        let status: Value = serde_json::from_str(&server.ops_text("/status").await).unwrap();
        let tenants = status["tenants"].as_object().unwrap();
        !ready.contains("has not been read") && tenants.values().all(|tenant| !tenant["last_reload"]["at"].is_null())
    })
    .await;
    server
}

/// Ends it as an operator does, and waits until it has.
async fn stop(mut server: ServerProcess) {
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Puts a database in the place of another, with nothing of that left.
fn put_back(backup: &Path, tree: &TestTree) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", database(tree).display()));
    }
    fs::copy(backup, database(tree)).unwrap();
}
