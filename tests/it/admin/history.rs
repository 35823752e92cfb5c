//! The history: who changed what, when and why.

use serde_json::{Value, json};

use super::pages::all;
use super::{Acme, grant};

/// The entries of a query as `type id`, newest first.
async fn told(acme: &Acme, query: &str) -> Vec<String> {
    let entries = all(&acme.admin, &format!("/history?{query}"), 2).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries.iter().map(|entry| format!("{} {}", text(&entry["type"]), text(&entry["id"]))).collect()
}

#[tokio::test]
async fn an_entry_says_who_when_why_and_what() {
    let acme = Acme::start().await;
    acme.server.clock.advance(60);
    let because = acme.admin.and("x-cedargate-reason", "she left, à bientôt").and("x-request-id", "req-7");
    let changed = because.patch("/users/zoe@acme.com", json!({"active": false})).await.ok();
    let page = acme.admin.get("/history?limit=1").await.ok();
    assert_eq!(
        page.items()[0],
        json!({
            "type": "user", "id": "zoe@acme.com", "revision": changed.revision(), "actor": "key:operator",
            "at": "2026-01-09T10:01:00.000Z", "reason": "she left, à bientôt", "request_id": "req-7",
            "before": {"type": "user", "email": "zoe@acme.com", "active": true},
            "after": {"type": "user", "email": "zoe@acme.com", "active": false},
        })
    );
    // Someone who administers is named as Cedar names them.
    let ada = acme.person("ada@acme.com");
    ada.delete("/users/zoe@acme.com").await.ok();
    let entry = acme.admin.get("/history?limit=1").await.ok().items()[0].clone();
    assert_eq!((&entry["actor"], &entry["reason"]), (&json!("User::\"ada@acme.com\""), &Value::Null));
    assert_eq!((&entry["before"]["active"], &entry["after"]), (&json!(false), &Value::Null));
    assert!(entry["request_id"].as_str().is_some_and(|id| !id.is_empty()));
}

#[tokio::test]
async fn what_changed_nothing_and_what_was_refused_is_not_in_it() {
    let acme = Acme::start().await;
    let before = acme.admin.get("/history?limit=1000").await.ok().body;
    acme.admin.patch("/users/zoe@acme.com", json!({"active": true})).await.ok();
    acme.admin.post("/users", json!({"email": "zoe@acme.com"})).await.is(409, "exists");
    acme.admin.delete("/users/zoe@acme.com?dry_run=true").await.ok();
    acme.person("zoe@acme.com").delete("/users/lee@acme.com").await.is(403, "caller-may-not");
    assert_eq!(acme.admin.get("/history?limit=1000").await.ok().body, before);
}

#[tokio::test]
async fn a_reason_is_text_of_some_length() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let user = json!({"email": "n@acme.com"});
    admin.and("x-cedargate-reason", &"x".repeat(1001)).post("/users", user.clone()).await.is(400, "malformed-request");
    admin.and("x-cedargate-reason", &"x".repeat(1000)).post("/users", user).await.ok();
    admin.and("x-cedargate-reason", "").post("/users", json!({"email": "m@acme.com"})).await.ok();
    assert_eq!(admin.get("/history?limit=1").await.items()[0]["reason"], Value::Null);
}

#[tokio::test]
async fn the_history_is_asked_for_by_resource_subject_actor_type_and_id() {
    let acme = Acme::empty(|_| {}).await;
    let admin = &acme.admin;
    admin.post("/identity-providers", super::provider("okta", &acme.server.okta)).await.ok();
    admin.post("/users", json!({"email": "ada@acme.com"})).await.ok();
    admin.post("/users", json!({"email": "jane@acme.com"})).await.ok();
    admin.post("/teams", json!({"name": "ml", "members": ["jane@acme.com"]})).await.ok();
    admin.post("/teams", json!({"name": "ops"})).await.ok();
    admin.post("/resources", json!({"resource": "Model::gpt-4o"})).await.ok();
    admin.post("/resources", json!({"resource": "Model::claude"})).await.ok();
    let one = admin.post("/collaborators", grant("Model::gpt-4o", "team:ml", "viewer")).await.ok();
    let two = admin.post("/collaborators", grant("Tenant::acme", "user:ada@acme.com", "admin")).await.ok();
    let (one, two) = (one.body["id"].as_str().unwrap(), two.body["id"].as_str().unwrap());
    acme.person("ada@acme.com").delete(&format!("/collaborators/{one}")).await.ok();
    acme.person("ada@acme.com").patch("/teams/ml", json!({"members": []})).await.ok();
    let (one, two) = (format!("collaborator {one}"), format!("collaborator {two}"));
    let (one, two) = (one.as_str(), two.as_str());
    for (query, expected) in [
        ("resource=Model::gpt-4o", vec![one, one, "resource Model::gpt-4o"]),
        ("resource=Tenant::acme", vec![two]),
        ("resource=Model::none", vec![]),
        ("subject=team:ml", vec!["team ml", one, one, "team ml"]),
        ("subject=user:jane@acme.com", vec!["team ml", "team ml", "user jane@acme.com"]),
        ("subject=user:ada@acme.com", vec![two, "user ada@acme.com"]),
        ("subject=team:ml&resource=Model::gpt-4o", vec![one, one]),
        ("actor=User::%22ada@acme.com%22", vec!["team ml", one]),
        ("actor=key:nobody", vec![]),
        ("type=team", vec!["team ml", "team ops", "team ml"]),
        ("type=team&id=ml", vec!["team ml", "team ml"]),
        ("type=team&id=ops", vec!["team ops"]),
        ("type=resource&id=Model::claude", vec!["resource Model::claude"]),
        ("type=collaborator", vec![one, two, one]),
        ("type=user&actor=key:operator", vec!["user jane@acme.com", "user ada@acme.com"]),
    ] {
        assert_eq!(told(&acme, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn one_life_of_a_tenant_does_not_show_anothers_people() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    admin.post("//tenants", json!({"name": "globex"})).await.ok();
    assert!(admin.of("globex").get("/history").await.ok().items().is_empty());
    admin.delete("").await.ok();
    admin.get("/history").await.is(404, "tenant-unknown");
}
