//! `pull`: a tenant's directory as manifests, as it is or as it was.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::database::{OfTenant, failed};
use super::report::Trouble;
use super::{Ending, report};
use crate::directory::{MANIFEST_FILES, StoreError, everything, manifests_of};
use crate::model::{Fault, Faults, Revision};

#[derive(Debug, Args)]
pub(super) struct Pull {
    #[command(flatten)]
    of_tenant: OfTenant,
    /// The folder that the manifests are written into
    #[arg(short = 'f', long = "manifests", value_name = "DIR")]
    folder: PathBuf,
    /// As it was at this revision
    #[arg(long, value_name = "REVISION")]
    at: Option<u64>,
}

impl Pull {
    pub(super) fn run(self) -> Ending {
        let json = self.of_tenant.common.json;
        super::in_runtime(json, self.pull())
    }

    async fn pull(self) -> Result<Ending, Trouble> {
        let database = self.of_tenant.open().await?;
        let head = database.head().await?.ok_or_else(|| failed(StoreError::NoSuchTenant(database.tenant.clone())))?;
        let at = self.at.map_or(head, Revision);
        if at > head {
            let message = format!("the directory is at revision {head}: there is no {at} yet");
            return Err(Trouble::Invalid(Fault::of_file("--at", message).into()));
        }
        let facts = everything(&database.directory, &database.tenant, at).await.map_err(failed)?;
        let files = manifests_of(&database.tenant, facts).map_err(failed)?;
        check_folder(&self.folder)?;
        let unwritten = |path: &Path, error: std::io::Error| {
            Trouble::Failed(format!("`{}` cannot be written: {error}", path.display()))
        };
        fs::create_dir_all(&self.folder).map_err(|error| unwritten(&self.folder, error))?;
        for name in MANIFEST_FILES {
            let path = self.folder.join(name);
            match files.get(name) {
                Some(text) => fs::write(&path, text).map_err(|error| unwritten(&path, error))?,
                // What an earlier `pull` wrote and there is none of any more.
                None if path.exists() => fs::remove_file(&path).map_err(|error| unwritten(&path, error))?,
                None => {}
            }
        }
        if self.of_tenant.common.json {
            let names: Vec<_> = files.keys().collect();
            report::say_json(&json!({"ok": true, "revision": at, "files": names}));
        } else {
            report::say(format!("{}: {} file(s), of revision {at}", self.folder.display(), files.len()));
        }
        Ok(Ending::Ok)
    }
}

/// Manifests of other names would be read beside those that are written, and say things twice.
fn check_folder(folder: &Path) -> Result<(), Faults> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut faults = Faults::default();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if is_yaml && !MANIFEST_FILES.contains(&name.as_str()) {
            let message = "is not a file that `pull` writes: name an empty folder, or one that it wrote";
            faults.push(Fault::of_file(entry.path().to_string_lossy(), message));
        }
    }
    faults.or(())
}
