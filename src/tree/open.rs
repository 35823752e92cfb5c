//! Files that may be replaced by something else at any moment, opened so that this cannot matter.
//!
//! A file of a tree is opened from its root, folder by folder, and no link is followed on the way: links were resolved
//! before, and one that appeared since leads nowhere. Nothing waits for a named pipe, and only a regular file is read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::SourceFile;
use super::below::{FoundFile, Root};
use super::shown::shown;
use crate::model::Fault;

/// The largest file that is read, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

impl Root {
    /// Reads a file that was found below this root.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is not UTF-8 text. The fault never quotes it.
    pub(super) fn read(&self, found: &FoundFile, relative: String) -> Result<SourceFile, Fault> {
        let name = shown(&found.path);
        let text = self.open(&found.real).and_then(text_of).map_err(|error| cannot_read(&name, &error))?;
        Ok(SourceFile { name, relative, text })
    }

    fn open(&self, real: &Path) -> io::Result<File> {
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at = openat(CWD, &self.real, folder, Mode::empty())?;
        let mut parts = real.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(part) = part else { return Err(io::Error::from(io::ErrorKind::NotFound)) };
            if parts.peek().is_none() {
                let file = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                return Ok(File::from(openat(at, part, file, Mode::empty())?));
            }
            at = openat(at, part, folder, Mode::empty())?;
        }
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Reads a regular file by its path; anything else is refused, and a named pipe is not waited for.
///
/// # Errors
/// When it cannot be read, is too large or is not UTF-8 text.
pub fn read_regular(path: &Path) -> io::Result<String> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    text_of(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

fn text_of(file: File) -> io::Result<String> {
    let metadata = file.metadata()?;
    // INVARIANT: asked of what was opened, whatever stands under its name by now.
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may be growing.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

pub(super) fn cannot_read(name: &str, error: &io::Error) -> Fault {
    let message = match error.kind() {
        io::ErrorKind::FileTooLarge => format!("is larger than {MAX_FILE_BYTES} bytes"),
        io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    Fault::of_file(name, message)
}
