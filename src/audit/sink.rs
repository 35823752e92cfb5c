//! Where the lines of the decision log go.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};

/// Takes whole lines.
pub enum Sink {
    Stdout(BufWriter<io::Stdout>),
    /// Rotated by size; a line is never torn in two.
    File(FileRotate<AppendCount>),
}

/// Why the log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the decision log `{path}` cannot be written", path = .path.display())]
pub struct SinkError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Sink {
    pub fn stdout() -> Self {
        Self::Stdout(BufWriter::new(io::stdout()))
    }

    /// A file of at most about `rotate_bytes`, and `keep` older ones beside it.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn file(path: &Path, rotate_bytes: usize, keep: usize) -> Result<Self, SinkError> {
        let failed = |source| SinkError { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // The rotating writer panics on a path it cannot open, so that is tried first.
        std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
        let limit = ContentLimit::BytesSurpassed(rotate_bytes);
        Ok(Self::File(FileRotate::new(path, AppendCount::new(keep), limit, Compression::None, None)))
    }

    pub(super) fn write_line(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        match self {
            Self::Stdout(out) => out.write_all(line.as_bytes()),
            Self::File(out) => out.write_all(line.as_bytes()),
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}
