//! A bundle in, files on disk out: each written beside its place, synced and renamed; `bundle.json` last.
//!
//! A file whose bytes are already right is not touched. Files that the bundle no longer has go after the new
//! `bundle.json` stands.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Bundle, COLLABORATORS_FILE, ENTITIES_FILE, FOLDER, INDEX_FILE, Index, Sharding};

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("`{path}` cannot be written: mount it writable, or set `bundle.dir` to a folder that is", path = .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` is a link that leads out of its tenant's folder: nothing is written there", path = .path.display())]
    Outside { path: PathBuf },
    #[error("`bundle.json` cannot be put into words")]
    Index(#[source] serde_json::Error),
}

/// Writes what differs, and says which files that were. The folder above must be there.
///
/// # Errors
/// When a file cannot be written; what stood before then still stands.
pub fn publish(dir: &Path, bundle: &Bundle) -> Result<Vec<String>, PublishError> {
    let writer = BundleWriter::start(dir)?;
    // Side by side: most of the time goes into waiting for the disk to have it.
    let write = |(name, text): (&String, &String)| writer.put(name, text);
    let written = bundle.files.par_iter().map(write).collect::<Result<Vec<_>, PublishError>>()?;
    let mut written: Vec<_> = bundle.files.keys().zip(written).filter(|(_, is_new)| *is_new).collect();
    if writer.finish(&bundle.index(), !written.is_empty(), || ())? {
        let index = INDEX_FILE.to_owned();
        let names = written.drain(..).map(|(name, _)| name.clone());
        return Ok(names.chain([index]).collect());
    }
    Ok(written.into_iter().map(|(name, _)| name.clone()).collect())
}

/// A bundle that is being written: any files first, `bundle.json` last.
#[derive(Clone, Debug)]
pub struct BundleWriter {
    dir: PathBuf,
}

impl BundleWriter {
    /// Starts to write into a folder. The folder above must be there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn start(dir: &Path) -> Result<Self, PublishError> {
        // Not with its parents: a tenant whose folder was taken away meanwhile must not come back as its bundle.
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(dir)(error)),
            Err(_) if leads_out(dir).map_err(failed(dir))? => Err(PublishError::Outside { path: dir.to_owned() }),
            _ => Ok(Self { dir: dir.to_owned() }),
        }
    }

    /// Writes one file, unless it is there as it should be; says whether it wrote.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, name: &str, text: &str) -> Result<bool, PublishError> {
        let path = self.dir.join(name);
        write_if_changed(&self.dir, &path, text).map_err(failed(&path))
    }

    /// Makes what was written the bundle, and takes away what is no part of it; says whether the bundle is another. Calls
    /// `is_whole` as soon as a reader finds all of it, and not before.
    ///
    /// # Errors
    /// When `bundle.json` cannot be written; the files may be ahead of it then, and no reader takes them.
    pub fn finish(self, index: &Index, wrote_files: bool, is_whole: impl FnOnce()) -> Result<bool, PublishError> {
        let dir = &self.dir;
        if wrote_files {
            sync_folder(dir).map_err(failed(dir))?;
        }
        let text = serde_json::to_string_pretty(index).map_err(PublishError::Index)? + "\n";
        let path = dir.join(INDEX_FILE);
        let is_new = write_if_changed(dir, &path, &text).map_err(failed(&path))?;
        is_whole();
        if is_new {
            sync_folder(dir).map_err(failed(dir))?;
        }
        // Also where only torn files were put right: the crash that tore them may have left others.
        if is_new || wrote_files {
            remove_others(dir, index).map_err(failed(dir))?;
        }
        Ok(is_new)
    }
}

/// Whether a tenant's own `compiled/` is a link to somewhere else, such as another tenant's.
fn leads_out(dir: &Path) -> io::Result<bool> {
    let (true, Some(above)) = (dir.ends_with(FOLDER), dir.parent()) else { return Ok(false) };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    Ok(!fs::canonicalize(dir)?.starts_with(fs::canonicalize(above)?))
}

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> PublishError {
    let path = path.to_owned();
    move |source| PublishError::Io { path, source }
}

pub(super) fn write_if_changed(dir: &Path, path: &Path, text: &str) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).permissions(readable()).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(true)
}

pub(super) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Takes away what earlier bundles and crashes left. INVARIANT: only names that cedargate itself gives.
fn remove_others(dir: &Path, index: &Index) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_ours(&name) && !index.files.contains_key(&name) && entry.file_type()?.is_file() {
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
