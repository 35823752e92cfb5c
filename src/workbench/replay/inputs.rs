//! Logs in, batches of whole lines out, in order, each with its place.
//!
//! What is read at once is bounded, and so is a line: one that is longer is passed over and told of.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::model::Fault;

/// A log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Standard,
    File(PathBuf),
}

impl Input {
    /// `-` is standard input.
    pub fn of(name: &Path) -> Self {
        if name == Path::new("-") { Self::Standard } else { Self::File(name.to_owned()) }
    }

    /// The log with those that it was rotated into, the oldest first: `LOG.2`, `LOG.1`, `LOG`.
    pub fn with_rotated(name: &Path) -> Vec<Self> {
        let newest = Self::of(name);
        if newest == Self::Standard {
            return vec![newest];
        }
        let numbered = |number: usize| {
            let mut path = name.as_os_str().to_owned();
            path.push(format!(".{number}"));
            PathBuf::from(path)
        };
        let rotated = (1..).map(numbered).take_while(|path| path.exists()).map(Self::File);
        let mut all: Vec<_> = std::iter::once(newest).chain(rotated).collect();
        all.reverse();
        all
    }

    fn name(&self) -> String {
        match self {
            Self::Standard => "standard input".to_owned(),
            Self::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// Some lines of one log.
#[derive(Debug)]
pub(super) struct Batch {
    /// Batches are counted from 0.
    pub number: u64,
    /// The log's place among the inputs.
    pub input: usize,
    /// The number of the first line in its log, from 1.
    pub first_line: u64,
    /// Whole lines, each with its line break but perhaps the last of a log.
    pub text: Vec<u8>,
    /// What was read for it.
    pub bytes: u64,
    /// Numbers of lines in it that were too long to keep: an empty one stands for each.
    pub too_long: Vec<u64>,
}

/// Reads logs one after the other.
pub(super) struct Source<'a> {
    inputs: &'a [Input],
    current: usize,
    reader: Option<Box<dyn BufRead + Send>>,
    line: u64,
    batches: u64,
}

impl<'a> Source<'a> {
    /// # Errors
    /// When one of the files cannot be opened: nobody wants to learn that after an hour.
    pub fn open(inputs: &'a [Input]) -> Result<Self, Fault> {
        for input in inputs {
            if let Input::File(path) = input {
                let file = File::open(path).map_err(|error| cannot_read(input, &error))?;
                if file.metadata().is_ok_and(|found| found.is_dir()) {
                    return Err(Fault::of_file(input.name(), "is a folder: name the log's files"));
                }
            }
        }
        Ok(Self { inputs, current: 0, reader: None, line: 1, batches: 0 })
    }

    pub fn names(&self) -> Vec<String> {
        self.inputs.iter().map(Input::name).collect()
    }

    /// How much there is to read, if all are files.
    pub fn all_bytes(&self) -> Option<u64> {
        let size = |input: &Input| match input {
            Input::Standard => None,
            Input::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len()),
        };
        self.inputs.iter().map(size).sum()
    }

    /// The next batch; `None` at the end of all logs.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Fault> {
        while let Some(input) = self.inputs.get(self.current) {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => none.insert(open(input).map_err(|error| cannot_read(input, &error))?),
            };
            let read = read_lines(reader, self.line).map_err(|error| cannot_read(input, &error))?;
            if read.bytes == 0 {
                self.reader = None;
                self.current += 1;
                self.line = 1;
                continue;
            }
            let batch = Batch {
                number: self.batches,
                input: self.current,
                first_line: self.line,
                text: read.text,
                bytes: read.bytes,
                too_long: read.too_long,
            };
            self.batches += 1;
            self.line = read.next_line;
            return Ok(Some(batch));
        }
        Ok(None)
    }
}

fn open(input: &Input) -> io::Result<Box<dyn BufRead + Send>> {
    Ok(match input {
        Input::Standard => Box::new(BufReader::with_capacity(READ_BYTES, io::stdin())),
        Input::File(path) => Box::new(BufReader::with_capacity(READ_BYTES, File::open(path)?)),
    })
}

#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    bytes: u64,
    next_line: u64,
    too_long: Vec<u64>,
}

fn read_lines(reader: &mut impl BufRead, first_line: u64) -> io::Result<Lines> {
    let mut lines = Lines { next_line: first_line, ..Lines::default() };
    while lines.text.len() < BATCH_BYTES {
        let start = lines.text.len();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut lines.text)? as u64;
        if read == 0 {
            break;
        }
        lines.bytes += read;
        if read == MAX_LINE_BYTES && lines.text.last() != Some(&b'\n') {
            lines.text.truncate(start);
            lines.text.push(b'\n');
            lines.bytes += reader.skip_until(b'\n')? as u64;
            lines.too_long.push(lines.next_line);
        }
        lines.next_line += 1;
    }
    Ok(lines)
}

fn cannot_read(input: &Input, error: &io::Error) -> Fault {
    Fault::of_file(input.name(), format!("cannot be read: {error}"))
}

const BATCH_BYTES: usize = 256 * 1024;
const READ_BYTES: usize = 256 * 1024;
/// Larger than any request that the server takes, with what is added to it.
pub(super) const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;
