//! What the file system says of a tree, part by part: a part with the same fingerprint before and after it was read
//! was not being written meanwhile.
//!
//! Of a bundle only `bundle.json` counts: the digests in it tell whether the other files are whole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::DirEntry;

use super::read::{MANIFESTS, OF_THEIR_OWN, walk};
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
        let mut people = stamps(&folder, &OF_THEIR_OWN);
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
    let mut shared = stamps(&dirs.schema, &[]);
    shared.extend(stamps(&dirs.policies.join(PLATFORM), &[]));
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

/// Of the text files below a folder, but for those in some folders of it.
fn stamps(dir: &Path, others: &[&str]) -> Stamps {
    let counts = |entry: &DirEntry| entry.file_type().is_file() && is_text(entry.file_name());
    let stamp = |entry: DirEntry| Some((entry.path().to_owned(), FileStamp::of(&entry.metadata().ok()?)));
    walk(dir, others).flatten().filter(counts).filter_map(stamp).collect()
}

fn stamp_of(path: PathBuf) -> Option<(PathBuf, FileStamp)> {
    let stamp = FileStamp::of(&fs::metadata(&path).ok()?);
    Some((path, stamp))
}

/// Files of other kinds may be written all the time, and keep nothing from being read.
fn is_text(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    READ_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

const READ_SUFFIXES: [&str; 5] = [".cedar", ".cedarschema", ".json", ".yaml", ".yml"];
