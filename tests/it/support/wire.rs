//! HTTP/1.1 by hand, over TCP or a Unix socket: for what a client library would not let a test do.

use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::server::CALLER_KEY;

/// A connection of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub struct Wire(Box<dyn Stream>);

impl Wire {
    /// Connects to `http://HOST:PORT`.
    pub async fn tcp(url: &str) -> Self {
        Self(Box::new(TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap()))
    }

    /// The same, from another address of this machine.
    pub async fn tcp_from(address: &str, url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address.parse::<IpAddr>().unwrap(), 0).into()).unwrap();
        Self(Box::new(socket.connect(url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap()))
    }

    pub async fn unix(path: &Path) -> Self {
        Self(Box::new(UnixStream::connect(path).await.unwrap()))
    }

    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The status of the next answer, unless the connection ends before it.
    pub async fn try_answer(&mut self) -> Option<u16> {
        let mut start = [0; 12];
        self.0.read_exact(&mut start).await.ok()?;
        std::str::from_utf8(&start).ok()?.split(' ').nth(1)?.parse().ok()
    }

    /// Sends, and says whether the connection still takes it.
    pub async fn try_send(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).await.is_ok()
    }

    /// `GET`, which keeps the connection; the answer's status.
    pub async fn get(&mut self, path: &str) -> u16 {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.answer().await.0
    }

    /// The beginning of a `POST` of which the server has read the head, and waits for the body.
    pub async fn begin_post(&mut self, path: &str, body: &Value) {
        let length = body.to_string().len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-cedargate-key: {CALLER_KEY}\r\ncontent-type: application/json\r\n\
             expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        let asked = self.head().await;
        assert!(asked.starts_with("HTTP/1.1 100"), "{asked}");
    }

    /// The next answer: status, head and body.
    pub async fn answer(&mut self) -> (u16, String, String) {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (status, head, String::from_utf8(body).unwrap())
    }

    /// Whether anything has come that was not read.
    pub async fn has_answer(&mut self) -> bool {
        let mut byte = [0];
        tokio::select! {
            biased;
            read = self.0.read(&mut byte) => { read.unwrap(); true }
            () = std::future::ready(()) => false,
        }
    }

    /// Waits until the server closes the connection, which it does without another byte.
    pub async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        // Closed with bytes of ours unread, it is reset.
        let _ = self.0.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }
}
