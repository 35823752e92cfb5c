//! Folders in, a `Tree` out: which file is what, decided by where it stands and how its name ends.
//!
//! Follows symbolic links, as a mounted ConfigMap needs; passes over names that start with a dot. Bounds the
//! number of files, their size and the depth of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{PolicyFolder, SchemaFolder, SourceFile, Tree};
use crate::model::ids::PLATFORM;
use crate::model::{Fault, Faults, TenantId};

/// Where the tree stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeDirs {
    pub policies: PathBuf,
    pub schema: PathBuf,
}

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// The most files that one folder may hold.
const MAX_FILES: usize = 100_000;
/// The deepest nesting of folders.
const MAX_DEPTH: usize = 16;

/// Reads the whole tree. Never fails as a whole: what could not be read is a fault in its place.
pub fn read_tree(dirs: &TreeDirs) -> Tree {
    let mut tree = Tree::default();
    match read_schema(&dirs.schema) {
        Ok(schema) => tree.schema = schema,
        Err(faults) => tree.faults.extend(faults),
    }
    let entries = match fs::read_dir(&dirs.policies) {
        Ok(entries) => entries,
        Err(error) => {
            tree.faults.push(Fault::of_file(shown(&dirs.policies), format!("cannot be read: {error}")));
            return tree;
        }
    };
    tree.tenants = Some(BTreeMap::new());
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tree.faults.push(Fault::of_file(shown(&dirs.policies), format!("cannot be read: {error}")));
                continue;
            }
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        read_top_level(&mut tree, &entry.path(), &name);
    }
    tree
}

pub(super) fn read_top_level(tree: &mut Tree, path: &Path, name: &str) {
    if let Err(error) = fs::metadata(path) {
        // A link to nowhere, as of a volume that is not mounted: never to be taken for "nothing there".
        let fault = cannot_read(&shown(path), &error);
        match TenantId::parse(name) {
            Ok(tenant) => {
                tree.tenants.get_or_insert_default().insert(tenant, Err(fault.into()));
            }
            Err(_) => tree.faults.push(fault),
        }
        return;
    }
    if !path.is_dir() {
        if name.ends_with(".cedar") || name.ends_with(ENTITIES_SUFFIX) {
            tree.faults.push(Fault::of_file(shown(path), "belongs in a tenant's folder, or in `platform/`"));
        }
        return;
    }
    if name == PLATFORM {
        match read_folder(path, &[INVARIANTS]) {
            Ok(folder) => tree.platform = only_policies(folder, &mut tree.faults),
            Err(faults) => tree.faults.extend(faults),
        }
        return;
    }
    match TenantId::parse(name) {
        Ok(tenant) => {
            tree.tenants.get_or_insert_default().insert(tenant, read_folder(path, &OF_THEIR_OWN));
        }
        Err(error) => tree.strays.push(Fault::of_file(shown(path), error.to_string())),
    }
}

fn only_policies(folder: PolicyFolder, faults: &mut Faults) -> PolicyFolder {
    for file in folder.entities.iter().chain(&folder.manifests) {
        faults.push(Fault::of_file(&file.name, "belongs in a tenant's folder: `platform/` holds only policies"));
    }
    PolicyFolder { policies: folder.policies, ..PolicyFolder::default() }
}

pub(super) fn read_schema(dir: &Path) -> Result<SchemaFolder, Faults> {
    let mut folder = SchemaFolder::default();
    let mut faults = Faults::default();
    for (path, relative) in files_below(dir, &[])? {
        let kind = if relative.ends_with(".cedarschema")
            || relative.ends_with(".cedarschema.json")
            || relative.ends_with(".json") && !relative.ends_with(".schema.json")
        {
            &mut folder.schemas
        } else if relative.ends_with(".roles.yaml") || relative.ends_with(".roles.yml") {
            &mut folder.roles
        } else {
            continue;
        };
        match read_file(&path, relative) {
            Ok(file) => kind.push(file),
            Err(fault) => faults.push(fault),
        }
    }
    faults.or(folder)
}

/// Reads a folder of policies, passing over what has a meaning of its own.
pub(super) fn read_folder(dir: &Path, others: &[&str]) -> Result<PolicyFolder, Faults> {
    let mut folder = PolicyFolder { has_manifests: dir.join(MANIFESTS).is_dir(), ..PolicyFolder::default() };
    let mut faults = Faults::default();
    for (path, relative) in files_below(dir, others)? {
        let kind = match relative.split('/').next().unwrap_or_default() {
            MANIFESTS if is_yaml(&relative) => &mut folder.manifests,
            MANIFESTS if relative.ends_with(".cedar") || relative.ends_with(ENTITIES_SUFFIX) => {
                faults.push(Fault::of_file(shown(&path), "does not belong in `manifests/`: move it out"));
                continue;
            }
            _ if relative.ends_with(".cedar") => &mut folder.policies,
            _ if relative.ends_with(ENTITIES_SUFFIX) => &mut folder.entities,
            _ => continue,
        };
        match read_file(&path, relative) {
            Ok(file) => kind.push(file),
            Err(fault) => faults.push(fault),
        }
    }
    faults.or(folder)
}

/// Whether people wrote policies into a tenant's folder.
pub fn has_policies(dir: &Path) -> bool {
    let is_policy =
        |entry: DirEntry| entry.file_type().is_file() && entry.file_name().to_string_lossy().ends_with(".cedar");
    walk(dir, &OF_THEIR_OWN).flatten().any(is_policy)
}

/// Whether anything is in a tenant's folder but what was compiled.
pub fn has_files_of_people(dir: &Path) -> bool {
    walk(dir, &[COMPILED]).flatten().any(|entry| entry.file_type().is_file())
}

/// Reads a folder that holds manifests and nothing else.
///
/// # Errors
/// When it, or a file in it, cannot be read.
pub fn read_manifests(dir: &Path) -> Result<PolicyFolder, Faults> {
    let mut folder = PolicyFolder { has_manifests: true, ..PolicyFolder::default() };
    let mut faults = Faults::default();
    if !dir.is_dir() {
        return Err(Fault::of_file(shown(dir), "is not a folder").into());
    }
    for (path, relative) in files_below(dir, &[])? {
        match read_file(&path, relative) {
            Ok(file) if is_yaml(&file.relative) => folder.manifests.push(file),
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
    }
    faults.or(folder)
}

/// Reads what must hold of a tenant's policies: what holds for every tenant first.
///
/// # Errors
/// When a file cannot be read.
pub fn read_invariants(policies: &Path, tenant: &TenantId) -> Result<Vec<SourceFile>, Faults> {
    let mut files = Vec::new();
    let mut faults = Faults::default();
    for owner in [PLATFORM, tenant.as_str()] {
        let dir = policies.join(owner).join(INVARIANTS);
        if !dir.is_dir() {
            continue;
        }
        for (path, relative) in files_below(&dir, &[])? {
            if !relative.ends_with(".cedar") {
                continue;
            }
            match read_file(&path, relative) {
                Ok(file) => files.push(file),
                Err(fault) => faults.push(fault),
            }
        }
    }
    faults.or(files)
}

/// Every file below a folder as (path, name below it), sorted by name; some folders in it are not looked into.
fn files_below(dir: &Path, others: &[&str]) -> Result<Vec<(PathBuf, String)>, Faults> {
    let mut files = BTreeMap::new();
    let mut faults = Faults::default();
    for entry in walk(dir, others) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let relative = entry.path().strip_prefix(dir).unwrap_or(entry.path());
                let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                files.insert(parts.join("/"), entry.path().to_owned());
            }
            Ok(_) => {}
            // Editors leave links to nowhere under such names.
            Err(error) if error.path().and_then(Path::file_name).is_some_and(is_hidden) => {}
            Err(error) => {
                let path = error.path().unwrap_or(dir);
                faults.push(Fault::of_file(shown(path), format!("cannot be read: {error}")));
            }
        }
        if files.len() > MAX_FILES {
            return Err(Fault::of_file(shown(dir), format!("holds more than {MAX_FILES} files")).into());
        }
    }
    faults.or(files.into_iter().map(|(relative, path)| (path, relative)).collect())
}

/// Everything below a folder but what is hidden, and what is in some folders of it.
pub(super) fn walk<'a>(dir: &Path, others: &'a [&str]) -> impl Iterator<Item = walkdir::Result<DirEntry>> + use<'a> {
    let walk = WalkDir::new(dir).follow_links(true).max_depth(MAX_DEPTH).into_iter();
    let is_other = |entry: &DirEntry| entry.depth() == 1 && others.iter().any(|other| entry.file_name() == *other);
    walk.filter_entry(move |entry| entry.depth() == 0 || !is_hidden(entry.file_name()) && !is_other(entry))
}

fn read_file(path: &Path, relative: String) -> Result<SourceFile, Fault> {
    let name = shown(path);
    let size = fs::metadata(path).map_err(|error| cannot_read(&name, &error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Fault::of_file(name, format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    let bytes = fs::read(path).map_err(|error| cannot_read(&name, &error))?;
    let text = String::from_utf8(bytes).map_err(|_| Fault::of_file(&name, "is not UTF-8 text"))?;
    Ok(SourceFile { name, relative, text })
}

pub(super) fn cannot_read(name: &str, error: &std::io::Error) -> Fault {
    Fault::of_file(name, format!("cannot be read: {error}"))
}

pub(super) fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A tenant's folders with a meaning of their own.
pub const MANIFESTS: &str = "manifests";
const COMPILED: &str = crate::bundle::FOLDER;
const CASES: &str = "cases";
const INVARIANTS: &str = "invariants";
pub(super) const OF_THEIR_OWN: [&str; 3] = [COMPILED, CASES, INVARIANTS];
const ENTITIES_SUFFIX: &str = ".entities.json";
