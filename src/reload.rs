//! The rules change: what changed in the tree is read, assembled, published and made to serve, tenant by tenant.
//!
//! All or nothing for each tenant: one bad file and what served before goes on serving, with the faults in the
//! log, in `/status` and in a metric. Each tenant is loaded by itself: none waits for another's faults, nor for
//! another's size. File events name what to look at (`follow`), a `queue` orders it, `workers` load it: what all
//! tenants share (`shared`), which tenants there are (`listing`), and one tenant (`tenant`).

mod background;
mod follow;
mod good;
mod listing;
mod purpose;
mod queue;
mod shared;
mod tenant;
mod workers;

pub use background::{background, stand_back};
pub use purpose::Purpose;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::apply::Wanted;
use crate::assemble::{Layout, ManifestsAre, Shared, assemble_shared, check_directory};
use crate::bundle::WrittenFiles;
use crate::clock::SharedClock;
use crate::directory::Rules;
use crate::model::{Fault, Faults, TenantId};
use crate::publish::UnderWay;
use crate::snapshot::Tenants;
use crate::telemetry::ReloadMetrics;
use crate::tree::{PolicyFolder, Stamps, TenantLook, read_tree};
use queue::{Item, Queue, Urgency, Waiting};

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// How long people's files must have stayed the same.
    pub debounce: Duration,
    pub loads: Arc<Loads>,
}

/// What the loads of one tree know of each other.
#[derive(Default)]
pub struct Loads {
    queue: Queue,
    known: Mutex<Known>,
    /// Whether everything was loaded once, or has a fault that is told.
    first: watch::Sender<bool>,
}

#[derive(Default)]
struct Known {
    shared: KnownShared,
    seen: BTreeMap<TenantId, Seen>,
    /// The hand-written files of each last good load.
    good: BTreeMap<TenantId, Arc<WrittenFiles>>,
    /// Tenants whose folders are not there, and since when: a folder that is away for a moment takes no tenant with it.
    missing: BTreeMap<TenantId, Instant>,
    /// Folders that cannot be a tenant.
    strays: Faults,
    /// What beside the tenants' folders is not read.
    unread: Vec<Fault>,
}

/// What all tenants share, as far as it is known.
#[derive(Default)]
struct KnownShared {
    /// What the file system said of the last reading.
    look: Option<Stamps>,
    good: Option<Arc<GoodShared>>,
    /// Of the last reading.
    faults: Option<Faults>,
    warnings: Vec<Fault>,
}

/// The last reading of what all share that was good.
struct GoodShared {
    shared: Shared,
    platform: PolicyFolder,
    /// Another reading has another number.
    serial: u64,
}

/// A tenant as it was loaded last.
struct Seen {
    look: TenantLook,
    shared: u64,
    is_good: bool,
}

impl Loads {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, item: Item, urgency: Urgency) {
        self.queue.add(item, Instant::now(), Waiting { urgency, ..Waiting::default() });
    }

    /// Completes once everything was loaded, or has a fault that is told.
    pub async fn first_load(&self) {
        let mut first = self.first.subscribe();
        // The sender is here: it does not close.
        let _ = first.wait_for(|is_over| *is_over).await;
    }
}

impl Reloader {
    /// The schema, the default roles and what manifests say, before anything is loaded; none while they have faults.
    pub async fn read_rules(&self) -> Option<Arc<Rules>> {
        let reloader = self.clone();
        let read = move || {
            let tree = read_tree(&reloader.layout.dirs);
            let Ok(shared) = assemble_shared(&tree, reloader.layout.identity) else { return };
            reloader.note_rules(&shared);
            for (tenant, folder) in tree.tenants.iter().flatten() {
                // The faults are for the first load to tell.
                let _ = folder.as_ref().map(|folder| reloader.note_wanted(&shared, tenant, folder));
            }
        };
        let read = tokio::task::spawn_blocking(read).await;
        let _ = read.inspect_err(|error| tracing::error!(%error, "reading the tree failed"));
        self.rules.borrow().clone()
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
        let (state, _) = check_directory(shared, tenant, folder)?;
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.get(tenant).is_none_or(|known| **known != state);
            if is_new {
                wanted.insert(tenant.clone(), Arc::new(state));
            }
            is_new
        });
        Ok(())
    }
}
