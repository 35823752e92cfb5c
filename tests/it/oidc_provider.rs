//! Tokens and keys of a real OpenID provider: npm `oidc-provider`, run by `tests/third-party/oidc-provider`.
//!
//! Switched on by `CEDARGATE_TEST_OIDC_PROVIDER=<the folder where npm install ran>`, as `.ci/run` does.

mod provider;

use std::path::PathBuf;

use cedargate::clock::{Clock, SystemClock};
use serde_json::json;

use crate::support::server::issuers;
use crate::support::{TestServer, TestTree, third_party};
use provider::{Client, RealProvider};

const MODEL: &str = "Model::\"gpt-4o\"";
const TOOL: &str = "McpTool::\"search\"";

#[tokio::test]
async fn a_real_provider_s_access_tokens_become_the_principals_that_the_manifests_say() {
    let Some(modules) = modules() else { return };
    let provider = RealProvider::start(&modules).await;
    let server = serve(&provider, &["https://gateway.example/RS256"], 5).await;

    // A client of the directory: the virtual account, and never an outsider.
    let token = provider.token(Client::Ci, "https://gateway.example/RS256", "models:view").await;
    let reply = server.ask(&token, "invokeModel", MODEL).await;
    assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("allow")), "{}", reply.body);
    assert_eq!(reply.body["principal"], "VirtualAccount::\"ci\"");
    assert_eq!(reply.body["external_identities"], json!([]));
    assert_eq!(reply.body["policies"][0]["id"], "collaborator/Model/gpt-4o/user/VirtualAccount/ci");

    // A client that only its token tells of: by an external identity on `client_id` and one word of `scope`…
    let token = provider.token(Client::Reporting, "https://gateway.example/RS256", "models:view models:invoke").await;
    let reply = server.ask(&token, "invokeModel", MODEL).await;
    assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("allow")), "{}", reply.body);
    assert_eq!(reply.body["principal"], "ExternalSubject::\"real|reporting\"");
    assert_eq!(reply.body["external_identities"], json!(["reporting-invokers"]));
    assert_eq!(reply.body["policies"][0]["id"], "collaborator/Model/gpt-4o/user/ExternalIdentity/reporting-invokers");
    // … and by a policy that reads `scope` as a tag.
    let reply = server.ask(&token, "callTool", TOOL).await;
    assert_eq!(reply.body["decision"], "allow", "{}", reply.body);
    assert_eq!(reply.body["policies"][0]["id"], "acme/invokers-call-tools");

    // The same client with less scope.
    let token = provider.token(Client::Reporting, "https://gateway.example/RS256", "models:view").await;
    for (action, resource) in [("invokeModel", MODEL), ("callTool", TOOL)] {
        let reply = server.ask(&token, action, resource).await;
        assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("deny")), "{}", reply.body);
        assert_eq!(reply.body["external_identities"], json!([]));
    }
}

#[tokio::test]
async fn each_algorithm_that_a_real_provider_signs_with_is_verified() {
    let Some(modules) = modules() else { return };
    let provider = RealProvider::start(&modules).await;
    let resources = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
        .map(|name| format!("https://gateway.example/{name}"));
    let server = serve(&provider, &resources, 5).await;
    for resource in &resources {
        let token = provider.token(Client::Ci, resource, "models:view").await;
        assert_eq!(provider::header(&token)["alg"], resource.rsplit('/').next().unwrap());
        assert_eq!(provider::header(&token)["typ"], "at+jwt");
        let reply = server.ask(&token, "invokeModel", MODEL).await;
        assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("allow")), "{resource}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_new_key_of_a_real_provider_is_accepted_at_once_and_the_old_while_published() {
    let Some(modules) = modules() else { return };
    let provider = RealProvider::start(&modules).await;
    let resource = "https://gateway.example/RS256";
    let server = serve(&provider, &[resource], 5).await;
    let before = provider.token(Client::Ci, resource, "models:view").await;
    assert_eq!(server.ask(&before, "invokeModel", MODEL).await.status, 200);

    let published = provider.rotate().await;
    let after = provider.token(Client::Ci, resource, "models:view").await;
    let (old, new) = (provider::header(&before)["kid"].clone(), provider::header(&after)["kid"].clone());
    assert_ne!(old, new, "the provider signs with its new key");
    assert!(published.contains(&old) && published.contains(&new));

    let reply = server.ask(&after, "invokeModel", MODEL).await;
    assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("allow")), "{}", reply.body);
    let reply = server.ask(&before, "invokeModel", MODEL).await;
    assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("allow")), "{}", reply.body);
}

#[tokio::test]
async fn a_key_that_a_real_provider_took_back_is_refused_once_newer_keys_are_here() {
    let Some(modules) = modules() else { return };
    let provider = RealProvider::start(&modules).await;
    let resource = "https://gateway.example/ES256";
    let server = serve(&provider, &[resource], 0).await;
    let first = provider.token(Client::Ci, resource, "models:view").await;
    assert_eq!(server.ask(&first, "invokeModel", MODEL).await.status, 200);
    for _ in 0..2 {
        provider.rotate().await;
        let newest = provider.token(Client::Ci, resource, "models:view").await;
        assert_eq!(server.ask(&newest, "invokeModel", MODEL).await.status, 200);
    }
    let reply = server.ask(&first, "invokeModel", MODEL).await;
    assert_eq!((reply.status, reply.slug()), (401, "token-signature"), "{}", reply.body);
}

#[tokio::test]
async fn a_real_provider_s_tokens_for_others_tampered_opaque_or_expired_are_refused() {
    let Some(modules) = modules() else { return };
    let provider = RealProvider::start(&modules).await;
    let resource = "https://gateway.example/RS256";
    let server = serve(&provider, &[resource], 5).await;
    let good = provider.token(Client::Reporting, resource, "models:view").await;
    assert_eq!(server.ask(&good, "invokeModel", MODEL).await.status, 200);

    let foreign = provider.token(Client::Reporting, "https://billing.example/", "models:view").await;
    let reply = server.ask(&foreign, "invokeModel", MODEL).await;
    assert_eq!((reply.status, reply.slug()), (401, "token-audience"), "{}", reply.body);

    let tampered = provider::with_claim(&good, "scope", json!("models:view models:invoke"));
    let reply = server.ask(&tampered, "invokeModel", MODEL).await;
    assert_eq!((reply.status, reply.slug()), (401, "token-signature"), "{}", reply.body);

    // Without `resource` the provider gives a reference of its own, no JWT.
    let opaque = provider.opaque_token(Client::Reporting).await;
    let reply = server.ask(&opaque, "invokeModel", MODEL).await;
    assert_eq!((reply.status, reply.slug()), (401, "token-malformed"), "{}", reply.body);

    // Its tokens last ten minutes; ours to add are thirty seconds of leeway.
    server.clock.advance(600 + 60);
    let reply = server.ask(&good, "invokeModel", MODEL).await;
    assert_eq!((reply.status, reply.slug()), (401, "token-expired"), "{}", reply.body);
}

fn modules() -> Option<PathBuf> {
    third_party::place_of("CEDARGATE_TEST_OIDC_PROVIDER", "npm's oidc-provider (a folder with node_modules)")
}

/// A server whose one tenant trusts the provider for these audiences. Its clock is the machine's, as the provider's.
async fn serve(provider: &RealProvider, audiences: &[impl AsRef<str>], unknown_key_interval: u64) -> TestServer {
    let audiences: Vec<_> = audiences.iter().map(AsRef::as_ref).collect();
    let tree = TestTree::new();
    tree.write("policies/acme/manifests/gateway.yaml", &manifests(provider, &audiences));
    tree.write("policies/acme/tools.cedar", POLICY);
    let (okta, github) = issuers().await;
    TestServer::over_at(SystemClock.now().timestamp(), tree, okta, github, |raw| {
        raw.keys.unknown_key_interval_seconds = unknown_key_interval;
    })
    .await
}

fn manifests(provider: &RealProvider, audiences: &[&str]) -> String {
    format!(
        "
type: identity-provider
name: real
config:
  issuer: {issuer}
  jwks_uri: {jwks_uri}
  audience: {audiences}
claims: {{virtual_account: client_id}}
---
type: virtual-account
name: ci
identity_provider_mapping: [{{identity_provider: real, value: ci-client}}]
---
type: external-identity
name: reporting-invokers
identity_provider: real
claims: {{client_id: reporting, scope: 'models:invoke'}}
---
type: resource
resource: Model::gpt-4o
collaborators:
  - {{subject: virtual-account:ci, role: user}}
  - {{subject: external-identity:reporting-invokers, role: user}}
---
type: resource
resource: McpTool::search
",
        issuer = provider.issuer,
        jwks_uri = provider.jwks_uri,
        audiences = json!(audiences),
    )
}

const POLICY: &str = r#"
@id("acme/invokers-call-tools")
permit (principal is ExternalSubject, action == Action::"callTool", resource)
when
{
  principal.hasTag("client_id") && principal.getTag("client_id").contains("reporting") &&
  principal.hasTag("scope") && principal.getTag("scope").containsAll(["models:invoke", "models:view"])
};
"#;
