//! Tokens of our own as JWTs: others verify them by the tenant's public keys, and here they end when they are revoked.

use serde_json::json;

use super::tokens::{CI, JANE, made, with_ci};
use super::{ADMIN_KEY, MODEL, grant};
use crate::support::AdminClient;

const AUDIENCE: &str = "api://reports";

#[tokio::test]
async fn whoever_trusts_the_tenants_keys_verifies_what_they_signed() {
    let acme = with_ci().await;
    let (token, place, revision) = made(&acme, CI, json!({"audience": AUDIENCE})).await;
    let answer = acme.ask(&token, "viewModel", MODEL, revision).await.ok();
    assert_eq!(answer.body["principal"], "VirtualAccount::\"ci\"");

    // Another tenant takes acme for an issuer like any other.
    let keys = format!("{}/tenants/acme/.well-known/jwks.json", acme.server.url);
    let globex = AdminClient::with_key(&acme.server, "globex", ADMIN_KEY);
    globex.post("//tenants", json!({"name": "globex"})).await.ok();
    let config = json!({"jwks_uri": keys, "issuer": "urn:cedargate:acme", "audience": AUDIENCE});
    globex.post("/identity-providers", json!({"name": "acme", "config": config})).await.ok();
    globex.post("/external-identities", json!({"name": "of-acme", "identity_provider": "acme"})).await.ok();
    globex.post("/resources", json!({"resource": "Model::gpt-4o"})).await.ok();
    let there = globex.post("/collaborators", grant("Model::gpt-4o", "external-identity:of-acme", "viewer")).await.ok();
    let body = json!({"action": "viewModel", "resource": MODEL, "token": token, "at_least": there.revision()});
    let answer = acme.server.post("/tenants/globex/authorize", body.clone()).await.ok();
    assert_eq!(
        (&answer.body["decision"], &answer.body["principal"]),
        (&json!("allow"), &json!("ExternalSubject::\"acme|ci\""))
    );

    // Revoked, it is nothing here, and good elsewhere until it ends.
    let revoked = acme.admin.delete(&place).await.ok().revision();
    acme.ask(&token, "viewModel", MODEL, revoked).await.is(401, "token-unknown-provider");
    acme.server.post("/tenants/globex/authorize", body.clone()).await.ok();
    acme.server.clock.advance(60 * 60 + 60);
    acme.server.post("/tenants/globex/authorize", body).await.is(401, "token-expired");
}

#[tokio::test]
async fn signed_tokens_end_and_make_no_others() {
    let acme = with_ci().await;
    for body in [
        json!({"audience": ""}),
        json!({"audience": AUDIENCE, "expires_in_seconds": 31 * 24 * 60 * 60}),
        json!({"audience": 3}),
    ] {
        acme.admin.post(CI, body).await.is(400, "malformed-request");
    }
    let own = acme.person("jane@acme.com");
    let made = own.post(JANE, json!({"audience": AUDIENCE})).await.ok();
    let token = made.body["token"].as_str().unwrap().to_owned();
    let answer = acme.ask(&token, "viewModel", MODEL, made.revision()).await.ok();
    assert_eq!(answer.body["principal"], "User::\"jane@acme.com\"");
    acme.bearer(&token).post(JANE, json!({})).await.is(403, "caller-may-not");
    acme.server.clock.advance(60 * 60);
    acme.ask(&token, "viewModel", MODEL, made.revision()).await.is(401, "token-expired");
}

#[tokio::test]
async fn keys_are_replaced_and_the_old_ones_listed_while_they_may_be_needed() {
    let acme = with_ci().await;
    let keys = || async {
        let listed = acme.server.get("/tenants/acme/.well-known/jwks.json").await.ok();
        assert!(!listed.body.to_string().contains("\"d\":"), "a private key");
        listed.body["keys"].as_array().unwrap().len()
    };
    assert_eq!(keys().await, 0);
    for (days, expected) in [(0, 1), (29, 1), (1, 2), (30, 2), (30, 2)] {
        acme.server.clock.advance(days * 24 * 60 * 60);
        made(&acme, CI, json!({"audience": AUDIENCE})).await;
        assert_eq!(keys().await, expected, "after {days} days more");
    }
}
