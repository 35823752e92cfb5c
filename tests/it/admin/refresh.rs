//! A provider's keys fetched at once, because an administrator asks for it.

use cedargate::authn::mint::{SigningKey, jwks};
use cedargate::model::SigningAlgorithm;
use serde_json::{Value, json};

use super::{Acme, MODEL};
use crate::support::{KeyEndpoint, START, eventually};

fn other(endpoint: &KeyEndpoint, path: &str) -> Value {
    json!({"name": "other", "config": {"jwks_uri": endpoint.at(path), "issuer": endpoint.at(""), "audience": "gate"}})
}

#[tokio::test]
async fn a_withdrawn_key_ends_and_a_new_one_begins_at_once() {
    let acme = Acme::configured(|raw| raw.keys.unknown_key_interval_seconds = 3600).await;
    let [old, new] = ["old", "new"].map(|name| SigningKey::generate(SigningAlgorithm::ES512, name).unwrap());
    let endpoint = KeyEndpoint::open(jwks([&old])).await;
    let revision = acme.admin.post("/identity-providers", other(&endpoint, "/keys")).await.ok().revision();
    let claims = json!({"iss": endpoint.at(""), "aud": "gate", "sub": "s1", "exp": START + 3600});
    let [by_old, by_new] = [&old, &new].map(|key| key.sign(&claims).unwrap());
    eventually("the keys come", || async { acme.ask(&by_old, "viewModel", MODEL, revision).await.status == 200 }).await;

    endpoint.publish(jwks([&new]));
    let answer = acme.admin.post("/identity-providers/other/refresh", Value::Null).await.ok();
    assert_eq!((answer.status, &answer.body["keys"]["kids"]), (200, &json!(["new"])), "{}", answer.body);
    assert_eq!(acme.ask(&by_old, "viewModel", MODEL, revision).await.slug(), "token-signature");
    acme.ask(&by_new, "viewModel", MODEL, revision).await.ok();
}

#[tokio::test]
async fn what_went_wrong_is_told_to_whoever_may_mend_it_and_the_keys_serve_on() {
    let acme = Acme::start().await;
    let key = SigningKey::generate(SigningAlgorithm::ES256, "key").unwrap();
    let endpoint = KeyEndpoint::open(jwks([&key])).await;
    let revision = acme.admin.post("/identity-providers", other(&endpoint, "/keys")).await.ok().revision();
    let token = key.sign(&json!({"iss": endpoint.at(""), "aud": "gate", "sub": "s1", "exp": START + 3600})).unwrap();
    eventually("the keys come", || async { acme.ask(&token, "viewModel", MODEL, revision).await.status == 200 }).await;

    endpoint.publish(json!({"issuer": endpoint.at(""), "jwks_uri": endpoint.at("/keys")}));
    let refused = acme.admin.post("/identity-providers/other/refresh", Value::Null).await;
    refused.is(502, "keys-not-fetched");
    let told = refused.body["detail"].to_string();
    assert!(told.contains("provider `other`") && told.contains(&endpoint.at("/keys")), "{told}");
    acme.ask(&token, "viewModel", MODEL, revision).await.ok();

    acme.admin.post("/identity-providers/none/refresh", Value::Null).await.is(404, "object-unknown");
    acme.admin.post("/identity-providers/other/refresh?dry_run=true", Value::Null).await.is(400, "malformed-request");
    assert_eq!(acme.admin.get("/identity-providers/other/refresh").await.status, 405);
}
