//! One file as read: its name for people, its name below its folder, its text.
//!
//! Turns the parsers' diagnostics into faults, with line and column.

use miette::Diagnostic;

use crate::model::Fault;

/// A text file of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As the user would type it: `policies/acme/guardrails/night.cedar`.
    pub name: String,
    /// Below its folder, with `/` between the parts: `guardrails/night.cedar`.
    pub relative: String,
    pub text: String,
}

impl SourceFile {
    /// A fault at a byte offset of this file.
    pub fn fault_at(&self, offset: usize, message: impl Into<String>) -> Fault {
        Fault::at_offset(&self.name, &self.text, offset, message)
    }

    /// A parser's diagnostic as a fault; what it has no position for is laid at the file's first line.
    pub fn fault_of(&self, diagnostic: &dyn Diagnostic) -> Fault {
        let offset = first_label(diagnostic).unwrap_or(0);
        self.fault_at(offset, one_line(diagnostic))
    }
}

/// The byte offset that a diagnostic points at, if it points anywhere.
pub fn first_label(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset())
}

/// Message, causes and help of a diagnostic on one line.
pub fn one_line(diagnostic: &dyn Diagnostic) -> String {
    let mut text = diagnostic.to_string();
    let mut cause = std::error::Error::source(diagnostic);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    if let Some(label) = diagnostic.labels().and_then(|mut labels| labels.next()?.label().map(str::to_owned)) {
        text = format!("{text} ({label})");
    }
    if let Some(help) = diagnostic.help() {
        text = format!("{text} ({help})");
    }
    text.replace('\n', " ")
}
