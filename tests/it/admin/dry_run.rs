//! A dry run shows what a change would come to, and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Acme, grant};

#[tokio::test]
async fn a_dry_run_changes_nothing_whatever_is_asked_for() {
    let acme = Acme::start().await;
    let head = acme.head().await;
    let held = acme.admin.get("/collaborators?role=viewer").await.ok().items()[0]["id"].as_str().unwrap().to_owned();
    let held = format!("/collaborators/{held}");
    let user = json!({"type": "user", "email": "n@acme.com"});
    for (method, path, body, changed) in [
        (Method::POST, "/users", json!({"email": "n@acme.com"}), 1),
        (Method::POST, "/identity-providers", json!({"name": "n", "config": {"jwks_uri": "https://n"}}), 1),
        (Method::POST, "/collaborators", grant("Model::claude", "team:ml", "user"), 1),
        (Method::POST, "/teams/ml/collaborators", json!({"resource": "Model::claude", "role": "user"}), 1),
        (Method::POST, "/resources/Model::claude/collaborators", json!({"subject": "team:ml", "role": "user"}), 1),
        (Method::PUT, "/teams/n", json!({}), 1),
        (Method::PUT, "/teams/ml", json!({"members": ["jane@acme.com"], "managers": ["lee@acme.com"]}), 0),
        (Method::PATCH, "/roles/Model:tester", json!({"actions": ["viewModel"]}), 1),
        (Method::PATCH, &*held, json!({"role": "editor"}), 2),
        (Method::PUT, "/teams/ml/members/zoe@acme.com", Value::Null, 1),
        (Method::DELETE, "/teams/ml/members/jane@acme.com", Value::Null, 1),
        (Method::DELETE, "/resources/Model::claude", Value::Null, 1),
        (Method::DELETE, "/identity-providers/okta?cascade=true", Value::Null, 2),
        (Method::DELETE, &*held, Value::Null, 1),
        (
            Method::POST,
            "/batch",
            json!({"operations": [{"create": user}, {"remove": {"type": "role", "id": "Model:tester"}}]}),
            2,
        ),
    ] {
        let dry = format!("{path}{}dry_run=true", if path.contains('?') { '&' } else { '?' });
        let reply = acme.admin.send(method.clone(), &dry, Some(body)).await.ok();
        assert_eq!((reply.status, reply.header("location")), (200, ""), "{method} {path}");
        assert_eq!((&reply.body["dry_run"], reply.revision()), (&json!(true), head), "{method} {path}");
        let changes = reply.body["changes"].as_array().unwrap();
        assert_eq!(changes.len(), changed, "{method} {path}: {}", reply.body);
        assert!(changes.iter().all(|change| change["before"] != change["after"]), "{method} {path}: {}", reply.body);
        assert!(reply.body["policies"].is_array());
    }
    assert_eq!(acme.head().await, head);
    assert_eq!(acme.admin.get("/history").await.items().len(), 14);
}

#[tokio::test]
async fn a_dry_run_shows_the_change_and_the_policy_it_would_be() {
    let acme = Acme::start().await;
    let grant = grant("Model::claude", "user:zoe@acme.com", "user");
    let reply = acme.admin.post("/collaborators?dry_run=true", grant).await.ok();
    let change = &reply.body["changes"][0];
    assert_eq!((&change["type"], &change["before"]), (&json!("collaborator"), &Value::Null));
    assert_eq!(change["after"]["role"], "user");
    let link = &reply.body["policies"][0]["template_link"];
    assert_eq!(link["args"], json!({"?principal": "User::\"zoe@acme.com\"", "?resource": "Model::\"claude\""}));
    // It says what the server then does.
    let made = acme
        .admin
        .post("/collaborators", json!({"resource": "Model::claude", "subject": "user:zoe@acme.com", "role": "user"}))
        .await
        .ok();
    let token = acme.token("zoe@acme.com");
    let answer = acme.ask(&token, "invokeModel", "Model::\"claude\"", made.revision()).await.ok();
    assert_eq!(answer.body["policies"][0]["id"], link["link_id"], "{}", answer.body);

    let role = json!({"actions": ["viewModel", "editModel"]});
    let reply = acme.admin.patch("/roles/Model:tester?dry_run=true", role).await.ok();
    let text = reply.body["policies"][0]["policy"].as_str().unwrap();
    assert!(text.contains("editModel") && !text.contains("invokeModel"), "{text}");
    assert_eq!(reply.body["changes"][0]["before"]["actions"], json!(["invokeModel", "viewModel"]));

    let resource = json!({"resource": "Model::o3", "parents": ["Workspace::research"]});
    let reply = acme.admin.post("/resources?dry_run=true", resource).await.ok();
    assert_eq!(reply.body["policies"].as_array().unwrap().len(), 1, "{}", reply.body);
    assert!(reply.body["policies"][0]["entity"].to_string().contains("research"), "{}", reply.body);
}

#[tokio::test]
async fn what_makes_a_secret_is_not_run_dry() {
    let acme = Acme::start().await;
    let head = acme.head().await;
    acme.admin.post("/virtual-accounts/ci/tokens?dry_run=true", json!({})).await.is(400, "malformed-request");
    assert_eq!(acme.head().await, head);
    let made = acme.admin.post("/virtual-accounts/ci/tokens", json!({})).await.ok();
    let place = format!("/virtual-accounts/ci/tokens/{}", made.body["id"].as_str().unwrap());
    acme.admin.post(&format!("{place}/rotate?dry_run=true"), json!({})).await.is(400, "malformed-request");
    let dry = acme.admin.delete(&format!("{place}?dry_run=true")).await.ok();
    assert_eq!(dry.body["changes"][0]["after"], Value::Null);
    assert!(!dry.body.to_string().contains("hash"), "{}", dry.body);
    assert_eq!(acme.head().await, made.revision());
}
