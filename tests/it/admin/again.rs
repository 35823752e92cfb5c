//! A tenant that is made again under a name that was one's before: nothing of the earlier life is the new one's.

use serde_json::{Value, json};

use super::tokens::{CI, made, with_ci};
use super::{ADMIN_KEY, Acme, MODEL, grant, provider};
use crate::support::AdminClient;

async fn keys(acme: &Acme) -> Vec<Value> {
    let keys = acme.server.get("/tenants/acme/.well-known/jwks.json").await.ok();
    keys.body["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

#[tokio::test]
async fn a_tenant_that_is_made_again_has_new_keys_no_tokens_and_a_history_of_its_own() {
    let acme = with_ci().await;
    let (signed, _, _) = made(&acme, CI, json!({"audience": "api://reports"})).await;
    let (opaque, _, revision) = made(&acme, CI, json!({})).await;
    acme.ask(&opaque, "viewModel", MODEL, revision).await.ok();
    let before = keys(&acme).await;
    assert_eq!(before.len(), 1);
    acme.admin.delete("").await.ok();
    acme.admin.post("//tenants", json!({"name": "acme"})).await.ok();
    // The same people, and an owner of the new one.
    let facts = [
        provider("okta", &acme.server.okta),
        json!({"type": "user", "email": "eve@acme.com"}),
        json!({"type": "virtual-account", "name": "ci"}),
        json!({"type": "resource", "resource": "Model::gpt-4o"}),
        grant("Model::gpt-4o", "virtual-account:ci", "viewer"),
        grant("Tenant::acme", "user:eve@acme.com", "admin"),
    ];
    let operations: Vec<_> = facts.into_iter().map(|fact| json!({"create": fact})).collect();
    let made_again = acme.admin.post("/batch", json!({"operations": operations})).await.ok().revision();

    assert_eq!(keys(&acme).await, Vec::<Value>::new());
    acme.ask(&opaque, "viewModel", MODEL, made_again).await.is(401, "token-revoked");
    acme.ask(&signed, "viewModel", MODEL, made_again).await.is(401, "token-unknown-provider");
    let (_, _, _) = made(&acme, CI, json!({"audience": "api://reports"})).await;
    let after = keys(&acme).await;
    assert!(after.len() == 1 && after != before, "{after:?}");

    let eve = acme.person("eve@acme.com");
    let history = eve.get("/history?limit=1000").await.ok();
    assert!(history.items().iter().all(|entry| entry["revision"].as_u64().unwrap() >= made_again), "{}", history.body);
    assert!(!history.items().is_empty());
    assert_eq!(eve.get("/history?subject=team:ml").await.ok().items().len(), 0);
    eve.get("/history?life=all").await.is(403, "caller-may-not");
    eve.get("/history?life=past").await.is(400, "malformed-request");
    let operator = AdminClient::with_key(&acme.server, "acme", ADMIN_KEY);
    let all = operator.get("/history?life=all&limit=1000").await.ok();
    assert!(all.items().iter().any(|entry| entry["id"] == "jane@acme.com"), "{}", all.body);
    assert!(!operator.get("/history?limit=1000").await.ok().body.to_string().contains("jane@acme.com"));
}
