//! The snapshots that serve: one a tenant, swapped whole. A request takes one and keeps it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use super::Snapshot;
use crate::model::{Fault, Revision, TenantId};

/// How the last attempt to load a tenant ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadOutcome {
    pub ok: bool,
    pub at: Option<DateTime<Utc>>,
    /// Of one that made a new snapshot serve: milliseconds from the first look at the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Files of policies, grants and entities that were read, and those that were as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_read: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_shared: Option<usize>,
    pub errors: Vec<Fault>,
    /// Of what tenants share: worth a look, though nothing is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
}

/// One tenant's serving snapshot. INVARIANT: only a complete, validated snapshot is ever stored here, and a
/// failed reload leaves it as it was.
#[derive(Debug, Default)]
pub struct TenantHandle {
    snapshot: ArcSwapOption<Snapshot>,
    /// Of the snapshot that serves, for those who wait for one.
    revision: watch::Sender<Revision>,
    last_reload: ArcSwap<ReloadOutcome>,
}

impl TenantHandle {
    /// The snapshot that serves now, if one ever loaded.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    pub fn last_reload(&self) -> Arc<ReloadOutcome> {
        self.last_reload.load_full()
    }

    /// Makes a new snapshot serve, and returns the one before. `errors` are faults of files that the last good ones stand
    /// in for.
    pub fn swap(&self, snapshot: Snapshot, errors: Vec<Fault>) -> Option<Arc<Snapshot>> {
        let built = snapshot.built;
        let outcome = ReloadOutcome {
            ok: errors.is_empty(),
            at: Some(snapshot.loaded_at),
            duration_ms: u64::try_from(built.took.as_millis()).ok(),
            files_read: Some(built.files_read),
            files_shared: Some(built.files_shared),
            errors,
            warnings: Vec::new(),
        };
        let revision = snapshot.revision;
        let before = self.snapshot.swap(Some(Arc::new(snapshot)));
        // Whoever waits for the revision finds how it was loaded, too.
        self.last_reload.store(Arc::new(outcome));
        self.revision.send_replace(revision);
        before
    }

    /// Waits until a snapshot of at least this revision serves.
    pub async fn reached(&self, revision: Revision) {
        let mut revisions = self.revision.subscribe();
        // The sender is here: it does not close.
        let _ = revisions.wait_for(|serving| *serving >= revision).await;
    }

    /// Notes that the tree was read and is what serves already.
    pub fn confirm(&self, at: DateTime<Utc>) {
        if !self.last_reload.load().ok {
            self.last_reload.store(Arc::new(ReloadOutcome { ok: true, at: Some(at), ..ReloadOutcome::default() }));
        }
    }

    /// Notes a failed reload; what serves goes on serving.
    pub fn fail(&self, at: DateTime<Utc>, errors: Vec<Fault>) {
        self.last_reload.store(Arc::new(ReloadOutcome { ok: false, at: Some(at), errors, ..ReloadOutcome::default() }));
    }
}

/// All tenants of a node.
#[derive(Debug, Default)]
pub struct Tenants {
    handles: ArcSwap<BTreeMap<TenantId, Arc<TenantHandle>>>,
    /// Held by whoever makes another list of the one that there is.
    relisting: Mutex<()>,
    /// Counts how often it became another list.
    changes: watch::Sender<u64>,
    /// Whether it was ever known which tenants there are.
    listed: AtomicBool,
    /// How the last reading of what they share ended.
    shared: ArcSwap<ReloadOutcome>,
}

impl Tenants {
    pub fn get(&self, tenant: &str) -> Option<Arc<TenantHandle>> {
        self.handles.load().get(tenant).cloned()
    }

    /// Waits until there is such a tenant and a snapshot of at least this revision serves it.
    pub async fn reached(&self, tenant: &str, revision: Revision) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(handle) = self.get(tenant) {
                tokio::select! {
                    () = handle.reached(revision) => return,
                    // The handle may have been one of a tenant that is gone.
                    _ = changes.changed() => {}
                }
            } else {
                let _ = changes.changed().await;
            }
        }
    }

    pub fn all(&self) -> Arc<BTreeMap<TenantId, Arc<TenantHandle>>> {
        self.handles.load_full()
    }

    /// Whether it was ever known which tenants there are: before that a node is not ready.
    pub fn is_listed(&self) -> bool {
        self.listed.load(Ordering::SeqCst)
    }

    pub fn shared(&self) -> Arc<ReloadOutcome> {
        self.shared.load_full()
    }

    pub fn note_shared(&self, outcome: ReloadOutcome) {
        self.shared.store(Arc::new(outcome));
    }

    /// The only tenant, where there is just one.
    pub fn only(&self) -> Option<TenantId> {
        let all = self.handles.load();
        let mut names = all.keys();
        match (names.next(), names.next()) {
            (Some(one), None) => Some(one.clone()),
            _ => None,
        }
    }

    /// The handles of exactly these tenants: new ones are made, those gone are dropped, the others kept.
    pub fn retain(&self, names: impl IntoIterator<Item = TenantId>) -> Arc<BTreeMap<TenantId, Arc<TenantHandle>>> {
        let _alone = self.relisting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.handles.load_full();
        let after: BTreeMap<_, _> = names
            .into_iter()
            .map(|name| {
                let handle = before.get(&name).cloned().unwrap_or_default();
                (name, handle)
            })
            .collect();
        let after = Arc::new(after);
        self.handles.store(Arc::clone(&after));
        self.listed.store(true, Ordering::SeqCst);
        if before.keys().ne(after.keys()) {
            self.changes.send_modify(|count| *count += 1);
        }
        after
    }

    /// Drops a tenant that is no more. INVARIANT: whoever loads it just now swaps into a handle that nobody asks.
    pub fn forget(&self, tenant: &TenantId) {
        let _alone = self.relisting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut handles = BTreeMap::clone(&self.handles.load());
        if handles.remove(tenant).is_some() {
            self.handles.store(Arc::new(handles));
            self.changes.send_modify(|count| *count += 1);
        }
    }
}
