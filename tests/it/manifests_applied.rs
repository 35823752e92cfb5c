//! `database.manifests = "apply"`: what is taken out of manifests is taken back, however the server came to miss it.

use std::fs;

use crate::support::server::issuers;
use crate::support::{ServerProcess, TestTree, eventually};

const APPLY: &str = "database.manifests = \"apply\"\n";
const RESOURCES: &str = "policies/acme/manifests/resources.yaml";

async fn may(server: &ServerProcess, principal: &str) -> bool {
    let (status, answer) = server.vouch(principal, "viewModel", "Model::\"gpt-4o\"").await;
    status == 200 && answer["decision"] == "allow"
}

fn with_grant(tree: &TestTree, subject: &str) {
    let text = tree.read(RESOURCES);
    assert!(text.contains("resource: Model::gpt-4o\n"), "{text}");
    let kept = text.replace("resource: Model::gpt-4o\n", &format!("resource: Model::gpt-4o # {subject}\n"));
    let grant = format!("type: tenant\ncollaborators:\n  - {{subject: {subject}, role: admin}}\n");
    tree.write("policies/acme/manifests/one-more.yaml", &grant);
    tree.write(RESOURCES, &kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_manifests_lose_is_lost_after_a_stop_after_a_kill_and_with_their_folder() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let zoe = "User::\"zoe@acme.com\"";
    tree.write("policies/acme/manifests/zoe.yaml", "type: user\nemail: zoe@acme.com\n");
    for end in ["TERM", "KILL"] {
        with_grant(&tree, "user:zoe@acme.com");
        let mut server = ServerProcess::start(&tree, APPLY);
        eventually("the grant counts", || async { may(&server, zoe).await }).await;
        server.signal(end);
        server.exit_code().await;
        fs::remove_file(tree.path().join("policies/acme/manifests/one-more.yaml")).unwrap();
        let mut server = ServerProcess::start(&tree, APPLY);
        eventually("the grant is taken back", || async { !may(&server, zoe).await }).await;
        server.signal(end);
        server.exit_code().await;
    }
    with_grant(&tree, "user:zoe@acme.com");
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
