//! A fault: something wrong in a file that a person wrote, and where.
//!
//! Every reader of files (config, schema, policies, manifests, entities) reports these, so that `check`,
//! `/status` and the log all say the same sentence about the same place.

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// One thing wrong, with its place. Line and column count from 1; 0 means the whole file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The file as the user would name it, relative to where they started cedargate when possible.
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// What to fix: lower case, no full stop, input in backticks.
    pub message: String,
}

impl Fault {
    /// A fault at a byte offset of a text.
    pub fn at_offset(file: impl Into<String>, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = Lines::of(text).position(offset);
        Self { file: file.into(), line, column, message: message.into() }
    }

    /// A fault of a whole file, or of a folder.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(out, "{}: {}", self.file, self.message)
        } else {
            write!(out, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
        }
    }
}

/// Every fault found in one reading, never empty when returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} fault(s), the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// The faults as an error, or the value when there are none.
    ///
    /// # Errors
    /// When at least one fault was collected.
    pub fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }

    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// An error with its causes on one line, for a fault, a log line or `/status`.
pub fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| Error::source(*cause));
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Where the lines of a text begin, for those who ask for many positions in it.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn of(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// Line and column, from 1, of a byte offset; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_line_and_column_from_one() {
        let fault = Fault::at_offset("a.cedar", "permit\n  (x", 9, "here");
        assert_eq!((fault.line, fault.column), (2, 3));
        assert_eq!(fault.to_string(), "a.cedar:2:3: here");
        assert_eq!(Lines::of("permit\n  (x").position(9), (2, 3));
        assert_eq!(Lines::of("é\n").position(2), (1, 2));
    }
}
