//! Servers on loopback: cedargate itself, and beside it the least that an axum server can do with the same requests.

use std::hint::black_box;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::BenchError;
use crate::app::{App, AppError};
use crate::http::RawRequest;
use crate::strict_json;

/// A server that runs until it is stopped.
pub struct Running {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), AppError>>,
}

impl Running {
    /// Cedargate. Needs a runtime.
    pub fn cedargate(app: App) -> Self {
        let (stop, stopped) = oneshot::channel();
        let address = app.address();
        let until = async move {
            let _ = stopped.await;
        };
        Self { address, stop, ended: tokio::spawn(app.run(until)) }
    }

    /// Reads the same body as `POST /authorize`, looks at nothing, and answers a constant.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn bare(answer: Bytes) -> Result<Self, BenchError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(AppError::Serve)?;
        let address = listener.local_addr().map_err(AppError::Serve)?;
        // Served as `App` serves.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route(super::PATH, post(move |body: Bytes| async move { constant(&body, answer) }));
        let (stop, stopped) = oneshot::channel();
        let until = async move {
            let _ = stopped.await;
        };
        let server = axum::serve(listener, router).with_graceful_shutdown(until);
        let ended = tokio::spawn(async move { server.await.map_err(AppError::Serve) });
        Ok(Self { address, stop, ended })
    }

    /// Stops it, and waits for its end.
    ///
    /// # Errors
    /// When it had stopped before.
    pub async fn stop(self) -> Result<(), BenchError> {
        let _ = self.stop.send(());
        let ended = self.ended.await.map_err(AppError::Accept)?;
        Ok(ended?)
    }
}

fn constant(body: &[u8], answer: Bytes) -> Response {
    match strict_json::read::<RawRequest>(body) {
        Ok(read) => {
            black_box(read);
            ([(CONTENT_TYPE, "application/json")], answer).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
