//! A node that has only the files: it answers like the one that compiled them, and takes a bundle whole or not
//! at all.

use std::fs;
use std::path::Path;

use cedargate::config::RawConfig;
use serde_json::{Value, json};

use crate::support::server::CALLER_KEY;
use crate::support::{TestServer, TestTree, eventually};

/// Copies what another node compiled, as it is.
fn copy_bundle(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut names: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort_by_key(|name| name == "bundle.json");
    for name in names {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// The node that compiles, and one with its files but without its manifests.
async fn two_nodes() -> (TestServer, TestServer) {
    let compiling = TestServer::start().await;
    let tree = TestTree::sample(&compiling.okta, &compiling.github);
    let manifests = tree.policies().join("acme/manifests");
    fs::remove_dir_all(manifests).unwrap();
    copy_bundle(&compiled(&compiling.tree), &compiled(&tree));
    let copied = TestServer::over(tree, compiling.okta.clone(), compiling.github.clone(), |_| {}).await;
    (compiling, copied)
}

fn compiled(tree: &TestTree) -> std::path::PathBuf {
    tree.policies().join("acme/compiled")
}

async fn last_reload(server: &TestServer) -> Value {
    server.ops("/status").await.body["tenants"]["acme"]["last_reload"].clone()
}

async fn may_view(server: &TestServer) -> Value {
    server.vouch("User::\"jane@acme.com\"", "viewModel", "Model::\"gpt-4o\"").await.body["decision"].clone()
}

#[tokio::test]
async fn a_node_with_only_the_files_answers_like_the_one_that_compiled_them() {
    let (compiling, copied) = two_nodes().await;
    let requests: Vec<Value> = serde_json::from_str(crate::sample::REQUESTS).unwrap();
    for request in requests {
        let mut body = json!({"action": request["action"], "resource": request["resource"]});
        body["context"] = request.get("context").cloned().unwrap_or(json!({}));
        match request.get("principal") {
            Some(principal) => body["principal"] = principal.clone(),
            None => {
                let issuer = if request["provider"] == "okta" { &compiling.okta } else { &compiling.github };
                body["token"] = issuer.token(request["claims"].clone()).into();
            }
        }
        let key: &[_] = &[("x-cedargate-key", CALLER_KEY)];
        let [mut one, mut other] = [
            compiling.post_with("/authorize", body.clone(), key).await.body,
            copied.post_with("/authorize", body, key).await.body,
        ];
        for answer in [&mut one, &mut other] {
            answer["decision_id"].take();
            // Where the manifests are, their lines are told; where only the bundle is, its own.
            answer["policies"].as_array_mut().unwrap().iter_mut().for_each(|policy| {
                policy["source"].take();
            });
        }
        assert_eq!(one, other, "{request}");
    }
}

#[tokio::test]
async fn a_whole_bundle_need_not_hold_still() {
    let compiling = TestServer::start().await;
    let tree = TestTree::sample(&compiling.okta, &compiling.github);
    fs::remove_dir_all(tree.policies().join("acme/manifests")).unwrap();
    copy_bundle(&compiled(&compiling.tree), &compiled(&tree));
    let patient = |raw: &mut RawConfig| raw.watch.debounce_milliseconds = 10 * 60 * 1000;
    let copied = TestServer::over(tree, compiling.okta.clone(), compiling.github.clone(), patient).await;
    assert_eq!(may_view(&copied).await, "allow");
    compiling.tree.edit("policies/acme/manifests/resources.yaml", |text| {
        text.replace("  - {subject: team:ml, role: viewer}\n", "")
    });
    eventually("the compiling node has it", || async { may_view(&compiling).await == "deny" }).await;
    copy_bundle(&compiled(&compiling.tree), &compiled(&copied.tree));
    eventually("its digests say that it is whole", || async { may_view(&copied).await == "deny" }).await;
}

#[tokio::test]
async fn a_bundle_that_is_not_whole_is_never_live() {
    let (compiling, copied) = two_nodes().await;
    assert_eq!(may_view(&copied).await, "allow");
    compiling.tree.edit("policies/acme/manifests/resources.yaml", |text| {
        text.replace("  - {subject: team:ml, role: viewer}\n", "")
    });
    eventually("the compiling node has it", || async { may_view(&compiling).await == "deny" }).await;
    let (from, to) = (compiled(&compiling.tree), compiled(&copied.tree));

    // Half copied: the links are new, `bundle.json` is not.
    fs::copy(from.join("collaborators.json"), to.join("collaborators.json")).unwrap();
    eventually("the half bundle is refused", || async { last_reload(&copied).await["ok"] == false }).await;
    assert!(last_reload(&copied).await["errors"][0].to_string().contains("collaborators.json"));
    assert_eq!(may_view(&copied).await, "allow");
    copy_bundle(&from, &to);
    eventually("the whole bundle serves", || async { may_view(&copied).await == "deny" }).await;
    eventually("it is said to be good", || async { last_reload(&copied).await["ok"] == true }).await;

    // Tampered with: a grant that the directory never gave.
    copied.tree.edit("policies/acme/compiled/roles.cedar", |text| text + "permit (principal, action, resource);\n");
    eventually("the tampered bundle is refused", || async { last_reload(&copied).await["ok"] == false }).await;
    assert!(last_reload(&copied).await["errors"][0].to_string().contains("roles.cedar"));
    assert_eq!(may_view(&copied).await, "deny");

    // Without its index it is no bundle, and not the same as having none.
    copy_bundle(&from, &to);
    eventually("repaired", || async { last_reload(&copied).await["ok"] == true }).await;
    copied.tree.remove("policies/acme/compiled/bundle.json");
    eventually("the missing index is a fault", || async { last_reload(&copied).await["ok"] == false }).await;
    let lee = copied.vouch("User::\"lee@acme.com\"", "viewModel", "Model::\"gpt-4o\"").await.body;
    assert_eq!(lee["decision"], "allow", "{lee}");
}

#[tokio::test]
async fn a_damaged_bundle_beside_manifests_is_written_again_under_its_revision() {
    let server = TestServer::start().await;
    let status = async || server.ops("/status").await.body["tenants"]["acme"].clone();
    let folder = compiled(&server.tree);
    server.tree.edit("policies/acme/manifests/people.yaml", |text| text + "---\ntype: user\nemail: new@acme.com\n");
    eventually("the second revision", || async { status().await["revision"] == 2 }).await;
    let whole = fs::read(folder.join("roles.cedar")).unwrap();

    fs::write(folder.join("roles.cedar"), "permit (principal, action, resource);\n").unwrap();
    eventually("it is written again", || async {
        fs::read(folder.join("roles.cedar")).is_ok_and(|text| text == whole)
    })
    .await;
    remove(&folder).await;
    eventually("all of it is written again", || async { folder.join("bundle.json").exists() }).await;
    let index: Value = serde_json::from_slice(&fs::read(folder.join("bundle.json")).unwrap()).unwrap();
    assert_eq!(index["revision"], 2);
    remove(&folder).await;
    server.tree.edit("policies/acme/manifests/people.yaml", |text| text + "---\ntype: user\nemail: more@acme.com\n");
    eventually("the third revision", || async { status().await["revision"] == 3 }).await;
}

#[tokio::test]
async fn the_index_of_a_bundle_is_written_last() {
    let server = TestServer::start().await;
    let folder = compiled(&server.tree);
    let written = |name: &str| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
    let before = written("bundle.json");
    server.tree.edit("policies/acme/manifests/people.yaml", |text| text + "---\ntype: user\nemail: new@acme.com\n");
    eventually("a new index", || async { written("bundle.json") > before }).await;
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(written(&name) <= written("bundle.json"), "{name}");
    }
}

/// Removes a folder that the server may be writing to.
async fn remove(folder: &std::path::Path) {
    eventually("the folder can be removed", || async { fs::remove_dir_all(folder).is_ok() || !folder.exists() }).await;
}
