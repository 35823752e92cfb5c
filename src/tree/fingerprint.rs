//! What the file system says of a tree, part by part: a part with the same fingerprint before and after it was read
//! was not being written meanwhile.
//!
//! Of a bundle only `bundle.json` counts: the digests in it tell whether the other files are whole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::read::{COMPILED, MANIFESTS, MAX_DEPTH, is_hidden};
use super::{FileStamp, TreeDirs};
use crate::bundle;
use crate::model::TenantId;
use crate::model::ids::PLATFORM;

/// Path and stamp of every file that could be read by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// By the name of the folder of `policies/`; under no name what all tenants share.
    parts: BTreeMap<String, Stamps>,
    /// Each tenant's `bundle.json`.
    bundles: BTreeMap<String, Option<FileStamp>>,
}

/// Path and stamp of each.
pub type Stamps = Vec<(PathBuf, FileStamp)>;

impl Fingerprint {
    /// Takes the fingerprint of a tree, the bundles of which may be in a folder of their own.
    pub fn take(dirs: &TreeDirs, bundle_dir: Option<&Path>) -> Self {
        let mut taken = Self::default();
        let mut shared = stamps(&dirs.schema, &[]);
        for entry in fs::read_dir(&dirs.policies).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if is_hidden(&entry.file_name()) {
                continue;
            }
            if TenantId::parse(&name).is_ok() && path.is_dir() {
                let bundle = bundle_dir.map_or_else(|| path.join(bundle::FOLDER), |dir| dir.join(&name));
                let index = stamp_of(&bundle.join(bundle::INDEX_FILE));
                taken.bundles.insert(name.clone(), index.map(|(_, stamp)| stamp));
                let mut own = stamps(&path, &[COMPILED]);
                // A folder for manifests means something without any.
                own.extend(stamp_of(&path.join(MANIFESTS)));
                taken.parts.insert(name, own);
            } else if name == PLATFORM {
                shared.extend(stamps(&path, &[]));
            } else if path.is_dir() || is_text(&entry.file_name()) {
                shared.extend(stamp_of(&path));
            }
        }
        taken.parts.insert(SHARED.to_owned(), shared);
        taken
    }

    /// Whether people's own files are those of another fingerprint.
    pub fn is_written_as(&self, other: &Self) -> bool {
        self.parts == other.parts
    }

    /// The tenants that there were.
    pub fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.parts.keys().filter_map(|name| TenantId::parse(name).ok())
    }

    /// Whether what all tenants share is that of another fingerprint.
    pub fn is_shared_as(&self, other: &Self) -> bool {
        self.parts.get(SHARED) == other.parts.get(SHARED)
    }

    /// Whether people's files of a tenant are those of another fingerprint.
    pub fn is_tenant_as(&self, other: &Self, tenant: &TenantId) -> bool {
        self.parts.get(tenant.as_str()) == other.parts.get(tenant.as_str())
    }
}

/// Path and stamp of everything in a bundle's folder, with what is being written there.
pub fn stamps_in(dir: &Path) -> Stamps {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut stamps: Stamps = entries.filter_map(|entry| stamp_of(&entry.path())).collect();
    stamps.sort_by(|left, right| left.0.cmp(&right.0));
    stamps
}

/// Of the text files below a folder, but for those in some folders of it.
fn stamps(dir: &Path, others: &[&str]) -> Stamps {
    let walk = WalkDir::new(dir).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name();
    let is_other = |entry: &DirEntry| entry.depth() == 1 && others.iter().any(|other| entry.file_name() == *other);
    let is_passed_over = |entry: &DirEntry| entry.depth() > 0 && (is_hidden(entry.file_name()) || is_other(entry));
    let entries = walk.into_iter().filter_entry(|entry| !is_passed_over(entry)).flatten();
    let counts = |entry: &DirEntry| entry.file_type().is_file() && is_text(entry.file_name());
    let stamp = |entry: DirEntry| Some((entry.path().to_owned(), FileStamp::of(&entry.metadata().ok()?)));
    entries.filter(counts).filter_map(stamp).collect()
}

fn stamp_of(path: &Path) -> Option<(PathBuf, FileStamp)> {
    Some((path.to_owned(), FileStamp::of(&fs::metadata(path).ok()?)))
}

/// Files of other kinds may be written all the time, and keep nothing from being read.
fn is_text(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    READ_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

const SHARED: &str = "";
const READ_SUFFIXES: [&str; 5] = [".cedar", ".cedarschema", ".json", ".yaml", ".yml"];
