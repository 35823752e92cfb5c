//! Connections: the versions of HTTP that are spoken, over TCP and a Unix socket, and what one peer may take.

mod bodies;
mod heads;
mod limits;
mod ops;
mod silent;
mod unix_socket;

use reqwest::Version;
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::server::CALLER_KEY;
use crate::support::{TestServer, Wire, eventually};

/// Asks what Jane may do, by a client of one's own.
async fn ask_by(client: &reqwest::Client, url: &str) -> (Version, u16, serde_json::Value) {
    let body = json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let request = client.post(format!("{url}/authorize")).header("x-cedargate-key", CALLER_KEY).json(&body);
    let response = request.send().await.unwrap();
    (response.version(), response.status().as_u16(), response.json().await.unwrap())
}

fn speaking_http2() -> reqwest::ClientBuilder {
    reqwest::Client::builder().http2_prior_knowledge()
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_answered_on_the_port_of_http1() {
    let server = TestServer::start().await;
    let http2 = speaking_http2().build().unwrap();
    for (client, version) in [(&http2, Version::HTTP_2), (&server.client, Version::HTTP_11), (&http2, Version::HTTP_2)]
    {
        let (spoken, status, body) = ask_by(client, &server.url).await;
        assert_eq!((spoken, status, &body["decision"]), (version, 200, &json!("allow")), "{body}");
    }
}

#[tokio::test]
async fn many_requests_at_once_share_one_http2_connection() {
    let server = TestServer::configured(|raw| raw.http.max_streams = 8).await;
    let client = speaking_http2().build().unwrap();
    // The first one makes the connection.
    ask_by(&client, &server.url).await;
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let (client, url) = (client.clone(), server.url.clone());
            tokio::spawn(async move { ask_by(&client, &url).await })
        })
        .collect();
    for answer in asking {
        assert_eq!(answer.await.unwrap().1, 200);
    }
    assert_eq!(open_connections(&client, &server.ops_url, "tcp").await, 1);
}

#[tokio::test]
async fn two_requests_share_an_http1_connection() {
    let server = TestServer::start().await;
    let mut wire = Wire::tcp(&server.url).await;
    assert_eq!(wire.get("/live").await, 200);
    assert_eq!(wire.get("/nowhere").await, 404);
    // Sent together, they are answered in order.
    wire.send("GET /live HTTP/1.1\r\nhost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((wire.answer().await.0, wire.answer().await.0), (200, 404));
    wire.send("GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.answer().await.0, 200);
    wire.is_closed().await;
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_hold_up_the_end() {
    let mut server = TestServer::start().await;
    let mut silent = Wire::tcp(&server.url).await;
    let mut used = Wire::tcp(&server.url).await;
    assert_eq!(used.get("/live").await, 200);
    let http2 = speaking_http2().build().unwrap();
    ask_by(&http2, &server.url).await;
    eventually("all three are open", || async { open_connections(&http2, &server.ops_url, "tcp").await == 3 }).await;
    server.stop().await;
    silent.is_closed().await;
    used.is_closed().await;
}

#[tokio::test]
async fn a_request_under_way_on_http2_is_finished_at_the_end() {
    let mut server = TestServer::configured(|raw| {
        raw.keys.unknown_key_interval_seconds = 0;
        raw.keys.unknown_key_wait_milliseconds = 30_000;
    })
    .await;
    let client = speaking_http2().build().unwrap();
    assert_eq!(ask_by(&client, &server.url).await.1, 200);
    // A question that waits for a key that nobody has seen yet.
    server.okta.rotate("okta-2");
    let (held, served) = (server.okta.hold().await, server.okta.served());
    let body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    let asking = tokio::spawn(client.post(format!("{}/authorize", server.url)).json(&body).send());
    eventually("the key is asked for", || async { server.okta.served() > served }).await;
    server.begin_stop();
    let address = server.url.strip_prefix("http://").unwrap();
    eventually("no new connection is taken", || async { TcpStream::connect(address).await.is_err() }).await;
    assert!(!asking.is_finished());
    drop(held);
    let response = asking.await.unwrap().unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (Version::HTTP_2, 200));
    server.stopped().await;
}

/// What the server says that it has open.
async fn open_connections(client: &reqwest::Client, url: &str, listener: &str) -> u64 {
    let text = client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
    let name = format!("cedargate_http_connections{{listener=\"{listener}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}
