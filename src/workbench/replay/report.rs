//! The result of a replay, for people and for programs.

use serde::Serialize;

use super::Difference;
use super::tally::Tally;
use crate::model::Fault;

/// What became of all lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub lines: u64,
    pub decided: u64,
    pub same: u64,
    pub newly_allowed: u64,
    pub newly_denied: u64,
    /// The same decision for another reason, or by other policies.
    pub other_reason: u64,
    pub of_other_tenants: u64,
    /// Lines whose principal lacks what the log masks.
    pub masked: u64,
    /// The most frequent kind first.
    pub not_decided: Vec<Undecided>,
    /// The largest first.
    pub differences: Vec<Difference>,
    /// Answers that changed in further ways.
    pub differences_left_out: u64,
}

/// Lines that could not be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undecided {
    pub kind: &'static str,
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Fault>,
}

impl Report {
    pub(super) fn of(tally: Tally, examples: usize) -> Self {
        let mut not_decided: Vec<_> = tally
            .not_decided
            .into_iter()
            .map(|(kind, found)| Undecided { kind, count: found.count, examples: found.first })
            .collect();
        // The sort is stable: those of equal count stay in their order.
        not_decided.sort_by_key(|undecided| std::cmp::Reverse(undecided.count));
        let mut differences: Vec<_> =
            tally.differences.into_iter().map(|(kind, (count, example))| Difference { kind, count, example }).collect();
        differences.sort_by_key(|difference| std::cmp::Reverse(difference.count));
        let left_out: u64 = differences.iter().skip(examples).map(|difference| difference.count).sum();
        differences.truncate(examples);
        Self {
            lines: tally.lines,
            decided: tally.decided,
            same: tally.same,
            newly_allowed: tally.newly_allowed,
            newly_denied: tally.newly_denied,
            other_reason: tally.other_reason,
            of_other_tenants: tally.of_other_tenants,
            masked: tally.masked,
            not_decided,
            differences,
            differences_left_out: left_out + tally.beyond,
        }
    }

    /// Whether there are lines, and not one of them could be decided.
    pub fn is_invalid(&self) -> bool {
        self.lines > self.of_other_tenants && self.decided == 0
    }
}
