//! Two tenants that call everything the same: neither reaches into the other, and neither stops the other.

use serde_json::{Value, json};

use crate::support::server::{CALLER_KEY, issuers};
use crate::support::tree::copy;
use crate::support::{Reply, TestIssuer, TestServer, TestTree, eventually};

/// `acme` and `globex`, the same files twice but for the issuers, which are each tenant's own.
pub struct TwoTenants {
    pub server: TestServer,
    pub globex_okta: TestIssuer,
}

impl TwoTenants {
    pub async fn start(change: impl FnOnce(&TestTree)) -> Self {
        Self::with_default(None, change).await
    }

    async fn with_default(default: Option<&str>, change: impl FnOnce(&TestTree)) -> Self {
        let (okta, github) = issuers().await;
        let (globex_okta, globex_github) = issuers().await;
        let tree = TestTree::sample(&okta, &github);
        copy(&tree.policies().join("acme"), &tree.policies().join("globex"));
        tree.edit("policies/globex/manifests/identity-providers.yaml", |text| {
            text.replace(&okta.issuer, &globex_okta.issuer).replace(&github.issuer, &globex_github.issuer)
        });
        change(&tree);
        let default = default.map(str::to_owned);
        let server = TestServer::over(tree, okta, github, |raw| {
            raw.tenants.default = default;
            raw.keys.unknown_key_interval_seconds = 0;
        })
        .await;
        Self { server, globex_okta }
    }

    /// Jane's token, the same claims by either tenant's issuer.
    fn jane(issuer: &TestIssuer) -> String {
        issuer.token(json!({"sub": "00u1", "email": "jane@acme.com"}))
    }

    async fn view(&self, tenant: &str, token: &str) -> Reply {
        let body = json!({"tenant": tenant, "token": token, "action": "viewModel", "resource": "Model::\"gpt-4o\""});
        self.server.post("/authorize", body).await
    }
}

/// Takes every grant of the sample's model away from team `ml`.
fn revoke_in_globex(tree: &TestTree) {
    tree.edit("policies/globex/manifests/resources.yaml", |text| {
        text.replace("  - {subject: team:ml, role: viewer}\n", "")
    });
}

#[tokio::test]
async fn a_token_of_one_tenant_is_refused_in_the_other() {
    let two = TwoTenants::start(|_| {}).await;
    let (acme, globex) = (TwoTenants::jane(&two.server.okta), TwoTenants::jane(&two.globex_okta));
    assert_eq!(two.view("acme", &acme).await.body["decision"], "allow");
    assert_eq!(two.view("globex", &globex).await.body["decision"], "allow");
    for (tenant, token) in [("acme", &globex), ("globex", &acme)] {
        let reply = two.view(tenant, token).await;
        assert_eq!((reply.status, reply.slug()), (401, "token-unknown-provider"), "{tenant}");
    }
}

#[tokio::test]
async fn a_key_of_one_tenant_signs_nothing_for_the_other() {
    let two = TwoTenants::start(|_| {}).await;
    // Both issuers call their first key `okta-1`; then globex's has a name of its own.
    for key_id in ["okta-1", "globex-only"] {
        if key_id != "okta-1" {
            two.globex_okta.rotate(key_id);
        }
        let claims = json!({"iss": two.server.okta.issuer, "sub": "00u1", "email": "jane@acme.com"});
        let forged = two.globex_okta.token(claims);
        assert_eq!(two.view("globex", &TwoTenants::jane(&two.globex_okta)).await.status, 200);
        for tenant in ["acme", "globex"] {
            let reply = two.view(tenant, &forged).await;
            let slug = if tenant == "acme" { "token-signature" } else { "token-unknown-provider" };
            assert_eq!((reply.status, reply.slug()), (401, slug), "{key_id} {tenant}");
        }
    }
}

#[tokio::test]
async fn a_grant_of_one_tenant_has_no_effect_in_the_other() {
    let two = TwoTenants::start(revoke_in_globex).await;
    let (acme, globex) = (TwoTenants::jane(&two.server.okta), TwoTenants::jane(&two.globex_okta));
    let (allowed, denied) = (two.view("acme", &acme).await, two.view("globex", &globex).await);
    assert_eq!(allowed.body["decision"], "allow", "{}", allowed.body);
    assert_eq!(denied.body["decision"], "deny", "{}", denied.body);
    assert_eq!(allowed.body["principal"], denied.body["principal"]);
    assert_ne!(allowed.body["generation"], denied.body["generation"]);
}

#[tokio::test]
async fn a_hand_written_policy_of_one_tenant_has_no_effect_in_the_other() {
    let forbid = r#"@id("closed") forbid (principal, action, resource);"#;
    let two = TwoTenants::start(|tree| tree.write("policies/globex/closed.cedar", forbid)).await;
    assert_eq!(two.view("acme", &TwoTenants::jane(&two.server.okta)).await.body["decision"], "allow");
    let closed = two.view("globex", &TwoTenants::jane(&two.globex_okta)).await;
    assert_eq!(closed.body["policies"][0]["id"], "closed");
}

#[tokio::test]
async fn a_batch_is_about_one_tenant() {
    let two = TwoTenants::start(|_| {}).await;
    let question = |token: &str| json!({"token": token, "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let (acme, globex) = (TwoTenants::jane(&two.server.okta), TwoTenants::jane(&two.globex_okta));
    let body = json!({"tenant": "acme", "requests": [question(&acme), question(&globex)]});
    let reply = two.server.post("/authorize/batch", body).await;
    assert_eq!(reply.body["results"][0]["decision"], "allow", "{}", reply.body);
    let other = &reply.body["results"][1]["error"];
    assert_eq!(other["type"], "urn:cedargate:problem:token-unknown-provider", "{}", reply.body);
}

#[tokio::test]
async fn with_several_tenants_and_no_default_one_must_be_named() {
    let two = TwoTenants::start(|_| {}).await;
    let token = TwoTenants::jane(&two.server.okta);
    let question = json!({"action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let mut one = question.clone();
    one["token"] = token.clone().into();
    let many = json!({"token": token, "requests": [question]});
    for (path, body) in [("/authorize", &one), ("/authorize/batch", &many)] {
        let reply = two.server.post(path, body.clone()).await;
        assert_eq!((reply.status, reply.slug()), (400, "tenant-missing"), "{path}");
        let reply = two.server.post(&format!("/tenants/acme{path}"), body.clone()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let reply = two.server.post(&format!("/tenants/globex{path}"), body.clone()).await;
        assert_eq!((reply.status, reply.slug()), (401, "token-unknown-provider"), "{path}");
    }
}

#[tokio::test]
async fn the_default_tenant_is_meant_when_none_is_named() {
    let two = TwoTenants::with_default(Some("globex"), |_| {}).await;
    let question = |token: String| json!({"token": token, "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let globex = two.server.post("/authorize", question(TwoTenants::jane(&two.globex_okta))).await;
    assert_eq!(globex.body["decision"], "allow", "{}", globex.body);
    let acme = two.server.post("/authorize", question(TwoTenants::jane(&two.server.okta))).await;
    assert_eq!((acme.status, acme.slug()), (401, "token-unknown-provider"));
}

#[tokio::test]
async fn a_broken_tenant_answers_503_and_the_other_answers() {
    for (file, text) in [
        ("policies/globex/broken.cedar", "permit ("),
        ("policies/globex/broken.cedar", "permit (principal, action, resource) when { resource.nonsense };"),
        ("policies/globex/manifests/broken.yaml", "type: external-identity\nname: x\nidentity_provider: nobody\n"),
        ("policies/globex/broken.entities.json", "[{}]"),
    ] {
        let two = TwoTenants::start(|tree| tree.write(file, text)).await;
        let broken = two.view("globex", &TwoTenants::jane(&two.globex_okta)).await;
        assert_eq!((broken.status, broken.slug()), (503, "no-snapshot"), "{file}");
        assert_eq!(two.view("acme", &TwoTenants::jane(&two.server.okta)).await.body["decision"], "allow", "{file}");
        let fault = &two.server.status("globex").await["last_reload"]["errors"][0];
        assert!(fault["file"].as_str().unwrap().ends_with(file), "{fault}");
        assert!(fault["line"].as_u64().unwrap() > 0 && fault["column"].as_u64().unwrap() > 0, "{fault}");
        assert_eq!(two.server.status("acme").await["last_reload"]["ok"], true);
        // One tenant drains no node: its fault is told, and whoever wants all of them asks for it.
        assert_eq!(two.server.get("/ready").await.status, 200);
        assert_eq!(two.server.get("/ready?strict").await.status, 503);
    }
}

#[tokio::test]
async fn the_other_tenant_cannot_be_named_in_a_question() {
    let two = TwoTenants::start(revoke_in_globex).await;
    let lee = |issuer: &TestIssuer| issuer.token(json!({"sub": "00u2", "email": "lee@acme.com"}));
    let about = |tenant: &str, token: String, parents: Value| {
        let resource = json!({"type": "Model", "id": "x", "parents": parents});
        json!({"tenant": tenant, "token": token, "action": "viewModel", "resource": resource})
    };
    let body = about("globex", lee(&two.globex_okta), json!(["Tenant::\"acme\""]));
    let reply = two.server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await;
    assert_eq!((reply.status, reply.slug()), (400, "resource-invalid"));
    // A principal who is the other tenant's is nobody here.
    let body = json!({"tenant": "globex", "principal": "User::\"lee@acme.com\"", "action": "viewModel",
        "resource": {"type": "Model", "id": "x", "parents": []}});
    let own = two.server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await;
    assert_eq!(own.body["policies"][0]["id"], "collaborator/Tenant/globex/admin/User/lee@acme.com");
}

/// Texts that nobody would write but to do harm.
fn hostile() -> Vec<(&'static str, String)> {
    let policy = |condition: &str| format!("permit (principal, action, resource) when {{ {condition} }};");
    let nested = |open: &str, core: &str, close: &str, times: usize| {
        policy(&format!("{}{core}{}", open.repeat(times), close.repeat(times)))
    };
    vec![
        ("x.cedar", nested("(", "true", ")", 135)),
        ("x.cedar", nested("(true || ", "true", ")", 150)),
        ("x.cedar", nested("{a: ", "1", "}", 2_000)),
        ("x.cedar", nested("[", "1", "]", 100_000)),
        ("x.cedar", nested("if principal has provider then ", "true", " else false", 60)),
        ("x.cedar", nested("!(", "true", ")", 5_000)),
        ("x.cedar", policy(&format!("1{}", " || true".repeat(1_000)))),
        ("x.cedar", policy(&vec!["true"; 30_000].join(" || "))),
        ("x.cedar", policy(&format!("principal{}", ".a".repeat(50_000)))),
        ("x.entities.json", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("manifests/x.yaml", format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("manifests/x.yaml", format!("type: {}x{}", "{a: ".repeat(5_000), "}".repeat(5_000))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_file_is_its_own_tenants_fault_and_holds_up_no_other() {
    let two = TwoTenants::start(|_| {}).await;
    for (name, text) in hostile() {
        let shown: String = text.chars().take(80).collect();
        let file = format!("policies/globex/{name}");
        two.server.tree.write(&file, &text);
        // A change elsewhere is live meanwhile.
        let freeze = "@id(\"freeze\") forbid (principal, action, resource);";
        two.server.tree.write("policies/acme/freeze.cedar", freeze);
        let (acme, globex) = (TwoTenants::jane(&two.server.okta), TwoTenants::jane(&two.globex_okta));
        eventually("the other tenant's change is live", || async {
            two.view("acme", &acme).await.body["reason"] == "forbidden"
        })
        .await;
        two.server.tree.remove("policies/acme/freeze.cedar");
        eventually("and taken back", || async { two.view("acme", &acme).await.body["decision"] == "allow" }).await;
        eventually("the fault is told", || async { two.server.status("globex").await["last_reload"]["ok"] == false })
            .await;
        let fault = two.server.status("globex").await["last_reload"]["errors"][0].clone();
        assert!(fault["file"].as_str().unwrap().ends_with(name) && fault["line"] != 0, "{shown}: {fault}");
        assert_eq!(two.view("globex", &globex).await.body["decision"], "allow", "{shown}");
        two.server.tree.remove(&file);
        eventually("all is well", || async { two.server.status("globex").await["last_reload"]["ok"] == true }).await;
    }
}
