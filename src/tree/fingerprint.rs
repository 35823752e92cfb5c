//! What the file system says of a tree, part by part: a part with the same fingerprint before and after it was read
//! was not being written meanwhile.
//!
//! Of a bundle only `bundle.json` counts: the digests in it tell whether the other files are whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::below::{Root, is_hidden};
use super::kinds::{Kind, SchemaKind, in_schema, in_tenant, is_of_tenant};
use super::read::{MANIFESTS, OF_THEIR_OWN};
use super::{FileStamp, TreeDirs};
use crate::bundle;
use crate::model::TenantId;
use crate::model::ids::PLATFORM;

/// Path and stamp of every file that could be read by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// What all tenants share.
    shared: Stamps,
    /// What people wrote for each.
    tenants: BTreeMap<TenantId, Stamps>,
    /// Each tenant's `bundle.json`.
    bundles: BTreeMap<TenantId, Option<FileStamp>>,
}

/// Path and stamp of each.
pub type Stamps = BTreeMap<PathBuf, FileStamp>;

impl Fingerprint {
    /// Takes the fingerprint of a tree, whose bundles are where `bundle_folder` says.
    pub fn take(dirs: &TreeDirs, bundle_folder: impl Fn(&TenantId) -> PathBuf) -> Self {
        let mut taken = Self { shared: stamps(&dirs.schema, &[], is_of_schema), ..Self::default() };
        for entry in fs::read_dir(&dirs.policies).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let is_folder = path.is_dir();
            match TenantId::parse(&name.to_string_lossy()) {
                _ if is_hidden(&name) => {}
                Ok(tenant) if is_folder => {
                    let index = stamp_of(bundle_folder(&tenant).join(bundle::INDEX_FILE));
                    let mut own = stamps(&path, &OF_THEIR_OWN, is_of_folder);
                    // A folder for manifests means something without any.
                    own.extend(stamp_of(path.join(MANIFESTS)));
                    taken.bundles.insert(tenant.clone(), index.map(|(_, stamp)| stamp));
                    taken.tenants.insert(tenant, own);
                }
                _ if name == PLATFORM => taken.shared.extend(stamps(&path, &[], is_of_folder)),
                _ if is_folder || is_of_tenant(&name.to_string_lossy()) => taken.shared.extend(stamp_of(path)),
                _ => {}
            }
        }
        taken
    }

    /// Whether people's own files are those of another fingerprint.
    pub fn is_written_as(&self, other: &Self) -> bool {
        self.is_shared_as(other) && self.tenants == other.tenants
    }

    /// The tenants that there were.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    /// Whether what all tenants share is that of another fingerprint.
    pub fn is_shared_as(&self, other: &Self) -> bool {
        self.shared == other.shared
    }

    /// Whether people's files of a tenant are those of another fingerprint.
    pub fn is_tenant_as(&self, other: &Self, tenant: &TenantId) -> bool {
        self.tenants.get(tenant) == other.tenants.get(tenant)
    }
}

/// Path and stamp of everything in a bundle's folder, with what is being written there.
pub fn stamps_in(dir: &Path) -> Stamps {
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| stamp_of(entry.path())).collect()
}

/// Of the files below a folder that are read, but for those in some folders of it. Files of other kinds may be written
/// all the time, and keep nothing from being read.
fn stamps(dir: &Path, others: &[&str], is_read: fn(&str) -> bool) -> Stamps {
    let Ok(root) = Root::of(dir) else { return Stamps::new() };
    let read = root.look(others).files.into_iter().filter(|(relative, _)| is_read(relative));
    read.filter_map(|(_, found)| Some((root.stamp(&found)?, found.path))).map(|(stamp, path)| (path, stamp)).collect()
}

fn is_of_schema(relative: &str) -> bool {
    in_schema(relative) != SchemaKind::Other
}

fn is_of_folder(relative: &str) -> bool {
    in_tenant(relative) != Kind::Other
}

fn stamp_of(path: PathBuf) -> Option<(PathBuf, FileStamp)> {
    let stamp = FileStamp::of(&fs::metadata(&path).ok()?);
    Some((path, stamp))
}
