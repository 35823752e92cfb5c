//! A token is shown once and never again, anywhere; whoever is switched off does not come in by another door.

use std::path::Path;

use cedargate::config::RawAuditSink;
use serde_json::{Value, json};

use super::tokens::{CI, JANE, made};
use super::{Acme, MODEL, grant};
use crate::support::eventually;

/// Every file below a folder that holds these bytes.
fn holding(folder: &Path, secret: &str) -> Vec<String> {
    let files =
        walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let holds =
        |path: &Path| std::fs::read(path).unwrap().windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
    files.filter(|file| holds(file.path())).map(|file| file.path().display().to_string()).collect()
}

/// What of a token would do harm: without its kind and its checksum.
fn core(token: &str) -> &str {
    let random = token.split_once('_').unwrap().1;
    &random[..random.len() - 6]
}

#[tokio::test]
async fn a_token_is_shown_once_and_is_nowhere_else() {
    let log = tempfile::TempDir::new().unwrap();
    let path = log.path().join("decisions.log");
    let acme = Acme::configured(|raw| {
        raw.audit.sink = RawAuditSink::File;
        raw.audit.path = Some(path.clone());
    })
    .await;
    acme.admin.post("/collaborators", grant("Model::gpt-4o", "virtual-account:ci", "viewer")).await.ok();
    let mut tokens = Vec::new();
    for (owner, body) in [(CI, json!({"expires_in_seconds": 60})), (JANE, json!({}))] {
        let (token, place, _) = made(&acme, owner, body).await;
        let rotated = acme.admin.post(&format!("{place}/rotate"), json!({})).await.ok();
        let new = rotated.body["token"].as_str().unwrap().to_owned();
        for token in [&token, &new] {
            let header = acme.bearer(token);
            assert_eq!(acme.ask(token, "viewModel", MODEL, rotated.revision()).await.ok().body["decision"], "allow");
            // What is refused repeats nothing either.
            for refused in [
                header.get("/users").await,
                header.post("/users", json!({"email": "n@acme.com"})).await,
                acme.ask(&format!("{token}A"), "viewModel", MODEL, 0).await,
                acme.ask(token, "noSuchAction", MODEL, 0).await,
                header.post("//authorize", json!({"token": token, "action": "viewModel", "resource": MODEL})).await,
            ] {
                assert!(refused.status >= 400, "{}", refused.body);
                assert!(!refused.body.to_string().contains(core(token)), "{}", refused.body);
            }
        }
        tokens.extend([token, new]);
    }
    let mut answers = String::new();
    for get in [
        "",
        CI,
        JANE,
        "/history?limit=1000",
        "/history?type=token",
        "/virtual-accounts/ci",
        "/users",
        "//status",
        "//metrics",
    ] {
        answers += &acme.admin.get(get).await.ok().body.to_string();
    }
    eventually("the decisions are written", || async {
        std::fs::read_to_string(&path).unwrap_or_default().lines().count() >= 4
    })
    .await;
    for token in &tokens {
        assert!(!answers.contains(core(token)), "an answer has the token");
        assert_eq!(holding(acme.server.tree.path(), core(token)), Vec::<String>::new());
        assert_eq!(holding(log.path(), core(token)), Vec::<String>::new());
    }
    // The search would find one.
    acme.server.tree.write("here.txt", &format!("…{}…", tokens[0]));
    assert_eq!(holding(acme.server.tree.path(), core(&tokens[0])).len(), 1);
    // By its hash, one could tell whether a token is the one.
    for token in &tokens {
        let hash = cedargate::authn::hash_key(token).trim_start_matches("sha256:").to_owned();
        assert!(!answers.contains(&hash), "an answer has the hash");
    }
}

#[tokio::test]
async fn a_token_that_goes_along_shows_no_hash() {
    let acme = Acme::start().await;
    made(&acme, CI, json!({})).await;
    for path in ["/virtual-accounts/ci?cascade=true&dry_run=true", "/virtual-accounts/ci?cascade=true"] {
        let gone = acme.admin.delete(path).await.ok();
        assert!(gone.body.to_string().contains("\"token\""), "{}", gone.body);
        assert!(!gone.body.to_string().contains("hash"), "{}", gone.body);
    }
    let history = acme.admin.get("/history?type=token").await.ok();
    assert_eq!(history.items().len(), 2);
    assert!(!history.body.to_string().contains("hash"), "{}", history.body);
}

#[tokio::test]
async fn whoever_is_switched_off_comes_in_by_no_door() {
    let acme = Acme::start().await;
    acme.admin.post("/collaborators", grant("Model::gpt-4o", "external-identity:partner", "viewer")).await.ok();
    let mapping = json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "ml"}]});
    acme.admin.patch("/teams/ml", mapping.clone()).await.ok();
    acme.admin.patch("/virtual-accounts/ci", mapping).await.ok();
    acme.admin.post("/collaborators", grant("Model::gpt-4o", "virtual-account:ci", "viewer")).await.ok();
    let off = acme.admin.patch("/users/jane@acme.com", json!({"active": false})).await.ok().revision();
    // By an external identity, a team of the provider, a virtual account, or another spelling.
    for claims in [
        json!({}),
        json!({"department": "research"}),
        json!({"groups": ["ml"]}),
        json!({"client_id": "ml"}),
        json!({"email": "JANE@ACME.com"}),
        json!({"email_verified": true}),
    ] {
        let mut all = json!({"sub": "00u1", "email": "jane@acme.com"});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let token = acme.server.okta.token(all);
        let refused = acme.ask(&token, "viewModel", MODEL, off).await;
        refused.is(403, "user-deactivated");
        assert!(!refused.body.to_string().contains("jane"), "{}", refused.body);
        acme.bearer(&token).get("/users").await.is(403, "user-deactivated");
        acme.bearer(&token).post(JANE, json!({})).await.is(403, "user-deactivated");
    }
    let batch = json!({"token": acme.token("jane@acme.com"), "requests": [{"action": "viewModel", "resource": MODEL}]});
    acme.server.post("/tenants/acme/authorize/batch", batch).await.is(403, "user-deactivated");
    // Others with the same claims are who they are.
    let other = acme.server.okta.token(json!({"sub": "00u2", "department": "research"}));
    assert_eq!(acme.ask(&other, "viewModel", MODEL, off).await.ok().body["decision"], "allow");
}

#[tokio::test]
async fn an_entity_file_does_not_bring_back_who_is_switched_off() {
    let acme = Acme::start().await;
    let off = acme.admin.patch("/users/jane@acme.com", json!({"active": false})).await.ok().revision();
    acme.ask(&acme.token("jane@acme.com"), "viewModel", MODEL, off).await.is(403, "user-deactivated");
    let uid = json!({"type": "User", "id": "jane@acme.com"});
    let team = json!({"type": "Team", "id": "ml"});
    let entity: Value = json!([{"uid": uid, "attrs": {}, "parents": [team]}]);
    acme.server.tree.write("policies/acme/back.entities.json", &entity.to_string());
    eventually("the fault is seen", || async { acme.server.status("acme").await["last_reload"]["ok"] == false }).await;
    acme.ask(&acme.token("jane@acme.com"), "viewModel", MODEL, off).await.is(403, "user-deactivated");
    assert!(!acme.server.ops("/status").await.body.to_string().contains("jane@acme.com"));
}
