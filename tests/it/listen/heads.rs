//! Heads that are not HTTP, or say too little or too much: a problem with a body, and an end that is announced.

use serde_json::Value;

use crate::support::{TestServer, Wire};

async fn send(server: &TestServer, head: &str) -> (u16, String, Value) {
    let mut wire = Wire::tcp(&server.url).await;
    wire.try_send(head).await;
    let (status, head, body) = wire.answer().await;
    (status, head, serde_json::from_str(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_head_that_the_parser_refuses_gets_a_problem() {
    let server = TestServer::start().await;
    let long = format!("GET /live HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    let cases = [
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("garbage\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost x\r\n\r\n", 400),
        ("GET /li ve HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost: x\r\nbad\u{1}name: x\r\n\r\n", 400),
        ("POST /authorize HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        (long.as_str(), 431),
    ];
    for (head, status) in cases {
        let shown = &head[..head.len().min(60)];
        let (answered, headers, body) = send(&server, head).await;
        assert_eq!(answered, status, "{shown:?}: {body}");
        assert!(headers.contains("application/problem+json"), "{shown:?}: {headers}");
        assert!(headers.contains("connection: close") && headers.contains("x-request-id: "), "{shown:?}: {headers}");
        assert_eq!(body["status"], status, "{shown:?}");
        assert!(body["type"].as_str().unwrap().starts_with("urn:cedargate:problem:"), "{body}");
        assert_eq!(body["instance"].as_str().unwrap().len(), 26);
    }
}

#[tokio::test]
async fn a_request_has_one_host() {
    let server = TestServer::start().await;
    for (head, status) in [
        ("GET /live HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        ("GET /live HTTP/1.1\r\nhost: [::1]:8180\r\n\r\n", 200),
        ("GET /live HTTP/1.1\r\nhost:\r\n\r\n", 200),
        ("GET /live HTTP/1.0\r\n\r\n", 200),
        ("GET /live HTTP/1.1\r\n\r\n", 400),
        ("GET http://x/live HTTP/1.1\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n", 400),
        ("GET /live HTTP/1.0\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost: x/y\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nhost: a@b\r\n\r\n", 400),
    ] {
        let (answered, _, body) = send(&server, head).await;
        assert_eq!(answered, status, "{head:?}: {body}");
        if status == 400 {
            assert_eq!(body["type"], "urn:cedargate:problem:malformed-request");
        }
    }
}
