//! Errors of accepting, which a system gives only when it is out of something.

use std::sync::Mutex;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::listen::refused_head::RefusalText;
use crate::listen::{ConnectionLimits, RefusedHead, WhenFull};
use crate::telemetry::Metrics;

/// Gives out what it has, from the end, and then nothing more.
struct Scripted(Mutex<Vec<io::Result<DuplexStream>>>);

impl Listener for Scripted {
    type Stream = DuplexStream;

    async fn accept(&self) -> io::Result<(DuplexStream, Option<IpAddr>)> {
        let next = self.0.lock().unwrap().pop();
        match next {
            Some(next) => next.map(|stream| (stream, None)),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn an_error_of_accepting_does_not_end_the_listener() {
    let (mut client, server) = duplex(1024);
    let errors = [io::ErrorKind::ConnectionAborted, io::ErrorKind::OutOfMemory, io::ErrorKind::Other];
    let mut script = vec![Ok(server)];
    script.extend(errors.map(|kind| Err(kind.into())));
    // EMFILE: too many open files.
    script.push(Err(io::Error::from_raw_os_error(24)));
    let limits = ConnectionLimits {
        max_connections: 1,
        max_connections_per_peer: 0,
        when_full: WhenFull::Wait,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        max_header_bytes: 8192,
        max_streams: 1,
        max_waiting_bodies: 1,
        body_timeout: Duration::from_secs(10),
        max_reading_bytes: 1024,
        max_reading_bytes_per_peer: 1024,
    };
    let (stop, stopping) = watch::channel(());
    let router = Router::new().route("/", get(|| async { "here" }));
    let open = Metrics::default().open_connections("test");
    let words = RefusedHead(|_| RefusalText { request_id: String::new(), content_type: "", body: String::new() });
    let listening = tokio::spawn(accept(Scripted(script.into()), router, Protocol::new(limits, words), open, stopping));
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut beginning = [0; 12];
    client.read_exact(&mut beginning).await.unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200");
    // Open, but without a request: it does not hold up the end.
    stop.send(()).unwrap();
    listening.await.unwrap();
}
