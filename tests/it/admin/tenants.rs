//! Tenants come and go by the hand of whoever runs the server; the first start gives them a key.

use std::sync::Arc;

use cedargate::app::App;
use cedargate::clock::ManualClock;
use cedargate::config::{Config, RawConfig};
use serde_json::{Value, json};

use super::{ADMIN_KEY, Acme, GLOBEX_KEY, with_keys};
use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{AdminClient, START, TestServer, TestTree, eventually};

#[tokio::test]
async fn a_tenant_is_made_listed_read_and_ended() {
    let acme = Acme::empty(|_| {}).await;
    let admin = &acme.admin;
    let made = admin.post("//tenants", json!({"name": "globex"})).await;
    assert_eq!((made.status, made.header("location")), (201, "/tenants/globex"), "{}", made.body);
    assert_eq!(made.body, json!({"id": "globex", "name": "globex", "revision": 1}));
    assert_eq!(made.revision(), 1);
    let listed = admin.get("//tenants").await.ok();
    let names: Vec<_> = listed.items().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["acme", "globex"]);
    assert_eq!(admin.of("globex").get("").await.ok().body, made.body);
    let ended = admin.of("globex").delete("").await.ok();
    assert_eq!(ended.revision(), 2);
    admin.of("globex").get("").await.is(404, "tenant-unknown");
    admin.of("globex").delete("").await.is(404, "tenant-unknown");
    admin.of("globex").get("/users").await.is(404, "tenant-unknown");
    // Nobody can take the second life of a name for the first.
    assert_eq!(admin.post("//tenants", json!({"name": "globex"})).await.ok().revision(), 3);
}

#[tokio::test]
async fn an_ended_tenant_answers_no_questions_and_leaves_no_files() {
    let acme = Acme::start().await;
    let revision = acme.head().await;
    assert_eq!(
        acme.ask(&acme.token("jane@acme.com"), "viewModel", super::MODEL, revision).await.body["decision"],
        "allow"
    );
    acme.admin.delete("").await.ok();
    let question = json!({"token": acme.token("jane@acme.com"), "action": "viewModel", "resource": super::MODEL});
    eventually("the tenant is gone", || async {
        acme.server.post("/tenants/acme/authorize", question.clone()).await.status == 404
    })
    .await;
    // The publisher takes the rest of the folder away.
    eventually("its folder is gone", || async { !acme.server.tree.policies().join("acme").exists() }).await;
}

#[tokio::test]
async fn tenants_are_listed_in_pages() {
    let acme = Acme::empty(|_| {}).await;
    let admin = &acme.admin;
    for name in ["b", "c", "d"] {
        admin.post("//tenants", json!({"name": name})).await.ok();
    }
    let first = admin.get("//tenants?limit=3").await.ok();
    let next = first.body["next"].as_str().unwrap();
    let second = admin.get(&format!("//tenants?limit=3&after={next}")).await.ok();
    let names: Vec<_> = first.items().iter().chain(second.items()).map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme", "b", "c", "d"]);
    assert_eq!(second.body["next"], Value::Null);
    admin.get("//tenants?limit=0").await.is(400, "malformed-request");
    admin.get("//tenants?after=x").await.is(400, "malformed-request");
}

#[tokio::test]
async fn a_tenant_that_cannot_be_is_refused() {
    let Acme { server, admin } = Acme::empty(|_| {}).await;
    for body in
        [json!({}), json!({"name": 1}), json!({"name": "a/b"}), json!({"name": "platform"}), json!({"name": ""})]
    {
        admin.post("//tenants", body).await.is(400, "malformed-request");
    }
    admin.post("//tenants", json!({"name": "globex", "colour": "red"})).await.is(400, "malformed-request");
    admin.post("//tenants", json!({"name": "acme"})).await.is(409, "exists");
    admin.put("//tenants", json!({"name": "acme"})).await.is(405, "method-not-allowed");
    admin.patch("", json!({})).await.is(405, "method-not-allowed");
    admin.of("no-such").get("").await.is(404, "tenant-unknown");
    admin.of("..").get("/users").await.is(404, "not-found");
    // A dry run of what cannot be tried is no run.
    admin.post("//tenants?dry_run=true", json!({"name": "globex"})).await.is(400, "malformed-request");
    admin.delete("?dry_run=true").await.is(400, "malformed-request");
    admin.get("").await.ok();
    let nobody = AdminClient::nobody(&server, "acme");
    nobody.get("//tenants").await.is(401, "token-missing");
    nobody.post("//tenants", json!({"name": "globex"})).await.is(401, "token-missing");
    nobody.delete("").await.is(401, "token-missing");
    for key in [GLOBEX_KEY, CALLER_KEY] {
        let other = AdminClient::with_key(&server, "acme", key);
        other.get("//tenants").await.is(403, "caller-may-not");
        other.get("").await.is(403, "caller-may-not");
        other.delete("").await.is(403, "caller-may-not");
    }
    // A key of one tenant reads it, and makes or ends none.
    admin.post("//tenants", json!({"name": "globex"})).await.ok();
    let globex = AdminClient::with_key(&server, "globex", GLOBEX_KEY);
    globex.get("").await.ok();
    globex.delete("").await.is(403, "caller-may-not");
    globex.post("//tenants", json!({"name": "initech"})).await.is(403, "caller-may-not");
}

#[tokio::test]
async fn a_tenant_of_manifests_is_not_the_databases_to_change() {
    let server = TestServer::configured(with_keys).await;
    let admin = AdminClient::with_key(&server, "acme", ADMIN_KEY);
    admin.post("//tenants", json!({"name": "acme"})).await.is(409, "directory-is-files");
    admin.get("").await.is(409, "directory-is-files");
    admin.get("/users").await.is(409, "directory-is-files");
    admin.get("/history").await.is(409, "directory-is-files");
    admin.post("/users", json!({"email": "new@acme.com"})).await.is(409, "directory-is-files");
    admin.delete("/users/jane@acme.com").await.is(409, "directory-is-files");
    admin.patch("/users/jane@acme.com", json!({"active": false})).await.is(409, "directory-is-files");
    admin.post("/batch", json!({"operations": []})).await.is(409, "directory-is-files");
    admin.delete("").await.is(409, "directory-is-files");
}

#[tokio::test]
async fn a_tenant_with_policies_of_people_is_not_ended() {
    let Acme { server, admin } = Acme::empty(|_| {}).await;
    server.tree.write("policies/acme/own.cedar", "permit (principal, action, resource);");
    admin.delete("").await.is(409, "in-use");
    server.tree.remove("policies/acme/own.cedar");
    admin.delete("").await.ok();
}

#[tokio::test]
async fn a_server_without_a_database_says_so() {
    let server = TestServer::configured(|raw| {
        with_keys(raw);
        raw.directory = Some(cedargate::config::RawDirectory::Files);
    })
    .await;
    AdminClient::with_key(&server, "acme", ADMIN_KEY).get("/users").await.is(404, "no-directory");
}

/// Starts over a tree, as a process would, and gives the key that it shows.
async fn started(tree: &TestTree) -> (App, Option<String>) {
    let mut raw = RawConfig::default();
    raw.http.bind = "127.0.0.1:0".into();
    raw.ops.bind = Some("off".into());
    raw.policies.dir = Some(tree.policies());
    raw.schema.dir = Some(tree.path().join("schema"));
    let config = Config::try_from(raw).unwrap();
    let mut app = App::start(config, Arc::new(ManualClock::at(START))).await.unwrap();
    let key = app.take_first_key().map(|key| key.0);
    (app, key)
}

#[tokio::test]
async fn the_first_start_shows_an_admin_key_and_no_later_one_does() {
    let tree = TestTree::new();
    let (app, key) = started(&tree).await;
    let key = key.expect("the first start shows a key");
    assert!(key.starts_with("cgadmin_"), "{key}");
    drop(app);
    let (app, again) = started(&tree).await;
    assert_eq!(again, None);
    drop(app);
    let database = std::fs::read(tree.path().join("cedargate.db")).unwrap();
    assert!(!database.windows(key.len()).any(|bytes| bytes == key.as_bytes()), "the key is in the database");

    let (okta, github) = issuers().await;
    // A build for tests takes its time to load a tenant, on a machine that has others to serve.
    let patient = |raw: &mut RawConfig| {
        raw.http.at_least_timeout_milliseconds = 60_000;
        raw.http.request_timeout_seconds = 120;
    };
    let server = TestServer::over(tree, okta, github, patient).await;
    let admin = AdminClient::with_key(&server, "acme", &key);
    admin.post("//tenants", json!({"name": "acme"})).await.ok();
    admin.post("/users", json!({"email": "jane@acme.com"})).await.ok();
    let mut wrong = key.clone();
    wrong.pop();
    AdminClient::with_key(&server, "acme", &wrong).get("/users").await.is(403, "caller-key-unknown");
    // It is a key, not a token.
    AdminClient::with_token(&server, "acme", &key).get("/users").await.is(401, "token-revoked");

    let revision = admin.get("").await.revision();
    let body = json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": super::MODEL,
        "at_least": revision});
    let vouched = server.post_with("/authorize", body.clone(), &[("x-cedargate-key", &key)]).await;
    assert_eq!((vouched.status, &vouched.body["decision"]), (200, &json!("deny")), "{}", vouched.body);
    server.post_with("/authorize", body, &[("x-cedargate-key", &wrong)]).await.is(403, "caller-key-unknown");
}

#[tokio::test]
async fn no_key_is_made_where_the_configuration_has_one() {
    let tree = TestTree::new();
    let mut raw = RawConfig::default();
    raw.http.bind = "127.0.0.1:0".into();
    raw.ops.bind = Some("off".into());
    raw.policies.dir = Some(tree.policies());
    raw.schema.dir = Some(tree.path().join("schema"));
    with_keys(&mut raw);
    let mut app = App::start(Config::try_from(raw).unwrap(), Arc::new(ManualClock::at(START))).await.unwrap();
    assert!(app.take_first_key().is_none());
}

#[tokio::test]
async fn a_port_that_is_taken_costs_no_admin_key() {
    let tree = TestTree::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut raw = RawConfig::default();
    raw.http.bind = taken.local_addr().unwrap().to_string();
    raw.policies.dir = Some(tree.policies());
    raw.schema.dir = Some(tree.path().join("schema"));
    let config = Config::try_from(raw).unwrap();
    assert!(App::start(config, Arc::new(ManualClock::at(START))).await.is_err());
    let (_app, key) = started(&tree).await;
    assert!(key.is_some(), "the key was made and never shown");
}

#[tokio::test]
async fn admin_keys_are_made_listed_and_ended_beside_a_running_server() {
    let (okta, github) = issuers().await;
    let server = TestServer::over(TestTree::new(), okta, github, |_| {}).await;
    let tree = server.tree.path().to_owned();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cedargate"));
        let ran = command.current_dir(&tree).args(["key", "--admin"]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
    };
    let (code, made, said) = run(&["--name", "ops", "--json"]);
    assert_eq!(code, 0, "{said}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["name"], "ops");
    let admin = AdminClient::with_key(&server, "acme", made["admin_key"].as_str().unwrap());
    crate::support::eventually("the key is taken", || async { admin.get("//tenants").await.status == 200 }).await;
    let (_, listed, _) = run(&["--list", "--json"]);
    assert!(listed.contains(r#"{"name":"ops"}"#) && listed.contains(r#"{"name":"first"}"#), "{listed}");
    let (code, _, said) = run(&["--name", "ops"]);
    assert!(code == 3 && said.contains("already"), "{said}");
    let (code, _, said) = run(&["--revoke", "opss"]);
    assert!(code == 3 && said.contains("did you mean `ops`?"), "{said}");
    assert_eq!(run(&["--revoke", "ops"]).0, 0);
    crate::support::eventually("the key is none", || async { admin.get("//tenants").await.status == 403 }).await;
    assert!(!run(&["--list"]).1.lines().any(|line| line == "ops"));
}
