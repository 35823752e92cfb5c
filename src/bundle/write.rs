//! A bundle in, files on disk out: each written beside its place, synced and renamed; `bundle.json` last.
//!
//! A file whose bytes are already right is not touched. Files that the bundle no longer has go after the new
//! `bundle.json` stands.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Bundle, COLLABORATORS_FILE, ENTITIES_FILE, INDEX_FILE, Sharding};

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("`{path}` cannot be written: mount it writable, or set `bundle.dir` to a folder that is", path = .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`bundle.json` cannot be put into words")]
    Index(#[source] serde_json::Error),
}

/// Writes what differs, and says which files that were. The folder above must be there.
///
/// # Errors
/// When a file cannot be written; what stood before then still stands.
pub fn publish(dir: &Path, bundle: &Bundle) -> Result<Vec<String>, PublishError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PublishError::Io { path, source }
    };
    // Not with its parents: a tenant whose folder was taken away meanwhile must not come back as its bundle.
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(dir)(error)),
        _ => {}
    }
    // Side by side: most of the time goes into waiting for the disk to have it.
    let write = |(name, text): (&String, &String)| {
        let path = dir.join(name);
        let changed = write_if_changed(dir, &path, text).map_err(failed(&path))?;
        Ok(changed.then(|| name.clone()))
    };
    let written = bundle.files.par_iter().map(write).collect::<Result<Vec<_>, PublishError>>()?;
    let mut written: Vec<_> = written.into_iter().flatten().collect();
    if !written.is_empty() {
        sync_folder(dir).map_err(failed(dir))?;
    }
    let index = serde_json::to_string_pretty(&bundle.index()).map_err(PublishError::Index)? + "\n";
    let path = dir.join(INDEX_FILE);
    if write_if_changed(dir, &path, &index).map_err(failed(&path))? {
        written.push(INDEX_FILE.to_owned());
        sync_folder(dir).map_err(failed(dir))?;
        remove_others(dir, bundle).map_err(failed(dir))?;
    }
    Ok(written)
}

fn write_if_changed(dir: &Path, path: &Path, text: &str) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).permissions(readable()).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(true)
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Takes away what earlier bundles and crashes left. INVARIANT: only names that cedargate itself gives.
fn remove_others(dir: &Path, bundle: &Bundle) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_ours(&name) && !bundle.files.contains_key(&name) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let is_shard = |part: &&str| Sharding::read(part, name).is_some();
    name.starts_with(TEMPORARY) || [COLLABORATORS_FILE, ENTITIES_FILE].iter().any(is_shard)
}

#[cfg(unix)]
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

const TEMPORARY: &str = ".writing-";
