//! The rules change in a database: its head becomes the bundle on disk, and the watcher takes it from there.
//!
//! In: a directory, and the roles that every tenant has. Out: for each of its tenants, files of exactly one revision.
//! Only what changed since the bundle's revision is read, compiled and written; a bundle that is missing, torn or made
//! of other roles is written anew, so that after a crash at any point the next start converges.

mod affected;
mod ended;
mod failing;
mod parts;
mod published;
mod settled;
mod under_way;

pub use under_way::{Publishing, UnderWay};

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::assemble::Layout;
use crate::bundle::{BundleError, PublishError};
use crate::clock::SharedClock;
use crate::directory::{Directory, Progress, Rules, StoreError, TenantHead};
use crate::model::{Revision, TenantId, with_causes};
use ended::Ended;
use failing::Failing;
use published::{Published, inputs_digest};
use settled::Settled;

/// Why a tenant's bundle is not what its directory says.
#[derive(Debug, thiserror::Error)]
pub enum PublishFailure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] PublishError),
    #[error(transparent)]
    Read(#[from] BundleError),
    #[error("`{path}` cannot be made", path = .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a file of the bundle cannot be put into words")]
    Render(#[from] serde_json::Error),
    #[error("a task that writes the bundle failed")]
    Task(#[from] tokio::task::JoinError),
}

/// Keeps the bundles on disk what a directory says.
pub struct Publisher {
    directory: Arc<dyn Directory>,
    layout: Layout,
    under_way: UnderWay,
    progress: Progress,
    clock: SharedClock,
    published: BTreeMap<TenantId, Published>,
    failing: BTreeMap<TenantId, Failing>,
    ended: Ended,
    settled: Settled,
}

impl Publisher {
    pub fn new(
        directory: Arc<dyn Directory>,
        layout: Layout,
        under_way: UnderWay,
        progress: Progress,
        clock: SharedClock,
    ) -> Self {
        let (published, failing) = (BTreeMap::new(), BTreeMap::new());
        let (ended, settled) = (Ended::default(), Settled::default());
        Self { directory, layout, under_way, progress, clock, published, failing, ended, settled }
    }

    /// Publishes whenever it is woken, the rules change, or another process wrote.
    pub async fn follow(mut self, mut rules: watch::Receiver<Option<Arc<Rules>>>, wake: Arc<Notify>) {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let current = rules.borrow_and_update().clone();
            if let Some(current) = current {
                self.publish_all(&current).await;
            }
            tokio::select! {
                () = wake.notified() => {}
                _ = poll.tick() => {}
                changed = rules.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Publishes every tenant whose bundle is not what the directory says. What fails is tried again.
    pub async fn publish_all(&mut self, rules: &Rules) {
        let Some(heads) = self.heads().await else { return };
        let inputs = inputs_digest(rules);
        self.settled.begin(&inputs, heads.len());
        for head in self.settled.due(&heads, &self.under_way.suspects()) {
            if self.must_wait(head) || self.layout.is_of_manifests(&head.tenant) {
                continue;
            }
            let outcome = self.publish(head, rules, &inputs).await;
            let has_ended =
                async || matches!(self.directory.head(&head.tenant).await, Err(StoreError::NoSuchTenant(_)));
            if outcome.is_err() && has_ended().await {
                // Its files went while they were written: that is no failure, and the next look takes the rest away.
                continue;
            }
            self.settled.note(head, outcome.is_ok());
            self.note(head, outcome);
        }
    }

    /// All tenants with their heads; what is left of others is taken away.
    async fn heads(&mut self) -> Option<Arc<[TenantHead]>> {
        let heads = self.directory.tenants().await.inspect_err(|error| {
            tracing::error!(error = %with_causes(error), "the directory cannot be read");
        });
        self.progress.note_reading(heads.as_ref().err().map(|error| with_causes(error)).as_deref());
        let heads = heads.ok()?;
        if self.settled.is_same_list(&heads) && self.ended.is_done() {
            return Some(heads);
        }
        // All of them first: a tenant that takes long to publish hides no other's change.
        let now = self.clock.now();
        for head in heads.iter().filter(|head| !self.settled.has(head)) {
            if !self.layout.is_of_manifests(&head.tenant) {
                self.progress.note_head(&head.tenant, head.head, now);
            }
        }
        if self.settled.is_list(&heads) && self.ended.is_done() {
            return Some(heads);
        }
        let live: BTreeSet<_> = heads.iter().map(|head| head.tenant.clone()).collect();
        self.settled.retain(&live);
        self.progress.retain(&live);
        self.published.retain(|tenant, _| live.contains(tenant));
        self.failing.retain(|tenant, _| live.contains(tenant));
        self.ended.take_away(&live, &self.layout);
        Some(heads)
    }

    /// Takes away what is on disk of tenants that the directory has ended while nobody looked, before anything loads.
    pub async fn take_away_ended(&mut self) {
        let Some(heads) = self.heads().await else { return };
        let live = heads.iter().map(|head| head.tenant.clone()).collect();
        self.ended.find(&*self.directory, &self.layout, &live).await;
        self.ended.take_away(&live, &self.layout);
    }

    fn must_wait(&self, head: &TenantHead) -> bool {
        self.failing.get(&head.tenant).is_some_and(|failing| failing.must_wait())
    }

    fn note(&mut self, head: &TenantHead, outcome: Result<Option<Revision>, PublishFailure>) {
        let tenant = &head.tenant;
        match outcome {
            Ok(revision) => {
                let has_failed = self.failing.remove(tenant).is_some();
                if revision.is_some() || has_failed {
                    self.progress.note_publish(tenant, None, self.clock.now());
                }
                if let Some(revision) = revision {
                    tracing::info!(%tenant, %revision, "a revision is on disk");
                }
            }
            Err(error) => {
                // What is on disk is not known any more.
                self.published.remove(tenant);
                let said = with_causes(&error);
                self.progress.note_publish(tenant, Some(&said), self.clock.now());
                let failing = self.failing.entry(tenant.clone()).or_default();
                if failing.is_news(said) {
                    let error = &failing.said;
                    tracing::error!(%tenant, %error, "the directory cannot be published");
                }
            }
        }
    }
}

/// How soon a write of another process is seen.
const POLL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
