//! What became of lines, counted; the counts of later lines are added to those of earlier ones.

use std::collections::BTreeMap;

use super::difference::{Example, Kind};
use crate::decide::Change;
use crate::model::Fault;

/// Counts of some lines that follow each other.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub lines: u64,
    pub bytes: u64,
    pub decided: u64,
    pub of_other_tenants: u64,
    /// Lines whose principal lacks what the log masks.
    pub masked: u64,
    pub same: u64,
    pub newly_allowed: u64,
    pub newly_denied: u64,
    pub other_reason: u64,
    pub not_decided: BTreeMap<&'static str, Few>,
    pub differences: BTreeMap<Kind, (u64, Example)>,
    /// Answers that changed in ways of which there are too many to keep.
    pub beyond: u64,
}

/// How many, and the first few.
#[derive(Debug, Default)]
pub(super) struct Few {
    pub count: u64,
    pub first: Vec<Fault>,
}

impl Tally {
    pub fn count(&mut self, change: Option<Change>) {
        *match change {
            None => &mut self.same,
            Some(Change::NewlyAllowed) => &mut self.newly_allowed,
            Some(Change::NewlyDenied) => &mut self.newly_denied,
            Some(Change::OtherReason) => &mut self.other_reason,
        } += 1;
    }

    pub fn differ(&mut self, kind: Kind, example: impl FnOnce(&Kind) -> Example) {
        if let Some((count, _)) = self.differences.get_mut(&kind) {
            *count += 1;
            return;
        }
        let example = example(&kind);
        self.differences.insert(kind, (1, example));
    }

    pub fn not_decided(&mut self, kind: &'static str, file: &str, line: u64, message: String, most: usize) {
        let found = self.not_decided.entry(kind).or_default();
        found.count += 1;
        if found.first.len() < most {
            let line = usize::try_from(line).unwrap_or(usize::MAX);
            found.first.push(Fault { file: file.to_owned(), line, column: 1, message });
        }
    }

    /// Adds what became of the lines that follow.
    pub fn append(&mut self, later: Self, most_examples: usize) {
        self.lines += later.lines;
        self.bytes += later.bytes;
        self.decided += later.decided;
        self.of_other_tenants += later.of_other_tenants;
        self.masked += later.masked;
        self.same += later.same;
        self.newly_allowed += later.newly_allowed;
        self.newly_denied += later.newly_denied;
        self.other_reason += later.other_reason;
        self.beyond += later.beyond;
        for (kind, found) in later.not_decided {
            let all = self.not_decided.entry(kind).or_default();
            all.count += found.count;
            let room = most_examples.saturating_sub(all.first.len());
            all.first.extend(found.first.into_iter().take(room));
        }
        for (kind, (count, example)) in later.differences {
            if let Some((all, _)) = self.differences.get_mut(&kind) {
                *all += count;
            } else if self.differences.len() < MOST_KINDS {
                self.differences.insert(kind, (count, example));
            } else {
                self.beyond += count;
            }
        }
    }
}

/// A policy for each person makes a way to change for each person: more of them than this nobody reads.
pub(super) const MOST_KINDS: usize = 20_000;
