//! One provider's keys: what is at hand, and the task that keeps it fresh.
//!
//! Only the task fetches, so there is never more than one fetch of an address at a time, and a caller that gives
//! up ends nobody else's wait. Callers ask the task for a fetch and wait for it to be done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::address::shown_uri;
use super::failure::Failure;
use super::fetch::Fetcher;
use super::waiting::Waiting;
use super::{KeyStatus, Settings};
use crate::authn::jwks::KeySet;
use crate::clock::SharedClock;

/// Keys and when they came.
#[derive(Debug)]
pub struct FetchedKeys {
    pub keys: KeySet,
    pub fetched_at: DateTime<Utc>,
}

/// What came of asking for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refresh {
    /// Not asked: that was done a moment ago, or there is nobody to ask.
    Throttled,
    /// A fetch was made for this.
    Fetched,
    /// A fetch that was under way already is done.
    Joined,
}

/// The keys of one address.
pub struct KeySource {
    jwks_uri: String,
    fetched: ArcSwapOption<FetchedKeys>,
    /// Counts replacements, of all addresses together.
    changes: Arc<AtomicU64>,
    last_failure: Mutex<Option<Failure>>,
    fetches: AtomicU64,
    asked: Mutex<Asked>,
    waiting: Waiting,
    wake: Notify,
    progress: watch::Receiver<Progress>,
}

/// Fetches started and finished, in order; at most one is between.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    started: u64,
    finished: u64,
    /// Of the last that finished, unless it brought keys.
    failure: Option<Failure>,
}

/// The last fetch that was asked for, because of a token or by an administrator.
#[derive(Debug, Default)]
struct Asked {
    at: Option<Instant>,
    /// The number of the fetch that will answer.
    number: u64,
}

impl KeySource {
    /// A source without keys, and the sender by which its task reports progress.
    pub fn new(jwks_uri: &str, changes: Arc<AtomicU64>) -> (Self, watch::Sender<Progress>) {
        let (sender, progress) = watch::channel(Progress::default());
        let source = Self {
            jwks_uri: jwks_uri.to_owned(),
            fetched: ArcSwapOption::empty(),
            changes,
            last_failure: Mutex::new(None),
            fetches: AtomicU64::new(0),
            asked: Mutex::new(Asked::default()),
            waiting: Waiting::default(),
            wake: Notify::new(),
            progress,
        };
        (source, sender)
    }

    /// A source of keys that someone has at hand; nothing feeds it.
    pub fn holding(jwks_uri: &str, changes: Arc<AtomicU64>, keys: KeySet, now: DateTime<Utc>) -> Self {
        let (source, _) = Self::new(jwks_uri, changes);
        source.fetched.store(Some(Arc::new(FetchedKeys { keys, fetched_at: now })));
        source
    }

    pub fn current(&self, now: DateTime<Utc>, max_stale: Duration) -> Option<Arc<FetchedKeys>> {
        let fetched = self.fetched.load_full()?;
        let max_stale = TimeDelta::from_std(max_stale).unwrap_or(TimeDelta::MAX);
        (now.signed_duration_since(fetched.fetched_at) <= max_stale).then_some(fetched)
    }

    /// Has the keys fetched again and waits, or joins a fetch that is under way; at most one fetch an interval.
    pub async fn refresh_for_unknown_key(
        &self,
        key_id: Option<String>,
        interval: Duration,
        deadline: Instant,
    ) -> Refresh {
        let Some((number, refresh)) = self.claim(interval) else { return Refresh::Throttled };
        // Keys of strangers' own invention must not hold many up: the fetch goes on without whoever may not wait.
        let Some(_waiting) = self.waiting.enter(key_id) else { return Refresh::Throttled };
        let mut progress = self.progress.clone();
        let done = progress.wait_for(|progress| progress.finished >= number);
        match tokio::time::timeout_at(deadline, done).await {
            Ok(Ok(_)) => refresh,
            // The address is not configured any more, or its task has no time: nothing new came.
            Ok(Err(_)) | Err(_) => Refresh::Throttled,
        }
    }

    /// Has the keys fetched and waits, whatever was asked a moment ago. A fetch that is under way may have read the
    /// keys before they changed, so it is the next that counts; all who ask meanwhile share it.
    pub async fn refresh_now(&self, deadline: Instant) -> Result<(), Failure> {
        let number = self.claim_next();
        let mut progress = self.progress.clone();
        let done = progress.wait_for(|progress| progress.finished >= number);
        match tokio::time::timeout_at(deadline, done).await {
            Ok(Ok(progress)) => progress.failure.clone().map_or(Ok(()), Err),
            Ok(Err(_)) => Err(Failure::of_nobody_asking()),
            Err(_) => Err(Failure::of_no_end()),
        }
    }

    fn claim_next(&self) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.progress.borrow().started + 1;
        if asked.number < number {
            *asked = Asked { at: Some(Instant::now()), number };
            self.wake.notify_one();
        }
        number
    }

    /// Whether a fetch is asked for that has not been made.
    fn is_asked_for(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.number > self.progress.borrow().finished
    }

    /// Why the last fetch brought nothing, if it did not.
    pub fn failing(&self) -> Option<Failure> {
        self.progress.borrow().failure.clone()
    }

    /// The number of the fetch to wait for, if there is to be one.
    fn claim(&self, interval: Duration) -> Option<(u64, Refresh)> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = self.progress.borrow();
        if progress.started == 0 || progress.started > progress.finished {
            return Some((progress.started.max(1), Refresh::Joined));
        }
        if asked.number > progress.finished {
            return Some((asked.number, Refresh::Fetched));
        }
        if asked.at.is_some_and(|at| at.elapsed() < interval) {
            return None;
        }
        *asked = Asked { at: Some(Instant::now()), number: progress.started + 1 };
        self.wake.notify_one();
        Some((asked.number, Refresh::Fetched))
    }

    /// Takes keys as those at hand. Tokens that the same keys verified need not be verified again.
    fn take(&self, keys: FetchedKeys) {
        let is_same = self.fetched.load().as_ref().is_some_and(|before| keys.keys.is_written_as(&before.keys));
        self.fetched.store(Some(Arc::new(keys)));
        if !is_same {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Keeps a failure for whoever looks, and logs it unless the last one was the same.
    fn tell(&self, failure: &Failure, shown: &str, failures: u32) {
        let error = &failure.message;
        if self.failing().is_some_and(|last| last.message == *error) {
            tracing::debug!(jwks_uri = %shown, failures, error = %error, "keys not fetched, as before");
        } else {
            tracing::warn!(jwks_uri = %shown, failures, error = %error, "keys not fetched");
        }
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
    }

    pub fn status(&self) -> KeyStatus {
        let fetched = self.fetched.load_full();
        let keys = fetched.as_ref().map(|fetched| &fetched.keys);
        let failure = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        KeyStatus {
            jwks_uri: shown_uri(&self.jwks_uri),
            keys: keys.map_or(0, KeySet::len),
            kids: keys.map(|keys| keys.key_ids().map(str::to_owned).collect()).unwrap_or_default(),
            fetched_at: fetched.as_ref().map(|fetched| fetched.fetched_at),
            last_error: failure.as_ref().map(|failure| failure.message.clone()),
            last_error_at: failure.and_then(|failure| failure.at),
            fetches: self.fetches.load(Ordering::Relaxed),
            skipped: keys.map(|keys| keys.skipped().to_vec()).unwrap_or_default(),
        }
    }
}

/// Fetches now and whenever the keys are due or asked for, until dropped.
pub async fn feed(
    source: Arc<KeySource>,
    fetcher: Arc<Fetcher>,
    clock: SharedClock,
    progress: watch::Sender<Progress>,
) {
    let (settings, shown) = (fetcher.settings(), shown_uri(&source.jwks_uri));
    let mut failures = 0;
    loop {
        progress.send_modify(|progress| progress.started += 1);
        source.fetches.fetch_add(1, Ordering::Relaxed);
        let (failure, wait) = match fetcher.fetch(&source.jwks_uri).await {
            Ok(fetched) => {
                failures = 0;
                let keys = FetchedKeys { keys: fetched.keys, fetched_at: clock.now() };
                tracing::debug!(jwks_uri = %shown, keys = keys.keys.len(), "keys fetched");
                source.take(keys);
                (None, until_refresh(fetched.max_age, settings))
            }
            Err(error) => {
                failures += 1;
                let failure = Failure::of(&error, clock.now());
                source.tell(&failure, &shown, failures);
                (Some(failure), until_retry(failures, settings))
            }
        };
        progress.send_modify(|progress| {
            progress.finished = progress.started;
            progress.failure = failure;
        });
        let due = Instant::now() + wait;
        while !source.is_asked_for() && tokio::time::timeout_at(due, source.wake.notified()).await.is_ok() {}
    }
}

pub(super) fn until_refresh(max_age: Option<Duration>, settings: &Settings) -> Duration {
    max_age.unwrap_or(settings.default_refresh).min(settings.max_refresh).max(settings.min_refresh)
}

pub(super) fn until_retry(failures: u32, settings: &Settings) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    settings.min_retry.saturating_mul(1 << doublings).min(settings.max_retry)
}
