//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, whichever the peer begins with.
//!
//! hyper speaks both. What it leaves open, a peer that keeps us waiting, is bounded here for both alike.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};

use super::body::{BodyBounds, Metered};
use super::lingering::{Left, linger};
use super::patience::{Awaited, Exchange, Heard, Patience};
use super::{ConnectionLimits, RefusedHead};

/// How HTTP is spoken, with everyone.
#[derive(Clone)]
pub(super) struct Protocol {
    builder: Builder<TokioExecutor>,
    pub(super) limits: ConnectionLimits,
    refused_head: RefusedHead,
    /// What bodies may hold, those of all connections together.
    body_bytes: Arc<Semaphore>,
    /// Of these, those of the connection's peer.
    peer_body_bytes: Option<Arc<Semaphore>>,
}

impl Protocol {
    pub(super) fn new(limits: ConnectionLimits, refused_head: RefusedHead) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            // hyper's own would count the time between two requests as well, and make a timer for each of them.
            .header_read_timeout(None)
            .max_buf_size(limits.max_header_bytes as usize)
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(limits.max_header_bytes)
            .max_concurrent_streams(limits.max_streams)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        let body_bytes = Arc::new(Semaphore::new(limits.max_reading_bytes));
        Self { builder, limits, refused_head, body_bytes, peer_body_bytes: None }
    }

    /// The same for a connection of a peer whose bodies share these bytes.
    pub(super) fn for_peer(&self, peer_body_bytes: Option<Arc<Semaphore>>) -> Self {
        Self { peer_body_bytes, ..self.clone() }
    }

    /// Serves one connection to its end. Once `leave` completes, it ends after the requests under way.
    pub(super) async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        router: Router,
        exchange: Arc<Exchange>,
        leave: oneshot::Receiver<()>,
    ) {
        let left = Left::default();
        let heard = Heard::new(stream, Arc::clone(&exchange), self.refused_head, left.clone());
        let is_ended_by_hyper = self.serve(heard, router, &exchange, leave).await;
        if let Some(stream) = left.take().filter(|_| is_ended_by_hyper && exchange.lingers()) {
            linger(stream).await;
        }
    }

    /// Whether the connection came to its end by itself.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        heard: Heard<S>,
        router: Router,
        exchange: &Arc<Exchange>,
        mut leave: oneshot::Receiver<()>,
    ) -> bool {
        let (answers, noted) = (TowerToHyperService::new(router), Arc::clone(exchange));
        let bounds = BodyBounds {
            timeout: self.limits.body_timeout,
            bytes: Arc::clone(&self.body_bytes),
            peer_bytes: self.peer_body_bytes.clone(),
            waiting: Arc::new(Semaphore::new(self.limits.max_waiting_bodies)),
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let under_way = noted.begin();
            let (mut head, body) = request.into_parts();
            let (body, progress) = Metered::new(body, bounds.clone());
            head.extensions.insert(progress);
            let answer = answers.call(Request::from_parts(head, body));
            let noted = Arc::clone(&noted);
            async move {
                let answer = answer.await;
                if answer.as_ref().is_ok_and(|answer| closes(answer.headers())) {
                    noted.ends_with_answer();
                }
                drop(under_way);
                answer
            }
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(heard), service));
        let mut patience = Patience::new(self.limits);
        loop {
            // The connection comes first: only after it did what it can is it waiting for anyone.
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return true;
                }
                _ = &mut leave, if !patience.is_last() => {}
                awaited = patience.end(exchange) => {
                    if patience.is_last() || matches!(awaited, Awaited::Head(_)) {
                        tracing::debug!("a connection was cut: its peer kept us waiting");
                        return false;
                    }
                }
            }
            // HTTP/1.1 ends between two requests, HTTP/2 by saying which requests it still took.
            connection.as_mut().graceful_shutdown();
            patience.make_last();
        }
    }
}

fn closes(headers: &HeaderMap) -> bool {
    headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// An HTTP/2 peer that is there answers a ping; one that is not goes, with its requests.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
