//! Collaborators: who has which role on what, from either side.

use serde_json::{Value, json};

use super::{Acme, grant};
use crate::support::Reply;

/// The grants of a page, as `subject role resource`.
fn told(reply: &Reply) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |item: &Value| [&item["subject"], &item["role"], &item["resource"]].map(text).join(" ");
    let mut told: Vec<_> = reply.items().iter().map(one).collect();
    told.sort();
    told
}

async fn with_grants() -> Acme {
    let acme = Acme::start().await;
    for (resource, subject, role) in [
        ("Model::claude", "team:ml", "user"),
        ("Model::claude", "user:zoe@acme.com", "viewer"),
        ("Model::claude", "virtual-account:ci", "tester"),
        ("Workspace::research", "external-identity:partner", "viewer"),
    ] {
        acme.admin.post("/collaborators", grant(resource, subject, role)).await.ok();
    }
    acme
}

#[tokio::test]
async fn a_grant_is_made_once_and_its_id_says_which() {
    let acme = Acme::start().await;
    let body = grant("Model::claude", "team:ml", "user");
    let made = acme.admin.post("/collaborators", body.clone()).await;
    let id = made.body["id"].as_str().unwrap();
    assert_eq!((made.status, made.header("location")), (201, &*format!("/tenants/acme/collaborators/{id}")));
    let read = acme.admin.get(&format!("/collaborators/{id}")).await.ok();
    for name in ["resource", "subject", "role"] {
        assert_eq!(read.body[name], body[name]);
    }
    assert_eq!(read.revision(), made.revision());
    acme.admin.post("/collaborators", body.clone()).await.is(409, "exists");
    assert_eq!(acme.admin.put(&format!("/collaborators/{id}"), body.clone()).await.ok().revision(), made.revision());
    acme.admin.delete(&format!("/collaborators/{id}")).await.ok();
    acme.admin.get(&format!("/collaborators/{id}")).await.is(404, "object-unknown");
    // The same grant has the same id at any time.
    assert_eq!(acme.admin.post("/collaborators", body).await.ok().body["id"], id);
}

#[tokio::test]
async fn another_role_is_another_grant() {
    let acme = Acme::start().await;
    let made = acme.admin.post("/collaborators", grant("Model::claude", "team:ml", "user")).await.ok();
    let place = format!("/collaborators/{}", made.body["id"].as_str().unwrap());
    // Of another thing, meanwhile.
    acme.admin.patch("/users/zoe@acme.com", json!({"active": false})).await.ok();
    let patched = acme.admin.patch(&place, json!({"role": "editor"})).await.ok();
    assert_eq!(patched.revision(), made.revision() + 2);
    assert_ne!(patched.body["id"], made.body["id"]);
    acme.admin.get(&place).await.is(404, "object-unknown");
    let other = acme.admin.get(&format!("/collaborators/{}", patched.body["id"].as_str().unwrap())).await.ok();
    assert_eq!(other.body["role"], "editor");
    assert_eq!(told(&acme.admin.get("/collaborators?resource=Model::claude").await), ["team:ml editor Model::claude"]);
    // What was seen may be asked for: it is the old grant's revision.
    let place = format!("/collaborators/{}", patched.body["id"].as_str().unwrap());
    acme.admin.patch("/users/zoe@acme.com", json!({"active": true})).await.ok();
    let stale = acme.admin.and("if-match", "\"1\"").patch(&place, json!({"role": "viewer"})).await;
    stale.is(412, "revision-mismatch");
    acme.admin.and("if-match", other.header("etag")).patch(&place, json!({"role": "viewer"})).await.ok();
}

#[tokio::test]
async fn a_change_to_a_role_that_is_granted_already_leaves_one_grant() {
    let acme = Acme::start().await;
    acme.admin.post("/collaborators", grant("Model::claude", "team:ml", "editor")).await.ok();
    let made = acme.admin.post("/collaborators", grant("Model::claude", "team:ml", "user")).await.ok();
    let place = format!("/collaborators/{}", made.body["id"].as_str().unwrap());
    acme.admin.patch(&place, json!({"role": "editor"})).await.ok();
    assert_eq!(told(&acme.admin.get("/collaborators?resource=Model::claude").await), ["team:ml editor Model::claude"]);
}

#[tokio::test]
async fn grants_are_listed_by_resource_subject_and_role() {
    let acme = with_grants().await;
    let admin = &acme.admin;
    for (query, expected) in [
        ("resource=Model::gpt-4o", vec!["team:ml viewer Model::gpt-4o"]),
        ("resource=Model::%22gpt-4o%22", vec!["team:ml viewer Model::gpt-4o"]),
        ("subject=team:ml", vec!["team:ml user Model::claude", "team:ml viewer Model::gpt-4o"]),
        ("subject=user:ZOE@acme.com", vec!["user:zoe@acme.com viewer Model::claude"]),
        ("subject=virtual-account:ci", vec!["virtual-account:ci tester Model::claude"]),
        ("subject=external-identity:partner", vec!["external-identity:partner viewer Workspace::research"]),
        ("subject=team:ml&resource=Model::claude", vec!["team:ml user Model::claude"]),
        ("role=user", vec!["team:ml user Model::claude"]),
        (
            "role=viewer&limit=1000",
            vec![
                "external-identity:partner viewer Workspace::research",
                "team:ml viewer Model::gpt-4o",
                "user:zoe@acme.com viewer Model::claude",
            ],
        ),
        ("role=viewer&resource=Model::claude", vec!["user:zoe@acme.com viewer Model::claude"]),
        ("resource=Tenant::acme", vec!["user:ada@acme.com admin Tenant::acme"]),
        ("resource=Model::none", vec![]),
    ] {
        assert_eq!(told(&admin.get(&format!("/collaborators?{query}")).await), expected, "{query}");
    }
    assert_eq!(admin.get("/collaborators").await.items().len(), 6);
}

#[tokio::test]
async fn pages_of_one_role_leave_nothing_out() {
    let acme = with_grants().await;
    let admin = &acme.admin;
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = admin.get(&format!("/collaborators?role=viewer&limit=1{after}")).await.ok();
        assert!(page.items().len() <= 1);
        seen.extend(page.items().iter().map(|item| item["subject"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    seen.sort();
    assert_eq!(seen, ["external-identity:partner", "team:ml", "user:zoe@acme.com"]);
}

#[tokio::test]
async fn grants_are_seen_and_made_from_either_side() {
    let acme = with_grants().await;
    let admin = &acme.admin;
    for (side, expected) in [
        ("resources/Model::claude", 3),
        ("teams/ml", 2),
        ("users/zoe@acme.com", 1),
        ("virtual-accounts/ci", 1),
        ("external-identities/partner", 1),
    ] {
        let listed = admin.get(&format!("/{side}/collaborators")).await.ok();
        assert_eq!(listed.items().len(), expected, "{side}: {}", listed.body);
    }
    let one = admin.get("/teams/ml/collaborators?resource=Model::claude").await;
    assert_eq!(told(&one), ["team:ml user Model::claude"]);
    admin.get("/teams/ml/collaborators?resource=gpt").await.is(400, "malformed-request");
    let subjects = ["teams/ml", "users/zoe@acme.com", "virtual-accounts/ci", "external-identities/partner"];
    for side in subjects {
        let body = json!({"resource": "Model::gpt-4o", "role": "editor"});
        let made = admin.post(&format!("/{side}/collaborators"), body.clone()).await;
        assert_eq!(made.status, 201, "{side}: {}", made.body);
        let place = made.header("location").to_owned();
        assert!(place.starts_with("/tenants/acme/collaborators/"), "{place}");
        assert_eq!(admin.get(&format!("/{place}")).await.ok().body["role"], "editor");
        admin.post(&format!("/{side}/collaborators"), body).await.is(409, "exists");
    }
    let on = admin.post("/resources/Model::gpt-4o/collaborators", json!({"subject": "team:ml", "role": "user"})).await;
    assert_eq!((on.status, &on.body["resource"]), (201, &json!("Model::gpt-4o")));
    let on = admin.post("/resources/Tenant::acme/collaborators", json!({"subject": "team:ml", "role": "member"})).await;
    assert_eq!(on.status, 201, "{}", on.body);
    assert_eq!(told(&admin.get("/resources/Tenant::acme/collaborators").await).len(), 2);
}

#[tokio::test]
async fn a_resource_whose_id_is_any_text_has_an_address() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    for id in ["a/b", "a b", "ü", "100%", "a?b#c", "a::b", "\"q\"", "a\\b", "."] {
        let made = admin.post("/resources", json!({"resource": format!("Model::{id}")})).await;
        assert_eq!(made.status, 201, "{id}: {}", made.body);
        let place = format!("/{}", made.header("location"));
        let read = admin.get(&place).await.ok();
        assert_eq!(read.body["resource"], made.body["resource"], "{id}");
        let granted = admin.post("/collaborators", grant(made.body["id"].as_str().unwrap(), "team:ml", "viewer")).await;
        assert_eq!(granted.ok().body["resource"], made.body["resource"], "{id}");
        assert_eq!(admin.get(&format!("{place}/collaborators")).await.ok().items().len(), 1, "{id}");
        admin.delete(&format!("{place}?cascade=true")).await.ok();
        admin.get(&place).await.is(404, "object-unknown");
    }
}
