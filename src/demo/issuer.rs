//! Identity providers for the demo: fresh keys, a real JWKS endpoint, and a mint that signs any claims.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::authn::algorithm;
use crate::authn::mint::{MintError, SigningKey, jwks};
use crate::clock::SharedClock;
use crate::model::SigningAlgorithm;
use crate::strict_json::{self, StrictJson};

/// Why the demo has no issuers.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("the demo's identity provider cannot listen")]
    Listen(#[from] io::Error),
    #[error(transparent)]
    Key(#[from] MintError),
    #[error("a key could not be made")]
    Thread,
}

/// One provider's other half.
#[derive(Clone)]
pub struct DemoIssuer {
    /// The name of the provider in the sample's manifests.
    pub provider: &'static str,
    pub audience: &'static str,
    pub issuer: String,
    keys: Arc<Vec<SigningKey>>,
    clock: SharedClock,
}

impl DemoIssuer {
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer)
    }

    pub fn mint_url(&self) -> String {
        format!("{}/mint", self.issuer)
    }

    /// A token with these claims. `iss`, `aud`, `iat` and `exp` are filled in when left out; a claim given as `null`
    /// is left out of the token.
    ///
    /// # Errors
    /// When there is no key for the algorithm, or signing fails.
    pub fn mint(&self, claims: Map<String, Value>, algorithm: SigningAlgorithm) -> Result<String, MintError> {
        let now = self.clock.now().timestamp();
        let mut all = Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("aud".to_owned(), json!(self.audience)),
            ("iat".to_owned(), json!(now)),
            ("exp".to_owned(), json!(now + LIFETIME_SECONDS)),
        ]);
        all.extend(claims);
        all.retain(|_, value| !value.is_null());
        let key = self.keys.iter().find(|key| key.algorithm() == algorithm);
        key.ok_or(MintError::Sign { algorithm })?.sign(&Value::Object(all))
    }
}

/// All of the demo's issuers, on one port of loopback.
#[derive(Clone)]
pub struct DemoIssuers(pub Vec<DemoIssuer>);

impl DemoIssuers {
    /// The providers of the sample, with every algorithm that there is. Needs a runtime.
    ///
    /// # Errors
    /// When no port or no keys are to be had.
    pub async fn start(clock: SharedClock) -> Result<Self, IssuerError> {
        let github: &[_] = &[SigningAlgorithm::RS256];
        Self::start_only(clock, &[("okta", "api://gateway", &algorithm::ALL), ("github", "cedargate", github)]).await
    }

    /// Makes keys for these providers, by name, audience and algorithms, and starts to answer. Needs a runtime.
    ///
    /// # Errors
    /// When no port or no keys are to be had.
    pub async fn start_only(
        clock: SharedClock,
        providers: &[(&'static str, &'static str, &[SigningAlgorithm])],
    ) -> Result<Self, IssuerError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let issuer = |(provider, audience, algorithms): &(&'static str, &'static str, &[SigningAlgorithm])| {
            Ok::<_, IssuerError>(DemoIssuer {
                provider,
                audience,
                issuer: format!("{base}/{provider}"),
                keys: Arc::new(generate(provider, algorithms)?),
                clock: Arc::clone(&clock),
            })
        };
        let issuers = Self(providers.iter().map(issuer).collect::<Result<_, _>>()?);
        let router = Router::new()
            .route("/{provider}/jwks", get(serve_keys))
            .route("/{provider}/mint", post(serve_mint))
            .with_state(issuers.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(issuers)
    }

    pub fn get(&self, provider: &str) -> Option<&DemoIssuer> {
        self.0.iter().find(|issuer| issuer.provider == provider)
    }
}

/// RSA keys take a moment each, so all are made at once.
fn generate(provider: &str, algorithms: &[SigningAlgorithm]) -> Result<Vec<SigningKey>, IssuerError> {
    let generate = |algorithm: SigningAlgorithm| {
        let key_id = format!("{provider}-{}", format!("{algorithm:?}").to_lowercase());
        SigningKey::generate(algorithm, &key_id)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = algorithms.iter().map(|algorithm| scope.spawn(|| generate(*algorithm))).collect();
        let made = threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| IssuerError::Thread)??));
        made.collect()
    })
}

async fn serve_keys(State(issuers): State<DemoIssuers>, Path(provider): Path<String>) -> Response {
    match issuers.get(&provider) {
        Some(issuer) => Json(jwks(issuer.keys.iter())).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MintRequest {
    claims: Map<String, Value>,
    alg: Option<SigningAlgorithm>,
}

async fn serve_mint(State(issuers): State<DemoIssuers>, Path(provider): Path<String>, body: Bytes) -> Response {
    let read = strict_json::read::<StrictJson>(&body).and_then(|body| strict_json::from_value(body.0));
    let request: MintRequest = match read {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).into_response(),
    };
    let Some(issuer) = issuers.get(&provider) else { return StatusCode::NOT_FOUND.into_response() };
    match issuer.mint(request.claims, request.alg.unwrap_or(SigningAlgorithm::RS256)) {
        Ok(token) => Json(json!({"token": token})).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

const LIFETIME_SECONDS: i64 = 12 * 60 * 60;
