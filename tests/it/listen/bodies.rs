//! Bodies that come slowly, not at all, or are not read: whom they hold up, and what becomes of their connection.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use super::ask_by;
use crate::support::server::CALLER_KEY;
use crate::support::{TestServer, Wire};

fn post(path: &str, length: usize, headers: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nx-cedargate-key: {CALLER_KEY}\r\n{headers}content-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn requests_that_wait_for_their_bodies_hold_no_place() {
    let server = TestServer::configured(|raw| raw.http.max_in_flight = 2).await;
    let mut waiting = Vec::new();
    for path in ["/authorize", "/authorize/batch", "/tenants/acme/users", "/tenants/acme/batch"].repeat(3) {
        let mut wire = Wire::tcp(&server.url).await;
        wire.send(&post(path, 100, "authorization: Bearer a.b.c\r\n")).await;
        waiting.push(wire);
    }
    for _ in 0..20 {
        assert_eq!(ask_by(&server.client, &server.url).await.1, 200);
    }
    for wire in &mut waiting {
        assert!(!wire.has_answer().await);
    }
}

#[tokio::test]
async fn heads_without_bodies_on_many_http2_connections_leave_a_question_answered_at_once() {
    let server = TestServer::configured(|raw| raw.http.max_in_flight = 64).await;
    let mut floods = Vec::new();
    for _ in 0..17 {
        floods.push(flood(&server.url, 250).await);
    }
    let began = Instant::now();
    assert_eq!(ask_by(&server.client, &server.url).await.1, 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(floods);
}

/// A connection of HTTP/2 with so many heads of `POST /authorize`, and no body.
async fn flood(url: &str, count: u32) -> Wire {
    let mut wire = Wire::tcp(url).await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // RFC 9113 §6.5: settings, none.
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // RFC 7541 §6: `:method: POST`, `:scheme: http` and `/authorize`, `:authority: x` as literals.
    let mut block = vec![0x83, 0x86, 0x04, 10];
    block.extend(b"/authorize");
    block.extend([0x01, 1, b'x']);
    for stream in 0..count {
        let length = u8::try_from(block.len()).unwrap();
        bytes.extend([0, 0, length, 1, 4]);
        bytes.extend((stream * 2 + 1).to_be_bytes());
        bytes.extend(&block);
    }
    wire.send_bytes(&bytes).await;
    wire
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_ends_the_connection() {
    let server = TestServer::configured(|raw| raw.http.body_timeout_seconds = 1).await;
    let mut wire = Wire::tcp(&server.url).await;
    wire.send(&post("/authorize", 100, "")).await;
    wire.send("{").await;
    let (status, head, body) = wire.answer().await;
    assert_eq!(status, 408, "{body}");
    assert!(head.contains("connection: close") && body.contains("body-too-slow"), "{head}{body}");
    wire.is_closed().await;
}

#[tokio::test]
async fn one_connection_may_let_only_so_many_bodies_wait() {
    let server = TestServer::configured(|raw| raw.http.max_waiting_bodies = 4).await;
    let http2 = super::speaking_http2().build().unwrap();
    let mut sending = Vec::new();
    let mut asking = Vec::new();
    for _ in 0..8 {
        let (body, sender) = held_body();
        sending.push(sender);
        asking.push(tokio::spawn(
            http2.post(format!("{}/authorize", server.url)).header("x-cedargate-key", CALLER_KEY).body(body).send(),
        ));
    }
    // Four are refused while four wait, whose bodies then come.
    let mut statuses = Vec::new();
    while statuses.len() < 4 {
        let at = asking.iter().position(tokio::task::JoinHandle::is_finished);
        match at {
            Some(at) => statuses.push(asking.remove(at).await.unwrap().unwrap().status().as_u16()),
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    assert_eq!(statuses, [429; 4]);
    drop(sending);
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap().status(), 400, "an empty body");
    }
}

/// A body that ends, empty, when the sender is dropped.
fn held_body() -> (reqwest::Body, tokio::sync::oneshot::Sender<()>) {
    let (sender, ended) = tokio::sync::oneshot::channel::<()>();
    (reqwest::Body::wrap(Held(ended)), sender)
}

struct Held(tokio::sync::oneshot::Receiver<()>);

impl axum::body::HttpBody for Held {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|_| None)
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_peer_cannot_hold_all_the_memory_that_bodies_may_have() {
    let server = TestServer::configured(|raw| {
        (raw.http.max_body_bytes, raw.http.max_batch_body_bytes) = (100_000, 100_000);
        raw.http.max_reading_bytes = 400_000;
        raw.http.body_timeout_seconds = 60;
    })
    .await;
    let from = async |address: &str| Wire::tcp_from(address, &server.url).await;
    let mut holding = from("127.0.0.2").await;
    holding.send(&post("/authorize", 100_000, "")).await;
    holding.send(&"x".repeat(95_000)).await;
    let large = "x".repeat(20_000);
    let ask = async |address: &str| {
        let mut wire = from(address).await;
        wire.send(&post("/authorize", large.len(), "")).await;
        wire.try_send(&large).await;
        wire.answer().await.0
    };
    crate::support::eventually("the peer has its share", || async { ask("127.0.0.2").await == 429 }).await;
    assert_eq!(ask("127.0.0.3").await, 400, "read, and not JSON");
    // What was held is given back.
    holding.send(&"x".repeat(5_000)).await;
    assert_eq!(holding.answer().await.0, 400);
    assert_eq!(ask("127.0.0.2").await, 400);
}

#[tokio::test]
async fn an_early_refusal_never_breaks_the_next_request() {
    let server = TestServer::configured(|raw| raw.http.max_body_bytes = 2048).await;
    let large = "x".repeat(600_000);
    for (path, headers, body, status) in [
        ("/authorize", "", large.as_str(), 413),
        ("/authorize", "", "{", 400),
        ("/authorize", "x-cedargate-key: a\r\n", "{}", 403),
        ("/nowhere", "", "some", 404),
        ("/nowhere", "", large.as_str(), 413),
        ("/live", "", "some", 405),
        ("/live", "", large.as_str(), 413),
        ("/tenants/acme/users", "authorization: Basic a\r\n", "{}", 400),
    ] {
        let mut wire = Wire::tcp(&server.url).await;
        wire.send(&format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len())).await;
        // The server may close before all of it is sent.
        wire.try_send(body).await;
        let (answered, head, text) = wire.answer().await;
        assert_eq!(answered, status, "{path} {headers} {}: {text}", body.len());
        assert!(text.contains("urn:cedargate:problem:"), "{text}");
        if head.contains("connection: close") {
            wire.is_closed().await;
        } else {
            assert_eq!(wire.get("/live").await, 200, "{path} {headers} {}", body.len());
        }
        assert_eq!(head.contains("connection: close"), body.len() > 2048, "{path} {headers}: {head}");
    }
    // The same in chunks, whose length nobody knows before they came.
    let mut wire = Wire::tcp(&server.url).await;
    wire.send("POST /authorize HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.try_send(&format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
    let (status, head, _) = wire.answer().await;
    assert!(status == 413 && head.contains("connection: close"), "{head}");
    wire.is_closed().await;
}

#[tokio::test]
async fn a_token_that_is_no_token_does_not_wait_for_a_revision() {
    let server = TestServer::configured(|raw| raw.http.max_in_flight = 1).await;
    let ask = |token: &str, at_least: u64| {
        server.post(
            "/authorize",
            json!({"token": token, "action": "viewModel", "resource": "Model::\"gpt-4o\"", "at_least": at_least}),
        )
    };
    let began = Instant::now();
    for at_least in [5, 5_000, u64::MAX] {
        assert_eq!(ask("garbage", at_least).await.status, 401);
        let forged = format!("{}x", server.jane());
        assert_eq!(ask(&forged, at_least).await.status, 401);
    }
    // A good token, and a revision that no change has answered with.
    let reply = ask(&server.jane(), 1_000_000).await;
    assert_eq!((reply.status, reply.slug()), (400, "malformed-request"), "{}", reply.body);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // One that may yet come is waited for, and keeps nobody from an answer.
    let jane = server.jane();
    let waiting = ask(&jane, 50);
    let others = async {
        for _ in 0..20 {
            assert_eq!(ask_by(&server.client, &server.url).await.1, 200);
        }
    };
    let (reply, ()) = timeout(Duration::from_secs(30), async { tokio::join!(waiting, others) }).await.unwrap();
    assert_eq!((reply.status, reply.slug()), (503, "revision-not-live"));
}
