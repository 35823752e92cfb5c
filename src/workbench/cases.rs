//! Decision cases as data: who asks what, and what the answer must be.
//!
//! In: YAML files, or those of the official `cedar run-tests`, and the tree whose policies they are about. Out: a
//! [`Report`] of which hold, and of the others what differs and why. Every answer is the server's decider's, over
//! snapshots that are assembled as the server assembles them.
//!
//! What a file may say is in [`written`]; `schema/cases.schema.json` tells editors the same. `cedargate test` runs
//! this, and so can a `cargo test` of one's own:
//!
//! ```no_run
//! use cedargate::clock::{Clock, SystemClock};
//! use cedargate::workbench::cases::{Runner, Selection};
//!
//! // In a function that is a `#[test]`:
//! let report = Runner::over("policies", "schema").run(&Selection::default(), SystemClock.now()).unwrap();
//! assert!(report.is_ok(), "{report}");
//! ```

mod find;
mod judge;
mod look;
mod official;
mod people;
mod plan;
mod question;
mod read;
mod report;
mod run;
pub mod shape;
pub mod written;

pub use find::Selection;
pub use judge::{CaseReport, Difference, Explained, Failure};
pub use people::Verifying;
pub use question::GroupKind;
pub use report::{GroupReport, Report, SuiteReport, to_junit};
pub use run::Runner;

#[cfg(test)]
mod tests;
