//! An address that gives out any key set a test likes, from the moment that it is opened.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

#[derive(Clone)]
pub struct KeyEndpoint {
    address: SocketAddr,
    document: Arc<Mutex<Value>>,
    asked: Arc<AtomicU64>,
}

impl KeyEndpoint {
    /// Listens, and gives out this key set at every path.
    pub async fn open(document: Value) -> Self {
        let endpoint = Self::closed(document).await;
        endpoint.listen().await;
        endpoint
    }

    /// Has an address, at which nothing listens yet.
    pub async fn closed(document: Value) -> Self {
        let address = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        Self { address, document: Arc::new(Mutex::new(document)), asked: Arc::default() }
    }

    /// Begins to listen.
    pub async fn listen(&self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        let router = Router::new().fallback(serve).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    pub fn publish(&self, document: Value) {
        *self.document.lock().unwrap() = document;
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(State(endpoint): State<KeyEndpoint>) -> Json<Value> {
    endpoint.asked.fetch_add(1, Ordering::SeqCst);
    Json(endpoint.document.lock().unwrap().clone())
}
