//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, whichever the peer begins with.
//!
//! hyper speaks both. What it leaves open, a peer that keeps us waiting, is bounded here for both alike.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::ConnectionLimits;
use super::patience::{Awaited, Exchange, Heard, Patience};

/// How HTTP is spoken, with everyone.
#[derive(Clone)]
pub(super) struct Protocol {
    builder: Builder<TokioExecutor>,
    pub(super) limits: ConnectionLimits,
}

impl Protocol {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
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
        Self { builder, limits }
    }

    /// Serves one connection to its end. Once `leave` completes, it ends after the requests under way.
    pub(super) async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        router: Router,
        mut leave: oneshot::Receiver<()>,
    ) {
        let exchange = Arc::new(Exchange::default());
        let stream = TokioIo::new(Heard::new(stream, Arc::clone(&exchange)));
        let (answers, noted) = (TowerToHyperService::new(router), Arc::clone(&exchange));
        let service = service_fn(move |request| {
            let under_way = noted.begin();
            let answer = answers.call(request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        let mut patience = Patience::new(self.limits);
        loop {
            // The connection comes first: only after it did what it can is it waiting for anyone.
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                _ = &mut leave, if !patience.is_last() => {}
                awaited = patience.end(&exchange) => {
                    if patience.is_last() || matches!(awaited, Awaited::Head(_)) {
                        tracing::debug!("a connection was cut: its peer kept us waiting");
                        return;
                    }
                }
            }
            // HTTP/1.1 ends between two requests, HTTP/2 by saying which requests it still took.
            connection.as_mut().graceful_shutdown();
            patience.make_last();
        }
    }
}

/// An HTTP/2 peer that is there answers a ping; one that is not goes, with its requests.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
