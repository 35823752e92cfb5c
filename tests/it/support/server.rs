//! A server in this process, on port 0, over a tree, with a clock that stands still.

use std::sync::Arc;

use cedargate::app::App;
use cedargate::authn::hash_key;
use cedargate::clock::ManualClock;
use cedargate::config::{Config, Permission, RawCallerKey, RawConfig};
use cedargate::snapshot::Tenants;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{START, TestIssuer, TestTree};

pub struct TestServer {
    pub tree: TestTree,
    pub okta: TestIssuer,
    pub github: TestIssuer,
    pub clock: Arc<ManualClock>,
    pub url: String,
    pub ops_url: String,
    pub client: reqwest::Client,
    pub tenants: Arc<Tenants>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The problem's slug, as `token-expired`.
    pub fn slug(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:cedargate:problem:")).unwrap_or_default()
    }
}

/// The key that may vouch on every test server.
pub const CALLER_KEY: &str = "cgcaller_test-key";

impl TestServer {
    /// Over the sample tenant.
    pub async fn start() -> Self {
        let (okta, github) = issuers().await;
        let tree = TestTree::sample(&okta, &github);
        Self::over(tree, okta, github, |_| {}).await
    }

    /// Over the sample tenant, with other settings.
    pub async fn configured(change: impl FnOnce(&mut RawConfig)) -> Self {
        let (okta, github) = issuers().await;
        let tree = TestTree::sample(&okta, &github);
        Self::over(tree, okta, github, change).await
    }

    /// Over the sample tenant with one more file.
    pub async fn with_file(name: &str, text: &str) -> Self {
        let (okta, github) = issuers().await;
        let tree = TestTree::sample(&okta, &github);
        tree.write(name, text);
        Self::over(tree, okta, github, |_| {}).await
    }

    /// Over any tree.
    pub async fn over(
        tree: TestTree,
        okta: TestIssuer,
        github: TestIssuer,
        change: impl FnOnce(&mut RawConfig),
    ) -> Self {
        Self::over_at(START, tree, okta, github, change).await
    }

    /// Over any tree, with the clock at another time: seconds since the epoch.
    pub async fn over_at(
        start: i64,
        tree: TestTree,
        okta: TestIssuer,
        github: TestIssuer,
        change: impl FnOnce(&mut RawConfig),
    ) -> Self {
        let clock = Arc::new(ManualClock::at(start));
        let mut raw = RawConfig::default();
        raw.http.bind = "127.0.0.1:0".into();
        raw.ops.bind = Some("127.0.0.1:0".into());
        // The tests' issuers are on this machine.
        raw.keys.allow_hosts = vec!["127.0.0.0/8".into()];
        raw.http.stop_delay_milliseconds = 0;
        raw.policies.dir = Some(tree.policies());
        raw.schema.dir = Some(tree.path().join("schema"));
        raw.watch.debounce_milliseconds = 20;
        raw.callers.keys.push(RawCallerKey {
            name: "test".into(),
            hash: hash_key(CALLER_KEY),
            may: vec![Permission::Vouch],
            tenants: None,
        });
        change(&mut raw);
        let config = Config::try_from(raw).unwrap();
        let app = App::start(config, clock.clone()).await.unwrap();
        let (url, tenants) = (format!("http://{}", app.address()), app.tenants());
        let ops_url = app.ops_address().map(|address| format!("http://{address}")).unwrap_or_default();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            app.run(async move {
                let _ = stopped.await;
            })
            .await
            .unwrap();
        });
        let client = reqwest::Client::new();
        Self { tree, okta, github, clock, url, ops_url, client, tenants, stop: Some(stop), running: Some(running) }
    }

    /// Asks the server to stop and waits until it has.
    pub async fn stop(&mut self) {
        self.begin_stop();
        self.stopped().await;
    }

    /// Waits until it has stopped.
    pub async fn stopped(&mut self) {
        self.running.take().unwrap().await.unwrap();
    }

    /// Asks the server to stop.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub async fn get(&self, path: &str) -> Reply {
        reply(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    /// `GET` of the listener for operations.
    pub async fn ops(&self, path: &str) -> Reply {
        reply(self.client.get(format!("{}{path}", self.ops_url)).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_with(path, body, &[]).await
    }

    pub async fn post_with(&self, path: &str, body: Value, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.send().await.unwrap()).await
    }

    /// `POST` of exactly these bytes.
    pub async fn post_bytes(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        reply(self.client.post(format!("{}{path}", self.url)).body(body).send().await.unwrap()).await
    }

    /// What `/status` says of a tenant.
    pub async fn status(&self, tenant: &str) -> Value {
        self.ops("/status").await.body["tenants"][tenant].clone()
    }

    /// A token for Jane of the sample's team `ml`.
    pub fn jane(&self) -> String {
        self.okta.token(json!({"sub": "00u1", "email": "jane@acme.com"}))
    }

    /// A token for the sample's partner, known by claims alone.
    pub fn partner(&self) -> String {
        let realm = json!({"roles": ["partner"]});
        self.okta.token(json!({"sub": "00u9", "department": "research", "realm_access": realm}))
    }

    /// `POST /authorize` with a token.
    pub async fn ask(&self, token: &str, action: &str, resource: &str) -> Reply {
        self.post("/authorize", json!({"token": token, "action": action, "resource": resource})).await
    }

    /// `POST /authorize` about a named principal.
    pub async fn vouch(&self, principal: &str, action: &str, resource: &str) -> Reply {
        let body = json!({"principal": principal, "action": action, "resource": resource});
        self.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await
    }
}

pub async fn issuers() -> (TestIssuer, TestIssuer) {
    (TestIssuer::start("okta", "api://gateway").await, TestIssuer::start("github", "cedargate").await)
}

pub async fn reply(response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Reply { status, headers, body }
}
