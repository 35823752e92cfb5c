//! Which case files to run: those of the tenants' own folders, or those that somebody names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::read::Named;
use crate::model::{Fault, Faults, TenantId};
use crate::tree::{FileStamp, SourceFile, TreeDirs, read_cases};

/// What somebody wants to be run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Files or folders; none means every tenant's `cases/`.
    pub paths: Vec<PathBuf>,
    /// Without paths, the only tenant to run; with paths, the one for files that belong to none.
    pub tenant: Option<TenantId>,
    /// Only cases whose suite's and own name, as reports show them, hold one of these.
    pub filters: Vec<String>,
}

impl Selection {
    /// Where case files may be, for those who watch them.
    pub fn roots(&self, dirs: &TreeDirs) -> Vec<PathBuf> {
        if !self.paths.is_empty() {
            return self.paths.clone();
        }
        let tenants = tenant_folders(&dirs.policies);
        let wanted = tenants.into_iter().filter(|tenant| self.tenant.as_ref().is_none_or(|only| only == tenant));
        wanted.map(|tenant| dirs.policies.join(tenant.as_str()).join(CASES)).collect()
    }

    /// The files, sorted by their names, each once.
    ///
    /// # Errors
    /// When there are none, or one cannot be read.
    pub(super) fn files(&self, dirs: &TreeDirs) -> Result<Vec<(SourceFile, Named)>, Faults> {
        if self.paths.is_empty() {
            return self.files_of_tenants(dirs);
        }
        let (mut found, mut faults) = (BTreeMap::new(), Faults::default());
        for root in self.roots(dirs) {
            if root.is_file() {
                found.insert(root, Named::Yes);
                continue;
            }
            if !root.is_dir() {
                faults.push(Fault::of_file(shown(&root), "there is no such file or folder"));
            }
            for path in case_files(&root) {
                found.entry(path).or_insert(Named::No);
            }
        }
        let mut files = Vec::new();
        for (path, named) in found {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let name = shown(&path);
                    files.push((SourceFile { relative: name.clone(), name, text }, named));
                }
                Err(error) => faults.push(Fault::of_file(shown(&path), format!("cannot be read: {error}"))),
            }
        }
        if files.is_empty() && faults.0.is_empty() {
            faults.push(self.nothing(dirs));
        }
        faults.or(files)
    }

    /// Every tenant's own, or those of the one tenant that is wanted.
    fn files_of_tenants(&self, dirs: &TreeDirs) -> Result<Vec<(SourceFile, Named)>, Faults> {
        let (mut files, mut faults) = (Vec::new(), Faults::default());
        let tenants = tenant_folders(&dirs.policies);
        for tenant in tenants.iter().filter(|tenant| self.tenant.as_ref().is_none_or(|only| only == *tenant)) {
            match read_cases(&dirs.policies, tenant) {
                Ok(read) => files.extend(read.into_iter().map(|file| {
                    let SourceFile { name, text, .. } = file;
                    (SourceFile { relative: name.clone(), name, text }, Named::No)
                })),
                Err(found) => faults.extend(found),
            }
        }
        if files.is_empty() && faults.0.is_empty() {
            faults.push(self.nothing(dirs));
        }
        faults.or(files)
    }

    pub(super) fn nothing(&self, dirs: &TreeDirs) -> Fault {
        if let [path, ..] = self.paths.as_slice() {
            return Fault::of_file(shown(path), "there are no cases in it: write `type: cases` documents in YAML");
        }
        let tenant = self.tenant.as_ref().map_or("<tenant>", TenantId::as_str);
        let place = dirs.policies.join(tenant).join(CASES);
        Fault::of_file(shown(&dirs.policies), format!("there are no cases: write them in {}/*.yaml", shown(&place)))
    }

    /// What the file system says of everything that a run reads: while it stays the same, so does the result.
    pub fn stamps(&self, dirs: &TreeDirs) -> BTreeMap<PathBuf, FileStamp> {
        let mut roots = self.roots(dirs);
        roots.extend([dirs.policies.clone(), dirs.schema.clone()]);
        let files = roots.iter().flat_map(|root| walk(root));
        files.filter_map(|entry| Some((entry.path().to_owned(), FileStamp::of(&entry.metadata().ok()?)))).collect()
    }
}

/// The tenant in whose folder a file is.
pub(super) fn tenant_of(file: &str, dirs: &TreeDirs) -> Option<TenantId> {
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let below = whole(Path::new(file)).strip_prefix(whole(&dirs.policies)).ok()?.to_owned();
    let mut parts = below.iter();
    let tenant = TenantId::parse(&parts.next()?.to_string_lossy()).ok()?;
    parts.next().map(|_| tenant)
}

fn tenant_folders(policies: &Path) -> Vec<TenantId> {
    let entries = fs::read_dir(policies).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut tenants: Vec<_> =
        folders.filter_map(|entry| TenantId::parse(&entry.file_name().to_string_lossy()).ok()).collect();
    tenants.sort();
    tenants
}

fn case_files(root: &Path) -> impl Iterator<Item = PathBuf> {
    let is_case = |path: &PathBuf| {
        let end = path.extension().map(|end| end.to_string_lossy().into_owned());
        end.is_some_and(|end| ENDINGS.contains(&end.as_str()))
    };
    walk(root).map(DirEntry::into_path).filter(is_case)
}

/// Every file below a folder but what is hidden.
fn walk(root: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    let is_hidden = |entry: &DirEntry| entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
    let entries = WalkDir::new(root).follow_links(true).max_depth(MAX_DEPTH).into_iter();
    let entries = entries.filter_entry(move |entry| !is_hidden(entry));
    entries.flatten().filter(|entry| entry.file_type().is_file())
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const CASES: &str = "cases";
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
const MAX_DEPTH: usize = 16;
