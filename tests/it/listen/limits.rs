//! What one peer may take: time for a head, its size, and a place among the connections.

use std::time::Duration;

use reqwest::StatusCode;

use super::{ask_by, open_connections, speaking_http2};
use crate::support::{TestServer, Wire, eventually};

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_cut_off() {
    let server = TestServer::configured(|raw| raw.http.header_timeout_seconds = 1).await;
    for beginning in ["G", "P", "GET /live HTTP/1.1\r\nhost:", "\r\n"] {
        let mut wire = Wire::tcp(&server.url).await;
        wire.send(beginning).await;
        wire.is_closed().await;
    }
    // Also the head of a later request, and one that grows a little all the time.
    let mut wire = Wire::tcp(&server.url).await;
    assert_eq!(wire.get("/live").await, 200);
    wire.send("GET /live HTTP/1.1\r\n").await;
    let began = tokio::time::Instant::now();
    while wire.try_send("x-a: b\r\n").await {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(20), "a head that never ends is read for ever");
    }
    assert_eq!(server.get("/live").await.status, 200);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_its_own_time() {
    let server = TestServer::configured(|raw| {
        raw.http.header_timeout_seconds = 1;
        raw.http.idle_timeout_seconds = 3;
    })
    .await;
    let began = tokio::time::Instant::now();
    let mut used = Wire::tcp(&server.url).await;
    assert_eq!(used.get("/live").await, 200);
    let http2 = speaking_http2().build().unwrap();
    ask_by(&http2, &server.url).await;
    used.is_closed().await;
    assert!(began.elapsed() > Duration::from_secs(2), "closed as if its head were slow");
    eventually("the connection of HTTP/2 is closed, too", || async {
        open_connections(&server.client, &server.ops_url, "tcp").await == 0
    })
    .await;
    // Whoever comes back is served on a new one.
    assert_eq!(ask_by(&http2, &server.url).await.1, 200);
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let server = TestServer::configured(|raw| raw.http.max_header_bytes = 10_000).await;
    let http2 = speaking_http2().build().unwrap();
    for client in [&server.client, &http2] {
        for (bytes, status) in [(8_000, StatusCode::OK), (40_000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
            let request = client.get(format!("{}/live", server.url)).header("x-long", "x".repeat(bytes));
            match request.send().await {
                Ok(response) => assert_eq!(response.status(), status, "{bytes}"),
                // The answer can be lost when the connection is closed on what the client still sends.
                Err(_) => assert_ne!(status, StatusCode::OK),
            }
        }
    }
    // A token of the most bytes that are taken fits by default.
    let server = TestServer::start().await;
    for client in [&server.client, &http2] {
        let request = client.get(format!("{}/live", server.url)).bearer_auth("x".repeat(16 * 1024));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_connection_over_the_bound_waits_until_another_ends() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let server = TestServer::configured(|raw| {
        raw.http.max_connections = 2;
        raw.http.unix_socket = Some(socket.clone());
    })
    .await;
    let (mut one, mut two) = (Wire::tcp(&server.url).await, Wire::tcp(&server.url).await);
    assert_eq!((one.get("/live").await, two.get("/live").await), (200, 200));
    let mut three = Wire::tcp(&server.url).await;
    three.send("GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    for _ in 0..20 {
        assert_eq!((one.get("/live").await, two.get("/live").await), (200, 200));
    }
    assert!(!three.has_answer().await, "a third connection is served beside two");
    // The Unix socket has places of its own.
    assert_eq!(Wire::unix(&socket).await.get("/live").await, 200);
    drop(one);
    assert_eq!(three.answer().await.0, 200);
    drop(two);
    eventually("its place is free again", || async {
        open_connections(&server.client, &server.ops_url, "tcp").await == 1
    })
    .await;
}
