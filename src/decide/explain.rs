//! Why not: of each candidate policy that did not match, the first part of it that was false.
//!
//! In: a request that was decided. Out: its near misses, those nearest to matching first, so many and no more.

use cedar_policy::{Entities, Request, Response};
use serde::Serialize;

use super::answer::effect;
use crate::mismatch::{Stage, action_holds, first_false};
use crate::snapshot::{Snapshot, exact};

/// What `explain` adds to an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Candidates that did not match, those nearest to matching first.
    pub near_misses: Vec<NearMiss>,
    /// How many more there are.
    pub near_misses_omitted: usize,
}

/// A policy about the request's action that did not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    pub id: String,
    pub effect: &'static str,
    pub source: String,
    /// The first part that was not true, as written.
    pub failed: String,
}

/// Explains a response.
pub(super) fn explain(snapshot: &Snapshot, request: &Request, entities: &Entities, response: &Response) -> Explanation {
    let determining: Vec<_> = response.diagnostics().reason().collect();
    let mut misses: Vec<(Stage, NearMiss)> = snapshot
        .policies
        .set
        .policies()
        .filter(|policy| action_holds(&policy.action_constraint(), request, entities))
        .filter(|policy| !determining.contains(&policy.id()))
        .filter_map(|policy| {
            let (stage, failed) = first_false(policy, request, entities)?;
            let source = snapshot.source(policy.id()).map(ToString::to_string).unwrap_or_default();
            let miss = NearMiss { id: exact(policy.id()).to_owned(), effect: effect(policy.effect()), source, failed };
            Some((stage, miss))
        })
        .collect();
    misses.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.id.cmp(&right.1.id)));
    let omitted = misses.len().saturating_sub(MAX_NEAR_MISSES);
    misses.truncate(MAX_NEAR_MISSES);
    Explanation { near_misses: misses.into_iter().map(|(_, miss)| miss).collect(), near_misses_omitted: omitted }
}

/// An explanation names this many near misses at most.
const MAX_NEAR_MISSES: usize = 50;
