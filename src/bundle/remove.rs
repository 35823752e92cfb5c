//! A bundle that must never serve again: `bundle.json` goes first, and the disk has it before anything else goes.

use std::fs;
use std::io;
use std::path::Path;

use super::INDEX_FILE;
use super::write::sync_folder;

/// Takes a bundle away, so that a crash at any point leaves nothing that a reader would take for one.
///
/// # Errors
/// When it cannot be removed, or the disk does not say that it is.
pub fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(INDEX_FILE)) {
        Ok(()) => sync_folder(dir)?,
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(error),
    }
    match fs::remove_dir_all(dir) {
        Ok(()) => {}
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    }
    dir.parent().map_or(Ok(()), sync_folder)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
