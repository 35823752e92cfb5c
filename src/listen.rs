//! The door in the wall: addresses in, connections that speak HTTP to one router out, and their end.
//!
//! TCP always, a Unix socket beside it where one is configured, and a listener for operations that answers whatever
//! goes on at those; HTTP/1.1 and HTTP/2 with prior knowledge on all. What a peer may hold is bounded: connections,
//! heads, bodies that do not come, and the time that it lets us wait. The only place that knows hyper.

mod accept;
mod body;
mod connection;
mod lingering;
mod ops;
mod patience;
mod refused_head;
mod unix_socket;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

pub use body::{BodyFault, BodyProgress};
pub use refused_head::{RefusalText, RefusedHead};
pub use unix_socket::{SocketMode, UnixSocketError};

use self::accept::accept;
use self::connection::Protocol;
use self::ops::{OpsListener, OpsServing};
use self::unix_socket::UnixSocket;
use crate::telemetry::Metrics;

/// Where to listen.
#[derive(Clone, Debug)]
pub struct ListenAddresses {
    pub tcp: SocketAddr,
    pub unix: Option<(PathBuf, SocketMode)>,
    /// Where probes and scrapers ask; `None` is nowhere.
    pub ops: Option<OpsAddress>,
}

/// Where operations listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpsAddress {
    pub address: SocketAddr,
    /// Asked for in so many words: without it the server does not start.
    pub is_needed: bool,
}

/// What one peer, and all of them, may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections open at once on each listener. One more waits in the kernel's queue until another ends.
    pub max_connections: usize,
    /// Of these, those of one peer: an IPv4 address or an IPv6 network of 64 bits; 0 is no bound of its own.
    pub max_connections_per_peer: usize,
    /// What becomes of one more.
    pub when_full: WhenFull,
    /// For the head of a request: of the first from when the connection is taken, of later ones from the first byte.
    pub header_timeout: Duration,
    /// Without a request under way.
    pub idle_timeout: Duration,
    /// A request's line and headers together.
    pub max_header_bytes: u32,
    /// Requests under way at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Requests of one connection at once whose bodies have not come to their end.
    pub max_waiting_bodies: usize,
    /// For a request's body, from when it is first waited for.
    pub body_timeout: Duration,
    /// What the bodies that are being read may hold, those of all connections together.
    pub max_reading_bytes: usize,
    /// Of these, those of one peer.
    pub max_reading_bytes_per_peer: usize,
}

/// What becomes of a connection for which there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits until another ends; one that never asked anything is ended for it.
    Wait,
    /// One that asks nothing at the moment is ended for it.
    EndIdle,
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
    #[error("`ops.bind`: `{address}` cannot be listened on: name another address, or `off`")]
    Ops {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// What answers: everybody, those who run the server, and peers whose heads cannot be read.
pub struct Routers {
    pub main: Router,
    pub ops: Router,
    pub refused_head: RefusedHead,
}

/// Addresses that are ours; peers can connect, nobody answers yet.
pub struct Listeners {
    tcp: TcpListener,
    address: SocketAddr,
    unix: Option<UnixSocket>,
    ops: Option<OpsListener>,
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
        // The last one: a default that is taken must not be taken by ourselves.
        let ops = addresses.ops.map(OpsListener::bind).transpose()?.flatten();
        Ok(Self { tcp, address, unix, ops })
    }

    /// The TCP address, with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operations listen, if they do.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(|ops| ops.address)
    }

    /// Begins to answer.
    ///
    /// # Errors
    /// When the system gives no thread for operations.
    pub fn serve(self, routers: Routers, limits: ConnectionLimits, metrics: &Metrics) -> Result<Serving, ListenError> {
        let (stop, stopping) = watch::channel(());
        let protocol = Protocol::new(limits, routers.refused_head);
        let ops = self.ops.map(|ops| ops.serve(routers.ops, routers.refused_head, metrics.open_connections("ops")));
        let ops = ops.transpose()?;
        let mut listening = JoinSet::new();
        let open = metrics.open_connections("tcp");
        if let Some(socket) = self.unix {
            let open = metrics.open_connections("unix");
            listening.spawn(accept(socket, routers.main.clone(), protocol.clone(), open, stopping.clone()));
        }
        listening.spawn(accept(self.tcp, routers.main, protocol, open, stopping));
        Ok(Serving { listening, stop, ops })
    }
}

/// A server at work. Dropped, it ends at once, with what is under way.
pub struct Serving {
    listening: JoinSet<()>,
    stop: watch::Sender<()>,
    ops: Option<OpsServing>,
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

    /// Takes no more connections, lets each open one finish its requests, and says whether all did in time. Probes
    /// are answered to the end.
    pub async fn finish(mut self, patience: Duration) -> bool {
        let _ = self.stop.send(());
        let all = async { while self.listening.join_next().await.is_some() {} };
        let is_in_time = tokio::time::timeout(patience, all).await.is_ok();
        if let Some(ops) = self.ops {
            ops.finish().await;
        }
        is_in_time
    }
}
