//! The hand-written files that a tenant last loaded with: what its directory goes on beside while they have faults.
//!
//! Only where the directory is no file: of a tenant that is all files, a bad one holds up the others, since they may
//! have been changed together.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Reloader;
use crate::bundle::{WrittenFiles, keep_last_good, read_last_good};
use crate::model::{Faults, TenantId};
use crate::tree::PolicyFolder;

impl Reloader {
    /// Keeps the files of a load that was good.
    pub(super) fn keep_good(&self, tenant: &TenantId, platform: &PolicyFolder, folder: &PolicyFolder) {
        if self.layout.is_of_manifests(tenant) || !self.purpose.publishes() {
            return;
        }
        let PolicyFolder { policies, entities, links, .. } = folder.clone();
        let files = WrittenFiles { platform: platform.policies.clone(), policies, entities, links };
        if files.bytes() > MOST_BYTES {
            return;
        }
        let mut known = self.loads.known();
        if known.good.get(tenant).is_some_and(|known| **known == files) {
            return;
        }
        let files = Arc::new(files);
        known.good.insert(tenant.clone(), Arc::clone(&files));
        drop(known);
        let dir = self.layout.bundle_folder(tenant);
        if dir.is_dir()
            && let Err(error) = keep_last_good(&dir, &files)
        {
            tracing::warn!(%tenant, error = %crate::model::with_causes(&error), "the last good files cannot be kept");
        }
    }

    /// The platform's and the tenant's files of the last good load, where these faults are of hand-written files and of
    /// nothing else.
    pub(super) fn last_good(
        &self,
        tenant: &TenantId,
        platform: &PolicyFolder,
        folder: Result<&PolicyFolder, &Faults>,
        faults: &Faults,
    ) -> Option<(PolicyFolder, PolicyFolder)> {
        if self.layout.is_of_manifests(tenant) || !self.purpose.publishes() {
            return None;
        }
        if let Ok(folder) = folder {
            let written = platform.policies.iter().chain(&folder.policies).chain(&folder.entities).chain(&folder.links);
            let written: BTreeSet<_> = written.map(|file| file.name.as_str()).collect();
            let is_other = faults.0.iter().any(|fault| !written.contains(fault.file.as_str()));
            if is_other {
                return None;
            }
        }
        let known = self.loads.known().good.get(tenant).cloned();
        let files = match known {
            Some(known) => known,
            None => Arc::new(read_last_good(&self.layout.bundle_folder(tenant))?),
        };
        let WrittenFiles { platform, policies, entities, links } = (*files).clone();
        let platform = PolicyFolder { policies: platform, ..PolicyFolder::default() };
        Some((platform, PolicyFolder { policies, entities, links, ..PolicyFolder::default() }))
    }
}

/// Larger files are not kept: they would be in memory twice.
const MOST_BYTES: usize = 16 * 1024 * 1024;
