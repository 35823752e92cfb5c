//! Takes connections: a listener in, a task for each connection out, bounded, until told to stop.
//!
//! A peer that has its share of the connections is turned away, and where all places are taken, a connection that
//! never asked anything makes room for one that might.
//! INVARIANT: no error of one connection, and no lack of descriptors or memory, ends a listener.

mod connections;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use self::connections::{Connections, NoPlace, Open};
use super::connection::Protocol;
use super::patience::Exchange;
use crate::telemetry::OpenConnections;

/// What connections come from.
pub(super) trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and the address of its peer where it has one.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, peer) = Self::accept(self).await?;
        // Answers are small and whole: held back for more to come, they would only be late.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(peer.ip())))
    }
}

/// Serves what a listener brings; after `stop`, until the last connection has ended.
pub(super) async fn accept(
    listener: impl Listener,
    router: Router,
    protocol: Protocol,
    open: OpenConnections,
    mut stop: watch::Receiver<()>,
) {
    let mut connections = Connections::new(&protocol.limits, open);
    let mut trouble = None;
    // A connection that came when the last place had just been put to use.
    let mut held = None;
    loop {
        let has_room = connections.have_room();
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            Some(ended) = connections.next_end() => {
                connections.forget(&ended);
                continue;
            }
            accepted = next(&listener, &mut held), if has_room => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                trouble = None;
                let place = match connections.place(peer) {
                    Ok(place) => place,
                    // The stream is closed here.
                    Err(NoPlace::OverShare) => continue,
                    Err(NoPlace::Full) => {
                        held = Some((stream, peer));
                        continue;
                    }
                };
                let (stay, leave) = oneshot::channel();
                let exchange = Arc::new(Exchange::default());
                let protocol = protocol.for_peer(place.body_bytes.clone());
                let speaking = protocol.speak(stream, router.clone(), Arc::clone(&exchange), leave);
                connections.add(Open { _stay: stay, exchange, place }, speaking);
            }
            // The peer was gone before we came to it.
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                if trouble.replace(error.kind()) != Some(error.kind()) {
                    tracing::error!(%error, "no connection can be taken: trying on");
                }
                if tokio::time::timeout(PAUSE, stop.changed()).await.is_ok() {
                    break;
                }
            }
        }
    }
    // Peers that try to connect are turned away from now on.
    drop(listener);
    connections.finish().await;
}

/// The connection that was held back, or the next one.
async fn next<L: Listener>(listener: &L, held: &mut Option<Accepted<L>>) -> io::Result<Accepted<L>> {
    match held.take() {
        Some(held) => Ok(held),
        None => listener.accept().await,
    }
}

type Accepted<L> = (<L as Listener>::Stream, Option<IpAddr>);

fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// How long to leave the system alone when it has no descriptor or memory for us.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
