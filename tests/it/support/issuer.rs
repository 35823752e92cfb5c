//! An identity provider for one test: keys that can be changed, a JWKS endpoint that counts who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cedargate::authn::mint::{SigningKey, jwks};
use cedargate::model::SigningAlgorithm;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::AbortHandle;

use super::START;

#[derive(Clone)]
pub struct TestIssuer {
    pub issuer: String,
    pub audience: String,
    published: Published,
    serving: AbortHandle,
}

#[derive(Clone)]
struct Published {
    keys: Arc<Mutex<Arc<SigningKey>>>,
    served: Arc<AtomicU64>,
    gate: Arc<RwLock<()>>,
}

impl TestIssuer {
    /// Starts on loopback with one ES256 key.
    pub async fn start(name: &str, audience: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}/{name}", listener.local_addr().unwrap());
        let key = SigningKey::generate(SigningAlgorithm::ES256, &format!("{name}-1")).unwrap();
        let published =
            Published { keys: Arc::new(Mutex::new(Arc::new(key))), served: Arc::default(), gate: Arc::default() };
        let router = Router::new().route("/{name}/jwks", get(serve)).with_state(published.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { issuer, audience: audience.to_owned(), published, serving }
    }

    /// Takes it off the network: its port refuses connections from now on.
    pub fn go_down(&self) {
        self.serving.abort();
    }

    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer)
    }

    /// Replaces the key.
    pub fn rotate(&self, key_id: &str) {
        let key = SigningKey::generate(SigningAlgorithm::ES256, key_id).unwrap();
        *self.published.keys.lock().unwrap() = Arc::new(key);
    }

    /// The key that signs now.
    pub fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.published.keys.lock().unwrap())
    }

    /// How often the key set was asked for.
    pub fn served(&self) -> u64 {
        self.published.served.load(Ordering::SeqCst)
    }

    /// Whoever asks for the key set waits while this is kept.
    pub async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.published.gate).write_owned().await
    }

    /// A token, valid for an hour from `START`; claims given win, and a `null` leaves a claim out.
    pub fn token(&self, claims: Value) -> String {
        let mut all = json!({
            "iss": self.issuer, "aud": self.audience, "iat": START, "exp": START + 3600,
        });
        let members = all.as_object_mut().unwrap();
        members.extend(claims.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        self.key().sign(&all).unwrap()
    }
}

async fn serve(State(published): State<Published>) -> Json<Value> {
    published.served.fetch_add(1, Ordering::SeqCst);
    let _open = published.gate.read().await;
    let key = Arc::clone(&published.keys.lock().unwrap());
    Json(jwks([key.as_ref()]))
}
