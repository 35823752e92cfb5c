//! Kill -9 in the middle of writes and publishes, many times: nothing that was acknowledged is missing, and the next
//! start makes the bundle what the whole directory compiles to.
//!
//! Five times in `cargo test`, two hundred where `CEDARGATE_TEST_SOAK` is set.

use std::sync::Arc;
use std::time::Duration;

use cedargate::assemble::assemble_shared;
use cedargate::bundle;
use cedargate::compile::compile;
use cedargate::directory::{Directory, SqliteDirectory, everything, state_of};
use cedargate::model::{Revision, TenantId};
use cedargate::schema::Identity;
use cedargate::tree::{TreeDirs, read_tree};
use serde_json::json;

use crate::durable::started;
use crate::support::{ServerProcess, TestTree};

/// Written by one life of the server, and acknowledged.
#[derive(Default)]
struct Acknowledged {
    grants: Vec<String>,
    revision: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_and_the_bundle_is_whole() {
    let tree = TestTree::new();
    let mut all = Acknowledged::default();
    for life in 0..lives(LIVES) {
        let server = Arc::new(started(&tree, "").await);
        if life == 0 {
            prepare(&server).await;
        }
        check(&server, &all).await;
        let writing = tokio::spawn(write(Arc::clone(&server), life));
        // At another moment each time: in a write, between it and its bundle, in the bundle's files.
        tokio::time::sleep(Duration::from_millis(40 + 37 * (life as u64 % 17))).await;
        server.signal("KILL");
        let written = writing.await.unwrap();
        all.grants.extend(written.grants);
        all.revision = all.revision.max(written.revision);
    }
    let server = started(&tree, "").await;
    check(&server, &all).await;
    drop(server);
    assert!(all.grants.len() > lives(LIVES), "hardly anything was written: {}", all.grants.len());
    assert_whole(&tree).await;
}

async fn prepare(server: &ServerProcess) {
    for (path, body) in
        [("/tenants", json!({"name": "acme"})), ("/tenants/acme/resources", json!({"resource": "Model::m"}))]
    {
        assert_eq!(server.post(path, &body).await.unwrap().status(), 201);
    }
}

/// Writes users with a grant each, one by one, until nobody answers any more.
async fn write(server: Arc<ServerProcess>, life: usize) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for number in 0.. {
        let email = format!("u{life}-{number}@acme.com");
        let batch = json!({"operations": [
            {"create": {"type": "user", "email": email}},
            {"create": {"type": "collaborator", "resource": "Model::m", "subject": format!("user:{email}"), "role": "viewer"}},
        ]});
        let Ok(response) = server.post("/tenants/acme/batch", &batch).await else { break };
        assert_eq!(response.status(), 200);
        let Ok(body) = response.json::<serde_json::Value>().await else { break };
        acknowledged.revision = body["revision"].as_u64().unwrap();
        acknowledged.grants.push(email);
    }
    acknowledged
}

/// Every grant that was acknowledged is effective, at the last revision that was.
async fn check(server: &ServerProcess, all: &Acknowledged) {
    for email in &all.grants {
        let body = json!({
            "principal": format!("User::\"{email}\""), "action": "viewModel", "resource": "Model::\"m\"",
            "at_least": all.revision,
        });
        let response = server.post("/tenants/acme/authorize", &body).await.unwrap();
        let (status, body) = (response.status(), response.json::<serde_json::Value>().await.unwrap());
        let is_allowed = (status.as_u16(), body["decision"].as_str()) == (200, Some("allow"));
        assert!(is_allowed, "{email}: {body}\n{}\n{}", server.ops_text("/status").await, server.log());
    }
}

async fn assert_whole(tree: &TestTree) {
    let dirs = TreeDirs { policies: tree.policies(), schema: tree.path().join("schema") };
    let shared = assemble_shared(&read_tree(&dirs), Identity::Included).unwrap();
    let directory = SqliteDirectory::open(&tree.path().join("cedargate.db")).await.unwrap();
    let tenant = TenantId::parse("acme").unwrap();
    let head = directory.head(&tenant).await.unwrap();
    let facts = everything(&directory, &tenant, head).await.unwrap();
    let fresh = bundle::render(&compile(&tenant, &state_of(facts, &shared.default_roles)), head).unwrap();
    let found = bundle::read_bundle(&tree.policies().join("acme/compiled")).unwrap().unwrap();
    assert_eq!(found.revision, head);
    assert!(head > Revision(lives(LIVES) as u64));
    assert!(found.files == fresh.files, "the bundle is not what the directory compiles to");
}

/// Of the long form.
pub const LIVES: usize = 50;

#[expect(clippy::disallowed_methods, reason = "a test's own setting, which no configuration has a place for")]
pub fn lives(of_the_long_form: usize) -> usize {
    if std::env::var("CEDARGATE_TEST_SOAK").is_ok() { of_the_long_form } else { 5 }
}
