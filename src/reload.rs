//! The rules change: a changed tree is read, assembled, published and made to serve, tenant by tenant.
//!
//! All or nothing for each tenant: one bad file and what served before goes on serving, with the faults in the
//! log, in `/status` and in a metric.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::assemble::{Layout, Outcome, Shared, assemble_shared, assemble_tenant, publish};
use crate::authn::KeyRegistry;
use crate::clock::SharedClock;
use crate::model::{Faults, TenantId};
use crate::snapshot::{TenantHandle, Tenants, Watcher};
use crate::telemetry::{Metrics, ReloadLabels, ReloadResult, SizeLabels, TenantLabels};
use crate::tree::{Fingerprint, Tree, fingerprint, read_tree};

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
        loop {
            watcher.changed().await;
            for _ in 0..MOST_ATTEMPTS {
                let before = self.fingerprint();
                watcher.quiet_moment().await;
                let reloader = self.clone();
                let settled = tokio::task::spawn_blocking(move || reloader.reload_since(&before)).await;
                if settled.is_ok_and(|settled| settled) {
                    break;
                }
            }
        }
    }

    /// Reads the tree once and makes what changed serve. `false` when files were being written meanwhile: nothing
    /// that was read then is used, since half a file can be a valid one.
    pub fn reload(&self) -> bool {
        self.reload_since(&self.fingerprint())
    }

    /// The same, where "meanwhile" began when the fingerprint was taken.
    fn reload_since(&self, before: &Fingerprint) -> bool {
        let tree = read_tree(&self.layout.dirs);
        if *before != self.fingerprint() {
            return false;
        }
        let handles = match tree.listed {
            true => self.tenants.retain(tree.tenants.keys().cloned()),
            // A folder that is away for a moment takes no tenant with it.
            false => self.tenants.all(),
        };
        tree.strays.0.iter().for_each(|fault| tracing::warn!(%fault, "a folder is not a tenant"));
        match assemble_shared(&tree, self.layout.identity) {
            Ok(shared) => {
                for (tenant, handle) in handles.iter() {
                    self.reload_tenant(&tree, &shared, tenant, handle);
                }
            }
            Err(faults) => handles.iter().for_each(|(tenant, handle)| self.fail(tenant, handle, faults.clone())),
        }
        self.configure_keys();
        true
    }

    fn fingerprint(&self) -> Fingerprint {
        let dirs: [&Path; 2] = [&self.layout.dirs.policies, &self.layout.dirs.schema];
        fingerprint(&dirs)
    }

    fn reload_tenant(&self, tree: &Tree, shared: &Shared, tenant: &TenantId, handle: &TenantHandle) {
        let now = self.clock.now();
        let serving = handle.snapshot().map(|snapshot| (snapshot.generation, snapshot.revision));
        let assembled = match tree.tenants.get(tenant) {
            Some(Ok(folder)) => assemble_tenant(&self.layout, tree, shared, tenant, folder, serving, now),
            Some(Err(faults)) => Err(faults.clone()),
            None => return,
        };
        let assembled = match assembled {
            Ok(Outcome::Ready(assembled)) => assembled,
            Ok(Outcome::Unchanged) => {
                handle.confirm(now);
                self.note_outcome(tenant, true);
                return;
            }
            Err(faults) => return self.fail(tenant, handle, faults),
        };
        if let Some(bundle) = &assembled.bundle
            && let Err(fault) = publish(&self.layout, tenant, bundle)
        {
            return self.fail(tenant, handle, fault.into());
        }
        let snapshot = assembled.snapshot;
        let sizes = [
            ("policies", snapshot.policies.set.num_of_policies() - snapshot.policies.links),
            ("links", snapshot.policies.links),
            ("entities", snapshot.entities.len()),
        ];
        for (kind, size) in sizes {
            let labels = SizeLabels { tenant: tenant.to_string(), kind };
            self.metrics.snapshot_size.get_or_create(&labels).set(i64::try_from(size).unwrap_or(i64::MAX));
        }
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
        let providers = snapshots.iter().flat_map(|snapshot| &snapshot.identity_providers);
        let uris: BTreeSet<_> = providers.map(|provider| provider.jwks_uri.clone()).collect();
        self.keys.configure(&uris);
    }
}

/// A tree that never stops changing is looked at again at the next event.
const MOST_ATTEMPTS: usize = 20;
