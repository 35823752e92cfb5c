//! The decision log: one JSON line for each decision, with everything that is needed to decide it again.
//!
//! In: a `DecisionRecord` for each answer. Out: lines, on standard output or in a file that rotates. A bounded
//! queue stands between, so that a slow disk is never a slow answer unless one asks for that: then no answer goes out
//! whose line is not written.

mod described;
mod log_file;
mod mask;
mod record;
mod sink;
mod writer;

pub use mask::{MASKED, Mask};
pub use record::DecisionRecord;
pub use sink::{Sink, SinkError};
pub use writer::{Audit, AuditCounters, AuditSettings, Unrecorded, WhenFull};
