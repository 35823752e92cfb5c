//! `database.manifests = "apply"`: what is taken out of manifests is taken back, however the server came to miss it.

use std::fs;
use std::time::Duration;

use crate::killed::{LIVES, lives};
use crate::support::server::issuers;
use crate::support::{ServerProcess, TestTree, eventually};

const APPLY: &str = "database.manifests = \"apply\"\n";
const TENANT: &str = "policies/acme/manifests/tenant.yaml";
const GRANT: &str = "  - {subject: user:zoe@acme.com, role: admin}\n";

async fn may(server: &ServerProcess, principal: &str) -> bool {
    let (status, answer) = server.vouch(principal, "viewModel", "Model::\"gpt-4o\"").await;
    status == 200 && answer["decision"] == "allow"
}

/// Writes a grant into the manifests, or takes it out.
fn edit(tree: &TestTree, is_granted: bool) {
    tree.edit(TENANT, |text| {
        let without = text.replace(GRANT, "");
        if is_granted { format!("{}\n{GRANT}", without.trim_end()) } else { without }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_manifests_lose_is_lost_after_a_stop_after_a_kill_and_with_their_folder() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let zoe = "User::\"zoe@acme.com\"";
    tree.write("policies/acme/manifests/zoe.yaml", "type: user\nemail: zoe@acme.com\n");
    for end in ["TERM", "KILL"] {
        edit(&tree, true);
        let mut server = ServerProcess::start(&tree, APPLY);
        eventually("the grant counts", || async { may(&server, zoe).await }).await;
        server.signal(end);
        server.exit_code().await;
        edit(&tree, false);
        let mut server = ServerProcess::start(&tree, APPLY);
        eventually("the grant is taken back", || async { !may(&server, zoe).await }).await;
        server.signal(end);
        server.exit_code().await;
    }
    edit(&tree, true);
    let server = ServerProcess::start(&tree, APPLY);
    eventually("the grant counts", || async { may(&server, zoe).await }).await;
    // A fault takes nothing back.
    let people = tree.read("policies/acme/manifests/people.yaml");
    tree.write("policies/acme/manifests/people.yaml", "type: nothing that there is\n");
    eventually("the fault is told", || async { server.status("acme").await["last_reload"]["ok"] == false }).await;
    assert!(may(&server, zoe).await);
    tree.write("policies/acme/manifests/people.yaml", &people);
    fs::rename(tree.path().join("policies/acme/manifests"), tree.path().join("away")).unwrap();
    eventually("all of it is taken back", || async { !may(&server, zoe).await }).await;
    let history = server.client.get(format!("{}/tenants/acme/history?limit=1", server.url));
    let history = history.header("x-cedargate-key", crate::support::server::CALLER_KEY).send().await.unwrap();
    let history: serde_json::Value = history.json().await.unwrap();
    assert_eq!(history["items"][0]["actor"], "manifests", "{history}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_is_what_manifests_say_after_a_kill_at_any_moment() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let zoe = "User::\"zoe@acme.com\"";
    tree.write("policies/acme/manifests/zoe.yaml", "type: user\nemail: zoe@acme.com\n");
    let mut is_granted = false;
    for life in 0..=lives(LIVES) {
        let mut server = ServerProcess::start(&tree, APPLY);
        eventually("the manifests are in effect", || async { may(&server, zoe).await == is_granted }).await;
        if life == lives(LIVES) {
            break;
        }
        is_granted = !is_granted;
        edit(&tree, is_granted);
        // At another moment each time: before the edit is seen, while it is judged, written, published, loaded.
        tokio::time::sleep(Duration::from_millis(43 * (life as u64 % 19))).await;
        server.signal("KILL");
        server.exit_code().await;
        // And some are made while nobody looks.
        if life % 3 == 2 {
            is_granted = !is_granted;
            edit(&tree, is_granted);
        }
    }
}
