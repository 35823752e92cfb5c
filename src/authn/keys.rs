//! The keys of every provider, at hand without waiting.
//!
//! In: the addresses of JWK sets. Out: the current keys of each, read without locks, and a status for operators.
//! Each address has a task of its own that fetches and refreshes, so an unreachable issuer delays nobody else.
//! Keys that were good once serve until newer good ones come, or until they are older than `max_stale`.

mod address;
mod failure;
mod fetch;
mod source;
mod status;
#[cfg(test)]
pub(super) mod test_issuer;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::jwks::KeySet;
use crate::clock::SharedClock;
pub use address::{AllowedHosts, shown_uri};
pub use failure::Failure;
pub use fetch::FetchError;
use fetch::Fetcher;
use source::KeySource;
pub use source::{FetchedKeys, Refresh};
pub use status::KeyStatus;

/// How keys are fetched and how long they are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between fetches when the issuer does not say.
    pub default_refresh: Duration,
    /// The issuer's `max-age` is not taken below this.
    pub min_refresh: Duration,
    /// The issuer's `max-age` is not taken above this.
    pub max_refresh: Duration,
    /// After the first failure; doubles with each.
    pub min_retry: Duration,
    pub max_retry: Duration,
    /// At most one fetch in this time because of tokens that no key at hand verifies.
    pub unknown_key_interval: Duration,
    /// How long keys serve when they cannot be fetched again.
    pub max_stale: Duration,
    /// For one fetch, redirects and body included.
    pub fetch_timeout: Duration,
    pub max_body_bytes: usize,
    pub max_redirects: usize,
    /// How long a token waits for keys that it lacks, at the most.
    pub unknown_key_wait: Duration,
    /// Hosts that may be asked without TLS, wherever they are.
    pub allow_http: Vec<String>,
    /// Hosts that may be asked though they are of this machine or network.
    pub allow_hosts: AllowedHosts,
}

impl Settings {
    /// For whoever looks from a machine of theirs: there is one token to wait for, and issuers on loopback, as the
    /// demo's, are theirs as well.
    pub fn of_one_look(&self) -> Self {
        let unknown_key_wait = self.fetch_timeout.saturating_mul(2);
        Self { unknown_key_wait, allow_hosts: self.allow_hosts.clone().and_loopback(), ..self.clone() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_refresh: Duration::from_secs(15 * 60),
            min_refresh: Duration::from_secs(60),
            max_refresh: Duration::from_secs(24 * 60 * 60),
            min_retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(60),
            unknown_key_interval: Duration::from_secs(5),
            max_stale: Duration::from_secs(3 * 24 * 60 * 60),
            fetch_timeout: Duration::from_secs(5),
            max_body_bytes: 1024 * 1024,
            max_redirects: 3,
            unknown_key_wait: Duration::from_secs(1),
            allow_http: Vec::new(),
            allow_hosts: AllowedHosts::default(),
        }
    }
}

/// Every provider's keys, by the address of the set.
pub struct KeyRegistry {
    sources: ArcSwap<BTreeMap<String, Arc<Entry>>>,
    configuring: Mutex<()>,
    fetcher: Arc<Fetcher>,
    clock: SharedClock,
    runtime: Option<Handle>,
    /// Counts the key sets that came and were not as those before.
    changes: Arc<AtomicU64>,
}

/// A source and the task that feeds it, which ends with the entry.
struct Entry {
    source: Arc<KeySource>,
    task: Option<AbortHandle>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl KeyRegistry {
    /// A registry without addresses. Tasks run on the runtime that this is called in, else on the one that
    /// [`Self::configure`] is called in; without either nothing is ever fetched, which is enough for
    /// [`Verifier::trust`](super::Verifier::trust).
    pub fn new(settings: Settings, clock: SharedClock) -> Self {
        Self {
            sources: ArcSwap::default(),
            configuring: Mutex::new(()),
            fetcher: Arc::new(Fetcher::new(settings)),
            clock,
            runtime: Handle::try_current().ok(),
            changes: Arc::default(),
        }
    }

    /// Makes these the addresses: new ones are fetched in the background from now on, those that are gone are
    /// forgotten, the others keep their keys. Callable from any thread.
    pub fn configure(&self, jwks_uris: &BTreeSet<String>) {
        let _one_at_a_time = self.configuring.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.sources.load_full();
        let next = jwks_uris.iter().map(|uri| {
            let entry = current.get(uri).cloned().unwrap_or_else(|| Arc::new(self.start(uri)));
            (uri.clone(), entry)
        });
        self.sources.store(Arc::new(next.collect()));
    }

    /// Makes these addresses as well, beside those that there are.
    pub fn add<'a>(&self, jwks_uris: impl IntoIterator<Item = &'a str>) {
        let current = self.sources.load_full();
        let new: Vec<_> = jwks_uris.into_iter().filter(|uri| !current.contains_key(*uri)).map(str::to_owned).collect();
        if !new.is_empty() {
            self.configure(&current.keys().cloned().chain(new).collect());
        }
    }

    /// Takes these keys as those at an address, which is then never asked.
    pub fn hold(&self, jwks_uri: &str, keys: KeySet) {
        let _one_at_a_time = self.configuring.lock().unwrap_or_else(PoisonError::into_inner);
        let source = KeySource::holding(jwks_uri, Arc::clone(&self.changes), keys, self.clock.now());
        let mut sources = self.sources.load_full().as_ref().clone();
        sources.insert(jwks_uri.to_owned(), Arc::new(Entry { source: Arc::new(source), task: None }));
        self.sources.store(Arc::new(sources));
    }

    fn start(&self, jwks_uri: &str) -> Entry {
        let (source, progress) = KeySource::new(jwks_uri, Arc::clone(&self.changes));
        let source = Arc::new(source);
        let feed = source::feed(Arc::clone(&source), Arc::clone(&self.fetcher), Arc::clone(&self.clock), progress);
        let runtime = self.runtime.clone().or_else(|| Handle::try_current().ok());
        let task = runtime.map(|runtime| runtime.spawn(feed).abort_handle());
        Entry { source, task }
    }

    /// How often any address's keys were replaced: while this stays the same, so do all keys.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The keys at an address, unless none were ever fetched or they are too old. No waiting, no locks.
    pub fn current(&self, jwks_uri: &str) -> Option<Arc<FetchedKeys>> {
        let sources = self.sources.load();
        sources.get(jwks_uri)?.source.current(self.clock.now(), self.fetcher.settings().max_stale)
    }

    /// When a token that lacks a key now has waited for long enough.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.fetcher.settings().unknown_key_wait
    }

    /// Fetches these addresses again because a token lacks a key, unless that was done a moment ago. All who ask
    /// at the same time wait for the same fetch, until the deadline; for a few keys of each address at once.
    pub async fn refresh_for_unknown_key(
        &self,
        jwks_uris: &BTreeSet<String>,
        key_id: Option<&str>,
        deadline: Instant,
    ) -> Refresh {
        let mut fetches = JoinSet::new();
        for uri in jwks_uris {
            let source = self.sources.load().get(uri).map(|entry| Arc::clone(&entry.source));
            let interval = self.fetcher.settings().unknown_key_interval;
            let key_id = key_id.map(str::to_owned);
            if let Some(source) = source {
                fetches.spawn(async move { source.refresh_for_unknown_key(key_id, interval, deadline).await });
            }
        }
        let mut most = Refresh::Throttled;
        while let Some(one) = fetches.join_next().await {
            most = most.max(one.unwrap_or(Refresh::Throttled));
        }
        most
    }

    /// Fetches these addresses now, whatever was asked a moment ago, and says of each whether that brought keys. Keys
    /// that an issuer has withdrawn end with it.
    pub async fn refresh_now(&self, jwks_uris: &BTreeSet<String>) -> BTreeMap<String, Result<(), Failure>> {
        // One may be under way.
        let deadline = Instant::now() + self.fetcher.settings().fetch_timeout.saturating_mul(2) + SLACK;
        let mut fetches = JoinSet::new();
        for uri in jwks_uris.iter().cloned() {
            let source = self.sources.load().get(&uri).map(|entry| Arc::clone(&entry.source));
            fetches.spawn(async move {
                let done = match source {
                    Some(source) => source.refresh_now(deadline).await,
                    None => Err(Failure::of_nobody_asking()),
                };
                (uri, done)
            });
        }
        let mut all: BTreeMap<_, _> =
            jwks_uris.iter().map(|uri| (uri.clone(), Err(Failure::of_nobody_asking()))).collect();
        while let Some(one) = fetches.join_next().await {
            all.extend(one);
        }
        all
    }

    /// Whether the last fetch of an address failed for a reason that no waiting mends.
    pub fn is_misconfigured(&self, jwks_uri: &str) -> bool {
        let failing = self.sources.load().get(jwks_uri).and_then(|entry| entry.source.failing());
        failing.is_some_and(|failure| failure.is_lasting)
    }

    /// Every address with its keys and its last failure, sorted by address.
    pub fn statuses(&self) -> Vec<KeyStatus> {
        self.sources.load().values().map(|entry| entry.source.status()).collect()
    }

    /// One address's status.
    pub fn status(&self, jwks_uri: &str) -> Option<KeyStatus> {
        self.sources.load().get(jwks_uri).map(|entry| entry.source.status())
    }

    /// Fetches started since the addresses were configured.
    pub fn fetches(&self) -> u64 {
        self.statuses().iter().map(|status| status.fetches).sum()
    }
}

/// For what a fetch takes beside its own time.
const SLACK: Duration = Duration::from_secs(1);
