//! What moved in the tree in, what is to be loaded out: each path belongs to what all tenants share or to one tenant.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Reloader;
use super::queue::{Item, Urgency, Waiting};
use crate::assemble::Layout;
use crate::model::TenantId;
use crate::model::ids::PLATFORM;
use crate::snapshot::{Moved, Watcher};
use crate::tree::TenantLook;

impl Reloader {
    /// Loads everything, and again whatever changes, for as long as it is polled.
    pub async fn follow(self, mut watcher: Watcher) {
        self.loads.add(Item::Shared, Urgency::Ordinary);
        self.loads.add(Item::Listing, Urgency::Ordinary);
        if let Err(error) = self.start_workers() {
            tracing::error!(%error, "the system gives no threads for loads");
        }
        let _end = CloseAtTheEnd(self.clone());
        let (mut late, mut place) = (Vec::new(), 0);
        loop {
            let moved = watcher.changed().await;
            let reloader = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                reloader.supervise(&mut late);
                place = match moved {
                    Moved::Paths(paths) => {
                        reloader.look_at_paths(&paths);
                        place
                    }
                    Moved::Anything => {
                        reloader.look_at_everything();
                        place
                    }
                    Moved::Poll => reloader.look_around(place),
                };
                (late, place)
            });
            match looked.await {
                Ok(looked) => (late, place) = looked,
                Err(error) => {
                    tracing::error!(%error, "looking at the tree failed");
                    (late, place) = (Vec::new(), 0);
                }
            }
        }
    }

    fn look_at_paths(&self, paths: &BTreeSet<PathBuf>) {
        let mut items = BTreeSet::new();
        for path in paths {
            match item_of(&self.layout, path) {
                Some(item) => {
                    let is_new = matches!(&item, Item::Tenant(tenant) if self.tenants.get(tenant.as_str()).is_none());
                    items.insert(if is_new { Item::Listing } else { item });
                    // A tenant's folder that comes or goes is named itself.
                    if is_of_listing(&self.layout, path) {
                        items.insert(Item::Listing);
                        // So is a file that stands in the wrong place.
                        items.insert(Item::Shared);
                    }
                }
                None => return self.look_at_everything(),
            }
        }
        items.into_iter().for_each(|item| self.loads.add(item, Urgency::Changed));
    }

    fn look_at_everything(&self) {
        self.loads.add(Item::Shared, Urgency::Changed);
        self.loads.add(Item::Listing, Urgency::Changed);
        for tenant in self.tenants.all().keys() {
            self.loads.add(Item::Tenant(tenant.clone()), Urgency::Ordinary);
        }
    }

    /// The net below the events: some tenants at a time, so that thousands of idle ones cost little. Returns where to
    /// go on.
    fn look_around(&self, place: usize) -> usize {
        self.loads.add(Item::Shared, Urgency::Changed);
        self.loads.add(Item::Listing, Urgency::Changed);
        let tenants = self.tenants.all();
        let started = Instant::now();
        let in_turn = tenants.keys().cycle().skip(place).take(tenants.len());
        for (count, tenant) in in_turn.enumerate() {
            if count >= AT_LEAST && started.elapsed() > LOOK_BUDGET {
                return (place + count) % tenants.len();
            }
            let look = self.look(tenant);
            let known = self.loads.known();
            let seen = known.seen.get(tenant);
            if seen.is_none_or(|seen| seen.look != look || !seen.is_good) {
                let wanted = Waiting { urgency: Urgency::Changed, is_forced: true, ..Waiting::default() };
                self.loads.queue.add(Item::Tenant(tenant.clone()), Instant::now(), wanted);
            }
        }
        0
    }

    /// What the file system says of a tenant.
    pub(super) fn look(&self, tenant: &TenantId) -> TenantLook {
        TenantLook::take(&self.layout.dirs, tenant, &self.layout.bundle_folder(tenant))
    }
}

/// Workers end with whoever follows the tree.
struct CloseAtTheEnd(Reloader);

impl Drop for CloseAtTheEnd {
    fn drop(&mut self) {
        self.0.loads.queue.close();
    }
}

/// What a path belongs to; nothing where that is not clear.
fn item_of(layout: &Layout, path: &Path) -> Option<Item> {
    if below(&layout.dirs.schema, path).is_some() {
        return Some(Item::Shared);
    }
    if let Some(below) = layout.bundle_dir.as_deref().and_then(|dir| below(dir, path)) {
        return tenant_of(&below);
    }
    if let Some(below) = below(&layout.dirs.policies, path) {
        return tenant_of(&below);
    }
    item_of(layout.beside.as_deref()?, path)
}

fn is_of_listing(layout: &Layout, path: &Path) -> bool {
    below(&layout.dirs.policies, path).is_some_and(|below| below.components().count() <= 1)
}

fn tenant_of(below: &Path) -> Option<Item> {
    let Some(first) = below.components().next() else { return Some(Item::Listing) };
    let name = first.as_os_str().to_string_lossy();
    if name == PLATFORM {
        return Some(Item::Shared);
    }
    Some(TenantId::parse(&name).map_or(Item::Listing, Item::Tenant))
}

/// A path below a folder; events name paths in full.
fn below(dir: &Path, path: &Path) -> Option<PathBuf> {
    let dir = std::path::absolute(dir).ok()?;
    path.strip_prefix(&dir).ok().map(Path::to_owned)
}

/// How much of a poll goes into looks at tenants, and how many have one at least.
const LOOK_BUDGET: std::time::Duration = std::time::Duration::from_millis(10);
const AT_LEAST: usize = 50;
