//! The open connections of one listener: places given and taken back, the share of one peer, and the order in which
//! connections go when others need their places. Dropped, it ends them all.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::listen::patience::Exchange;
use crate::listen::{ConnectionLimits, WhenFull};
use crate::telemetry::OpenConnections;

/// What is kept of an open connection.
pub(super) struct Open {
    /// The connection stays for as long as this sender is here. One each, because a single signal for all would be a
    /// lock that every request of every connection takes.
    pub _stay: oneshot::Sender<()>,
    pub exchange: Arc<Exchange>,
    pub place: Place,
}

/// A place among the connections, counted to its peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    peer: Option<IpAddr>,
    /// What the bodies of this peer may hold.
    pub body_bytes: Option<Arc<Semaphore>>,
}

/// What one peer has.
struct Peer {
    connections: usize,
    body_bytes: Arc<Semaphore>,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Its peer has its share.
    OverShare,
    /// All are taken, by connections that are in use: one may be free later.
    Full,
}

pub(super) struct Connections {
    tasks: JoinSet<()>,
    /// By age: the first is the oldest.
    open: BTreeMap<u64, (Open, AbortHandle)>,
    ages: HashMap<Id, u64>,
    next_age: u64,
    by_peer: HashMap<IpAddr, Peer>,
    most: usize,
    most_of_peer: usize,
    most_body_bytes: usize,
    when_full: WhenFull,
    metric: OpenConnections,
    was_full: bool,
    was_over_share: bool,
}

impl Connections {
    pub(super) fn new(limits: &ConnectionLimits, metric: OpenConnections) -> Self {
        Self {
            tasks: JoinSet::new(),
            open: BTreeMap::new(),
            ages: HashMap::new(),
            next_age: 0,
            by_peer: HashMap::new(),
            most: limits.max_connections,
            most_of_peer: limits.max_connections_per_peer,
            most_body_bytes: limits.max_reading_bytes_per_peer,
            when_full: limits.when_full,
            metric,
            was_full: false,
            was_over_share: false,
        }
    }

    /// Whether another connection can be taken, if need be in the place of one that may go.
    pub(super) fn have_room(&mut self) -> bool {
        let is_full = self.open.len() >= self.most;
        if is_full && !self.was_full {
            // Said once; from then on the metric tells.
            tracing::warn!(connections = self.most, "all places are taken: further connections wait for one");
            self.was_full = true;
        }
        !is_full || self.oldest_to_go().is_some()
    }

    /// A place for a new connection.
    pub(super) fn place(&mut self, peer: Option<IpAddr>) -> Result<Place, NoPlace> {
        let peer = peer.map(network);
        if let Some(peer) = peer.filter(|_| self.most_of_peer > 0) {
            let count = self.by_peer.get(&peer).map_or(0, |peer| peer.connections);
            if count >= self.most_of_peer {
                self.metric.turned_away();
                if !self.was_over_share {
                    tracing::warn!(%peer, connections = count, "a peer has its share: its further connections are closed");
                    self.was_over_share = true;
                }
                return Err(NoPlace::OverShare);
            }
        }
        if self.open.len() >= self.most {
            let oldest = self.oldest_to_go().ok_or(NoPlace::Full)?;
            self.metric.turned_away();
            if let Some((gone, task)) = self.open.remove(&oldest) {
                task.abort();
                self.give_back(gone.place);
            }
        }
        let Some(address) = peer else { return Ok(Place::default()) };
        let most = self.most_body_bytes;
        let new = || Peer { connections: 0, body_bytes: Arc::new(Semaphore::new(most)) };
        let known = self.by_peer.entry(address).or_insert_with(new);
        known.connections += 1;
        Ok(Place { peer, body_bytes: Some(Arc::clone(&known.body_bytes)) })
    }

    pub(super) fn add(&mut self, open: Open, speaking: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(speaking);
        self.ages.insert(task.id(), self.next_age);
        self.open.insert(self.next_age, (open, task));
        self.next_age += 1;
        self.metric.set(self.open.len());
    }

    pub(super) async fn next_end(&mut self) -> Option<Result<(Id, ()), JoinError>> {
        self.tasks.join_next_with_id().await
    }

    pub(super) fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(end) if end.is_cancelled() => end.id(),
            Err(fault) => {
                tracing::error!(%fault, "a connection ended by a fault");
                fault.id()
            }
        };
        if let Some((open, _)) = self.ages.remove(&id).and_then(|age| self.open.remove(&age)) {
            self.give_back(open.place);
        }
        self.metric.set(self.open.len());
    }

    /// Asks all to leave and waits until they have.
    pub(super) async fn finish(mut self) {
        self.open.clear();
        while let Some(ended) = self.next_end().await {
            self.forget(&ended);
        }
        self.metric.set(0);
    }

    /// The connection that makes room: the oldest of those that never asked anything, else, where the listener would
    /// rather answer than wait, the oldest that asks nothing now, or the oldest of all.
    fn oldest_to_go(&self) -> Option<u64> {
        let oldest = |may_go: fn(&Exchange) -> bool| {
            self.open.iter().find(|(_, (open, _))| may_go(&open.exchange)).map(|(age, _)| *age)
        };
        let silent = oldest(Exchange::is_silent);
        match self.when_full {
            WhenFull::Wait => silent,
            WhenFull::EndIdle => silent.or_else(|| oldest(Exchange::is_idle)).or_else(|| oldest(|_| true)),
        }
    }

    fn give_back(&mut self, place: Place) {
        let Some(peer) = place.peer else { return };
        if let Some(known) = self.by_peer.get_mut(&peer) {
            known.connections = known.connections.saturating_sub(1);
            if known.connections == 0 {
                self.by_peer.remove(&peer);
            }
        }
    }
}

/// Whose connections are counted together: an IPv4 address, or the /64 that one site of IPv6 has to itself.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_of_one_ipv6_network_are_counted_as_one_and_mapped_addresses_as_what_they_are() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.1.2.3"), of("10.1.2.3"));
        assert_ne!(of("10.1.2.3"), of("10.1.2.4"));
    }
}
