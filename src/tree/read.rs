//! Folders in, a `Tree` out: everything is read, or told as not read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::below::{Below, FoundFile, Root};
use super::kinds::{Kind, SchemaKind, hint, in_schema, in_tenant, is_case, is_no_surprise, is_of_tenant, is_yaml};
use super::open::cannot_read;
use super::parts::{Listing, list_tenants, read_shared, read_tenant};
use super::shown::shown;
use super::{PolicyFolder, SchemaFolder, SourceFile, Tree};
use crate::model::ids::PLATFORM;
use crate::model::{Fault, Faults, TenantId};

/// Where the tree stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeDirs {
    pub policies: PathBuf,
    pub schema: PathBuf,
}

/// Reads the whole tree. Never fails as a whole: what could not be read is a fault in its place.
pub fn read_tree(dirs: &TreeDirs) -> Tree {
    let mut tree = read_shared(dirs);
    let Listing { tenants, strays, warnings, .. } = list_tenants(dirs);
    let read = |tenant: TenantId| {
        let folder = read_tenant(dirs, &tenant);
        (tenant, folder)
    };
    tree.tenants = tenants.map(|tenants| tenants.into_iter().map(read).collect());
    tree.strays = strays;
    tree.warnings.extend(warnings);
    tree.warnings.sort();
    tree
}

/// Why the folder of all tenants cannot be listed.
pub(super) fn missing_folder(dir: &Path, error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::NotFound {
        return Fault::of_file(shown(dir), "there is no such folder: `--policies` names another");
    }
    cannot_read(&shown(dir), error)
}

/// Reads what stands beside the tenants' folders.
pub(super) fn read_top_level(tree: &mut Tree, path: &Path, name: &str) {
    let is_folder = match fs::metadata(path) {
        Ok(found) => found.is_dir(),
        Err(error) => {
            // A link to nowhere, as of a volume that is not mounted: never to be taken for "nothing there".
            tree.faults.push(cannot_read(&shown(path), &error));
            return;
        }
    };
    if !is_folder {
        if is_of_tenant(name) {
            tree.faults.push(Fault::of_file(shown(path), "belongs in a tenant's folder, or in `platform/`"));
        } else if !is_no_surprise(name) {
            tree.warnings.push(Fault::of_file(shown(path), "is not read: tenants are folders"));
        }
        return;
    }
    if name == PLATFORM {
        match read_folder(path, &[INVARIANTS]) {
            Ok(folder) => tree.platform = only_policies(folder, tree),
            Err(faults) => tree.faults.extend(faults),
        }
        return;
    }
    if let Err(error) = TenantId::parse(name) {
        tree.strays.push(Fault::of_file(shown(path), error.to_string()));
    }
}

fn only_policies(folder: PolicyFolder, tree: &mut Tree) -> PolicyFolder {
    for file in folder.entities.iter().chain(&folder.links).chain(&folder.manifests) {
        let message = "belongs in a tenant's folder: `platform/` holds only policies";
        tree.faults.push(Fault::of_file(&file.name, message));
    }
    tree.warnings.extend(folder.warnings);
    PolicyFolder { policies: folder.policies, ..PolicyFolder::default() }
}

pub(super) fn read_schema(dir: &Path) -> Result<(SchemaFolder, Vec<Fault>), Faults> {
    let mut folder = SchemaFolder::default();
    let no_schema = || Faults::from(Fault::of_file(shown(dir), NO_SCHEMA));
    let root = match Root::of(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_schema()),
        _ => open_root(dir)?,
    };
    let mut sorted = Sorted::of(root, |root| root.look(&[]));
    for (relative, found) in sorted.take_files() {
        match in_schema(&relative) {
            SchemaKind::Schema => sorted.read(&found, relative, &mut folder.schemas),
            SchemaKind::Roles => sorted.read(&found, relative, &mut folder.roles),
            SchemaKind::Other => sorted.leave(&found, &relative, ""),
        }
    }
    let warnings = sorted.finish()?;
    if folder.schemas.is_empty() {
        return Err(no_schema());
    }
    Ok((folder, warnings))
}

/// Reads a folder of policies, passing over what has a meaning of its own.
pub(super) fn read_folder(dir: &Path, others: &[&str]) -> Result<PolicyFolder, Faults> {
    let mut folder = PolicyFolder { has_manifests: dir.join(MANIFESTS).is_dir(), ..PolicyFolder::default() };
    let mut sorted = Sorted::of(open_root(dir)?, |root| root.look(others));
    for (relative, found) in sorted.take_files() {
        match in_tenant(&relative) {
            Kind::Policies => sorted.read(&found, relative, &mut folder.policies),
            Kind::Entities => sorted.read(&found, relative, &mut folder.entities),
            Kind::Links => sorted.read(&found, relative, &mut folder.links),
            Kind::Manifest => sorted.read(&found, relative, &mut folder.manifests),
            Kind::Misplaced(message) => sorted.faults.push(Fault::of_file(shown(&found.path), message)),
            Kind::Other => sorted.leave(&found, &relative, hint(&relative)),
        }
    }
    for other in others {
        sorted.look_aside(other);
    }
    folder.warnings = sorted.finish()?;
    Ok(folder)
}

/// The files of a root, each of which is read, misplaced, or left and told.
struct Sorted {
    root: Root,
    below: Below,
    faults: Faults,
    warnings: Vec<Fault>,
    /// Of what is left, only so much is told.
    left: usize,
}

impl Sorted {
    fn of(root: Root, look: impl FnOnce(&Root) -> Below) -> Self {
        let mut below = look(&root);
        let faults = std::mem::take(&mut below.faults);
        let warnings = std::mem::take(&mut below.unread);
        Self { root, below, faults, warnings, left: 0 }
    }

    fn take_files(&mut self) -> impl Iterator<Item = (String, FoundFile)> + use<> {
        std::mem::take(&mut self.below.files).into_iter()
    }

    fn read(&mut self, found: &FoundFile, relative: String, to: &mut Vec<SourceFile>) {
        match self.root.read(found, relative) {
            Ok(file) => to.push(file),
            Err(fault) => self.faults.push(fault),
        }
    }

    fn leave(&mut self, found: &FoundFile, relative: &str, hint: &str) {
        if is_no_surprise(relative) {
            return;
        }
        self.left += 1;
        if self.left <= MOST_LEFT {
            self.warnings.push(Fault::of_file(shown(&found.path), format!("is not read{hint}")));
        }
    }

    /// Looks at a folder whose files are read elsewhere, for what is not even read there. Only `compiled/`, which is
    /// read for every tenant, can stop one.
    fn look_aside(&mut self, folder: &str) {
        let Below { files, unread, faults } = self.root.look_in(folder, &[]);
        if folder == COMPILED {
            // What cedargate writes are files: a pipe or a link in their place is somebody's doing.
            unread.into_iter().chain(faults.0).for_each(|fault| self.faults.push(fault));
            return;
        }
        self.warnings.extend(unread.into_iter().chain(faults.0));
        let is_read = |name: &str| if folder == CASES { is_case(name) } else { name.ends_with(".cedar") };
        for (relative, found) in files.iter().filter(|(relative, _)| !is_read(relative)) {
            self.leave(found, relative, "");
        }
    }

    fn finish(mut self) -> Result<Vec<Fault>, Faults> {
        if let Some(more) = self.left.checked_sub(MOST_LEFT).filter(|more| *more > 0) {
            self.warnings.push(Fault::of_file(shown(&self.root.dir), format!("{more} more files are not read")));
        }
        self.warnings.sort();
        self.faults.or(self.warnings)
    }
}

/// Whether people wrote policies into a tenant's folder.
pub fn has_policies(dir: &Path) -> bool {
    let found = Root::of(dir).map(|root| root.look(&OF_THEIR_OWN));
    found.is_ok_and(|below| below.files.keys().any(|relative| in_tenant(relative) == Kind::Policies))
}

/// Whether anything is in a tenant's folder but what was compiled.
pub fn has_files_of_people(dir: &Path) -> bool {
    let found = Root::of(dir).map(|root| root.look(&[COMPILED]));
    found.is_ok_and(|below| !(below.files.is_empty() && below.unread.is_empty() && below.faults.0.is_empty()))
}

/// Reads a folder that holds manifests and nothing else.
///
/// # Errors
/// When it, or a file in it, cannot be read.
pub fn read_manifests(dir: &Path) -> Result<PolicyFolder, Faults> {
    let mut folder = PolicyFolder { has_manifests: true, ..PolicyFolder::default() };
    if !dir.is_dir() {
        return Err(Fault::of_file(shown(dir), "is not a folder").into());
    }
    let mut sorted = Sorted::of(open_root(dir)?, |root| root.look(&[]));
    for (relative, found) in sorted.take_files() {
        if is_yaml(&relative) {
            sorted.read(&found, relative, &mut folder.manifests);
        } else {
            sorted.leave(&found, &relative, "");
        }
    }
    folder.warnings = sorted.finish()?;
    Ok(folder)
}

/// Reads what must hold of a tenant's policies: what holds for every tenant first.
///
/// # Errors
/// When a file cannot be read.
pub fn read_invariants(policies: &Path, tenant: &TenantId) -> Result<Vec<SourceFile>, Faults> {
    let mut files = Vec::new();
    let mut faults = Faults::default();
    for owner in [PLATFORM, tenant.as_str()] {
        let read = read_folder_of(&policies.join(owner), INVARIANTS, |relative| relative.ends_with(".cedar"));
        match read {
            Ok(found) => files.extend(found),
            Err(found) => faults.extend(found),
        }
    }
    faults.or(files)
}

/// Reads a tenant's own cases.
///
/// # Errors
/// When a file cannot be read.
pub fn read_cases(policies: &Path, tenant: &TenantId) -> Result<Vec<SourceFile>, Faults> {
    read_folder_of(&policies.join(tenant.as_str()), CASES, is_case)
}

/// Some files of a folder in an owner's folder; none where it has no such folder.
fn read_folder_of(owner: &Path, folder: &str, is_read: fn(&str) -> bool) -> Result<Vec<SourceFile>, Faults> {
    let root = match Root::of(owner) {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot_read(&shown(owner), &error).into()),
    };
    let mut files = Vec::new();
    let mut sorted = Sorted::of(root, |root| root.look_in(folder, &[]));
    for (relative, found) in sorted.take_files().filter(|(relative, _)| is_read(relative)) {
        sorted.read(&found, relative, &mut files);
    }
    sorted.finish()?;
    Ok(files)
}

fn open_root(dir: &Path) -> Result<Root, Faults> {
    Root::of(dir).map_err(|error| cannot_read(&shown(dir), &error).into())
}

/// A tenant's folders with a meaning of their own.
pub const MANIFESTS: &str = "manifests";
const COMPILED: &str = crate::bundle::FOLDER;
const CASES: &str = "cases";
const INVARIANTS: &str = "invariants";
pub(super) const OF_THEIR_OWN: [&str; 3] = [COMPILED, CASES, INVARIANTS];
const NO_SCHEMA: &str = "there is no schema: write one into `*.cedarschema` files of this folder, name another with \
                         `--schema`, or begin with what `cedargate schema infer` proposes";
/// So many files of one folder are named that are not read.
const MOST_LEFT: usize = 50;
