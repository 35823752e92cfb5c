//! A backup is put back, and the numbers of revisions are given out again.

use std::fs;

use cedargate::clock::{Clock, SystemClock};
use cedargate::directory::{Author, Directory, Fact, Kind, SqliteDirectory, read_document};
use cedargate::model::{Revision, TenantId};
use serde_json::json;

use super::{PATIENT, allowed, asked, database, denied, grant, make, put_back, started, stop};
use crate::support::TestTree;

/// Makes a user without a server.
async fn make_user(tree: &TestTree, email: &str) -> Revision {
    let directory = SqliteDirectory::open(&database(tree)).await.unwrap();
    let tenant = TenantId::parse("acme").unwrap();
    let fact: Fact = read_document(Kind::User, json!({"email": email})).unwrap();
    let author = Author { actor: "offline".into(), at: SystemClock.now(), reason: None, request_id: None };
    let head = directory.head(&tenant).await.unwrap();
    let made = directory.apply(&tenant, &[(fact.key(), Some(fact))].into(), head, &author).await.unwrap();
    directory.close().await;
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_a_restored_database_does_not_have_is_no_grant() {
    let tree = TestTree::new();
    let backup = tree.path().join("backup.db");
    let server = started(&tree, PATIENT).await;
    assert_eq!(make(&server, false).await, 3);
    stop(server).await;
    let directory = SqliteDirectory::open(&database(&tree)).await.unwrap();
    directory.close().await;
    fs::copy(database(&tree), &backup).unwrap();

    let server = started(&tree, PATIENT).await;
    assert_eq!(grant(&server).await, 4);
    assert_eq!(asked(&server, Some(4)).await, allowed());
    stop(server).await;
    put_back(&backup, &tree);
    assert_eq!(make_user(&tree, "lee@acme.com").await, Revision(4));
    let server = started(&tree, PATIENT).await;
    assert_eq!(asked(&server, Some(4)).await, denied());
    assert!(server.ops_text("/metrics").await.contains("cedargate_directory_rewound_total 1"));
    stop(server).await;

    // And where the number goes back: what serves follows.
    put_back(&backup, &tree);
    let server = started(&tree, PATIENT).await;
    assert_eq!(asked(&server, None).await, denied());
    let status = server.status("acme").await;
    assert_eq!((&status["revision"], &status["head"]), (&json!(3), &json!(3)), "{status}");
}
