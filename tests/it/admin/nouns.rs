//! Every noun of the directory is made, read, replaced, changed and removed in the same way.

use serde_json::{Value, json};

use super::{Acme, provider};

/// One noun: what is made, where it is then, a patch, and what of it is different after.
struct Noun {
    nouns: &'static str,
    id: &'static str,
    body: Value,
    patch: Value,
    after: Value,
}

fn nouns(acme: &Acme) -> Vec<Noun> {
    let noun = |nouns, id, body, patch, after| Noun { nouns, id, body, patch, after };
    vec![
        noun(
            "identity-providers",
            "spare",
            provider("spare", &acme.server.github),
            json!({"external_identities": "most-specific", "claims": {"teams": null, "email": "mail"}}),
            json!({"external_identities": "most-specific",
                "claims": {"unique_id": "sub", "email": "mail", "virtual_account": "client_id"}}),
        ),
        noun(
            "external-identities",
            "auditors",
            json!({"name": "auditors", "identity_provider": "okta", "claims": {"unit": ["audit", "law"], "acr": "high"}}),
            json!({"claims": {"acr": null, "unit": "audit"}}),
            json!({"claims": {"unit": "audit"}}),
        ),
        noun(
            "users",
            "new@acme.com",
            json!({"email": "New@acme.com"}),
            json!({"active": false}),
            json!({"active": false}),
        ),
        noun(
            "teams",
            "ops",
            json!({"name": "ops", "members": ["jane@acme.com"], "managers": ["lee@acme.com"],
                "identity_provider_mapping": [{"identity_provider": "okta", "value": "ops"}]}),
            json!({"members": ["zoe@acme.com", "LEE@acme.com"], "identity_provider_mapping": null}),
            json!({"members": ["lee@acme.com", "zoe@acme.com"], "managers": ["lee@acme.com"],
                "identity_provider_mapping": []}),
        ),
        noun(
            "virtual-accounts",
            "deploy",
            json!({"name": "deploy"}),
            json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "deploy-client"}]}),
            json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "deploy-client"}]}),
        ),
        noun(
            "roles",
            "Model:reader",
            json!({"name": "reader", "resource_type": "Model", "actions": ["viewModel"]}),
            json!({"actions": ["viewModel", "invokeModel"]}),
            json!({"actions": ["invokeModel", "viewModel"], "built_in": false}),
        ),
        noun(
            "resources",
            "Model::o3",
            json!({"resource": "Model::o3", "parents": ["Workspace::research"], "attributes": {"tier": "gold", "family": "o"}}),
            json!({"attributes": {"tier": null, "max_tokens": 7}, "parents": null}),
            json!({"attributes": {"family": "o", "max_tokens": 7}, "parents": []}),
        ),
    ]
}

/// The members that differ from what is expected of them.
fn unlike<'a>(given: &'a Value, expected: &Value) -> Vec<(&'a String, &'a Value)> {
    let members = expected.as_object().unwrap();
    given
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| members.get(*name).is_some_and(|one| one != *value))
        .collect()
}

#[tokio::test]
async fn whatever_is_made_is_where_its_location_says() {
    let acme = Acme::start().await;
    for Noun { nouns, id, body, .. } in nouns(&acme) {
        let before = acme.head().await;
        let made = acme.admin.post(&format!("/{nouns}"), body.clone()).await;
        assert_eq!(made.status, 201, "{nouns}: {}", made.body);
        assert_eq!((made.revision(), &made.body["id"]), (before + 1, &json!(id)), "{nouns}");
        assert_eq!(made.header("location"), format!("/tenants/acme/{nouns}/{id}"));
        let read = acme.admin.get(&format!("/{}", made.header("location"))).await.ok();
        assert_eq!(read.revision(), before + 1, "{nouns}");
        assert!(unlike(&read.body, &made.body).is_empty(), "{nouns}: {} {}", read.body, made.body);
        let listed = acme.admin.get(&format!("/{nouns}?limit=1000")).await.ok();
        assert!(listed.items().contains(&read.body), "{nouns}: {}", listed.body);
        acme.admin.post(&format!("/{nouns}"), body).await.is(409, "exists");
    }
}

#[tokio::test]
async fn what_was_read_is_put_back_without_a_new_revision() {
    let acme = Acme::start().await;
    for Noun { nouns, id, body, .. } in nouns(&acme) {
        acme.admin.post(&format!("/{nouns}"), body).await.ok();
        let head = acme.head().await;
        let read = acme.admin.get(&format!("/{nouns}/{id}")).await.ok();
        let put = acme.admin.put(&format!("/{nouns}/{id}"), read.body.clone()).await.ok();
        assert_eq!((put.status, put.revision()), (200, head), "{nouns}: {}", put.body);
        assert_eq!(acme.admin.get(&format!("/{nouns}/{id}")).await.body, read.body, "{nouns}");
        let patched = acme.admin.patch(&format!("/{nouns}/{id}"), json!({})).await.ok();
        assert_eq!(patched.revision(), head, "{nouns}");
    }
    let grant = acme.admin.get("/collaborators?role=viewer").await.ok().items()[0].clone();
    let place = format!("/collaborators/{}", grant["id"].as_str().unwrap());
    let head = acme.head().await;
    assert_eq!(acme.admin.put(&place, grant).await.ok().revision(), head);
}

#[tokio::test]
async fn a_patch_merges_and_null_takes_away() {
    let acme = Acme::start().await;
    for Noun { nouns, id, body, patch, after } in nouns(&acme) {
        let made = acme.admin.post(&format!("/{nouns}"), body).await.ok();
        let patched = acme.admin.patch(&format!("/{nouns}/{id}"), patch).await.ok();
        assert_eq!(patched.revision(), made.revision() + 1, "{nouns}");
        let read = acme.admin.get(&format!("/{nouns}/{id}")).await.ok();
        assert_eq!(read.revision(), patched.revision());
        assert!(unlike(&read.body, &after).is_empty(), "{nouns}: {} {after}", read.body);
        for name in after.as_object().unwrap().keys() {
            assert_eq!(read.body[name], after[name], "{nouns}");
        }
    }
}

#[tokio::test]
async fn a_put_makes_what_is_not_there_and_replaces_what_is() {
    let acme = Acme::start().await;
    for Noun { nouns, id, mut body, .. } in nouns(&acme) {
        // What it is called is said by the address.
        for name in ["name", "email", "resource", "type"] {
            body.as_object_mut().unwrap().remove(name);
        }
        let head = acme.head().await;
        let put = acme.admin.put(&format!("/{nouns}/{id}"), body.clone()).await.ok();
        assert_eq!(put.revision(), head + 1, "{nouns}");
        assert_eq!((put.status, put.header("location")), (201, &*format!("/tenants/acme/{nouns}/{id}")), "{nouns}");
        let again = acme.admin.put(&format!("/{nouns}/{id}"), body).await.ok();
        assert_eq!((again.status, again.revision()), (200, head + 1), "{nouns}");
    }
    // What a replacement does not say is as when it was made.
    acme.admin.patch("/users/zoe@acme.com", json!({"active": false})).await.ok();
    acme.admin.put("/users/zoe@acme.com", json!({})).await.ok();
    assert_eq!(acme.admin.get("/users/zoe@acme.com").await.body["active"], true);
    // Nothing is renamed.
    acme.admin.put("/teams/ml", json!({"name": "ai"})).await.is(400, "malformed-request");
    acme.admin.patch("/teams/ml", json!({"name": "ai"})).await.is(400, "malformed-request");
    acme.admin.put("/resources/Model::claude", json!({"resource": "Model::opus"})).await.is(400, "malformed-request");
}

#[tokio::test]
async fn what_is_removed_is_gone() {
    let acme = Acme::start().await;
    for Noun { nouns, id, body, .. } in nouns(&acme) {
        let made = acme.admin.post(&format!("/{nouns}"), body).await.ok();
        let removed = acme.admin.delete(&format!("/{nouns}/{id}")).await.ok();
        assert_eq!((removed.revision(), &removed.body["id"]), (made.revision() + 1, &json!(id)), "{nouns}");
        acme.admin.get(&format!("/{nouns}/{id}")).await.is(404, "object-unknown");
        acme.admin.delete(&format!("/{nouns}/{id}")).await.is(404, "object-unknown");
        acme.admin.patch(&format!("/{nouns}/{id}"), json!({})).await.is(404, "object-unknown");
    }
}

#[tokio::test]
async fn a_role_is_found_by_its_name_alone_where_that_is_one() {
    let acme = Acme::start().await;
    let role = json!({"name": "auditor", "resource_type": "Tenant", "actions": ["viewDirectory"]});
    acme.admin.post("/roles", role).await.ok();
    let read = acme.admin.get("/roles/auditor").await.ok();
    assert_eq!((&read.body["id"], &read.body["built_in"]), (&json!("Tenant:auditor"), &json!(false)));
    assert_eq!(acme.admin.get("/roles/Tenant:member").await.ok().body["built_in"], true);
    acme.admin.get("/roles/viewer").await.is(400, "malformed-request");
    acme.admin.get("/roles/no-such").await.is(404, "object-unknown");
    acme.admin.patch("/roles/auditor", json!({"actions": ["viewDirectory", "manageRoles"]})).await.ok();
    acme.admin.delete("/roles/auditor").await.ok();
}

#[tokio::test]
async fn a_member_of_a_team_comes_and_goes_without_the_others_being_named() {
    let acme = Acme::start().await;
    let put = acme.admin.send(reqwest::Method::PUT, "/teams/ml/members/ZOE@acme.com", None).await.ok();
    assert_eq!(put.body["members"], json!(["jane@acme.com", "zoe@acme.com"]));
    let again = acme.admin.send(reqwest::Method::PUT, "/teams/ml/members/zoe@acme.com", None).await.ok();
    assert_eq!(again.revision(), put.revision());
    let removed = acme.admin.delete("/teams/ml/members/jane@acme.com").await.ok();
    assert_eq!((removed.revision(), &removed.body["members"]), (put.revision() + 1, &json!(["zoe@acme.com"])));
    assert_eq!(acme.admin.delete("/teams/ml/members/jane@acme.com").await.ok().revision(), removed.revision());
    let nobody = "/teams/ml/members/nobody@acme.com";
    acme.admin.send(reqwest::Method::PUT, nobody, None).await.is(400, "reference-unknown");
    acme.admin.delete("/teams/ml/members/nonsense").await.is(400, "malformed-request");
    acme.admin.delete("/teams/no-such/members/jane@acme.com").await.is(404, "object-unknown");
    acme.admin.get("/teams/ml/members/jane@acme.com").await.is(405, "method-not-allowed");
}

#[tokio::test]
async fn members_who_come_at_once_all_come() {
    let acme = Acme::start().await;
    let emails: Vec<_> = (0..8).map(|number| format!("p{number}@acme.com")).collect();
    let users = emails.iter().map(|email| json!({"create": {"type": "user", "email": email}}));
    acme.admin.post("/batch", json!({"operations": users.collect::<Vec<_>>()})).await.ok();
    let mut adding = tokio::task::JoinSet::new();
    for email in emails.clone() {
        let admin = acme.admin.clone();
        adding.spawn(async move {
            admin.send(reqwest::Method::PUT, &format!("/teams/ml/members/{email}"), None).await.ok();
        });
    }
    adding.join_all().await;
    let members = acme.admin.get("/teams/ml").await.ok().body["members"].clone();
    assert!(emails.iter().all(|email| members.as_array().unwrap().contains(&json!(email))), "{members}");
}
