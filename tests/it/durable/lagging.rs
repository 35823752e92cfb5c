//! Changes that are acknowledged and not live: told by `/status`, `/ready?strict` and `/metrics`.

use std::fs;

use serde_json::{Value, json};

use crate::admin::{Acme, grant};
use crate::support::eventually;

fn number(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name}{{tenant=\"acme\"}} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn a_change_that_cannot_be_written_to_disk_is_told_until_it_is_live() {
    let acme = Acme::configured(|raw| raw.watch.poll_seconds = 1).await;
    let server = &acme.server;
    let before = acme.head().await;
    assert_eq!(acme.vouched(before).await, "allow");
    let strict = async || server.get("/ready?strict").await;
    let status = async || server.status("acme").await;
    eventually("nothing waits", || async { status().await["publish"]["ok"] == true }).await;
    let told = server.ops("/status").await.body;
    assert_eq!((strict().await.status, &told["degraded"]), (200, &json!(false)), "{told}");

    // A folder in the place of a file: nothing can be renamed onto it.
    let file = server.tree.policies().join("acme/compiled/collaborators.json");
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("x")).unwrap();
    let id = acme.admin.get("/collaborators?subject=team:ml").await.ok().items()[0]["id"].as_str().unwrap().to_owned();
    let revoked = acme.admin.delete(&format!("/collaborators/{id}")).await.ok().revision();
    eventually("the failure is told", || async { status().await["publish"]["ok"] == false }).await;
    assert_eq!(server.get("/ready").await.status, 200);
    let told = status().await;
    assert_eq!((&told["head"], &told["revision"]), (&json!(revoked), &json!(before)), "{told}");
    assert!(told["publish"]["error"].as_str().unwrap().contains("collaborators.json"), "{told}");
    server.clock.advance(4);
    let since = status().await["waiting_since"].clone();
    assert_eq!(since, json!("2026-01-09T10:00:00Z"));
    assert!(!all_reasons(&acme).await.contains("wait since"));
    server.clock.advance(2);
    assert_eq!(status().await["waiting_since"], since);
    assert!(all_reasons(&acme).await.contains(&format!("up to revision {revoked} wait since 2026-01-09T10:00:00Z")));
    assert_eq!(strict().await.status, 503);
    assert_eq!(server.get("/ready").await.status, 200);
    let metrics = server.ops("/metrics").await.body.as_str().unwrap().to_owned();
    assert!(number(&metrics, "cedargate_revision_lag_seconds") >= 6.0, "{metrics}");
    assert!(number(&metrics, "cedargate_publish_failures_total") >= 1.0);
    assert!((number(&metrics, "cedargate_directory_head") - revoked as f64).abs() < 0.5);

    // Another tenant's changes are live all the same.
    acme.admin.post("//tenants", json!({"name": "globex"})).await.ok();
    let globex = acme.admin.of("globex");
    globex.post("/users", json!({"email": "jane@acme.com"})).await.ok();
    globex.post("/resources", json!({"resource": "Model::gpt-4o"})).await.ok();
    let granted = globex.post("/collaborators", grant("Model::gpt-4o", "user:jane@acme.com", "viewer")).await.ok();
    let body = json!({
        "principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": super::MODEL,
        "at_least": granted.revision(),
    });
    let key: &[_] = &[("x-cedargate-key", crate::support::server::CALLER_KEY)];
    let answer = server.post_with("/tenants/globex/authorize", body, key).await;
    assert_eq!(answer.body["decision"], "allow", "{}", answer.body);

    fs::remove_dir_all(&file).unwrap();
    assert_eq!(acme.vouched(revoked).await, "deny");
    eventually("all is well", || async { server.ops("/status").await.body["degraded"] == false }).await;
    assert_eq!((strict().await.status, status().await.get("waiting_since")), (200, None));
}

async fn all_reasons(acme: &Acme) -> String {
    let status: Value = acme.server.ops("/status").await.body;
    assert_eq!(status["degraded"], true, "{status}");
    status["reasons"].to_string()
}

impl Acme {
    /// Whether jane of team `ml` may view the model, of this revision or a later one.
    async fn vouched(&self, at_least: u64) -> String {
        let answer = self.vouch(super::JANE, "viewModel", super::MODEL, at_least).await;
        answer.body["decision"].as_str().unwrap_or_default().to_owned()
    }
}
