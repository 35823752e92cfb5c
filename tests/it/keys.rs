//! Keys over the running server: rotation under load, issuers that come late, key sets as real providers publish
//! them, and tokens that name keys which nobody has.

use std::process::Command;
use std::sync::{Arc, Mutex};

use cedargate::authn::mint::{SigningKey, jwks};
use cedargate::config::RawConfig;
use cedargate::model::SigningAlgorithm;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::server::issuers;
use crate::support::{KeyEndpoint, Load, START, TestServer, TestTree, eventually};

const MODEL: &str = r#"Model::"gpt-4o""#;

/// A server over the sample, with one more provider `other` that has this `config`.
async fn server_trusting(config: &Value, change: impl FnOnce(&mut RawConfig)) -> TestServer {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    // JSON is YAML too.
    let provider = json!({"type": "identity-provider", "name": "other", "config": config});
    tree.write("policies/acme/manifests/other.yaml", &provider.to_string());
    TestServer::over(tree, okta, github, change).await
}

fn key(algorithm: SigningAlgorithm, id: &str) -> SigningKey {
    SigningKey::generate(algorithm, id).unwrap()
}

fn claims(issuer: &str, audience: &str) -> Value {
    json!({"iss": issuer, "aud": audience, "sub": "s1", "iat": START, "exp": START + 3600})
}

async fn provider_status(server: &TestServer, name: &str) -> Value {
    let status = server.ops("/status").await.body["tenants"]["acme"].clone();
    let providers = status["identity_providers"].as_array().unwrap();
    providers.iter().find(|provider| provider["name"] == name).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_without_a_failed_request() {
    let first = Arc::new(key(SigningAlgorithm::ES256, "first"));
    let endpoint = KeyEndpoint::open(jwks([first.as_ref()])).await;
    let issuer = endpoint.at("");
    let config = json!({"jwks_uri": endpoint.at("/keys"), "issuer": issuer, "audience": "gate"});
    let server = server_trusting(&config, |raw| raw.keys.unknown_key_interval_seconds = 0).await;
    let signing = Arc::new(Mutex::new(Arc::clone(&first)));
    let signs = Arc::clone(&signing);
    let body = move || {
        let token = signs.lock().unwrap().sign(&claims(&issuer, "gate")).unwrap();
        json!({"token": token, "requests": [{"action": "viewModel", "resource": MODEL}]})
    };
    eventually("the keys are fetched", || async { server.post("/authorize/batch", body()).await.status == 200 }).await;
    let load = Load::start(&server.url, body.clone(), |_| {});
    let mut before = first;
    for name in ["second", "third"] {
        load.flows().await;
        let next = Arc::new(key(SigningAlgorithm::ES256, name));
        // As issuers do: the old key stays while its tokens are about.
        endpoint.publish(jwks([next.as_ref(), before.as_ref()]));
        *signing.lock().unwrap() = Arc::clone(&next);
        before = next;
        load.flows().await;
    }
    load.finish().await;
    assert_eq!(provider_status(&server, "other").await["keys"]["kids"], json!(["third", "second"]));
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_stops_nobody_and_is_used_once_it_is_up() {
    let late = key(SigningAlgorithm::ES256, "late");
    let endpoint = KeyEndpoint::closed(jwks([&late])).await;
    let issuer = endpoint.at("");
    let config = json!({"jwks_uri": endpoint.at("/keys"), "issuer": issuer, "audience": "gate"});
    let server = server_trusting(&config, |raw| raw.keys.unknown_key_interval_seconds = 0).await;
    assert_eq!(server.get("/ready").await.status, 200);
    let jane = server.okta.token(json!({"sub": "00u1", "email": "jane@acme.com"}));
    assert_eq!(server.ask(&jane, "viewModel", MODEL).await.status, 200);

    let token = late.sign(&claims(&issuer, "gate")).unwrap();
    let refused = server.ask(&token, "viewModel", MODEL).await;
    assert_eq!((refused.status, refused.slug()), (503, "keys-unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    assert!(provider_status(&server, "other").await["keys"]["last_error"].is_string());

    endpoint.listen().await;
    eventually("the late issuer's tokens are taken", || async {
        server.ask(&token, "viewModel", MODEL).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn an_address_without_keys_is_told_from_an_issuer_that_is_down() {
    let certificates = json!({"k1": "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"});
    let endpoint = KeyEndpoint::open(certificates).await;
    let signing = key(SigningAlgorithm::RS256, "k1");
    let config = json!({"jwks_uri": endpoint.at("/x509"), "issuer": endpoint.at(""), "audience": "gate"});
    let server = server_trusting(&config, |raw| raw.keys.unknown_key_interval_seconds = 0).await;
    let token = signing.sign(&claims(&endpoint.at(""), "gate")).unwrap();
    let refused = server.ask(&token, "viewModel", MODEL).await;
    assert_eq!((refused.status, refused.slug()), (503, "keys-misconfigured"));
    assert!(!refused.headers.contains_key("retry-after"), "no waiting mends it");
    let said = refused.body.to_string();
    assert!(!said.contains("certificate") && !said.contains("127.0.0.1"), "{said}");
    let cause = provider_status(&server, "other").await["keys"]["last_error"].clone();
    assert!(cause.to_string().contains("map of certificates"), "{cause}");

    endpoint.publish(jwks([&signing]));
    assert_eq!(server.ask(&token, "viewModel", MODEL).await.status, 200);
}

#[tokio::test]
async fn a_key_set_as_entra_id_publishes_it_is_used() {
    let signing = key(SigningAlgorithm::RS256, "entra-key");
    let mut jwk = signing.jwk();
    let members = jwk.as_object_mut().unwrap();
    // Entra ID's keys have no `alg`, and members that nobody else has.
    members.remove("alg");
    members.insert("x5t".into(), "entra-key".into());
    members.insert("x5c".into(), json!(["MIIC"]));
    members.insert("cloud_instance_name".into(), "microsoftonline.com".into());
    members.insert("issuer".into(), "https://login.microsoftonline.com/tenant/v2.0".into());
    let set =
        json!({"keys": [jwk, {"kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44", "pub": "AAAA"}], "note": 1});
    let endpoint = KeyEndpoint::open(set).await;
    let (issuer, client) = (endpoint.at("/tenant/v2.0"), "6731de76-14a6-49ae-97bc-6eba6914391e");
    let jwks_uri = endpoint.at("/tenant/discovery/v2.0/keys");
    let config = json!({"jwks_uri": jwks_uri, "issuer": issuer, "audience": client});
    let server = server_trusting(&config, |_| {}).await;

    let entra = |issuer: &str, audience: &str| {
        let mut all = claims(issuer, audience);
        all["tid"] = "tenant".into();
        all["ver"] = "2.0".into();
        signing.sign(&all).unwrap()
    };
    let reply = server.ask(&entra(&issuer, client), "viewModel", MODEL).await;
    assert_eq!((reply.status, &reply.body["principal"]), (200, &json!(r#"ExternalSubject::"other|s1""#)));
    assert_eq!(server.ask(&entra(&issuer, "another-client"), "viewModel", MODEL).await.slug(), "token-audience");
    // A v1.0 token of the same tenant and key.
    let older = endpoint.at("/tenant/");
    assert_eq!(server.ask(&entra(&older, client), "viewModel", MODEL).await.slug(), "token-unknown-provider");
    let keys = provider_status(&server, "other").await["keys"].clone();
    assert_eq!(keys["kids"], json!(["entra-key"]));
    assert!(keys["skipped"].to_string().contains("post-quantum"), "{keys}");
}

#[tokio::test]
async fn a_provider_as_okta_configures_it_is_used() {
    let (current, next) = (key(SigningAlgorithm::RS256, "current"), key(SigningAlgorithm::RS256, "next"));
    let endpoint = KeyEndpoint::open(jwks([&current, &next])).await;
    let issuer = endpoint.at("/oauth2/default");
    let config =
        json!({"jwks_uri": endpoint.at("/oauth2/default/v1/keys"), "issuer": issuer, "audience": "api://default"});
    let server = server_trusting(&config, |_| {}).await;
    let mut all = claims(&issuer, "api://default");
    all["cid"] = "0oa1".into();
    all["scp"] = json!(["openid", "gateway"]);
    for key in [&current, &next] {
        assert_eq!(server.ask(&key.sign(&all).unwrap(), "viewModel", MODEL).await.status, 200);
    }
}

#[tokio::test]
async fn a_provider_without_audience_takes_any_and_is_warned_of() {
    let signing = key(SigningAlgorithm::ES256, "k");
    let endpoint = KeyEndpoint::open(jwks([&signing])).await;
    let config = json!({"jwks_uri": endpoint.at("/keys"), "issuer": endpoint.at("")});
    let server = server_trusting(&config, |_| {}).await;
    for audience in ["meant-for-others", "gate"] {
        let token = signing.sign(&claims(&endpoint.at(""), audience)).unwrap();
        assert_eq!(server.ask(&token, "viewModel", MODEL).await.status, 200);
    }
    let warns = |warnings: &Value| {
        let mine = |warning: &&Value| {
            let (file, message) = (warning["file"].as_str().unwrap(), warning["message"].as_str().unwrap());
            file.ends_with("manifests/other.yaml") && message.contains("`other` has no `audience`")
        };
        warnings.as_array().unwrap().iter().filter(mine).count()
    };
    assert_eq!(warns(&server.ops("/status").await.body["tenants"]["acme"]["warnings"]), 1);
    let checked = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["check", "--json", "--policies"])
        .arg(server.tree.policies())
        .arg("--schema")
        .arg(server.tree.path().join("schema"))
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(0));
    let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(warns(&said["warnings"]), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_costs_the_issuer_one_fetch() {
    let known = key(SigningAlgorithm::ES256, "known");
    let endpoint = KeyEndpoint::open(jwks([&known])).await;
    let issuer = endpoint.at("");
    let config = json!({"jwks_uri": endpoint.at("/keys"), "issuer": issuer, "audience": "gate"});
    let server = Arc::new(server_trusting(&config, |raw| raw.keys.unknown_key_interval_seconds = 600).await);
    let good = known.sign(&claims(&issuer, "gate")).unwrap();
    eventually("the keys are fetched", || async { server.ask(&good, "viewModel", MODEL).await.status == 200 }).await;
    let before = endpoint.asked();

    let mut flood = JoinSet::new();
    for number in 0..200 {
        let token = key(SigningAlgorithm::ES256, &format!("made-up-{number}")).sign(&claims(&issuer, "gate")).unwrap();
        let server = Arc::clone(&server);
        flood.spawn(async move {
            let refused = server.ask(&token, "viewModel", MODEL).await;
            assert_eq!((refused.status, refused.slug()), (401, "token-signature"));
        });
    }
    while let Some(refused) = flood.join_next().await {
        refused.unwrap();
    }
    assert_eq!(endpoint.asked() - before, 1);
    assert_eq!(server.ask(&good, "viewModel", MODEL).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_hangs_and_a_flood_of_forged_tokens_slow_nobody_else() {
    let server = TestServer::configured(|raw| {
        raw.http.max_in_flight = 4;
        raw.keys.unknown_key_interval_seconds = 0;
    })
    .await;
    assert_eq!(server.ask(&server.jane(), "viewModel", MODEL).await.status, 200);
    let _held = server.okta.hold().await;
    let forger = key(SigningAlgorithm::ES256, "forged");
    let claims = claims(&server.okta.issuer, &server.okta.audience);
    let mut flood = JoinSet::new();
    for number in 0..300 {
        // Keys that nobody has, and the one that everybody has.
        let kid = if number % 3 == 0 { "okta-1".to_owned() } else { format!("forged-{number}") };
        let token = forger.sign_with_header(&json!({"alg": "ES256", "kid": kid}), &claims).unwrap();
        let question = json!({"action": "viewModel", "resource": MODEL});
        // Some in batches: their places are others' as well.
        let (path, body) = match number % 2 {
            0 => ("/authorize", json!({"token": token, "action": "viewModel", "resource": MODEL})),
            _ => ("/authorize/batch", json!({"token": token, "requests": [question]})),
        };
        let request = server.client.post(format!("{}{path}", server.url)).json(&body);
        flood.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    let began = std::time::Instant::now();
    while !flood.is_empty() {
        let reply = server.ask(&server.jane(), "viewModel", MODEL).await;
        assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("allow")));
        while let Some(refused) = flood.try_join_next() {
            assert_eq!(refused.unwrap(), 401);
        }
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_secret_in_the_address_of_keys_is_shown_nowhere() {
    let endpoint = KeyEndpoint::open(jwks([&key(SigningAlgorithm::ES256, "one")])).await;
    let config =
        json!({"jwks_uri": endpoint.at("/keys?api_key=s3cret"), "issuer": endpoint.at(""), "audience": "gate"});
    let server = server_trusting(&config, |_| {}).await;
    eventually("the keys are fetched", || async {
        provider_status(&server, "other").await["keys"]["fetched_at"].is_string()
    })
    .await;
    for path in ["/status", "/metrics"] {
        let said = server.ops(path).await.body.to_string();
        assert!(said.contains("api_key=***") && !said.contains("s3cret"), "{said}");
    }
}
