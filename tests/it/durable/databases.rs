//! A database that is lost, damaged or empty where it was not.

use std::fs;
use std::process::Command;

use super::{PATIENT, allowed, asked, compiled, copy, database, make, started, stop};
use crate::support::TestTree;

/// A tree with a bundle that a database was compiled to, and nobody who serves it.
async fn served() -> TestTree {
    let tree = TestTree::new();
    let server = started(&tree, PATIENT).await;
    let revision = make(&server, true).await;
    assert_eq!(asked(&server, Some(revision)).await, allowed());
    stop(server).await;
    tree
}

fn lose(tree: &TestTree) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", database(tree).display()));
    }
}

/// Runs `serve` to its end: it must have one.
fn refused(tree: &TestTree) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["serve", "--bind", "127.0.0.1:0", "--policies"])
        .arg(tree.policies())
        .arg("--schema")
        .arg(tree.path().join("schema"))
        .output()
        .unwrap();
    (run.status.code(), String::from_utf8(run.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_whose_database_is_lost_serves_only_where_bundles_come_by_copy() {
    let tree = served().await;
    lose(&tree);
    let server = started(&tree, PATIENT).await;
    assert_eq!(asked(&server, None).await, (503, None));
    let fault = server.status("acme").await["last_reload"]["errors"][0]["message"].to_string();
    for part in ["cedargate.db", "never had tenant `acme`", "bundle.accept_copied"] {
        assert!(fault.contains(part), "{fault}");
    }
    stop(server).await;
    assert!(compiled(&tree).join("bundle.json").exists(), "it may be all that is left");
    for settings in ["[bundle]\naccept_copied = true\n", "directory = \"files\"\n"] {
        let settings = settings.to_owned();
        let settings = if settings.starts_with('[') { format!("{PATIENT}{settings}") } else { settings + PATIENT };
        let server = started(&tree, &settings).await;
        assert_eq!(asked(&server, None).await, allowed(), "{settings}");
        stop(server).await;
    }
    // A tree that only has the files says so in the same way.
    let other = TestTree::new();
    copy(&compiled(&tree), &compiled(&other));
    let server = started(&other, PATIENT).await;
    assert_eq!(asked(&server, None).await, (503, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_there_and_cannot_be_opened_stops_the_start() {
    let tree = served().await;
    let whole = fs::read(database(&tree)).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    for (what, bytes) in
        [("another file", b"not a database".repeat(500)), ("one byte", flipped(0)), ("page 1", flipped(100))]
    {
        lose(&tree);
        fs::write(database(&tree), &bytes).unwrap();
        let (code, said) = refused(&tree);
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("cedargate.db` is there and cannot be opened"), "{what}: {said}");
        assert!(fs::read(database(&tree)).unwrap() == bytes, "{what}: it was changed");
    }
    // Emptied, with what was compiled from it still there: not a new one.
    lose(&tree);
    fs::create_dir(database(&tree)).unwrap();
    let (code, said) = refused(&tree);
    assert_eq!(code, Some(1), "{said}");
    fs::remove_dir(database(&tree)).unwrap();
    // Its newest changes are still there, and SQLite would take them away.
    let wal = tree.path().join("cedargate.db-wal");
    fs::write(&wal, b"changes").unwrap();
    let (code, said) = refused(&tree);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cedargate.db-wal") && said.contains("is missing"), "{said}");
    assert_eq!(fs::read(&wal).unwrap(), b"changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_made_and_was_not_asked_for_is_told_in_the_status() {
    let tree = TestTree::new();
    // A place in which no file can be: its folder is one.
    tree.write("file", "");
    let path = tree.path().join("file/cedargate.db");
    let policies = tree.policies();
    let (code, said) = {
        let run = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["serve", "--bind", "127.0.0.1:0", "--policies"])
            .arg(&policies)
            .env("CEDARGATE_DATABASE__PATH", &path)
            .output()
            .unwrap();
        (run.status.code(), String::from_utf8(run.stderr).unwrap())
    };
    assert_eq!(code, Some(1), "asked for: {said}");
    let server = started(&tree, "directory = \"files\"\n").await;
    let status: serde_json::Value = serde_json::from_str(&server.ops_text("/status").await).unwrap();
    assert_eq!(status["directory"], serde_json::json!({"kind": "files", "ok": true}));
}
