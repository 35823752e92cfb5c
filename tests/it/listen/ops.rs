//! The listener for operations: who may look at the server's own state, and where it is always answered.

use std::net::TcpListener;
use std::sync::Arc;

use cedargate::app::App;
use cedargate::authn::hash_key;
use cedargate::clock::SystemClock;
use cedargate::config::{Config, Permission, RawCallerKey, RawConfig};

use crate::support::server::{CALLER_KEY, issuers, reply};
use crate::support::{Reply, TestServer, TestTree};

const OBSERVER: &str = "cgcaller_observer";
const ADMINISTRATOR: &str = "cgcaller_administrator";
const OF_ONE_TENANT: &str = "cgcaller_of-acme";

async fn with_keys() -> TestServer {
    TestServer::configured(|raw| {
        let key = |name: &str, key: &str, may: Permission, tenants: Option<Vec<String>>| RawCallerKey {
            name: name.into(),
            hash: hash_key(key),
            may: vec![may],
            tenants,
        };
        raw.callers.keys.extend([
            key("observer", OBSERVER, Permission::Observe, None),
            key("administrator", ADMINISTRATOR, Permission::Administer, None),
            key("of one tenant", OF_ONE_TENANT, Permission::Administer, Some(vec!["acme".into()])),
        ]);
    })
    .await
}

async fn look(server: &TestServer, path: &str, key: Option<&str>) -> Reply {
    let mut request = server.client.get(format!("{}{path}", server.url));
    if let Some(key) = key {
        request = request.header("x-cedargate-key", key);
    }
    reply(request.send().await.unwrap()).await
}

#[tokio::test]
async fn only_observers_see_the_servers_state_at_the_door_for_questions() {
    let server = with_keys().await;
    for path in ["/status", "/metrics"] {
        for (key, status, slug) in [
            (None, 401, "key-missing"),
            (Some("cgcaller_nobody"), 403, "caller-key-unknown"),
            (Some(CALLER_KEY), 403, "caller-may-not"),
            (Some(OF_ONE_TENANT), 403, "caller-may-not"),
            (Some(OBSERVER), 200, ""),
            (Some(ADMINISTRATOR), 200, ""),
        ] {
            let reply = look(&server, path, key).await;
            assert_eq!((reply.status, reply.slug()), (status, slug), "{path} {key:?}");
            assert!(status == 200 || !reply.body.to_string().contains("acme"), "{}", reply.body);
        }
    }
    // A key to observe is none to vouch with.
    let body = serde_json::json!({"principal": "User::a", "action": "viewModel", "resource": "Model::m"});
    assert_eq!(server.post_with("/authorize", body, &[("x-cedargate-key", OBSERVER)]).await.status, 403);
}

#[tokio::test]
async fn the_listener_for_operations_answers_everybody_and_nothing_else() {
    let server = TestServer::start().await;
    for path in ["/live", "/ready", "/status", "/metrics", "/openapi.json"] {
        assert_eq!(server.ops(path).await.status, 200, "{path}");
    }
    for path in ["/live", "/ready", "/openapi.json"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let asked = server.client.post(format!("{}/authorize", server.ops_url)).body("{}").send().await.unwrap();
    assert_eq!(asked.status(), 404);
    assert_eq!(server.ops("/tenants").await.slug(), "not-found");
}

/// Starts a server with this address for operations, and says where it listens, or why it does not start.
async fn start_with(ops: Option<String>) -> Result<Option<String>, String> {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let mut raw = RawConfig::default();
    raw.http.bind = "127.0.0.1:0".into();
    raw.ops.bind = ops;
    raw.policies.dir = Some(tree.policies());
    raw.schema.dir = Some(tree.path().join("schema"));
    let config = Config::try_from(raw).map_err(|faults| faults.to_string())?;
    let app = App::start(config, Arc::new(SystemClock)).await.map_err(|error| error.to_string())?;
    Ok(app.ops_address().map(|address| address.to_string()))
}

#[tokio::test]
async fn a_taken_address_is_an_error_where_it_was_asked_for_and_a_warning_where_it_is_the_default() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = start_with(Some(address.clone())).await.unwrap_err();
    assert!(error.contains("`ops.bind`") && error.contains(&address), "{error}");
    // Whoever has the default's port, now or before us: the server starts.
    let _default = TcpListener::bind("127.0.0.1:8181");
    assert_eq!(start_with(None).await, Ok(None));
    for off in ["off", ""] {
        assert_eq!(start_with(Some(off.into())).await, Ok(None));
    }
    let error = start_with(Some("8181".into())).await.unwrap_err();
    assert!(error.contains("`ops.bind`: `8181` is not an address"), "{error}");
}

#[tokio::test]
async fn probes_are_answered_until_the_server_has_stopped() {
    let mut server = TestServer::configured(|raw| raw.http.stop_delay_milliseconds = 300).await;
    assert_eq!(server.ops("/ready").await.status, 200);
    server.begin_stop();
    crate::support::eventually("it is not ready", || async { server.ops("/ready").await.status == 503 }).await;
    assert_eq!(server.ops("/live").await.status, 200);
    server.stopped().await;
    assert!(server.client.get(format!("{}/live", server.ops_url)).send().await.is_err());
}
