//! `backup` and `restore`: the whole database in one file, and back. Neither leaves half a file behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tempfile::NamedTempFile;

use super::database::{database_path, failed};
use super::report::{Trouble, counted};
use super::{Common, Ending, report};
use crate::directory::{Copied, begin_epoch, copy_database, settle_unused};
use crate::model::with_causes;

/// Also of a database that a server is using.
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    of: OfFile,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    of: OfFile,
    /// Replace the database that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct OfFile {
    #[command(flatten)]
    common: Common,
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The database [default: as configured, else `cedargate.db` beside the policies folder]
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

impl Backup {
    pub(super) fn run(self) -> Ending {
        let OfFile { common, file, database } = self.of;
        let json = common.json;
        super::in_runtime(json, async {
            let database = database_path(&common, database)?;
            if file.exists() {
                return Err(Trouble::Failed(format!("`{}` is there already: name another file", file.display())));
            }
            must_be_file(&database)?;
            let place = empty_beside(&file)?;
            let copied = copy_database(&database, place.path()).await.map_err(|error| of(&database, &error))?;
            place.as_file().sync_all().map_err(|error| of(&file, &error))?;
            // Whoever made the file meanwhile keeps it.
            place.persist_noclobber(&file).map_err(|error| of(&file, &error.error))?;
            sync_folder(&file).map_err(|error| of(&file, &error))?;
            tell(json, &copied, &file);
            Ok(Ending::Ok)
        })
    }
}

impl Restore {
    pub(super) fn run(self) -> Ending {
        let OfFile { common, file, database } = self.of;
        let json = common.json;
        super::in_runtime(json, async {
            let database = database_path(&common, database)?;
            must_be_file(&file)?;
            let is_there = fs::symlink_metadata(&database).is_ok();
            if is_there && !self.force {
                let message = format!("`{}` is there already: `--force` replaces it", database.display());
                return Err(Trouble::Failed(message));
            }
            if is_there {
                settle_unused(&database).await.map_err(|error| of(&database, &error))?;
            }
            let place = empty_beside(&database)?;
            copy_database(&file, place.path()).await.map_err(|error| of(&file, &error))?;
            let copied = begin_epoch(place.path()).await.map_err(|error| of(&file, &error))?;
            place.as_file().sync_all().map_err(|error| of(&database, &error))?;
            // Of a database that is no more: its log would be read as this one's.
            for end in ["-wal", "-shm"] {
                remove(&beside(&database, end)).map_err(|error| of(&database, &error))?;
            }
            place.persist(&database).map_err(|error| of(&database, &error.error))?;
            sync_folder(&database).map_err(|error| of(&database, &error))?;
            tell(json, &copied, &database);
            Ok(Ending::Ok)
        })
    }
}

fn of(path: &Path, error: &dyn std::error::Error) -> Trouble {
    Trouble::Failed(format!("`{}`: {}", path.display(), with_causes(error)))
}

fn must_be_file(path: &Path) -> Result<(), Trouble> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(Trouble::Failed(format!("`{}` is not a file", path.display()))),
        Err(error) => Err(of(path, &error)),
    }
}

/// An empty file that only we may read, in the same folder: it becomes the other whole, or goes.
fn empty_beside(path: &Path) -> Result<NamedTempFile, Trouble> {
    NamedTempFile::with_prefix_in(".cedargate-", folder_of(path)).map_err(failed)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(folder_of(path))?.sync_all()
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn tell(json: bool, copied: &Copied, to: &Path) {
    if json {
        let tenants: Vec<_> =
            copied.tenants.iter().map(|head| json!({"tenant": head.tenant, "revision": head.head})).collect();
        let Copied { revisions, epoch, .. } = copied;
        let file = to.to_string_lossy();
        report::say_json(
            &json!({"ok": true, "file": file, "tenants": tenants, "revisions": revisions, "epoch": epoch}),
        );
        return;
    }
    for head in copied.tenants.iter() {
        report::say(format!("{} at revision {}", head.tenant, head.head));
    }
    let revisions = counted(usize::try_from(copied.revisions).unwrap_or(usize::MAX), "revision");
    report::say(format!("{}, {revisions}, in {}", counted(copied.tenants.len(), "tenant"), to.display()));
}
