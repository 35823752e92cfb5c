//! The rules change: a changed tree is read, assembled, published and made to serve, tenant by tenant.
//!
//! All or nothing for each tenant: one bad file and what served before goes on serving, with the faults in the
//! log, in `/status` and in a metric.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::assemble::{Layout, Outcome, Shared, assemble_shared, assemble_tenant, publish};
use crate::authn::KeyRegistry;
use crate::clock::SharedClock;
use crate::model::{Faults, TenantId};
use crate::snapshot::{Cause, ReloadOutcome, TenantHandle, Tenants, Watcher};
use crate::telemetry::{Metrics, ReloadLabels, ReloadResult, SizeLabels, TenantLabels};
use crate::tree::{Fingerprint, Tree, fingerprint, read_tree};

/// How a reading of the tree ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Every tenant is what the tree says, which was read as it stood at this fingerprint.
    Good(Fingerprint),
    /// Something has a fault, or could not be written: worth another look even when no file changes.
    Faulty,
    /// Files were being written: look again in a moment.
    Unsettled,
}

/// Keeps the serving snapshots what the tree says.
#[derive(Clone)]
pub struct Reloader {
    pub layout: Layout,
    pub tenants: Arc<Tenants>,
    pub keys: Arc<KeyRegistry>,
    pub metrics: Metrics,
    pub clock: SharedClock,
}

impl Reloader {
    /// Reloads whenever the tree changes, for as long as it is polled.
    pub async fn follow(self, mut watcher: Watcher) {
        let mut seen = None;
        loop {
            let cause = watcher.changed().await;
            for _ in 0..MOST_ATTEMPTS {
                let before = self.fingerprint();
                // A poll reads files only when the file system says that one of them is another.
                if cause == Cause::Poll && seen.as_ref() == Some(&before) {
                    break;
                }
                watcher.quiet_moment().await;
                let reloader = self.clone();
                match tokio::task::spawn_blocking(move || reloader.reload_since(before)).await {
                    Ok(Reloaded::Good(fingerprint)) => {
                        seen = Some(fingerprint);
                        break;
                    }
                    Ok(Reloaded::Faulty) => {
                        seen = None;
                        break;
                    }
                    Ok(Reloaded::Unsettled) => {}
                    Err(error) => {
                        tracing::error!(%error, "reading the tree failed");
                        break;
                    }
                }
            }
        }
    }

    /// The first reading, before anything serves.
    pub fn load_first(&self) {
        for _ in 0..MOST_ATTEMPTS {
            if self.reload_since(self.fingerprint()) != Reloaded::Unsettled {
                return;
            }
            std::thread::sleep(BETWEEN_FIRST_ATTEMPTS);
        }
    }

    /// Reads the tree and makes what changed serve, unless files were being written since the fingerprint was
    /// taken: nothing that was read then is used, since half a file can be a valid one.
    fn reload_since(&self, before: Fingerprint) -> Reloaded {
        let started = Instant::now();
        let tree = read_tree(&self.layout.dirs);
        if before != self.fingerprint() {
            return Reloaded::Unsettled;
        }
        // A folder that is away for a moment takes no tenant with it.
        let handles = match &tree.tenants {
            Some(tenants) => self.tenants.retain(tenants.keys().cloned()),
            None => self.tenants.all(),
        };
        let shared = assemble_shared(&tree, self.layout.identity);
        self.note_shared(shared.as_ref().err(), &tree.strays);
        let good = match &shared {
            Ok(shared) => {
                let reload = |(tenant, handle): (&TenantId, &Arc<TenantHandle>)| {
                    self.reload_tenant(&tree, shared, tenant, handle, started)
                };
                // Every tenant has its turn, whatever became of the one before.
                let good: Vec<bool> = handles.iter().map(reload).collect();
                good.into_iter().all(|one| one)
            }
            Err(faults) => {
                handles.iter().for_each(|(tenant, handle)| self.fail(tenant, handle, faults.clone()));
                false
            }
        };
        self.configure_keys();
        if good { Reloaded::Good(before) } else { Reloaded::Faulty }
    }

    /// Faults of what all tenants share, and folders that are no tenant: to be seen though no tenant has them.
    fn note_shared(&self, faults: Option<&Faults>, strays: &Faults) {
        let errors: Vec<_> = faults.into_iter().chain([strays]).flat_map(|faults| faults.0.clone()).collect();
        let before = self.tenants.shared();
        for fault in errors.iter().filter(|fault| !before.errors.contains(fault)) {
            tracing::error!(%fault, "the tree has a fault");
        }
        self.tenants.note_shared(ReloadOutcome {
            ok: errors.is_empty(),
            at: Some(self.clock.now()),
            errors,
            ..ReloadOutcome::default()
        });
    }

    fn fingerprint(&self) -> Fingerprint {
        let folders = self.layout.folders();
        fingerprint(&folders.iter().map(PathBuf::as_path).collect::<Vec<_>>())
    }

    fn reload_tenant(
        &self,
        tree: &Tree,
        shared: &Shared,
        tenant: &TenantId,
        handle: &TenantHandle,
        started: Instant,
    ) -> bool {
        let now = self.clock.now();
        let serving = handle.snapshot();
        let assembled = match tree.tenants.as_ref().and_then(|tenants| tenants.get(tenant)) {
            Some(Ok(folder)) => assemble_tenant(&self.layout, tree, shared, tenant, folder, serving.as_deref(), now),
            Some(Err(faults)) => Err(faults.clone()),
            None => return true,
        };
        let assembled = match assembled {
            Ok(Outcome::Ready(assembled)) => assembled,
            Ok(Outcome::Unchanged) => {
                handle.confirm(now);
                self.note_outcome(tenant, true);
                return true;
            }
            Err(faults) => {
                self.fail(tenant, handle, faults);
                return false;
            }
        };
        if let Some(bundle) = &assembled.bundle
            && let Err(fault) = publish(&self.layout, tenant, bundle)
        {
            self.fail(tenant, handle, fault.into());
            return false;
        }
        let mut snapshot = assembled.snapshot;
        snapshot.built.took = started.elapsed();
        for (kind, size) in snapshot.sizes() {
            let labels = SizeLabels { tenant: tenant.to_string(), kind };
            self.metrics.snapshot_size.get_or_create(&labels).set(i64::try_from(size).unwrap_or(i64::MAX));
        }
        self.metrics.reloaded(tenant.as_str(), &snapshot.built);
        let (generation, revision) = (snapshot.generation, snapshot.revision);
        for warning in &snapshot.warnings {
            tracing::warn!(%tenant, %warning, "worth a look");
        }
        handle.swap(snapshot);
        self.count(tenant, ReloadResult::ok);
        self.note_outcome(tenant, true);
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit a float exactly")]
        let seconds = now.timestamp() as f64;
        self.metrics.last_reload.get_or_create(&TenantLabels { tenant: tenant.to_string() }).set(seconds);
        tracing::info!(%tenant, %generation, %revision, "a new snapshot serves");
        true
    }

    fn fail(&self, tenant: &TenantId, handle: &TenantHandle, faults: Faults) {
        // The same faults again are no news: a poll would otherwise repeat them for ever.
        if handle.last_reload().errors != faults.0 {
            for fault in &faults.0 {
                tracing::error!(%tenant, %fault, "the tree has a fault; the last good snapshot goes on serving");
            }
            self.count(tenant, ReloadResult::failed);
        }
        self.note_outcome(tenant, false);
        handle.fail(self.clock.now(), faults.0);
    }

    fn count(&self, tenant: &TenantId, outcome: ReloadResult) {
        self.metrics.reloads.get_or_create(&ReloadLabels { tenant: tenant.to_string(), outcome }).inc();
    }

    fn note_outcome(&self, tenant: &TenantId, ok: bool) {
        self.metrics.reload_ok.get_or_create(&TenantLabels { tenant: tenant.to_string() }).set(i64::from(ok));
    }

    /// Keys are fetched for exactly the providers of the serving snapshots.
    fn configure_keys(&self) {
        let all = self.tenants.all();
        let snapshots: Vec<_> = all.values().filter_map(|handle| handle.snapshot()).collect();
        let providers = snapshots.iter().flat_map(|snapshot| snapshot.identity_providers.iter());
        let uris: BTreeSet<_> = providers.map(|provider| provider.jwks_uri.clone()).collect();
        self.keys.configure(&uris);
    }
}

/// A tree that never stops changing is looked at again at the next event.
const MOST_ATTEMPTS: usize = 20;
const BETWEEN_FIRST_ATTEMPTS: Duration = Duration::from_millis(50);
