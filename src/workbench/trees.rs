//! Trees to compare: a folder, or a git revision of the tree that the configuration names.
//!
//! In: what someone typed. Out: where its schema and policies stand, and the bundles of tenants whose directory is not
//! in manifests: their own if the tree has them, else the ones that serve now, since no revision has those.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::assemble::Layout;
use crate::bundle;
use crate::model::TenantId;
use crate::tree::TreeDirs;

/// A tree that was found, kept as long as this is.
#[derive(Debug)]
pub struct OpenedTree {
    pub layout: Layout,
    /// What someone typed.
    pub name: String,
    checkout: TempDir,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("`{0}` is neither a folder nor a git revision of the tree")]
    Neither(String),
    #[error("`{path}` is not in a git repository, so `{name}` cannot be a revision of it")]
    NoRepository { name: String, path: String },
    #[error("`{name}` has no `{folder}`")]
    NoFolder { name: String, folder: String },
    #[error("git {what}: {said}")]
    Git { what: &'static str, said: String },
    #[error("cannot make a place to check `{name}` out")]
    Place {
        name: String,
        #[source]
        source: std::io::Error,
    },
}

impl OpenedTree {
    /// Finds what `name` means: a folder with `policies/` (and `schema/`) in it, a policies folder, or a revision.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn open(name: &str, current: &Layout) -> Result<Self, TreeError> {
        let place = |source| TreeError::Place { name: name.to_owned(), source };
        let checkout = tempfile::tempdir().map_err(place)?;
        let folder = Path::new(name);
        let dirs = if folder.is_dir() {
            current.of_candidate(folder).dirs
        } else {
            check_out(name, current, checkout.path())?
        };
        let bundles = checkout.path().join(BUNDLES);
        gather_bundles(&dirs, current, &bundles).map_err(place)?;
        let layout = Layout { dirs, bundle_dir: Some(bundles), ..current.clone() };
        Ok(Self { layout, name: name.to_owned(), checkout })
    }

    /// A place in the tree as its author knows it.
    pub fn shown(&self, source: &str) -> String {
        let own = format!("{}/", self.checkout.path().to_string_lossy());
        source.replace(&format!("{own}{BUNDLES}/"), "").replace(&own, "")
    }
}

/// Writes the tree as it was at a revision below a folder.
fn check_out(name: &str, current: &Layout, to: &Path) -> Result<TreeDirs, TreeError> {
    let policies = &current.dirs.policies;
    let no_repository = || TreeError::NoRepository { name: name.to_owned(), path: policies.display().to_string() };
    let absolute = fs::canonicalize(policies).map_err(|_| TreeError::Neither(name.to_owned()))?;
    let schema = fs::canonicalize(&current.dirs.schema).map_err(|_| TreeError::Neither(name.to_owned()))?;
    let git = |root: &Path| {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).stdin(Stdio::null());
        command
    };
    let root = said(git(&absolute).args(["rev-parse", "--show-toplevel"]), "rev-parse").map_err(|_| no_repository())?;
    let root = PathBuf::from(root);
    let commit = format!("{name}^{{commit}}");
    let commit = said(git(&root).args(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]), "rev-parse")
        .map_err(|_| TreeError::Neither(name.to_owned()))?;
    let index = to.join("index");
    said(git(&root).env("GIT_INDEX_FILE", &index).args(["read-tree", &commit]), "read-tree")?;
    let mut dirs = Vec::new();
    for folder in [&absolute, &schema] {
        let below = folder.strip_prefix(&root).map_err(|_| no_repository())?;
        let prefix = format!("--prefix={}/", to.to_string_lossy());
        let mut listed = git(&root);
        listed.env("GIT_INDEX_FILE", &index).args(["ls-files", "-z", "--"]).arg(below);
        let files = said(&mut listed, "ls-files")?;
        let files: Vec<&str> = files.split('\0').filter(|file| !file.is_empty()).collect();
        if files.is_empty() {
            return Err(TreeError::NoFolder { name: name.to_owned(), folder: below.display().to_string() });
        }
        for some in files.chunks(MOST_AT_ONCE) {
            let mut checkout = git(&root);
            checkout.env("GIT_INDEX_FILE", &index).args(["checkout-index", "--quiet", &prefix, "--"]).args(some);
            said(&mut checkout, "checkout-index")?;
        }
        dirs.push(to.join(below));
    }
    match <[PathBuf; 2]>::try_from(dirs) {
        Ok([policies, schema]) => Ok(TreeDirs { policies, schema }),
        Err(_) => Err(TreeError::Neither(name.to_owned())),
    }
}

/// What a command printed.
fn said(command: &mut Command, what: &'static str) -> Result<String, TreeError> {
    let failed = |said: String| TreeError::Git { what, said };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}

/// Puts each tenant's bundle below a folder, for those whose directory it is.
fn gather_bundles(dirs: &TreeDirs, current: &Layout, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    let Ok(entries) = fs::read_dir(&dirs.policies) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let Ok(tenant) = TenantId::parse(&entry.file_name().to_string_lossy()) else { continue };
        let own = entry.path().join(bundle::FOLDER);
        let serving = current.bundle_folder(&tenant);
        let Some(found) = [own, serving].into_iter().find(|folder| folder.is_dir()) else { continue };
        std::os::unix::fs::symlink(fs::canonicalize(found)?, to.join(tenant.as_str()))?;
    }
    Ok(())
}

const BUNDLES: &str = "bundles";
/// File names on one command line.
const MOST_AT_ONCE: usize = 500;
