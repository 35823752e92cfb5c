//! An issuer for tests: a real HTTP server on a thread of its own, whose answer can be changed at any time.
//!
//! It counts requests and the bytes it could send, so tests can tell that a fetch was bounded.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::authn::mint::{self, SigningKey};

#[derive(Clone)]
pub enum Answer {
    /// 200 with this body and `Cache-Control`.
    Body(String, Option<&'static str>),
    Status(u16, String),
    /// 200 and this many bytes, without a content length.
    Endless(u64),
    Redirect(String),
    /// Nothing, until the gate opens; then the body.
    Held(Arc<Gate>, String),
    /// The connection is closed.
    Down,
}

/// Holds answers back.
#[derive(Default)]
pub struct Gate(AtomicBool);

impl Gate {
    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub struct TestIssuer {
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Mutex<Answer>,
    requests: AtomicU64,
    sent: AtomicU64,
}

impl TestIssuer {
    pub fn serving(keys: &[&SigningKey]) -> Self {
        Self::answering(keys_answer(keys))
    }

    pub fn answering(answer: Answer) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub fn on(listener: TcpListener, answer: Answer) -> Self {
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        let shared =
            Arc::new(Shared { answer: Mutex::new(answer), requests: AtomicU64::new(0), sent: AtomicU64::new(0) });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (connection, server) = (connection.unwrap(), Arc::clone(&server));
                thread::spawn(move || server.serve(connection));
            }
        });
        Self { address, shared }
    }

    pub fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    pub fn publish(&self, keys: &[&SigningKey]) {
        self.answer(keys_answer(keys));
    }

    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub fn bytes_sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

pub fn keys_answer(keys: &[&SigningKey]) -> Answer {
    Answer::Body(mint::jwks(keys.iter().copied()).to_string(), None)
}

impl Shared {
    fn serve(&self, mut connection: TcpStream) {
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            match connection.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => request.extend_from_slice(&buffer[..read]),
            }
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        let _ = self.write(&mut connection, answer);
    }

    fn write(&self, out: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
        match answer {
            Answer::Body(body, cache) => {
                let cache = cache.map(|cache| format!("cache-control: {cache}\r\n")).unwrap_or_default();
                head(out, 200, &format!("content-length: {}\r\n{cache}", body.len()))?;
                out.write_all(body.as_bytes())
            }
            Answer::Status(status, body) => {
                head(out, status, &format!("content-length: {}\r\n", body.len()))?;
                out.write_all(body.as_bytes())
            }
            Answer::Endless(bytes) => {
                head(out, 200, "")?;
                let chunk = [b' '; 64 * 1024];
                while self.sent.load(Ordering::SeqCst) < bytes {
                    out.write_all(&chunk)?;
                    self.sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
                }
                Ok(())
            }
            Answer::Redirect(target) => head(out, 302, &format!("location: {target}\r\ncontent-length: 0\r\n")),
            Answer::Held(gate, body) => {
                while !gate.0.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
                self.write(out, Answer::Body(body, None))
            }
            Answer::Down => Ok(()),
        }
    }
}

fn head(out: &mut TcpStream, status: u16, headers: &str) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {status} Test\r\nconnection: close\r\n{headers}\r\n")
}

/// Waits for a condition, and fails the test when it does not come.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never came: {what}");
}
