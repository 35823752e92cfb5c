//! A fault in a hand-written file holds up no change of the directory: it goes live beside the last good files.

use serde_json::{Value, json};

use super::{ADMIN_KEY, Acme, MODEL, written};
use crate::support::{AdminClient, TestServer, eventually};

const FREEZE: &str = "@id(\"freeze\") forbid (principal, action == Action::\"invokeModel\", resource);";

async fn decision(acme: &Acme, action: &str, at_least: u64) -> Value {
    acme.ask(&acme.token("jane@acme.com"), action, MODEL, at_least).await.ok().body
}

async fn members(acme: &Acme, members: &[&str]) -> u64 {
    acme.admin.patch("/teams/ml", json!({"members": members})).await.ok().revision()
}

#[tokio::test]
async fn a_typo_in_a_policy_holds_up_no_revocation_and_takes_no_guard_rail_away() {
    let mut acme = Acme::start().await;
    written(&acme, "freeze", FREEZE).await;
    assert_eq!(decision(&acme, "viewModel", acme.head().await).await["decision"], "allow");
    for broken in ["permit (", "forbid (principal, action, resource) when { resource.nothing };", "\u{0}"] {
        acme.server.tree.write("policies/acme/freeze.cedar", broken);
        eventually("the fault is told", || async { acme.server.status("acme").await["last_reload"]["ok"] == false })
            .await;
        let revoked = members(&acme, &[]).await;
        assert_eq!(decision(&acme, "viewModel", revoked).await["decision"], "deny", "{broken}");
        let granted = members(&acme, &["jane@acme.com"]).await;
        assert_eq!(decision(&acme, "viewModel", granted).await["decision"], "allow", "{broken}");
        // The guard rail of the last good file still decides.
        let refused = decision(&acme, "invokeModel", granted).await;
        assert_eq!((&refused["reason"], &refused["policies"][0]["id"]), (&json!("forbidden"), &json!("freeze")));
        let errors = &acme.server.status("acme").await["last_reload"]["errors"];
        assert!(errors[0]["file"].as_str().unwrap().ends_with("freeze.cedar"), "{errors}");
    }
    // After a restart as well.
    let revoked = members(&acme, &[]).await;
    assert_eq!(decision(&acme, "viewModel", revoked).await["decision"], "deny");
    acme.server.stop().await;
    let TestServer { tree, okta, github, .. } = acme.server;
    let server = TestServer::over(tree, okta, github, |raw| {
        super::with_keys(raw);
        raw.http.at_least_timeout_milliseconds = 60_000;
    })
    .await;
    let admin = AdminClient::with_key(&server, "acme", ADMIN_KEY);
    let acme = Acme { server, admin };
    assert_eq!(decision(&acme, "viewModel", revoked).await["decision"], "deny");
    let granted = members(&acme, &["jane@acme.com"]).await;
    assert_eq!(decision(&acme, "viewModel", granted).await["decision"], "allow");
    assert_eq!(decision(&acme, "invokeModel", granted).await["policies"][0]["id"], "freeze");
    assert_eq!(acme.server.status("acme").await["last_reload"]["ok"], false);
    // The mended file decides again.
    acme.server.tree.write("policies/acme/freeze.cedar", &FREEZE.replace("\"freeze\"", "\"mended\""));
    eventually("the mended file decides", || async {
        decision(&acme, "invokeModel", granted).await["policies"][0]["id"] == "mended"
    })
    .await;
    assert_eq!(acme.server.status("acme").await["last_reload"]["ok"], true);
}

#[tokio::test]
async fn a_fault_of_the_schema_or_the_platform_holds_up_no_revocation() {
    let acme = Acme::start().await;
    let head = acme.head().await;
    assert_eq!(decision(&acme, "viewModel", head).await["decision"], "allow");
    for file in ["schema/wrong.cedarschema", "policies/platform/wrong.cedar"] {
        acme.server.tree.write(file, "entity (");
        eventually("the fault is told", || async { acme.server.status("acme").await["last_reload"]["ok"] == false })
            .await;
        let revoked = members(&acme, &[]).await;
        assert_eq!(decision(&acme, "viewModel", revoked).await["decision"], "deny", "{file}");
        let granted = members(&acme, &["jane@acme.com"]).await;
        assert_eq!(decision(&acme, "viewModel", granted).await["decision"], "allow", "{file}");
        assert_eq!(acme.server.status("acme").await["last_reload"]["ok"], false, "{file}");
        acme.server.tree.remove(file);
        eventually("all is well", || async { acme.server.status("acme").await["last_reload"]["ok"] == true }).await;
    }
}
