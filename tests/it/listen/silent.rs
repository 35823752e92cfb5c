//! Peers that connect and say nothing: what they can hold, and whom they keep from an answer.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{ask_by, open_connections};
use crate::support::{TestServer, Wire, eventually};

async fn silent(url: &str, count: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap());
    }
    all
}

#[tokio::test]
async fn a_connection_that_never_says_anything_is_closed_when_the_time_for_a_head_is_over() {
    let server = TestServer::configured(|raw| raw.http.header_timeout_seconds = 1).await;
    let began = Instant::now();
    let mut wires = Vec::new();
    for beginning in ["", "\r\n", "PRI * HTTP/2.0\r\n\r\nS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut wire = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut wire, beginning.as_bytes()).await.unwrap();
        wires.push((beginning, wire));
    }
    for (beginning, mut wire) in wires {
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(10), wire.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{beginning:?} is open after {:?}", began.elapsed());
    }
    assert!(began.elapsed() > Duration::from_millis(900));
}

#[tokio::test]
async fn silent_sockets_on_every_place_keep_nobody_from_an_answer() {
    let server = TestServer::configured(|raw| raw.http.max_connections = 16).await;
    let held = silent(&server.url, 40).await;
    eventually("all places are taken", || async {
        open_connections(&server.client, &server.ops_url, "tcp").await == 16
    })
    .await;
    let fresh = reqwest::Client::new();
    let began = Instant::now();
    let body = timeout(Duration::from_secs(5), ask_by(&fresh, &server.url)).await.expect("an answer").2;
    assert_eq!(body["decision"], "allow", "{body}");
    for path in ["/live", "/ready", "/status", "/metrics"] {
        assert_eq!(timeout(Duration::from_secs(5), server.ops(path)).await.expect("an answer").status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(held);
}

#[tokio::test]
async fn the_listener_for_operations_makes_room_for_whoever_asks() {
    let server = TestServer::start().await;
    let held = silent(&server.ops_url, 200).await;
    // Also connections that asked once, and keep their place.
    let mut used = Vec::new();
    for _ in 0..100 {
        let mut wire = Wire::tcp(&server.ops_url).await;
        assert_eq!(timeout(Duration::from_secs(5), wire.get("/live")).await.expect("an answer"), 200);
        used.push(wire);
    }
    assert_eq!(server.ops("/ready").await.status, 200);
    drop(held);
}

#[tokio::test]
async fn one_peer_has_its_share_of_the_connections_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let server = TestServer::configured(|raw| {
        raw.http.max_connections_per_peer = Some(2);
        raw.http.unix_socket = Some(socket.clone());
    })
    .await;
    let (mut one, mut two) = (Wire::tcp(&server.url).await, Wire::tcp(&server.url).await);
    assert_eq!((one.get("/live").await, two.get("/live").await), (200, 200));
    Wire::tcp(&server.url).await.is_closed().await;
    // Whose socket it is, its mode says: there are no peers to tell apart.
    let mut local = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire::unix(&socket).await;
        assert_eq!(wire.get("/live").await, 200);
        local.push(wire);
    }
    drop(one);
    eventually("its place is free again", || async {
        let mut three = Wire::tcp(&server.url).await;
        three.try_send("GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await && three.try_answer().await == Some(200)
    })
    .await;
    assert_eq!(two.get("/live").await, 200);
}
