//! The rules change: a changed tree is read, assembled, published and made to serve, tenant by tenant.
//!
//! All or nothing for each tenant: one bad file and what served before goes on serving, with the faults in the
//! log, in `/status` and in a metric.

mod background;
mod purpose;

pub use background::{background, stand_back};
pub use purpose::Purpose;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use tokio::sync::watch;

use crate::apply::Wanted;
use crate::assemble::{
    Layout, ManifestsAre, Outcome, Shared, assemble_shared, assemble_tenant, check_directory, publish,
};
use crate::clock::SharedClock;
use crate::directory::Rules;
use crate::model::{Faults, TenantId};
use crate::publish::UnderWay;
use crate::snapshot::{Cause, ReloadOutcome, Snapshot, TenantHandle, Tenants, Watcher};
use crate::telemetry::{ReloadMetrics, ReloadResult};
use crate::tree::{Fingerprint, PolicyFolder, Stamps, Tree, read_tree, stamps_in};

/// How a reading of the tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reloaded {
    /// Everything is what the tree says.
    Good,
    /// Something has a fault, or could not be written: worth another look even when no file changes.
    Faulty,
    /// Files were being written: look again in a moment.
    Unsettled,
}

/// Keeps the serving snapshots what the tree says.
#[derive(Clone)]
pub struct Reloader {
    /// What all tenants share, for those who judge and compile changes of directories.
    pub rules: watch::Sender<Option<Arc<Rules>>>,
    /// What manifests say, where they are a way into a database.
    pub wanted: watch::Sender<Wanted>,
    /// Of the bundles that this process writes.
    pub under_way: UnderWay,
    pub layout: Layout,
    pub tenants: Arc<Tenants>,
    pub purpose: Purpose,
    pub metrics: ReloadMetrics,
    pub clock: SharedClock,
    pub threads: Arc<ThreadPool>,
}

impl Reloader {
    /// Reloads whenever the tree changes, for as long as it is polled. `seen` is the fingerprint of the first reading.
    pub async fn follow(self, mut watcher: Watcher, mut seen: Option<Fingerprint>) {
        let (mut is_good, mut is_settled) = (false, true);
        let mut bundles = self.aside(Self::bundle_stamps).await;
        loop {
            // What was not settled may have become so by the last event that was told.
            let cause = if is_settled { watcher.changed().await } else { Cause::Events };
            is_settled = true;
            let have_bundles_changed = cause == Cause::Poll && {
                let before = std::mem::replace(&mut bundles, self.aside(Self::bundle_stamps).await);
                before != bundles
            };
            for attempt in 1..=MOST_ATTEMPTS {
                let Some(before) = self.aside(Self::fingerprint).await else { break };
                let known = seen.as_ref();
                // A poll reads files only when the file system says that one of them is another.
                if cause == Cause::Poll && is_good && known == Some(&before) && !have_bundles_changed {
                    break;
                }
                if !known.is_some_and(|known| before.is_written_as(known)) {
                    watcher.quiet_moment().await;
                } else if known == Some(&before) && attempt < MOST_ATTEMPTS && !watcher.is_quiet().await {
                    // A bundle may be under way: its `bundle.json` comes last, and needs no quiet moment.
                    tokio::time::sleep(A_LITTLE).await;
                    continue;
                }
                let read = move |reloader: &Self| (reloader.reload_since(&before), before);
                let Some((reloaded, read)) = self.aside(read).await else { break };
                is_settled = reloaded != Reloaded::Unsettled;
                if is_settled {
                    is_good = reloaded == Reloaded::Good;
                    seen = Some(read);
                    break;
                }
            }
        }
    }

    /// Loads for the first time where nothing waits for it, and follows from there.
    pub async fn load_and_follow(self, watcher: Watcher) {
        let seen = self.aside(Self::load_first).await.flatten();
        self.follow(watcher, seen).await;
    }

    /// Works where no request waits for it.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let reloader = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let threads = Arc::clone(&reloader.threads);
            threads.install(|| work(&reloader))
        });
        done.await.inspect_err(|error| tracing::error!(%error, "reading the tree failed")).ok()
    }

    /// The first reading, before anything serves; its fingerprint, if the tree held still.
    pub fn load_first(&self) -> Option<Fingerprint> {
        for _ in 0..MOST_ATTEMPTS {
            let before = self.fingerprint();
            if self.reload_since(&before) != Reloaded::Unsettled {
                return Some(before);
            }
            std::thread::sleep(A_MOMENT);
        }
        None
    }

    /// Reads the tree and makes what changed serve. What was being written since the fingerprint was taken is not
    /// used, since half a file can be a valid one; a tenant that is written all the time holds up no other.
    fn reload_since(&self, before: &Fingerprint) -> Reloaded {
        let started = Instant::now();
        let tree = read_tree(&self.layout.dirs);
        let after = self.fingerprint();
        if !after.is_shared_as(before) {
            return Reloaded::Unsettled;
        }
        let is_settled = |tenant: &TenantId| after.is_tenant_as(before, tenant);
        let handles = match &tree.tenants {
            Some(tenants) => {
                let serving = self.tenants.all();
                let unsettled = serving.keys().filter(|tenant| !is_settled(tenant));
                self.tenants.retain(tenants.keys().filter(|tenant| is_settled(tenant)).chain(unsettled).cloned())
            }
            // A folder that is away for a moment takes no tenant with it.
            None => self.tenants.all(),
        };
        let shared = assemble_shared(&tree, self.layout.identity);
        self.note_shared(shared.as_ref().err(), &tree.strays);
        if let Ok(shared) = &shared {
            self.note_rules(shared);
        }
        let mut replaced = Vec::new();
        let reload = |(tenant, handle): (&TenantId, &Arc<TenantHandle>)| match &shared {
            _ if !is_settled(tenant) => Reloaded::Unsettled,
            Ok(shared) => self.reload_tenant(&tree, shared, tenant, handle, started, &mut replaced),
            Err(faults) => self.fail(tenant, handle, faults.clone()),
        };
        let new = after.tenants().filter(|tenant| !is_settled(tenant)).map(|_| Reloaded::Unsettled);
        // Every tenant has its turn, whatever became of the one before.
        let worst = handles.iter().map(reload).chain(new).max();
        self.purpose.configure_keys(&self.tenants);
        replaced.into_iter().for_each(let_go);
        let of_shared = if shared.is_ok() { Reloaded::Good } else { Reloaded::Faulty };
        worst.map_or(of_shared, |worst| worst.max(of_shared))
    }

    /// Faults of what all tenants share, and folders that are no tenant: to be seen though no tenant has them.
    fn note_shared(&self, faults: Option<&Faults>, strays: &Faults) {
        let errors: Vec<_> = faults.into_iter().chain([strays]).flat_map(|faults| faults.0.clone()).collect();
        let before = self.tenants.shared();
        for fault in errors.iter().filter(|fault| !before.errors.contains(fault)) {
            tracing::error!(%fault, "{} has a fault", self.purpose.tree());
        }
        self.tenants.note_shared(ReloadOutcome {
            ok: errors.is_empty(),
            at: Some(self.clock.now()),
            errors,
            ..ReloadOutcome::default()
        });
    }

    /// Tells others of the schema and the default roles, where they are new.
    fn note_rules(&self, shared: &Shared) {
        self.rules.send_if_modified(|known| {
            let is_new = known.as_ref().is_none_or(|known| {
                known.schema.digest != shared.schema.digest || *known.default_roles != shared.default_roles
            });
            if is_new {
                *known = Some(Arc::new(shared.rules()));
            }
            is_new
        });
    }

    /// Tells what manifests say, where that is not the directory itself.
    fn note_wanted(&self, shared: &Shared, tenant: &TenantId, folder: &PolicyFolder) -> Result<(), Faults> {
        if self.layout.manifests == ManifestsAre::TheDirectory || !folder.has_manifests {
            return Ok(());
        }
        let state = check_directory(shared, tenant, folder)?.state;
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.get(tenant).is_none_or(|known| **known != state);
            if is_new {
                wanted.insert(tenant.clone(), Arc::new(state));
            }
            is_new
        });
        Ok(())
    }

    /// The schema, the default roles and what manifests say, before anything is loaded; none while they have faults.
    pub async fn read_rules(&self) -> Option<Arc<Rules>> {
        let read = |reloader: &Self| {
            let tree = read_tree(&reloader.layout.dirs);
            let Ok(shared) = assemble_shared(&tree, reloader.layout.identity) else { return };
            reloader.note_rules(&shared);
            for (tenant, folder) in tree.tenants.iter().flatten() {
                // The faults are for the first load to tell.
                let _ = folder.as_ref().map(|folder| reloader.note_wanted(&shared, tenant, folder));
            }
        };
        self.aside(read).await;
        self.rules.borrow().clone()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::take(&self.layout.dirs, |tenant| self.layout.bundle_folder(tenant))
    }

    /// What the file system says of all bundles: someone may damage one and tell nobody.
    fn bundle_stamps(&self) -> Vec<Stamps> {
        self.tenants.all().keys().map(|tenant| stamps_in(&self.layout.bundle_folder(tenant))).collect()
    }

    /// Whether a bundle's files are just being replaced.
    fn is_being_published(&self, tenant: &TenantId) -> bool {
        let folder = self.layout.bundle_folder(tenant);
        let before = stamps_in(&folder);
        std::thread::sleep(A_MOMENT);
        before != stamps_in(&folder)
    }

    /// Whether a fault that was not there before is the bundle's, which may be half of one.
    fn is_new_in_bundle(&self, tenant: &TenantId, handle: &TenantHandle, faults: &Faults) -> bool {
        let folder = self.layout.bundle_folder(tenant).to_string_lossy().into_owned();
        is_news(handle, faults) && faults.0.iter().any(|fault| fault.file.starts_with(&folder))
    }

    fn reload_tenant(
        &self,
        tree: &Tree,
        shared: &Shared,
        tenant: &TenantId,
        handle: &TenantHandle,
        started: Instant,
        replaced: &mut Vec<Arc<Snapshot>>,
    ) -> Reloaded {
        let now = self.clock.now();
        let Some(folder) = tree.tenants.as_ref().and_then(|tenants| tenants.get(tenant)) else {
            return Reloaded::Good;
        };
        if let Ok(folder) = folder
            && let Err(faults) = self.note_wanted(shared, tenant, folder)
        {
            return self.fail(tenant, handle, faults);
        }
        let publishing = self.under_way.of(tenant);
        if publishing.is_under_way {
            // Its end tells itself; should it fail, a look without being told is due.
            return Reloaded::Faulty;
        }
        let assemble = || {
            let folder = folder.as_ref().map_err(Clone::clone)?;
            assemble_tenant(&self.layout, tree, shared, tenant, folder, handle.snapshot().as_deref(), now)
        };
        let mut assembled = assemble();
        if assembled.is_err() && self.under_way.of(tenant) != publishing {
            return Reloaded::Faulty;
        }
        if let Err(faults) = &assembled
            && self.is_new_in_bundle(tenant, handle, faults)
        {
            if self.is_being_published(tenant) {
                return Reloaded::Unsettled;
            }
            // Its last file may have come between the reading and the look at it.
            assembled = assemble();
            if assembled.is_err() && self.purpose.publishes() {
                self.under_way.suspect(tenant);
            }
        }
        let assembled = match assembled {
            Ok(Outcome::Ready(assembled)) => assembled,
            Ok(Outcome::Unchanged) => {
                handle.confirm(now);
                self.metrics.is_ok(tenant.as_str(), true);
                return Reloaded::Good;
            }
            Err(faults) => return self.fail(tenant, handle, faults),
        };
        if let Some(bundle) = assembled.bundle.as_ref().filter(|_| self.purpose.publishes())
            && let Err(fault) = publish(&self.layout, tenant, bundle)
        {
            return self.fail(tenant, handle, fault.into());
        }
        let mut snapshot = assembled.snapshot;
        snapshot.built.took = started.elapsed();
        self.metrics.loaded(&snapshot, now);
        let (generation, revision) = (snapshot.generation, snapshot.revision);
        for warning in &snapshot.warnings {
            tracing::warn!(%tenant, %warning, "worth a look");
        }
        // Whoever asks of this very revision finds its providers' keys, or waits for them.
        self.purpose.add_keys(&snapshot);
        replaced.extend(handle.swap(snapshot));
        self.metrics.attempted(tenant.as_str(), ReloadResult::ok);
        self.metrics.is_ok(tenant.as_str(), true);
        tracing::info!(%tenant, %generation, %revision, "{}", self.purpose.of_new_snapshot());
        Reloaded::Good
    }

    fn fail(&self, tenant: &TenantId, handle: &TenantHandle, faults: Faults) -> Reloaded {
        if is_news(handle, &faults) {
            for fault in &faults.0 {
                tracing::error!(%tenant, %fault, "{} has a fault; {}", self.purpose.tree(), self.purpose.meanwhile());
            }
            self.metrics.attempted(tenant.as_str(), ReloadResult::failed);
        }
        self.metrics.is_ok(tenant.as_str(), false);
        handle.fail(self.clock.now(), faults.0);
        Reloaded::Faulty
    }
}

/// The same faults again are no news: a poll would otherwise repeat them for ever.
fn is_news(handle: &TenantHandle, faults: &Faults) -> bool {
    handle.last_reload().errors != faults.0
}

/// Lets go of a snapshot here, rather than in the last request that it serves: all that it alone has goes with it.
fn let_go(snapshot: Arc<Snapshot>) {
    for _ in 0..MOST_WAITS {
        if Arc::strong_count(&snapshot) == 1 {
            break;
        }
        std::thread::sleep(A_WAIT);
    }
}

/// Some tens of milliseconds: requests take less.
const MOST_WAITS: usize = 20;
const A_WAIT: Duration = Duration::from_millis(2);
/// A tree that never stops changing is looked at again at the next event.
const MOST_ATTEMPTS: usize = 20;
/// Events come in bursts.
const A_LITTLE: Duration = Duration::from_millis(10);
/// How long files must hold still where there are no digests to tell, or these do not fit.
const A_MOMENT: Duration = Duration::from_millis(50);
