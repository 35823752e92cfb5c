//! Where the lines of the decision log go: whole lines in, and nothing but whole lines out there.
//!
//! A write that stops in the middle of a line, as on a disk that is full, leaves no piece of it behind: what was
//! written of the line is taken back, and where that cannot be done the next line begins on a new one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use super::log_file::LogFile;
pub use super::log_file::SinkError;

/// Takes whole lines, as many at once as `batch_bytes` says.
pub struct Sink {
    out: Box<dyn Output>,
    batch_bytes: usize,
    /// Bytes of a line that was cut short, at the end of what is there.
    torn: usize,
}

/// What bytes are appended to.
pub(super) trait Output: Send {
    /// Appends some of these bytes, and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Notes that so many bytes of whole lines are there.
    fn keep(&mut self, bytes: usize);

    /// Takes back this many bytes at the end, or ends their line.
    fn mend(&mut self, torn: usize) -> io::Result<()>;
}

/// A write that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// How many lines were written before.
    pub whole_lines: usize,
    pub error: io::Error,
}

impl Sink {
    /// # Errors
    /// When the process has no standard output.
    pub fn stdout() -> Result<Self, SinkError> {
        // Past the buffer of `Stdout`: bytes that it holds are neither written nor lost.
        let fd = io::stdout().as_fd().try_clone_to_owned();
        let fd = fd.map_err(|source| SinkError::new(Path::new("standard output"), source))?;
        Ok(Self::of(Box::new(Stream(File::from(fd))), BATCH_BYTES))
    }

    /// A file of at most about `rotate_bytes`, and `keep` older ones beside it; no line is in two of them.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn file(path: &Path, rotate_bytes: usize, keep: usize) -> Result<Self, SinkError> {
        let file = LogFile::open(path, rotate_bytes, keep)?;
        // A file is full only after what is written at once.
        Ok(Self::of(Box::new(file), BATCH_BYTES.min(rotate_bytes / 16)))
    }

    pub(super) fn of(out: Box<dyn Output>, batch_bytes: usize) -> Self {
        Self { out, batch_bytes, torn: 0 }
    }

    /// How much to write at once, at the least, while there is more.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// Writes all of these lines, or says how many.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Failed> {
        self.mend().map_err(|error| Failed { whole_lines: 0, error })?;
        let mut rest = lines;
        while !rest.is_empty() {
            match self.out.append(rest) {
                Ok(0) => return Err(self.stop(lines, rest, io::ErrorKind::WriteZero.into())),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.stop(lines, rest, error)),
            }
        }
        self.out.keep(lines.len());
        Ok(())
    }

    fn stop(&mut self, lines: &[u8], rest: &[u8], error: io::Error) -> Failed {
        let written = lines.get(..lines.len() - rest.len()).unwrap_or_default();
        let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.out.keep(whole);
        self.torn = written.len() - whole;
        // What cannot be mended now is, before anything else is written.
        let _ = self.mend();
        Failed { whole_lines: written.iter().filter(|byte| **byte == b'\n').count(), error }
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn > 0 {
            self.out.mend(self.torn)?;
            self.torn = 0;
        }
        Ok(())
    }
}

/// What cannot be taken back.
struct Stream(File);

impl Output for Stream {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn keep(&mut self, _: usize) {}

    fn mend(&mut self, _: usize) -> io::Result<()> {
        self.0.write_all(b"\n")
    }
}

const BATCH_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
