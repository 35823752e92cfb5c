//! What refers to something removed: it is named, or goes along and is told of.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Acme, grant, written};

/// Type and id of what went along, and what is left of it.
fn along(body: &Value) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let taken = body["taken_along"].as_array().unwrap_or_else(|| panic!("nothing went along: {body}"));
    taken.iter().map(|one| ((text(&one["type"]), text(&one["id"])), one["after"].clone())).collect()
}

fn types(body: &Value) -> Vec<String> {
    along(body).into_keys().map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn what_is_in_use_says_by_whom() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let head = admin.get("").await.revision();
    for (path, by) in [
        ("/users/jane@acme.com", "team `ml`"),
        ("/users/lee@acme.com", "team `ml`"),
        ("/users/ada@acme.com", "collaborator"),
        ("/identity-providers/okta", "external identity `partner`"),
        ("/resources/Workspace::research", "gpt-4o"),
    ] {
        let refused = admin.delete(path).await;
        refused.is(409, "in-use");
        assert!(refused.body["detail"].as_str().unwrap().contains(by), "{path}: {}", refused.body);
    }
    assert_eq!(admin.get("").await.revision(), head);
}

#[tokio::test]
async fn a_user_goes_with_their_grants_and_leaves_their_teams() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    admin.post("/collaborators", grant("Model::claude", "user:jane@acme.com", "user")).await.ok();
    let removed = admin.delete("/users/jane@acme.com?cascade=true").await.ok();
    assert_eq!(types(&removed.body), ["collaborator", "team"]);
    assert_eq!(along(&removed.body)[&("team".into(), "ml".into())]["members"], json!([]));
    assert_eq!(admin.get("/teams/ml").await.ok().body["members"], json!([]));
    assert!(admin.get("/collaborators?subject=user:jane@acme.com").await.items().is_empty());
    // All of it is one revision, and in the history.
    let history = admin.get("/history").await.ok();
    let of_it = history.items().iter().filter(|entry| entry["revision"] == removed.revision());
    assert_eq!(of_it.count(), 3);
}

#[tokio::test]
async fn a_provider_goes_with_its_identities_their_grants_and_its_mappings() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let mapping = json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]});
    admin.patch("/teams/ml", mapping.clone()).await.ok();
    admin.patch("/virtual-accounts/ci", mapping).await.ok();
    let held = admin.post("/collaborators", grant("Model::claude", "external-identity:partner", "user")).await.ok();
    let removed = admin.delete("/identity-providers/okta?cascade=true").await.ok();
    assert_eq!(types(&removed.body), ["collaborator", "external-identity", "team", "virtual-account"]);
    admin.get(&format!("/collaborators/{}", held.body["id"].as_str().unwrap())).await.is(404, "object-unknown");
    admin.get("/external-identities/partner").await.is(404, "object-unknown");
    assert_eq!(admin.get("/virtual-accounts/ci").await.body["identity_provider_mapping"], json!([]));
    assert_eq!(admin.get("/teams/ml").await.body["identity_provider_mapping"], json!([]));
    assert_eq!(admin.get("/teams/ml").await.body["members"], json!(["jane@acme.com"]));
}

#[tokio::test]
async fn a_place_goes_and_what_was_in_it_stays() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    admin.post("/collaborators", grant("Workspace::research", "team:ml", "viewer")).await.ok();
    let removed = admin.delete("/resources/Workspace::research?cascade=true").await.ok();
    assert_eq!(types(&removed.body), ["collaborator", "resource"]);
    assert_eq!(admin.get("/resources/Model::gpt-4o").await.ok().body["parents"], json!([]));
}

#[tokio::test]
async fn a_role_a_team_and_a_virtual_account_go_with_their_grants() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    admin.post("/collaborators", grant("Model::claude", "virtual-account:ci", "tester")).await.ok();
    admin.delete("/roles/Model:tester").await.is(409, "in-use");
    assert_eq!(types(&admin.delete("/roles/Model:tester?cascade=true").await.ok().body), ["collaborator"]);
    assert_eq!(types(&admin.delete("/teams/ml?cascade=true").await.ok().body), ["collaborator"]);
    admin.post("/collaborators", grant("Model::claude", "virtual-account:ci", "viewer")).await.ok();
    admin.post("/virtual-accounts/ci/tokens", json!({})).await.ok();
    let removed = admin.delete("/virtual-accounts/ci?cascade=true").await.ok();
    assert_eq!(types(&removed.body), ["collaborator", "token"]);
}

#[tokio::test]
async fn a_batch_may_remove_the_users_of_something_before_it() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let held = admin.get("/collaborators?subject=team:ml").await.ok().items()[0]["id"].clone();
    let team = json!({"remove": {"type": "team", "id": "ml"}});
    admin.post("/batch", json!({"operations": [team]})).await.is(409, "in-use");
    let both = json!({"operations": [{"remove": {"type": "collaborator", "id": held}}, team]});
    let made = admin.post("/batch", both).await.ok();
    assert_eq!((&made.body["changes"], &made.body["taken_along"]), (&json!(2), &json!([])));
    let cascading = json!({"operations": [{"remove": {"type": "user", "id": "ada@acme.com"}}]});
    let made = admin.post("/batch?cascade=true", cascading).await.ok();
    assert_eq!(types(&made.body), ["collaborator"]);
}

#[tokio::test]
async fn what_a_policy_or_an_attribute_names_is_in_use_and_cascade_says_so() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let policies = r#"@id("hand")
forbid (principal in Team::"suspended", action, resource);
permit (principal == User::"boss@acme.com", action == Action::"viewModel", resource == Model::"named");
permit (principal, action == Action::"viewModel", resource)
when { principal == VirtualAccount::"robot" || principal in ExternalIdentity::"outside" };
"#;
    let entities = json!([{"uid": {"type": "Model", "id": "hand"}, "attrs": {},
        "parents": [{"type": "Workspace", "id": "place"}]}]);
    acme.server.tree.write("policies/acme/models.entities.json", &entities.to_string());
    written(&acme, "hand", policies).await;
    let team = |name: &str| json!({"type": "team", "name": name});
    let owned = json!({"type": "resource", "resource": "Workspace::owned",
        "attributes": {"owner": {"type": "Team", "id": "owners"}}});
    let facts = [
        team("suspended"),
        team("owners"),
        team("free"),
        json!({"type": "user", "email": "boss@acme.com"}),
        json!({"type": "virtual-account", "name": "robot"}),
        json!({"type": "external-identity", "name": "outside", "identity_provider": "okta", "claims": {"a": "b"}}),
        json!({"type": "resource", "resource": "Model::named"}),
        json!({"type": "resource", "resource": "Workspace::place"}),
        owned,
    ];
    let operations: Vec<_> = facts.into_iter().map(|fact| json!({"create": fact})).collect();
    admin.post("/batch", json!({"operations": operations})).await.ok();
    let cases = [
        ("team", "suspended", "/teams/suspended", "policies/acme/hand.cedar:1"),
        ("team", "owners", "/teams/owners", "Workspace::\"owned\""),
        ("user", "boss@acme.com", "/users/boss@acme.com", "policies/acme/hand.cedar:3"),
        ("virtual-account", "robot", "/virtual-accounts/robot", "policies/acme/hand.cedar:4"),
        ("external-identity", "outside", "/external-identities/outside", "policies/acme/hand.cedar:4"),
        ("resource", "Model::named", "/resources/Model::named", "policies/acme/hand.cedar:3"),
        ("resource", "Workspace::place", "/resources/Workspace::place", "models.entities.json:1"),
    ];
    for (kind, id, path, by) in cases {
        let before = acme.head().await;
        let batch = json!({"operations": [{"remove": {"type": kind, "id": id}}]});
        for refused in [admin.delete(path).await, admin.post("/batch", batch).await] {
            refused.is(409, "in-use");
            assert!(refused.body["detail"].as_str().unwrap().contains(by), "{path}: {}", refused.body);
        }
        assert_eq!(acme.head().await, before);
        let dry = admin.delete(&format!("{path}?cascade=true&dry_run=true")).await.ok();
        assert!(dry.body["still_named"].to_string().contains(&by.replace('"', "\\\"")), "{path}: {}", dry.body);
    }
    // The owner goes with what it owned; what nothing names goes as ever.
    admin.delete("/teams/free").await.ok();
    let both = json!({"operations": [{"remove": {"type": "resource", "id": "Workspace::owned"}},
        {"remove": {"type": "team", "id": "owners"}}]});
    admin.post("/batch", both).await.ok();
    let gone = admin.delete("/teams/suspended?cascade=true").await.ok();
    assert!(gone.body["still_named"][0]["by"][0].as_str().unwrap().contains("hand.cedar:1"), "{}", gone.body);
}

#[tokio::test]
async fn what_is_wrong_with_a_batch_names_the_operation() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let user = |email: &str| json!({"create": {"type": "user", "email": email}});
    for (bad, status) in [
        (user("x"), 400),
        (json!({"create": {"type": "team", "name": "t", "identity_provider_mapping": [["okta", "x"]]}}), 400),
        (json!({"create": {"type": "team", "name": "t", "members": ["nobody@acme.com"]}}), 400),
        (json!({"remove": {"type": "user", "id": "nobody@acme.com"}}), 404),
        (user("first@acme.com"), 409),
    ] {
        admin.post("/users", json!({"email": "first@acme.com"})).await;
        let operations = [user("a@acme.com"), user("b@acme.com"), bad.clone(), user("c@acme.com")];
        let reply = admin.post("/batch", json!({"operations": operations})).await;
        assert_eq!((reply.status, &reply.body["operation"]), (status, &json!(2)), "{bad}: {}", reply.body);
    }
    // By position, they are no operations at all.
    admin.post("/batch", json!([[user("a@acme.com")]])).await.is(400, "malformed-request");
    admin
        .post("/batch", json!({"operations": [{"remove": ["user", "first@acme.com"]}]}))
        .await
        .is(400, "malformed-request");
}
