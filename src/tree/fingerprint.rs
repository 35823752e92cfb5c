//! What the file system says of a tree, part by part: a part with the same fingerprint before and after it was read
//! was not being written meanwhile.
//!
//! Of a bundle only `bundle.json` counts: the digests in it tell whether the other files are whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::below::Root;
use super::kinds::{Kind, SchemaKind, in_schema, in_tenant, is_of_tenant};
use super::read::{MANIFESTS, OF_THEIR_OWN};
use super::{FileStamp, TreeDirs};
use crate::bundle;
use crate::model::TenantId;
use crate::model::ids::PLATFORM;

/// Path and stamp of each.
pub type Stamps = BTreeMap<PathBuf, FileStamp>;

/// What the file system says of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLook {
    /// What people wrote for it.
    people: Stamps,
    /// Its `bundle.json`.
    index: Option<FileStamp>,
    /// Everything in its bundle's folder.
    bundle: Stamps,
}

impl TenantLook {
    /// Looks at a tenant, whose bundle is in that folder.
    pub fn take(dirs: &TreeDirs, tenant: &TenantId, bundle_folder: &Path) -> Self {
        let folder = dirs.policies.join(tenant.as_str());
        let mut people = stamps(&folder, &OF_THEIR_OWN, is_of_folder);
        // A folder for manifests means something without any.
        people.extend(stamp_of(folder.join(MANIFESTS)));
        let index = stamp_of(bundle_folder.join(bundle::INDEX_FILE)).map(|(_, stamp)| stamp);
        Self { people, index, bundle: stamps_in(bundle_folder) }
    }

    /// Whether people's files are those of another look.
    pub fn is_written_as(&self, other: &Self) -> bool {
        self.people == other.people
    }

    /// Whether files moved of which nothing tells when they are whole: people's, or a bundle's without its index.
    pub fn needs_stillness_since(&self, other: &Self) -> bool {
        self.people != other.people || self.index == other.index && self.bundle != other.bundle
    }
}

/// What the file system says of what all tenants share.
pub fn shared_stamps(dirs: &TreeDirs) -> Stamps {
    let mut shared = stamps(&dirs.schema, &[], is_of_schema);
    shared.extend(stamps(&dirs.policies.join(PLATFORM), &[], is_of_folder));
    let beside = fs::read_dir(&dirs.policies).into_iter().flatten().flatten();
    let misplaced = beside.filter(|entry| is_of_tenant(&entry.file_name().to_string_lossy()));
    shared.extend(misplaced.filter_map(|entry| stamp_of(entry.path())));
    shared
}

/// Path and stamp of everything in a bundle's folder, with what is being written there.
pub fn stamps_in(dir: &Path) -> Stamps {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    // Written by the loads themselves, and no part of the bundle.
    entries
        .filter(|entry| entry.file_name() != bundle::LAST_GOOD_FILE)
        .filter_map(|entry| stamp_of(entry.path()))
        .collect()
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
