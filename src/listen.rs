//! The door in the wall: addresses in, connections that speak HTTP to one router out, and their end.
//!
//! TCP always, a Unix socket beside it where one is configured; HTTP/1.1 and HTTP/2 with prior knowledge on both.
//! What a peer may hold is bounded: connections, heads, and the time that it lets us wait. The only place that knows
//! hyper.

mod accept;
mod connection;
mod patience;
mod unix_socket;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

pub use unix_socket::{SocketMode, UnixSocketError};

use self::accept::accept;
use self::connection::Protocol;
use self::unix_socket::UnixSocket;
use crate::telemetry::Metrics;

/// Where to listen.
#[derive(Clone, Debug)]
pub struct ListenAddresses {
    pub tcp: SocketAddr,
    pub unix: Option<(PathBuf, SocketMode)>,
}

/// What one peer, and all of them, may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections open at once on each listener. One more waits in the kernel's queue until another ends.
    pub max_connections: usize,
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// Without a request under way.
    pub idle_timeout: Duration,
    /// A request's line and headers together.
    pub max_header_bytes: u32,
    /// Requests under way at once on one HTTP/2 connection.
    pub max_streams: u32,
}

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("`{address}` cannot be listened on")]
    Tcp {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Unix(#[from] UnixSocketError),
}

/// Addresses that are ours; peers can connect, nobody answers yet.
pub struct Listeners {
    tcp: TcpListener,
    address: SocketAddr,
    unix: Option<UnixSocket>,
}

impl Listeners {
    /// Takes the addresses.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub async fn bind(addresses: ListenAddresses) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Tcp { address: addresses.tcp, source };
        let tcp = TcpListener::bind(addresses.tcp).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let unix = match addresses.unix {
            Some((path, mode)) => Some(UnixSocket::bind(path, mode).await?),
            None => None,
        };
        Ok(Self { tcp, address, unix })
    }

    /// The TCP address, with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer.
    pub fn serve(self, router: Router, limits: ConnectionLimits, metrics: &Metrics) -> Serving {
        let (stop, stopping) = watch::channel(());
        let protocol = Protocol::new(limits);
        let mut listening = JoinSet::new();
        let open = metrics.open_connections("tcp");
        if let Some(socket) = self.unix {
            let open = metrics.open_connections("unix");
            listening.spawn(accept(socket, router.clone(), protocol.clone(), open, stopping.clone()));
        }
        listening.spawn(accept(self.tcp, router, protocol, open, stopping));
        Serving { listening, stop }
    }
}

/// A server at work. Dropped, it ends at once, with what is under way.
pub struct Serving {
    listening: JoinSet<()>,
    stop: watch::Sender<()>,
}

impl Serving {
    /// Completes when a listener ends by itself, which only a fault of ours can bring about.
    pub async fn failed(&mut self) -> JoinError {
        loop {
            match self.listening.join_next().await {
                Some(Err(fault)) => return fault,
                Some(Ok(())) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Takes no more connections, lets each open one finish its requests, and says whether all did in time.
    pub async fn finish(mut self, patience: Duration) -> bool {
        let _ = self.stop.send(());
        let all = async { while self.listening.join_next().await.is_some() {} };
        tokio::time::timeout(patience, all).await.is_ok()
    }
}
