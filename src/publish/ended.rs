//! Tenants that a directory has ended: their bundles go, and until they are gone nothing of them serves.
//!
//! In: the tenants that there are, time and again. Only what the directory says it ended is taken away: a bundle of a
//! tenant that it never had may be all that is left of another database.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use crate::assemble::Layout;
use crate::bundle;
use crate::directory::{Directory, Trace};
use crate::model::{Revision, TenantId};

/// Those that were there once, and those whose files still are.
#[derive(Debug, Default)]
pub(super) struct Ended {
    seen: BTreeSet<TenantId>,
    /// With whether it was told that they cannot be removed.
    left: BTreeSet<TenantId>,
    told: BTreeSet<TenantId>,
}

impl Ended {
    /// Looks for what is left of tenants that the directory ended while this process did not run: of a removal that was
    /// interrupted, a folder with nothing in it.
    pub async fn find(&mut self, directory: &dyn Directory, layout: &Layout, live: &BTreeSet<TenantId>) {
        let folders = [Some(&layout.dirs.policies), layout.bundle_dir.as_ref()];
        let entries = folders.into_iter().flatten().flat_map(fs::read_dir).flatten().flatten();
        let names: BTreeSet<_> =
            entries.filter_map(|entry| TenantId::parse(&entry.file_name().to_string_lossy()).ok()).collect();
        for tenant in names.difference(live) {
            let is_ours =
                bundle::recorded_index(&layout.bundle_folder(tenant)).is_none_or(|index| index.is_of_database());
            if is_ours
                && !layout.is_of_manifests(tenant)
                && matches!(directory.trace(tenant, Revision(0)).await, Ok(Trace::Ended))
            {
                self.seen.insert(tenant.clone());
            }
        }
    }

    /// Whether nothing is left to take away.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes away what is left of those that are not among the live ones. What cannot be removed is tried again.
    pub fn take_away(&mut self, live: &BTreeSet<TenantId>, layout: &Layout) {
        for tenant in live.difference(&self.seen).cloned().collect::<Vec<_>>() {
            layout.provenance.begin(&tenant);
            self.seen.insert(tenant);
        }
        for tenant in self.seen.difference(live).cloned().collect::<Vec<_>>() {
            layout.provenance.end(&tenant);
            self.seen.remove(&tenant);
            self.left.insert(tenant);
        }
        for tenant in self.left.clone() {
            if live.contains(&tenant) {
                self.left.remove(&tenant);
                continue;
            }
            match remove(layout, &tenant) {
                Ok(()) => {
                    self.left.remove(&tenant);
                    self.told.remove(&tenant);
                }
                Err(error) if self.told.insert(tenant.clone()) => {
                    tracing::error!(%tenant, %error, "the bundle of a tenant that is no more cannot be removed");
                }
                Err(_) => {}
            }
        }
    }
}

/// Takes away what was compiled for a tenant, and its folder where nothing else is in it.
fn remove(layout: &Layout, tenant: &TenantId) -> io::Result<()> {
    bundle::remove(&layout.bundle_folder(tenant))?;
    // Refused while there is anything in it.
    let _ = fs::remove_dir(layout.dirs.policies.join(tenant.as_str()));
    Ok(())
}
