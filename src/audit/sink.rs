//! Where the lines of the decision log go.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};

/// Takes whole lines, as many at once as `batch_bytes` says.
pub struct Sink {
    out: Box<dyn Write + Send>,
    batch_bytes: usize,
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
        Self { out: Box::new(io::stdout()), batch_bytes: BATCH_BYTES }
    }

    /// A file of at most about `rotate_bytes`, and `keep` older ones beside it; no line is in two of them.
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
        let file = FileRotate::new(path, AppendCount::new(keep), limit, Compression::None, None);
        // A file is full only after what is written at once.
        Ok(Self { out: Box::new(file), batch_bytes: BATCH_BYTES.min(rotate_bytes / 16) })
    }

    /// How much to write at once, at the least, while there is more.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.out.write_all(lines)?;
        self.out.flush()
    }
}

const BATCH_BYTES: usize = 64 * 1024;
