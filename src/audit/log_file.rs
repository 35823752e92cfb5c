//! The decision log as a file: appended to, cut back to its last whole line, and set aside when it is large.
//!
//! INVARIANT: nothing that the disk does ends the log: a file that cannot be set aside is written on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::sink::Output;

/// Why the log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the decision log `{path}` cannot be written", path = .path.display())]
pub struct SinkError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl SinkError {
    pub(super) fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Of whole lines.
    length: u64,
    rotate_bytes: u64,
    keep: usize,
    /// Whether it is a file that can be cut and set aside: not a device, not a pipe.
    is_regular: bool,
    is_failing_to_rotate: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path, rotate_bytes: usize, keep: usize) -> Result<Self, SinkError> {
        let failed = |source| SinkError::new(path, source);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = append_to(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mut length = metadata.len();
        if metadata.is_file() {
            let whole = whole_lines(path, length).map_err(failed)?;
            if whole < length {
                // Of a process that was killed in the middle of a line, whose answer nobody got.
                tracing::warn!(bytes = length - whole, "the decision log ended in a piece of a line: it is taken away");
                file.set_len(whole).map_err(failed)?;
                file.seek(SeekFrom::End(0)).map_err(failed)?;
                length = whole;
            }
        }
        let rotate_bytes = rotate_bytes as u64;
        let (path, is_regular) = (path.to_owned(), metadata.is_file());
        Ok(Self { path, file, length, rotate_bytes, keep, is_regular, is_failing_to_rotate: false })
    }

    fn rotate(&mut self) {
        match self.set_aside() {
            Ok(()) => self.is_failing_to_rotate = false,
            Err(error) => {
                if !self.is_failing_to_rotate {
                    tracing::error!(%error, "the decision log cannot be set aside: it is written on");
                }
                self.is_failing_to_rotate = true;
            }
        }
    }

    /// `log` becomes `log.1`, `log.1` becomes `log.2`, and so on; the oldest goes.
    fn set_aside(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        if self.keep == 0 {
            self.file.set_len(0)?;
        } else {
            rename_if_there(&self.path, &self.numbered(1))?;
            // Until the new one is there, lines go on into the old one.
            self.file = append_to(&self.path)?;
        }
        self.length = 0;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Output for LogFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn keep(&mut self, bytes: usize) {
        self.length += bytes as u64;
        if self.is_regular && self.length > self.rotate_bytes {
            self.rotate();
        }
    }

    fn mend(&mut self, torn: usize) -> io::Result<()> {
        // Somebody else may have cut it, or written to it: then only what comes next is ours to keep clean.
        let is_as_left = self.is_regular && self.file.metadata()?.len() == self.length + torn as u64;
        if is_as_left { self.file.set_len(self.length) } else { self.file.write_all(b"\n") }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// How much of a file is whole lines.
fn whole_lines(path: &Path, length: u64) -> io::Result<u64> {
    if length == 0 {
        return Ok(0);
    }
    let Ok(mut file) = File::open(path) else {
        // May be written and not read: nobody can say.
        return Ok(length);
    };
    let mut end = length;
    let mut piece = vec![0; PIECE_BYTES as usize];
    while end > 0 {
        let start = end.saturating_sub(PIECE_BYTES);
        let piece = piece.get_mut(..usize::try_from(end - start).unwrap_or_default()).unwrap_or_default();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

const PIECE_BYTES: u64 = 64 * 1024;
