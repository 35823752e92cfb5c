//! A tree to measure: one tenant alone in a temporary folder, made up or a copy of the real one.
//!
//! The copy is of links to the real files. What cedargate compiles goes beside the links, never into the real tree,
//! and the other tenants' files are in nobody's way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use walkdir::WalkDir;

use super::generate::{GENERATED_TENANT, Spec, Trusted};
use crate::assemble::Layout;
use crate::bundle;
use crate::model::ids::PLATFORM;
use crate::model::{Fault, NameError, TenantId};
use crate::tree::TreeDirs;

/// Why there is no tree to measure.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("`{path}` cannot be read or written", path = .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Walk(#[from] walkdir::Error),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("there is no folder for tenant `{tenant}` in `{policies}`", policies = .policies.display())]
    NoSuchTenant { tenant: TenantId, policies: PathBuf },
    #[error("`{policies}` has no tenant", policies = .policies.display())]
    NoTenant { policies: PathBuf },
    #[error("say which tenant with `--tenant`: {0}")]
    SeveralTenants(String),
    #[error("the tenant could not be made up: {0}")]
    Generate(String),
}

/// A tree with one tenant, gone when this is dropped.
pub(super) struct Stage {
    folder: TempDir,
    pub tenant: TenantId,
    pub dirs: TreeDirs,
    /// The real folder that the tenant's stands for.
    real: Option<PathBuf>,
}

impl Stage {
    /// Makes up a tenant, in a process of its own: what that takes of memory is not the server's.
    pub(super) fn generated(spec: &Spec, trusted: &Trusted) -> Result<Self, StageError> {
        let (folder, dirs) = empty()?;
        let failed = |source| StageError::Io { path: "cedargate bench --generate".into(), source };
        let made = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["bench", "--generate", &spec.to_string(), "--issuer", &trusted.issuer, "--into"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .output()
            .map_err(failed)?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(StageError::Generate(if said.is_empty() { made.status.to_string() } else { said }));
        }
        Ok(Self { folder, tenant: TenantId::parse(GENERATED_TENANT)?, dirs, real: None })
    }

    /// Takes a tenant of a real tree: the only one, or the one named.
    pub(super) fn of(layout: &Layout, tenant: Option<TenantId>) -> Result<Self, StageError> {
        let policies = &layout.dirs.policies;
        let known = tenants(policies)?;
        let tenant = match (tenant, known.as_slice()) {
            (Some(tenant), _) if !known.contains(&tenant) => {
                return Err(StageError::NoSuchTenant { tenant, policies: policies.clone() });
            }
            (Some(tenant), _) => tenant,
            (None, [only]) => only.clone(),
            (None, []) => return Err(StageError::NoTenant { policies: policies.clone() }),
            (None, several) => {
                let names: Vec<_> = several.iter().map(TenantId::as_str).collect();
                return Err(StageError::SeveralTenants(names.join(", ")));
            }
        };
        let (folder, dirs) = empty()?;
        let (real, staged) = (policies.join(tenant.as_str()), dirs.policies.join(tenant.as_str()));
        link(&real, &staged, Some(bundle::FOLDER))?;
        link(&layout.bundle_folder(&tenant), &staged.join(bundle::FOLDER), None)?;
        link(&policies.join(PLATFORM), &dirs.policies.join(PLATFORM), None)?;
        let dirs = TreeDirs { schema: layout.dirs.schema.clone(), ..dirs };
        Ok(Self { folder, tenant, dirs, real: Some(real) })
    }

    /// A file for the decision log.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("decisions.jsonl")
    }

    /// A fault as whoever wrote the file knows it.
    pub(super) fn renamed(&self, fault: Fault) -> Fault {
        let Some(policies) = self.real.as_deref().and_then(Path::parent) else { return fault };
        let (staged, real) = (self.dirs.policies.to_string_lossy(), policies.to_string_lossy());
        let [file, message] = [&fault.file, &fault.message].map(|text| text.replace(&*staged, &real));
        Fault { file, message, ..fault }
    }
}

fn empty() -> Result<(TempDir, TreeDirs), StageError> {
    let failed = |source| StageError::Io { path: "the folder for temporary files".into(), source };
    let folder = TempDir::with_prefix("cedargate-bench-").map_err(failed)?;
    let dirs = TreeDirs { policies: folder.path().join("policies"), schema: folder.path().join("schema") };
    Ok((folder, dirs))
}

/// The folders that can be a tenant.
fn tenants(policies: &Path) -> Result<Vec<TenantId>, StageError> {
    let failed = |source| StageError::Io { path: policies.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(policies).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let tenant = TenantId::parse(&entry.file_name().to_string_lossy()).ok();
        found.extend(tenant.filter(|_| entry.path().is_dir()));
    }
    found.sort();
    Ok(found)
}

/// Makes the same folders, with links in place of files; one folder of them all may be left out.
fn link(from: &Path, to: &Path, left_out: Option<&str>) -> Result<(), StageError> {
    if !from.is_dir() {
        return Ok(());
    }
    let is_wanted = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_left_out = name.starts_with('.') || entry.depth() == 1 && left_out == Some(&*name);
        entry.depth() == 0 || !is_left_out
    };
    for entry in WalkDir::new(from).follow_links(true).into_iter().filter_entry(is_wanted) {
        let entry = entry?;
        let staged = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        let failed = |source| StageError::Io { path: entry.path().to_owned(), source };
        if entry.file_type().is_dir() {
            fs::create_dir_all(&staged).map_err(failed)?;
        } else if entry.file_type().is_file() {
            // Not a link: these are followed inside a tenant's folder only.
            fs::copy(entry.path(), &staged).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_tenant_is_alone_and_what_is_written_there_stays_there() {
        let real = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = real.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("policies/acme/grants/a.cedar", "a");
        write("policies/acme/compiled/bundle.json", "old");
        write("policies/other/b.cedar", "b");
        write("policies/platform/c.cedar", "c");
        let dirs = TreeDirs { policies: real.path().join("policies"), schema: real.path().join("schema") };
        let layout = Layout::of(dirs);
        let acme = TenantId::parse("acme").unwrap();

        let stage = Stage::of(&layout, Some(acme)).unwrap();
        let read = |name: &str| fs::read_to_string(stage.dirs.policies.join(name)).ok();
        assert_eq!(read("acme/grants/a.cedar").as_deref(), Some("a"));
        assert_eq!(read("acme/compiled/bundle.json").as_deref(), Some("old"));
        assert_eq!(read("platform/c.cedar").as_deref(), Some("c"));
        assert_eq!(read("other/b.cedar"), None);
        // As `publish` does: beside, then over it.
        let compiled = stage.dirs.policies.join("acme/compiled");
        fs::write(compiled.join("new"), "new").unwrap();
        fs::rename(compiled.join("new"), compiled.join("bundle.json")).unwrap();
        assert_eq!(fs::read_to_string(real.path().join("policies/acme/compiled/bundle.json")).unwrap(), "old");
        let fault = stage.renamed(Fault::of_file(compiled.to_string_lossy(), "x"));
        assert_eq!(fault.file, real.path().join("policies/acme/compiled").to_string_lossy());

        let refused = |tenant: Option<&str>| {
            Stage::of(&layout, tenant.map(|name| TenantId::parse(name).unwrap())).err().unwrap().to_string()
        };
        assert_eq!(refused(None), "say which tenant with `--tenant`: acme, other");
        assert!(refused(Some("nobody")).starts_with("there is no folder for tenant `nobody`"));
    }
}
