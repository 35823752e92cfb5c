//! Parts of the tree by themselves: which tenants there are, what all of them share, and what people wrote for one.
//!
//! A server with thousands of tenants reads one of them again without a look at the others.

use std::collections::BTreeSet;
use std::fs;

use super::open::cannot_read;
use super::read::{OF_THEIR_OWN, missing_folder, read_folder, read_schema, read_top_level};
use super::{PolicyFolder, Tree, TreeDirs, shown};
use crate::model::ids::PLATFORM;
use crate::model::{Fault, Faults, TenantId};

/// Which tenants there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// `None` where the folder of all tenants cannot be read.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// Folders that cannot be a tenant.
    pub strays: Faults,
    /// Files that stand beside the tenants' folders and belong into one: they stop every tenant, since nobody knows
    /// whose guard rails they were to be.
    pub faults: Faults,
    /// What stands beside the tenants' folders and is not read.
    pub warnings: Vec<Fault>,
}

/// Lists the tenants without a look into their folders.
pub fn list_tenants(dirs: &TreeDirs) -> Listing {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(&dirs.policies) {
        Ok(entries) => entries,
        Err(error) => {
            listing.faults.push(missing_folder(&dirs.policies, &error));
            return listing;
        }
    };
    let mut tenants = BTreeSet::new();
    for entry in entries {
        let name = match entry {
            Ok(entry) => entry.file_name().to_string_lossy().into_owned(),
            Err(error) => {
                listing.faults.push(cannot_read(&shown(&dirs.policies), &error));
                continue;
            }
        };
        let path = dirs.policies.join(&name);
        match TenantId::parse(&name) {
            _ if name.starts_with('.') || name == PLATFORM => {}
            // A link to nowhere is a tenant that cannot be read, and not one that is gone.
            Ok(tenant) if path.is_dir() || fs::metadata(&path).is_err() => {
                tenants.insert(tenant);
            }
            _ => {
                let mut found = Tree::default();
                read_top_level(&mut found, &path, &name);
                listing.strays.extend(found.strays);
                listing.faults.extend(found.faults);
                listing.warnings.extend(found.warnings);
            }
        }
    }
    listing.tenants = Some(tenants);
    listing
}

/// Reads what people wrote for a tenant.
///
/// # Errors
/// What could not be read.
pub fn read_tenant(dirs: &TreeDirs, tenant: &TenantId) -> Result<PolicyFolder, Faults> {
    let path = dirs.policies.join(tenant.as_str());
    fs::metadata(&path).map_err(|error| cannot_read(&shown(&path), &error))?;
    read_folder(&path, &OF_THEIR_OWN)
}

/// Reads the schema and the platform's policies, and what else stops every tenant: a tree without tenants.
pub fn read_shared(dirs: &TreeDirs) -> Tree {
    let mut tree = Tree::default();
    match read_schema(&dirs.schema) {
        Ok((schema, warnings)) => {
            tree.schema = schema;
            tree.warnings.extend(warnings);
        }
        Err(faults) => tree.faults.extend(faults),
    }
    let platform = dirs.policies.join(PLATFORM);
    // A link to nowhere is there as well.
    if fs::symlink_metadata(&platform).is_ok() {
        read_top_level(&mut tree, &platform, PLATFORM);
    }
    tree.faults.extend(list_tenants(dirs).faults);
    tree
}
