//! What the file system says of a tree, part by part: a part with the same fingerprint before and after it was read
//! was not being written meanwhile.
//!
//! Of a bundle only `bundle.json` counts: the digests in it tell whether the other files are whole.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::read::{COMPILED, MAX_DEPTH, is_hidden};
use super::{FileStamp, TreeDirs};
use crate::bundle;
use crate::model::TenantId;

/// Path and stamp of every file that could be read by its name, and of the folders themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// By the name of the folder of `policies/`; under no name what all tenants share.
    parts: BTreeMap<String, Stamps>,
    /// Each tenant's `bundle.json`.
    bundles: BTreeMap<String, Option<FileStamp>>,
}

type Stamps = Vec<(PathBuf, FileStamp)>;

impl Fingerprint {
    /// Takes the fingerprint of a tree, the bundles of which may be in a folder of their own.
    pub fn take(dirs: &TreeDirs, bundle_dir: Option<&Path>) -> Self {
        let mut taken = Self::default();
        let mut shared = stamps(&dirs.schema, 0);
        shared.extend(stamp_of(&dirs.policies));
        for entry in fs::read_dir(&dirs.policies).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if TenantId::parse(&name).is_err() || !path.is_dir() {
                // `platform`, or what is no tenant's.
                shared.extend(stamps(&path, 1));
                continue;
            }
            let bundle = bundle_dir.map_or_else(|| path.join(bundle::FOLDER), |dir| dir.join(&name));
            let index = fs::metadata(bundle.join(bundle::INDEX_FILE));
            taken.bundles.insert(name.clone(), index.ok().map(|metadata| FileStamp::of(&metadata)));
            taken.parts.insert(name, stamps(&path, 1));
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

/// Path and stamp of every file below a folder.
pub fn stamps_below(dir: &Path) -> Vec<(PathBuf, FileStamp)> {
    stamps(dir, 0)
}

/// `depth`: how far below the tree's root the folder is.
fn stamps(dir: &Path, depth: usize) -> Stamps {
    let walk = WalkDir::new(dir).follow_links(true).max_depth(MAX_DEPTH + 1 - depth).sort_by_file_name();
    let is_bundle = |entry: &DirEntry| depth == 1 && entry.depth() == 1 && entry.file_name() == COMPILED;
    let is_passed_over = |entry: &DirEntry| entry.depth() > 0 && (is_hidden(entry.file_name()) || is_bundle(entry));
    let entries = walk.into_iter().filter_entry(|entry| !is_passed_over(entry)).flatten();
    let counts = |entry: &DirEntry| entry.depth() == 0 || entry.file_type().is_file() && is_text(entry.file_name());
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
