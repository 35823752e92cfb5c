//! The listener for operations: an address in, answers about the server's own state out, whatever else goes on.
//!
//! A thread and a runtime of its own answer, and where its few places are taken, an idle connection makes room. So
//! neither silent sockets nor decisions that hold every worker keep a probe from being answered.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use tokio::sync::{oneshot, watch};

use super::accept::accept;
use super::connection::Protocol;
use super::{ConnectionLimits, ListenError, OpsAddress, RefusedHead, WhenFull};
use crate::telemetry::OpenConnections;

/// An address that is ours.
pub(super) struct OpsListener {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl OpsListener {
    /// Takes the address; without one that nobody asked for the server does as well.
    pub(super) fn bind(wanted: OpsAddress) -> Result<Option<Self>, ListenError> {
        let bound = TcpListener::bind(wanted.address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(Self { address: listener.local_addr()?, listener })
        });
        match bound {
            Ok(bound) => Ok(Some(bound)),
            Err(source) if wanted.is_needed => Err(ListenError::Ops { address: wanted.address, source }),
            Err(error) => {
                tracing::warn!(
                    address = %wanted.address, %error,
                    "nothing listens for operations: the address is taken; set `ops.bind` to another, or to `off`"
                );
                Ok(None)
            }
        }
    }

    /// Begins to answer, on a thread of its own.
    pub(super) fn serve(
        self,
        router: Router,
        refused_head: RefusedHead,
        open: OpenConnections,
    ) -> Result<OpsServing, ListenError> {
        let address = self.address;
        let failed = |source| ListenError::Ops { address, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener).map_err(failed)?
        };
        let (stop, stopping) = watch::channel(());
        let (stay, gone) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, router, Protocol::new(LIMITS, refused_head), open, stopping) => {}
                    _ = gone => {}
                }
            });
            drop(end);
        };
        std::thread::Builder::new().name("operations".into()).spawn(serve).map_err(failed)?;
        Ok(OpsServing { stop, _stay: stay, ended })
    }
}

/// The listener at work. Dropped, it ends at once.
pub(super) struct OpsServing {
    stop: watch::Sender<()>,
    _stay: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl OpsServing {
    /// Answers what has been asked, and ends.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(PATIENCE, self.ended).await;
    }
}

/// Enough for every probe and scraper of one server, each with a connection of its own.
const LIMITS: ConnectionLimits = ConnectionLimits {
    max_connections: 64,
    max_connections_per_peer: 0,
    when_full: WhenFull::EndIdle,
    header_timeout: Duration::from_secs(5),
    idle_timeout: Duration::from_secs(120),
    max_header_bytes: 16 * 1024,
    max_streams: 16,
    max_waiting_bodies: 4,
    body_timeout: Duration::from_secs(5),
    max_reading_bytes: 1024 * 1024,
    max_reading_bytes_per_peer: 1024 * 1024,
};
const PATIENCE: Duration = Duration::from_secs(1);
