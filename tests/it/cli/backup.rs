//! `backup` and `restore`: the database in one file and back, beside a server and without one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::cedargate;
use crate::support::{ServerProcess, TestTree};

async fn change(server: &ServerProcess, path: &str, body: serde_json::Value) {
    let made = server.post(path, &body).await.unwrap();
    assert_eq!(made.status(), 201, "{path}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_a_server_is_what_a_restore_makes_of_it_and_a_clean_stop_leaves_one_file() {
    let tree = TestTree::new();
    let path = |name: &str| tree.path().join(name);
    let mut server = ServerProcess::start(&tree, "");
    change(&server, "/tenants", json!({"name": "acme"})).await;
    change(&server, "/tenants/acme/users", json!({"email": "jane@acme.com"})).await;

    let taken = cedargate(tree.path(), &["backup", "kept.db", "--json"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    let taken = taken.json();
    assert_eq!((&taken["tenants"], &taken["revisions"]), (&json!([{"tenant": "acme", "revision": 2}]), &json!(2)));
    assert_eq!(fs::metadata(path("kept.db")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = cedargate(tree.path(), &["backup", "kept.db"]);
    assert!(again.code == 1 && again.stderr.contains("is there already"), "{}", again.stderr);

    change(&server, "/tenants/acme/users", json!({"email": "late@acme.com"})).await;
    for (arguments, said) in [
        (&["restore", "kept.db"][..], "`--force` replaces it"),
        (&["restore", "kept.db", "--force"], "a server has it open"),
        (&["restore", "nowhere.db", "--force"], "No such file"),
    ] {
        let refused = cedargate(tree.path(), arguments);
        assert!(refused.code == 1 && refused.stderr.contains(said), "{arguments:?}: {}", refused.stderr);
    }
    change(&server, "/tenants/acme/users", json!({"email": "later@acme.com"})).await;
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));

    // Whoever copies the one file after a clean stop has everything.
    assert!(!path("cedargate.db-wal").exists() && !path("cedargate.db-shm").exists());
    fs::copy(path("cedargate.db"), path("copied.db")).unwrap();
    let copied = cedargate(tree.path(), &["backup", "of-copy.db", "--database", "copied.db", "--json"]);
    assert_eq!(copied.json()["tenants"][0]["revision"], 4, "{}", copied.stderr);

    fs::write(path("text.db"), "not a database").unwrap();
    let refused = cedargate(tree.path(), &["restore", "text.db", "--force"]);
    assert!(refused.code == 1 && refused.stderr.contains("no database of cedargate"), "{}", refused.stderr);
    let restored = cedargate(tree.path(), &["restore", "kept.db", "--force", "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert_eq!(restored.json()["tenants"], taken["tenants"]);
    assert_ne!(restored.json()["epoch"], taken["epoch"]);
    let left: Vec<_> = fs::read_dir(tree.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".cedargate-")), "{left:?}");
    let now = cedargate(tree.path(), &["backup", "now.db", "--json"]);
    assert_eq!(now.json()["epoch"], restored.json()["epoch"]);
}

#[test]
fn a_restore_makes_a_database_where_there_is_none_and_drops_the_log_of_one_that_was() {
    let tree = super::sample();
    let path = |name: &str| tree.path().join(name);
    let apply = ["apply", "--tenant", "acme", "-f", "policies/acme/manifests", "--json", "--create"];
    let applied = cedargate(tree.path(), &apply);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    assert_eq!(cedargate(tree.path(), &["backup", "kept.db"]).code, 0);
    fs::remove_file(path("cedargate.db")).unwrap();
    fs::write(path("cedargate.db-wal"), "of another life").unwrap();
    let restored = cedargate(tree.path(), &["restore", "kept.db", "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert!(!path("cedargate.db-wal").exists());
    let plan = ["plan", "--tenant", "acme", "-f", "policies/acme/manifests", "--prune"];
    assert_eq!(cedargate(tree.path(), &plan).code, 0);
    let missing = cedargate(tree.path(), &["backup", "b.db", "--database", "missing.db"]);
    assert!(missing.code == 1 && !path("missing.db").exists(), "{}", missing.stderr);
}
