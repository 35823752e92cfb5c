//! A change is live for every decision that asks for its revision: each kind of change, and a decision after it.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN_KEY, Acme, MODEL, grant, provider};
use crate::support::{AdminClient, eventually};

const CLAUDE: &str = r#"Model::"claude""#;

/// Makes a change and says what is decided at its revision.
async fn after(acme: &Acme, change: (Method, &str, Value), token: &str, action: &str, resource: &str) -> String {
    let (method, path, body) = change;
    let revision = acme.admin.send(method, path, Some(body)).await.ok().revision();
    decided(acme, token, action, resource, revision).await
}

async fn decided(acme: &Acme, token: &str, action: &str, resource: &str, at_least: u64) -> String {
    let answer = acme.ask(token, action, resource, at_least).await.ok();
    assert!(answer.body["revision"].as_u64().unwrap() >= at_least, "{}", answer.body);
    answer.body["decision"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_member_sees_what_the_team_sees_for_as_long_as_they_are_in_it() {
    let acme = Acme::start().await;
    let zoe = acme.token("zoe@acme.com");
    assert_eq!(decided(&acme, &zoe, "viewModel", MODEL, acme.head().await).await, "deny");
    let member = "/teams/ml/members/zoe@acme.com";
    for _ in 0..5 {
        assert_eq!(after(&acme, (Method::PUT, member, Value::Null), &zoe, "viewModel", MODEL).await, "allow");
        assert_eq!(after(&acme, (Method::DELETE, member, Value::Null), &zoe, "viewModel", MODEL).await, "deny");
    }
    let members = |emails: Value| (Method::PATCH, "/teams/ml", json!({"members": emails}));
    assert_eq!(after(&acme, members(json!(["zoe@acme.com"])), &zoe, "viewModel", MODEL).await, "allow");
    assert_eq!(after(&acme, members(json!([])), &zoe, "viewModel", MODEL).await, "deny");
}

#[tokio::test]
async fn a_bundle_that_someone_damages_is_made_whole_and_what_served_goes_on() {
    let acme = Acme::configured(|raw| raw.watch.poll_seconds = 1).await;
    let jane = acme.token("jane@acme.com");
    let head = acme.head().await;
    let before = decided(&acme, &jane, "viewModel", MODEL, head).await;
    let file = "policies/acme/compiled/collaborators.json";
    let whole = acme.server.tree.read(file);
    acme.server.tree.write(file, "[]\n");
    eventually("the file is as it was", || async { acme.server.tree.read(file) == whole }).await;
    eventually("it loads", || async { acme.server.status("acme").await["last_reload"]["ok"] == true }).await;
    assert_eq!(decided(&acme, &jane, "viewModel", MODEL, head).await, before);
}

#[tokio::test]
async fn a_grant_counts_from_its_revision_to_the_one_that_takes_it_away() {
    let acme = Acme::start().await;
    let jane = acme.token("jane@acme.com");
    for (resource, asked, subject) in [
        ("Model::claude", CLAUDE, "team:ml"),
        ("Workspace::research", MODEL, "user:jane@acme.com"),
        ("Tenant::acme", CLAUDE, "user:jane@acme.com"),
    ] {
        let role = if resource == "Tenant::acme" { "admin" } else { "user" };
        let made = acme.admin.post("/collaborators", grant(resource, subject, role)).await.ok();
        let place = format!("/collaborators/{}", made.body["id"].as_str().unwrap());
        assert_eq!(decided(&acme, &jane, "invokeModel", asked, made.revision()).await, "allow", "{resource}");
        let revoked = after(&acme, (Method::DELETE, &place, Value::Null), &jane, "invokeModel", asked).await;
        assert_eq!(revoked, "deny", "{resource}");
    }
    let made = acme.admin.post("/collaborators", grant("Model::claude", "team:ml", "editor")).await.ok();
    let place = format!("/collaborators/{}", made.body["id"].as_str().unwrap());
    assert_eq!(decided(&acme, &jane, "editModel", CLAUDE, made.revision()).await, "allow");
    let narrowed = acme.admin.patch(&place, json!({"role": "viewer"})).await.ok().revision();
    assert_eq!(decided(&acme, &jane, "editModel", CLAUDE, narrowed).await, "deny");
    assert_eq!(decided(&acme, &jane, "viewModel", CLAUDE, narrowed).await, "allow");
}

#[tokio::test]
async fn a_user_who_is_switched_off_is_refused_and_comes_back_as_they_were() {
    let acme = Acme::start().await;
    let jane = acme.token("jane@acme.com");
    assert_eq!(decided(&acme, &jane, "viewModel", MODEL, acme.head().await).await, "allow");
    for _ in 0..3 {
        let off = acme.admin.patch("/users/jane@acme.com", json!({"active": false})).await.ok().revision();
        acme.ask(&jane, "viewModel", MODEL, off).await.is(403, "user-deactivated");
        // Whoever vouches is answered that nobody of that name has anything.
        let vouched = acme.vouch("User::\"jane@acme.com\"", "viewModel", MODEL, off).await.ok();
        assert_eq!(vouched.body["decision"], "deny");
        let on = (Method::PATCH, "/users/jane@acme.com", json!({"active": true}));
        assert_eq!(after(&acme, on, &jane, "viewModel", MODEL).await, "allow");
    }
    // One who is removed is nobody in particular, not one who is refused.
    let gone = acme.admin.delete("/users/jane@acme.com?cascade=true").await.ok().revision();
    let answer = acme.ask(&jane, "viewModel", MODEL, gone).await.ok();
    assert_eq!(
        (&answer.body["decision"], &answer.body["principal"]),
        (&json!("deny"), &json!("ExternalSubject::\"okta|jane@acme.com\""))
    );
}

#[tokio::test]
async fn an_email_that_is_not_verified_neither_is_a_user_nor_refuses_one() {
    let acme = Acme::start().await;
    let off = acme.admin.patch("/users/jane@acme.com", json!({"active": false})).await.ok().revision();
    let claims = json!({"sub": "mallory", "email": "jane@acme.com", "email_verified": false});
    let answer = acme.ask(&acme.server.okta.token(claims), "viewModel", MODEL, off).await.ok();
    assert_eq!(answer.body["principal"], "ExternalSubject::\"okta|mallory\"");
}

#[tokio::test]
async fn a_roles_actions_are_its_holders() {
    let acme = Acme::start().await;
    let jane = acme.token("jane@acme.com");
    acme.admin.post("/collaborators", grant("Model::claude", "team:ml", "tester")).await.ok();
    let actions = |names: Value| (Method::PATCH, "/roles/Model:tester", json!({"actions": names}));
    assert_eq!(after(&acme, actions(json!(["viewModel", "editModel"])), &jane, "editModel", CLAUDE).await, "allow");
    assert_eq!(after(&acme, actions(json!(["viewModel"])), &jane, "editModel", CLAUDE).await, "deny");
    assert_eq!(after(&acme, actions(json!(["*"])), &jane, "manageModel", CLAUDE).await, "allow");
    let gone = (Method::DELETE, "/roles/Model:tester?cascade=true", Value::Null);
    assert_eq!(after(&acme, gone, &jane, "viewModel", CLAUDE).await, "deny");
}

#[tokio::test]
async fn a_resource_is_where_it_was_moved_to_and_as_it_was_changed_to() {
    let acme = Acme::start().await;
    acme.server.tree.write(
        "policies/acme/gold.cedar",
        "forbid (principal, action == Action::\"invokeModel\", resource) when { resource has tier && resource.tier == \"gold\" };",
    );
    eventually("the policy is read", || async {
        acme.server.status("acme").await["policies"].as_u64() > Some(0)
            && acme
                .server
                .tenants
                .get("acme")
                .unwrap()
                .snapshot()
                .unwrap()
                .policies
                .whole_set()
                .policies()
                .any(|policy| policy.id().to_string().contains("gold"))
    })
    .await;
    let jane = acme.token("jane@acme.com");
    acme.admin.post("/collaborators", grant("Workspace::research", "team:ml", "user")).await.ok();
    let place = "/resources/Model::claude";
    let parents = |parents: Value| (Method::PATCH, place, json!({"parents": parents}));
    assert_eq!(after(&acme, parents(json!(["Workspace::research"])), &jane, "invokeModel", CLAUDE).await, "allow");
    let tier = |tier: Value| (Method::PATCH, place, json!({"attributes": {"tier": tier}}));
    assert_eq!(after(&acme, tier(json!("gold")), &jane, "invokeModel", CLAUDE).await, "deny");
    assert_eq!(after(&acme, tier(Value::Null), &jane, "invokeModel", CLAUDE).await, "allow");
    assert_eq!(after(&acme, parents(json!([])), &jane, "invokeModel", CLAUDE).await, "deny");
    let new = json!({"resource": "Model::o3", "parents": ["Workspace::research"]});
    assert_eq!(after(&acme, (Method::POST, "/resources", new), &jane, "invokeModel", "Model::\"o3\"").await, "allow");
    let gone = (Method::DELETE, "/resources/Model::o3", Value::Null);
    assert_eq!(after(&acme, gone, &jane, "invokeModel", "Model::\"o3\"").await, "deny");
}

#[tokio::test]
async fn an_external_identity_lets_in_whom_it_says_and_nobody_it_no_longer_says() {
    let acme = Acme::start().await;
    let guest = acme.server.okta.token(json!({"sub": "guest", "unit": "audit"}));
    assert_eq!(decided(&acme, &guest, "viewModel", MODEL, acme.head().await).await, "deny");
    let identity = json!({"name": "auditors", "identity_provider": "okta", "claims": {"unit": "audit"}});
    acme.admin.post("/external-identities", identity).await.ok();
    let held = grant("Model::gpt-4o", "external-identity:auditors", "viewer");
    assert_eq!(after(&acme, (Method::POST, "/collaborators", held), &guest, "viewModel", MODEL).await, "allow");
    let other = (Method::PATCH, "/external-identities/auditors", json!({"claims": {"unit": "law"}}));
    assert_eq!(after(&acme, other, &guest, "viewModel", MODEL).await, "deny");
    let anyone = (Method::PUT, "/external-identities/auditors", json!({"identity_provider": "okta"}));
    assert_eq!(after(&acme, anyone, &guest, "viewModel", MODEL).await, "allow");
}

#[tokio::test]
async fn a_providers_tokens_count_from_the_moment_that_it_is_there() {
    let acme = Acme::start().await;
    let robot = acme.server.github.token(json!({"sub": "r", "client_id": "robot", "groups": ["ml-people"]}));
    acme.ask(&robot, "viewModel", MODEL, acme.head().await).await.is(401, "token-unknown-provider");
    let github = provider("github", &acme.server.github);
    let there = (Method::POST, "/identity-providers", github);
    assert_eq!(after(&acme, there, &robot, "viewModel", MODEL).await, "deny");
    let mapped = |value: &str| json!({"identity_provider_mapping": [{"identity_provider": "github", "value": value}]});
    let team = (Method::PATCH, "/teams/ml", mapped("ml-people"));
    assert_eq!(after(&acme, team, &robot, "viewModel", MODEL).await, "allow");
    let none = (Method::PATCH, "/teams/ml", json!({"identity_provider_mapping": []}));
    assert_eq!(after(&acme, none, &robot, "viewModel", MODEL).await, "deny");
    acme.admin.patch("/virtual-accounts/ci", mapped("robot")).await.ok();
    let held = grant("Model::gpt-4o", "virtual-account:ci", "viewer");
    let revision = acme.admin.post("/collaborators", held).await.ok().revision();
    let answer = acme.ask(&robot, "viewModel", MODEL, revision).await.ok();
    assert_eq!(
        (&answer.body["decision"], &answer.body["principal"]),
        (&json!("allow"), &json!("VirtualAccount::\"ci\""))
    );
    let gone = acme.admin.delete("/identity-providers/github?cascade=true").await.ok().revision();
    acme.ask(&robot, "viewModel", MODEL, gone).await.is(401, "token-unknown-provider");
}

#[tokio::test]
async fn a_batch_is_live_as_a_whole() {
    let acme = Acme::start().await;
    let zoe = acme.token("zoe@acme.com");
    let operations = json!([
        {"create": {"type": "team", "name": "ops", "members": ["zoe@acme.com"]}},
        {"create": {"type": "role", "name": "seer", "resource_type": "Model", "actions": ["viewModel"]}},
        {"create": {"type": "resource", "resource": "Model::o3"}},
        {"put": grant("Model::o3", "team:ops", "seer")},
    ]);
    let batch = (Method::POST, "/batch", json!({"operations": operations}));
    assert_eq!(after(&acme, batch, &zoe, "viewModel", "Model::\"o3\"").await, "allow");
}

#[tokio::test]
async fn a_revision_that_is_not_there_is_waited_for_no_longer_than_was_said() {
    let acme = Acme::configured(|raw| raw.http.at_least_timeout_milliseconds = 200).await;
    let (jane, head) = (acme.token("jane@acme.com"), acme.head().await);
    eventually("the tenant is live", || async { acme.ask(&jane, "viewModel", MODEL, head).await.status == 200 }).await;
    let started = Instant::now();
    let refused = acme.ask(&jane, "viewModel", MODEL, head + 9).await;
    refused.is(503, "revision-not-live");
    assert_eq!(refused.header("retry-after"), "1");
    assert!((200..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(refused.body["decision"], Value::Null);
    let body = json!({"token": jane, "at_least": head + 9, "requests": [{"action": "viewModel", "resource": MODEL}]});
    acme.server.post("/tenants/acme/authorize/batch", body).await.is(503, "revision-not-live");
    // A revision that no change can have answered with is waited for not at all.
    acme.ask(&jane, "viewModel", MODEL, 1_000_000).await.is(400, "malformed-request");
}

#[tokio::test]
async fn a_question_asked_before_its_revision_is_made_is_answered_when_it_is() {
    let acme = Acme::start().await;
    let (zoe, head) = (acme.token("zoe@acme.com"), acme.head().await);
    acme.ask(&zoe, "viewModel", MODEL, head).await.ok();
    let asking = acme.ask(&zoe, "viewModel", MODEL, head + 1);
    let changing = acme.admin.send(Method::PUT, "/teams/ml/members/zoe@acme.com", None);
    let (answer, changed) = tokio::join!(asking, changing);
    assert_eq!((changed.ok().revision(), &answer.ok().body["decision"]), (head + 1, &json!("allow")));
}

#[tokio::test]
async fn a_change_of_one_tenant_is_none_of_the_others() {
    let acme = Acme::start().await;
    let globex = AdminClient::with_key(&acme.server, "globex", ADMIN_KEY);
    globex.post("//tenants", json!({"name": "globex"})).await.ok();
    globex.post("/identity-providers", provider("okta", &acme.server.okta)).await.ok();
    globex.post("/users", json!({"email": "zoe@acme.com"})).await.ok();
    globex.post("/resources", json!({"resource": "Model::gpt-4o"})).await.ok();
    let before = acme.head().await;
    let held = globex.post("/collaborators", grant("Model::gpt-4o", "user:zoe@acme.com", "viewer")).await.ok();
    let zoe = acme.token("zoe@acme.com");
    let body = json!({"token": zoe, "action": "viewModel", "resource": MODEL, "at_least": held.revision()});
    assert_eq!(acme.server.post("/tenants/globex/authorize", body).await.ok().body["decision"], "allow");
    assert_eq!(decided(&acme, &zoe, "viewModel", MODEL, before).await, "deny");
    assert_eq!(acme.head().await, before);
    let id = held.body["id"].as_str().unwrap();
    acme.admin.get(&format!("/collaborators/{id}")).await.is(404, "object-unknown");
    // Who administers one is nobody in the other, though both trust the same issuer.
    acme.person("ada@acme.com").of("globex").get("/users").await.is(403, "caller-may-not");
    acme.admin.post("/collaborators", grant("Tenant::globex", "team:ml", "member")).await.is(400, "reference-unknown");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut acme = Acme::start().await;
    let revision = acme.admin.send(Method::PUT, "/teams/ml/members/zoe@acme.com", None).await.ok().revision();
    let zoe = acme.token("zoe@acme.com");
    acme.server.stop().await;
    let crate::support::TestServer { tree, okta, github, .. } = acme.server;
    // Nothing of the bundle is needed to have it again.
    let folder = tree.policies().join("acme");
    // A file that was being written when the server stopped may still come.
    eventually("the folder is away", async || std::fs::remove_dir_all(&folder).is_ok() || !folder.exists()).await;
    let server = crate::support::TestServer::over(tree, okta, github, super::with_keys).await;
    let admin = AdminClient::with_key(&server, "acme", ADMIN_KEY);
    let acme = Acme { server, admin };
    assert_eq!(acme.head().await, revision);
    assert_eq!(decided(&acme, &zoe, "viewModel", MODEL, revision).await, "allow");
    assert_eq!(acme.admin.get("/history").await.ok().items()[0]["id"], "ml");
}
