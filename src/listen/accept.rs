//! Takes connections: a listener in, a task for each connection out, bounded, until told to stop.
//!
//! INVARIANT: no error of one connection, and no lack of descriptors or memory, ends a listener.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::connection::Protocol;
use crate::telemetry::OpenConnections;

/// What connections come from.
pub(super) trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        // Answers are small and whole: held back for more to come, they would only be late.
        let _ = stream.set_nodelay(true);
        Ok(stream)
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
    let mut connections = Connections::new(protocol.limits.max_connections, open);
    let mut trouble = None;
    loop {
        let has_room = connections.have_room();
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            Some(ended) = connections.next_end() => {
                connections.forget(&ended);
                continue;
            }
            accepted = listener.accept(), if has_room => accepted,
        };
        match accepted {
            Ok(stream) => {
                trouble = None;
                let (stay, leave) = oneshot::channel();
                connections.add(stay, protocol.clone().speak(stream, router.clone(), leave));
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

/// The tasks of open connections. Dropped, it ends them.
struct Connections {
    tasks: JoinSet<()>,
    /// A connection stays for as long as its sender is here. One each, because a single signal for all would be a
    /// lock that every request of every connection takes.
    stay: HashMap<Id, oneshot::Sender<()>>,
    most: usize,
    open: OpenConnections,
    was_full: bool,
}

impl Connections {
    fn new(most: usize, open: OpenConnections) -> Self {
        Self { tasks: JoinSet::new(), stay: HashMap::new(), most, open, was_full: false }
    }

    fn have_room(&mut self) -> bool {
        let have_room = self.tasks.len() < self.most;
        if !have_room && !self.was_full {
            // Said once; from then on the metric tells.
            tracing::warn!(connections = self.most, "all places are taken: further connections wait for one");
            self.was_full = true;
        }
        have_room
    }

    fn add(&mut self, stay: oneshot::Sender<()>, connection: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(connection);
        self.stay.insert(task.id(), stay);
        self.open.set(self.tasks.len());
    }

    async fn next_end(&mut self) -> Option<Result<(Id, ()), JoinError>> {
        self.tasks.join_next_with_id().await
    }

    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(fault) => {
                tracing::error!(%fault, "a connection ended by a fault");
                fault.id()
            }
        };
        self.stay.remove(&id);
        self.open.set(self.tasks.len());
    }

    /// Asks all to leave and waits until they have.
    async fn finish(mut self) {
        self.stay.clear();
        while let Some(ended) = self.next_end().await {
            self.forget(&ended);
        }
    }
}

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
