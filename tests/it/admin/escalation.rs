//! Nobody gives themselves or others what they do not hold: each attempt is refused and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Acme, grant, written};
use crate::support::{AdminClient, Reply};

/// Adds facts as the operator.
async fn with(acme: &Acme, facts: impl IntoIterator<Item = Value>) {
    let operations: Vec<_> = facts.into_iter().map(|fact| json!({"put": fact})).collect();
    acme.admin.post("/batch", json!({"operations": operations})).await.ok();
}

/// Someone with one action on the tenant.
async fn with_action(action: &str) -> (Acme, AdminClient) {
    let acme = Acme::start().await;
    let role = json!({"type": "role", "name": "one", "resource_type": "Tenant", "actions": [action, "viewDirectory"]});
    with(&acme, [role, grant("Tenant::acme", "user:zoe@acme.com", "one")]).await;
    let zoe = acme.person("zoe@acme.com");
    (acme, zoe)
}

/// Tries, also dry, and finds everything as it was.
async fn refused(acme: &Acme, who: &AdminClient, method: Method, path: &str, body: Value) -> Reply {
    let before = acme.head().await;
    let sign = if path.contains('?') { '&' } else { '?' };
    let mut last = None;
    for path in [format!("{path}{sign}dry_run=true"), path.to_owned()] {
        let reply = who.send(method.clone(), &path, Some(body.clone())).await;
        assert_eq!((reply.status, reply.slug()), (403, "caller-may-not"), "{method} {path} {body}: {}", reply.body);
        last = Some(reply);
    }
    assert_eq!(acme.head().await, before, "{method} {path} {body}");
    last.unwrap()
}

#[tokio::test]
async fn a_manager_of_a_resource_gives_no_more_than_they_hold_and_nowhere_else() {
    let acme = Acme::start().await;
    let half =
        json!({"type": "role", "name": "half", "resource_type": "Model", "actions": ["viewModel", "manageModel"]});
    with(&acme, [half, grant("Model::gpt-4o", "user:zoe@acme.com", "half")]).await;
    let zoe = acme.person("zoe@acme.com");
    for role in ["user", "editor", "manager", "tester"] {
        for subject in ["user:zoe@acme.com", "team:ml", "virtual-account:ci", "external-identity:partner"] {
            refused(&acme, &zoe, Method::POST, "/collaborators", grant("Model::gpt-4o", subject, role)).await;
        }
    }
    for resource in ["Model::claude", "Workspace::research", "Tenant::acme"] {
        let role = if resource == "Tenant::acme" { "member" } else { "viewer" };
        refused(&acme, &zoe, Method::POST, "/collaborators", grant(resource, "team:ml", role)).await;
    }
    let own = zoe.post("/collaborators", grant("Model::gpt-4o", "user:lee@acme.com", "half")).await.ok();
    let place = format!("/collaborators/{}", own.body["id"].as_str().unwrap());
    refused(&acme, &zoe, Method::PATCH, &place, json!({"role": "manager"})).await;
    refused(&acme, &zoe, Method::PATCH, &place, json!({"resource": "Model::claude"})).await;
    refused(&acme, &zoe, Method::PUT, &place, grant("Workspace::research", "user:zoe@acme.com", "viewer")).await;
    // A role that is made in the same breath is judged too.
    let made = json!({"type": "role", "name": "new", "resource_type": "Model", "actions": ["*"]});
    let both = json!({"operations": [{"create": made}, {"create": grant("Model::gpt-4o", "team:ml", "new")}]});
    refused(&acme, &zoe, Method::POST, "/batch", both).await;
    zoe.delete(&place).await.ok();
}

#[tokio::test]
async fn who_manages_members_joins_no_team_that_holds_more() {
    let (acme, zoe) = with_action("manageMembers").await;
    with(
        &acme,
        [
            json!({"type": "team", "name": "admins", "members": ["ada@acme.com"], "managers": ["ada@acme.com"]}),
            grant("Tenant::acme", "team:admins", "admin"),
            json!({"type": "user", "email": "old@acme.com", "active": false}),
            json!({"type": "team", "name": "old-admins", "members": ["old@acme.com"]}),
            grant("Tenant::acme", "team:old-admins", "admin"),
        ],
    )
    .await;
    refused(&acme, &zoe, Method::PUT, "/teams/admins/members/zoe@acme.com", Value::Null).await;
    for change in [
        json!({"members": ["ada@acme.com", "zoe@acme.com"]}),
        json!({"managers": ["ada@acme.com", "zoe@acme.com"]}),
        json!({"members": ["zoe@acme.com"], "managers": []}),
        json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "zoe"}]}),
    ] {
        refused(&acme, &zoe, Method::PATCH, "/teams/admins", change).await;
    }
    // Whoever comes back has all that they had, by their teams too.
    refused(&acme, &zoe, Method::PATCH, "/users/old@acme.com", json!({"active": true})).await;
    refused(&acme, &zoe, Method::PUT, "/users/old@acme.com", json!({})).await;
    // Not by taking it away and making it again.
    let again = json!({"type": "team", "name": "admins", "members": ["zoe@acme.com"]});
    let batch = json!({"operations": [{"remove": {"type": "team", "id": "admins"}}, {"create": again}]});
    refused(&acme, &zoe, Method::POST, "/batch", batch.clone()).await;
    refused(&acme, &zoe, Method::POST, "/batch?cascade=true", batch).await;
    let user = json!({"operations": [
        {"remove": {"type": "user", "id": "old@acme.com"}}, {"create": {"type": "user", "email": "old@acme.com"}},
    ]});
    refused(&acme, &zoe, Method::POST, "/batch", user).await;
    refused(&acme, &zoe, Method::DELETE, "/users/ada@acme.com?cascade=true", Value::Null).await;
    zoe.delete("/teams/admins/members/ada@acme.com").await.ok();
}

#[tokio::test]
async fn who_manages_roles_makes_none_that_does_more() {
    let (acme, zoe) = with_action("manageRoles").await;
    for actions in [json!(["manageRoles", "manageMembers"]), json!(["*"]), json!(["manageRoles", "viewModel"])] {
        refused(&acme, &zoe, Method::PATCH, "/roles/Tenant:one", json!({"actions": actions})).await;
        refused(&acme, &zoe, Method::PUT, "/roles/Tenant:new", json!({"actions": actions})).await;
    }
    refused(&acme, &zoe, Method::PATCH, "/roles/Model:tester", json!({"actions": ["viewModel", "editModel"]})).await;
    refused(&acme, &zoe, Method::PATCH, "/roles/Model:tester", json!({"actions": ["manage"]})).await;
    let role = |actions: Value| json!({"type": "role", "name": "tester", "resource_type": "Model", "actions": actions});
    let narrowed_and_wider = json!({"operations": [{"put": role(json!(["viewModel"]))}, {"put": role(json!(["*"]))}]});
    refused(&acme, &zoe, Method::POST, "/batch", narrowed_and_wider).await;
    zoe.patch("/roles/Model:tester", json!({"actions": ["viewModel"]})).await.ok();
    // What was there before is not there any more.
    refused(&acme, &zoe, Method::PATCH, "/roles/Model:tester", json!({"actions": ["viewModel", "invokeModel"]})).await;
}

#[tokio::test]
async fn who_removes_a_provider_makes_no_other_speak_the_addresses_of_users() {
    let (acme, zoe) = with_action("manageIdentities").await;
    // A provider that would be the only one that speaks them, and one that never would.
    let mut silent = super::provider("silent", &acme.server.github);
    let mut spare = silent.clone();
    (silent["name"], spare["name"]) = (json!("silent"), json!("spare"));
    spare.as_object_mut().unwrap().remove("users");
    with(&acme, [silent, spare]).await;
    refused(&acme, &zoe, Method::DELETE, "/identity-providers/okta?cascade=true", Value::Null).await;
    let removed = ["okta", "silent"].map(|name| json!({"remove": {"type": "identity-provider", "id": name}}));
    refused(&acme, &zoe, Method::POST, "/batch?cascade=true", json!({"operations": removed})).await;
    zoe.delete("/identity-providers/silent").await.ok();
    zoe.delete("/identity-providers/spare").await.ok();
}

#[tokio::test]
async fn who_manages_identities_lets_nobody_into_what_they_do_not_hold() {
    let (acme, zoe) = with_action("manageIdentities").await;
    with(&acme, [
        json!({"type": "external-identity", "name": "granted", "identity_provider": "okta", "claims": {"a": "b", "c": "d"}}),
        json!({"type": "virtual-account", "name": "robot"}),
        json!({"type": "team", "name": "plain"}),
        grant("Model::gpt-4o", "external-identity:granted", "viewer"),
        grant("Model::gpt-4o", "virtual-account:robot", "viewer"),
    ])
    .await;
    let own = super::provider("own", &acme.server.github);
    refused(&acme, &zoe, Method::POST, "/identity-providers", own.clone()).await;
    refused(&acme, &zoe, Method::PATCH, "/identity-providers/okta", json!({"config": own["config"]})).await;
    refused(&acme, &zoe, Method::PATCH, "/identity-providers/okta", json!({"claims": {"email": "nickname"}})).await;
    for claims in [json!({"c": null}), json!({"a": ["b", "e"]}), json!({"a": null, "c": null}), json!({"a": "e"})] {
        refused(&acme, &zoe, Method::PATCH, "/external-identities/granted", json!({"claims": claims})).await;
    }
    let mapping = json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "zoe"}]});
    refused(&acme, &zoe, Method::PATCH, "/virtual-accounts/robot", mapping.clone()).await;
    refused(&acme, &zoe, Method::PATCH, "/teams/ml", mapping.clone()).await;
    refused(&acme, &zoe, Method::PATCH, "/teams/plain", mapping.clone()).await;
    let head = acme.head().await;
    zoe.post("/virtual-accounts/robot/tokens", json!({})).await.is(403, "caller-may-not");
    zoe.post("/users/ada@acme.com/tokens", json!({})).await.is(403, "caller-may-not");
    assert_eq!(acme.head().await, head);
    // An account that holds nothing gives nothing away.
    zoe.post("/virtual-accounts/ci/tokens", json!({})).await.ok();
    zoe.patch("/virtual-accounts/ci", mapping).await.ok();
    // Another's token is not theirs to have again.
    let token = acme.admin.post("/virtual-accounts/robot/tokens", json!({})).await.ok();
    let place = format!("/virtual-accounts/robot/tokens/{}", token.body["id"].as_str().unwrap());
    zoe.post(&format!("{place}/rotate"), json!({})).await.is(403, "caller-may-not");
}

#[tokio::test]
async fn nobody_moves_a_resource_to_where_they_hold_more() {
    let acme = Acme::start().await;
    with(
        &acme,
        [
            json!({"type": "resource", "resource": "Workspace::own"}),
            grant("Workspace::own", "user:zoe@acme.com", "manager"),
        ],
    )
    .await;
    let zoe = acme.person("zoe@acme.com");
    for parents in [json!(["Workspace::own"]), json!(["Workspace::own", "Workspace::research"])] {
        refused(&acme, &zoe, Method::PATCH, "/resources/Model::claude", json!({"parents": parents})).await;
        refused(&acme, &zoe, Method::PATCH, "/resources/Model::gpt-4o", json!({"parents": parents})).await;
        refused(&acme, &zoe, Method::PUT, "/resources/Model::claude", json!({"parents": parents})).await;
    }
    let again = json!({"type": "resource", "resource": "Model::claude", "parents": ["Workspace::own"]});
    let batch = json!({"operations": [{"remove": {"type": "resource", "id": "Model::claude"}}, {"create": again}]});
    refused(&acme, &zoe, Method::POST, "/batch", batch).await;
    // Policies may speak of a name that nothing has yet: it is nobody's to take, not even into their own place.
    let unclaimed = json!({"resource": "Model::unclaimed", "parents": ["Workspace::own"]});
    refused(&acme, &zoe, Method::POST, "/resources", unclaimed).await;
    // What is in their own place is theirs; out of it they do not get it.
    acme.admin.post("/resources", json!({"resource": "Model::mine", "parents": ["Workspace::own"]})).await.ok();
    let there = json!({"parents": ["Workspace::own", "Workspace::research"]});
    refused(&acme, &zoe, Method::PATCH, "/resources/Model::mine", there).await;
    zoe.patch("/resources/Model::mine", json!({"attributes": {"tier": "gold"}})).await.ok();
}

#[tokio::test]
async fn a_batch_with_one_thing_that_one_may_not_does_nothing() {
    let (acme, zoe) = with_action("manageMembers").await;
    let user = json!({"type": "user", "email": "n@acme.com"});
    let forbidden = [
        json!({"create": grant("Tenant::acme", "user:zoe@acme.com", "admin")}),
        json!({"put": {"type": "role", "name": "one", "resource_type": "Tenant", "actions": ["*"]}}),
        json!({"remove": {"type": "role", "id": "Model:tester"}}),
        json!({"remove": {"type": "resource", "id": "Model::claude"}}),
    ];
    for operation in forbidden {
        let first = json!({"operations": [operation, {"create": user}]});
        let last = json!({"operations": [{"create": user}, operation]});
        refused(&acme, &zoe, Method::POST, "/batch", first).await;
        refused(&acme, &zoe, Method::POST, "/batch", last).await;
    }
    acme.admin.get("/users/n@acme.com").await.is(404, "object-unknown");
    zoe.post("/batch", json!({"operations": [{"create": user}]})).await.ok();
}

#[tokio::test]
async fn who_was_an_administrator_is_none_with_the_next_request() {
    let acme = Acme::start().await;
    let (zoe, ada) = (acme.person("zoe@acme.com"), acme.person("ada@acme.com"));
    let user = |number: u8| json!({"email": format!("n{number}@acme.com")});
    for number in 0..5 {
        let held = ada.post("/collaborators", grant("Tenant::acme", "user:zoe@acme.com", "admin")).await.ok();
        zoe.post("/users", user(number)).await.ok();
        ada.delete(&format!("/collaborators/{}", held.body["id"].as_str().unwrap())).await.ok();
        zoe.delete(&format!("/users/n{number}@acme.com")).await.is(403, "caller-may-not");
        zoe.get("/users").await.is(403, "caller-may-not");
    }
    ada.post("/collaborators", grant("Tenant::acme", "user:zoe@acme.com", "admin")).await.ok();
    acme.admin.patch("/users/zoe@acme.com", json!({"active": false})).await.ok();
    zoe.post("/users", user(9)).await.is(403, "user-deactivated");
    // One may also take it from oneself.
    acme.admin.patch("/users/zoe@acme.com", json!({"active": true})).await.ok();
    zoe.delete("/users/zoe@acme.com?cascade=true").await.ok();
    zoe.get("/users").await.is(403, "caller-may-not");
}

#[tokio::test]
async fn a_refusal_says_what_is_not_held() {
    let (acme, zoe) = with_action("manageCollaborators").await;
    let reply = refused(&acme, &zoe, Method::POST, "/collaborators", grant("Model::gpt-4o", "team:ml", "user")).await;
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(detail.contains("Model:user") && detail.contains("gpt-4o"), "{detail}");
    let reply = refused(&acme, &zoe, Method::POST, "/users", json!({"email": "n@acme.com"})).await;
    assert!(reply.body["detail"].as_str().unwrap().contains("manageMembers"), "{}", reply.body);
}

/// A policy that lets somebody do everything in the tenant.
fn everything(who: &str) -> String {
    format!("@id(\"named\")\npermit ({who}, action, resource in Tenant::\"acme\");\n")
}

/// The refusal names the policy and its place.
fn names_policy(reply: &Reply) {
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(detail.contains("do not hold yourself") && detail.contains("policy `named` at `"), "{detail}");
    assert!(detail.contains("named.cedar:1"), "{detail}");
}

#[tokio::test]
async fn nobody_joins_makes_or_maps_a_team_that_a_policy_names() {
    let (acme, zoe) = with_action("manageMembers").await;
    with(&acme, [json!({"type": "team", "name": "ops"})]).await;
    // Nobody has written anything: this is ordinary work.
    zoe.send(Method::PUT, "/teams/ops/members/zoe@acme.com", None).await.ok();
    zoe.delete("/teams/ops/members/zoe@acme.com").await.ok();
    written(
        &acme,
        "named",
        "@id(\"named\")\npermit (principal, action, resource in Tenant::\"acme\")\n\
         when { principal in [Team::\"ops\", Team::\"later\"] };\n",
    )
    .await;
    let joins = refused(&acme, &zoe, Method::PUT, "/teams/ops/members/zoe@acme.com", Value::Null).await;
    names_policy(&joins);
    refused(&acme, &zoe, Method::PATCH, "/teams/ops", json!({"members": ["zoe@acme.com"]})).await;
    refused(&acme, &zoe, Method::PATCH, "/teams/ops", json!({"managers": ["zoe@acme.com"]})).await;
    let made = json!({"name": "later", "members": ["zoe@acme.com"]});
    names_policy(&refused(&acme, &zoe, Method::POST, "/teams", made.clone()).await);
    refused(
        &acme,
        &zoe,
        Method::POST,
        "/batch",
        json!({"operations": [{"create":
        {"type": "team", "name": "later", "members": ["zoe@acme.com"]}}]}),
    )
    .await;
    // A team that nothing names is as before; the tenant's administrator holds everything.
    zoe.post("/teams", json!({"name": "other", "members": ["zoe@acme.com"]})).await.ok();
    acme.person("ada@acme.com").send(Method::PUT, "/teams/ops/members/zoe@acme.com", None).await.ok();
    acme.admin.post("/teams", made).await.ok();
}

#[tokio::test]
async fn nobody_leaves_a_team_that_a_policy_forbids_nor_makes_a_user_that_one_permits() {
    let (acme, zoe) = with_action("manageMembers").await;
    with(&acme, [json!({"type": "team", "name": "suspended", "members": ["zoe@acme.com", "jane@acme.com"]})]).await;
    let forbid = "@id(\"named\")\nforbid (principal in Team::\"suspended\", action == Action::\"manageCollaborators\", resource);\n";
    written(&acme, "named", forbid).await;
    names_policy(&refused(&acme, &zoe, Method::DELETE, "/teams/suspended/members/zoe@acme.com", Value::Null).await);
    refused(&acme, &zoe, Method::PATCH, "/teams/suspended", json!({"members": []})).await;
    refused(&acme, &zoe, Method::DELETE, "/teams/suspended?cascade=true", Value::Null).await;
    refused(&acme, &zoe, Method::DELETE, "/users/jane@acme.com?cascade=true", Value::Null).await;
    // Whoever is suspended may still suspend others, and a user may be deactivated.
    zoe.send(Method::PUT, "/teams/suspended/members/lee@acme.com", None).await.ok();
    zoe.patch("/users/lee@acme.com", json!({"active": false})).await.ok();
    written(&acme, "user", &everything("principal == User::\"boss@acme.com\"").replace("named", "user")).await;
    let made = refused(&acme, &zoe, Method::POST, "/users", json!({"email": "boss@acme.com"})).await;
    assert!(made.body["detail"].as_str().unwrap().contains("user.cedar:1"), "{}", made.body);
    zoe.post("/users", json!({"email": "clerk@acme.com"})).await.ok();
}

#[tokio::test]
async fn nobody_lets_tokens_into_what_a_policy_names() {
    let (acme, zoe) = with_action("manageIdentities").await;
    let token = zoe.post("/virtual-accounts/ci/tokens", json!({})).await.ok();
    assert!(token.body["token"].is_string(), "{}", token.body);
    written(
        &acme,
        "named",
        "@id(\"named\")\npermit (principal, action, resource in Tenant::\"acme\")\n\
         when { principal == VirtualAccount::\"ci\" || principal in ExternalIdentity::\"partner\" };\n",
    )
    .await;
    let mapping = json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "zoe"}]});
    names_policy(&refused(&acme, &zoe, Method::PATCH, "/virtual-accounts/ci", mapping.clone()).await);
    let head = acme.head().await;
    let minted = zoe.post("/virtual-accounts/ci/tokens", json!({})).await;
    minted.is(403, "caller-may-not");
    names_policy(&minted);
    assert_eq!(acme.head().await, head);
    for claims in [json!({"department": null}), json!({"department": ["research", "sales"]}), json!({"sub": "z"})] {
        let path = "/external-identities/partner";
        names_policy(&refused(&acme, &zoe, Method::PATCH, path, json!({"claims": claims})).await);
    }
    zoe.post("/virtual-accounts", json!({"name": "plain"})).await.ok();
    zoe.post("/virtual-accounts/plain/tokens", json!({})).await.ok();
    let claims = json!({"department": "sales"});
    let other = json!({"name": "other", "identity_provider": "okta", "claims": claims});
    zoe.post("/external-identities", other).await.ok();
}

#[tokio::test]
async fn nobody_sets_an_owner_that_a_policy_looks_for() {
    let (acme, zoe) = with_action("manageResources").await;
    let owned = json!({"resource": "Workspace::new", "attributes": {"owner": {"type": "Team", "id": "ml"}}});
    written(
        &acme,
        "named",
        "@id(\"named\")\npermit (principal, action, resource is Workspace)\n\
         when { resource has owner && principal in resource.owner };\n",
    )
    .await;
    names_policy(&refused(&acme, &zoe, Method::POST, "/resources", owned.clone()).await);
    let owner = json!({"attributes": {"owner": {"type": "Team", "id": "ml"}}});
    refused(&acme, &zoe, Method::PATCH, "/resources/Workspace::research", owner).await;
    zoe.post("/resources", json!({"resource": "Workspace::plain"})).await.ok();
    acme.person("ada@acme.com").post("/resources", owned).await.ok();
}

#[tokio::test]
async fn a_policy_that_looks_at_the_context_takes_everything() {
    let (acme, zoe) = with_action("manageMembers").await;
    written(
        &acme,
        "named",
        "@id(\"named\")\npermit (principal in Team::\"ml\", action == Action::\"viewModel\", resource)\n\
         when { context has tokens_requested && context.tokens_requested < 10 };\n",
    )
    .await;
    with(&acme, [grant("Model::gpt-4o", "user:zoe@acme.com", "viewer")]).await;
    let reply = refused(&acme, &zoe, Method::PUT, "/teams/ml/members/zoe@acme.com", Value::Null).await;
    names_policy(&reply);
    assert!(reply.body["detail"].as_str().unwrap().contains("looks at the context"), "{}", reply.body);
}
