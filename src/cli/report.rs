//! How verbs speak: one place that writes to standard output and standard error.

use std::error::Error;
use std::io::Write;

use serde::Serialize;
use serde_json::json;

use super::Ending;
use crate::model::Faults;

/// A line for people on standard output. A closed pipe is not an error worth reporting.
pub(super) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
}

/// So many of something: `1 request`, `2 requests`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// A line on standard error.
pub(super) fn complain(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}

/// One JSON line on standard output.
pub(super) fn say_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => say(text),
        Err(error) => complain(format!("cedargate: {error}")),
    }
}

/// Why a verb has no result: the input's fault, or not.
#[derive(Debug)]
pub(super) enum Trouble {
    Invalid(Faults),
    Failed(String),
}

impl Trouble {
    /// Says it, and how the verb ended.
    pub(super) fn end(self, json: bool) -> Ending {
        match self {
            Self::Invalid(faults) => invalid(json, &faults),
            Self::Failed(text) => failed(json, &text),
        }
    }
}

impl From<Faults> for Trouble {
    fn from(faults: Faults) -> Self {
        Self::Invalid(faults)
    }
}

/// Every fault, a line each, or as JSON; the input was invalid.
pub(super) fn invalid(json: bool, faults: &Faults) -> Ending {
    if json {
        say_json(&json!({"ok": false, "faults": faults.0}));
    } else {
        faults.0.iter().for_each(|fault| complain(fault.to_string()));
    }
    Ending::Invalid
}

/// A failure with its causes.
pub(super) fn failure(json: bool, error: &dyn Error) -> Ending {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    failed(json, &text)
}

/// A failure in words.
pub(super) fn failed(json: bool, text: &str) -> Ending {
    if json {
        say_json(&json!({"ok": false, "error": text}));
    } else {
        complain(format!("cedargate: {text}"));
    }
    Ending::Failure
}
