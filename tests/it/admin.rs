//! The admin API over a database: every route, who may take it, and that a change is live when it says so.

mod again;
mod authority;
mod cascade;
mod dry_run;
mod escalation;
mod grants;
mod history;
mod last_good;
mod live;
mod nouns;
mod pages;
mod refresh;
mod refusals;
mod secrets;
mod shadowed;
mod signed;
mod tenants;
mod tokens;
mod writers;

use cedargate::authn::hash_key;
use cedargate::config::{Permission, RawCallerKey, RawConfig};
use serde_json::{Value, json};

use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{AdminClient, Reply, TestIssuer, TestServer, TestTree, eventually};

/// A server whose tenant `acme` is in its database, and its operator.
pub struct Acme {
    pub server: TestServer,
    pub admin: AdminClient,
}

/// May administer every tenant.
pub const ADMIN_KEY: &str = "cgadmin_test-key";
/// May administer `globex` alone.
pub const GLOBEX_KEY: &str = "cgadmin_globex-key";

pub const MODEL: &str = r#"Model::"gpt-4o""#;

impl Acme {
    pub async fn start() -> Self {
        Self::configured(|_| {}).await
    }

    /// With a few people, a team, a model and grants.
    pub async fn configured(change: impl FnOnce(&mut RawConfig)) -> Self {
        let acme = Self::empty(change).await;
        let operations: Vec<_> = people(&acme.server.okta).into_iter().map(|fact| json!({"create": fact})).collect();
        acme.admin.post("/batch", json!({"operations": operations})).await.ok();
        acme
    }

    /// With nothing in the tenant.
    pub async fn empty(change: impl FnOnce(&mut RawConfig)) -> Self {
        let (okta, github) = issuers().await;
        let server = TestServer::over(TestTree::new(), okta, github, |raw| {
            with_keys(raw);
            // A build for tests takes its time to check a tenant's policies, on a machine that has others to serve.
            raw.http.at_least_timeout_milliseconds = 60_000;
            raw.http.request_timeout_seconds = 120;
            // What is live is so because the folders told, not because someone looked.
            raw.watch.poll_seconds = 3600;
            change(raw);
        })
        .await;
        let admin = AdminClient::with_key(&server, "acme", ADMIN_KEY);
        admin.post("//tenants", json!({"name": "acme"})).await.ok();
        Self { server, admin }
    }

    /// A token of someone's, by their email.
    pub fn token(&self, email: &str) -> String {
        self.server.okta.token(json!({"sub": email, "email": email}))
    }

    /// Whoever has that email, as one who administers.
    pub fn person(&self, email: &str) -> AdminClient {
        self.bearer(&self.token(email))
    }

    pub fn bearer(&self, token: &str) -> AdminClient {
        AdminClient::with_token(&self.server, "acme", token)
    }

    /// Asks with a token, of this revision or a later one.
    pub async fn ask(&self, token: &str, action: &str, resource: &str, at_least: u64) -> Reply {
        let body = json!({"token": token, "action": action, "resource": resource, "at_least": at_least});
        self.server.post("/tenants/acme/authorize", body).await
    }

    /// The same about someone whom the caller vouches for.
    pub async fn vouch(&self, principal: &str, action: &str, resource: &str, at_least: u64) -> Reply {
        let body = json!({"principal": principal, "action": action, "resource": resource, "at_least": at_least});
        self.server.post_with("/tenants/acme/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await
    }

    /// The tenant's last revision.
    pub async fn head(&self) -> u64 {
        self.admin.get("").await.ok().revision()
    }
}

pub fn with_keys(raw: &mut RawConfig) {
    for (name, key, tenants) in [("operator", ADMIN_KEY, None), ("globex", GLOBEX_KEY, Some(vec!["globex".to_owned()]))]
    {
        let may = vec![Permission::Administer];
        raw.callers.keys.push(RawCallerKey { name: name.into(), hash: hash_key(key), may, tenants });
    }
}

/// The provider that the test issuer is.
pub fn provider(name: &str, issuer: &TestIssuer) -> Value {
    json!({
        "type": "identity-provider", "name": name,
        "config": {"jwks_uri": issuer.jwks_uri(), "issuer": issuer.issuer, "audience": issuer.audience},
        "claims": {"teams": "groups", "virtual_account": "client_id"},
        // Of a tenant's providers, one speaks the addresses of its users.
        "users": if name == "okta" { "either" } else { "subject" },
    })
}

fn people(okta: &TestIssuer) -> Vec<Value> {
    let user = |name: &str| json!({"type": "user", "email": format!("{name}@acme.com")});
    vec![
        provider("okta", okta),
        user("ada"),
        user("jane"),
        user("lee"),
        user("zoe"),
        json!({"type": "team", "name": "ml", "members": ["jane@acme.com"], "managers": ["lee@acme.com"]}),
        json!({"type": "virtual-account", "name": "ci"}),
        json!({
            "type": "external-identity", "name": "partner", "identity_provider": "okta",
            "claims": {"department": "research"},
        }),
        json!({"type": "role", "name": "tester", "resource_type": "Model", "actions": ["viewModel", "invokeModel"]}),
        json!({"type": "resource", "resource": "Workspace::research"}),
        json!({"type": "resource", "resource": "Model::gpt-4o", "parents": ["Workspace::research"]}),
        json!({"type": "resource", "resource": "Model::claude"}),
        grant("Model::gpt-4o", "team:ml", "viewer"),
        grant("Tenant::acme", "user:ada@acme.com", "admin"),
    ]
}

pub fn grant(resource: &str, subject: &str, role: &str) -> Value {
    json!({"type": "collaborator", "resource": resource, "subject": subject, "role": role})
}

/// Writes a policy file of the tenant whose first policy is called like it, and waits until it decides.
pub async fn written(acme: &Acme, name: &str, text: &str) {
    acme.server.tree.write(&format!("policies/acme/{name}.cedar"), text);
    let id = cedar_policy::PolicyId::new(name);
    eventually("the policy is read", || async {
        let snapshot = acme.server.tenants.get("acme").and_then(|handle| handle.snapshot());
        snapshot.is_some_and(|snapshot| snapshot.source(&id).is_some())
    })
    .await;
}
