//! Why not: of each candidate policy that did not match, the first part of it that was false.
//!
//! In: a request that was decided. Out: its near misses, those nearest to matching first, so many and no more.
//! Candidates are all written policies about the action, and the grants that are about the principal or about the
//! resource, or about what these are in.

use cedar_policy::{EntityUid, Policy, Request};
use cedar_policy_core::authorizer::Response;
use serde::Serialize;

use crate::cedar_text::on_deep_stack;
use crate::mismatch::{Stage, action_holds, first_false};
use crate::snapshot::{Slice, Snapshot, effect, exact};

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
pub(super) fn explain(snapshot: &Snapshot, request: &Request, slice: &Slice, response: &Response) -> Explanation {
    on_deep_stack(|| explain_here(snapshot, request, slice, response))
}

fn explain_here(snapshot: &Snapshot, request: &Request, slice: &Slice, response: &Response) -> Explanation {
    let determining = &response.diagnostics.reason;
    let mut misses: Vec<(Stage, NearMiss)> = Vec::new();
    let mut omitted = 0;
    for policy in candidates(snapshot, request, slice) {
        if determining.contains(policy.id().as_ref())
            || !action_holds(&policy.action_constraint(), request, &slice.entities)
        {
            continue;
        }
        let Some((stage, failed)) = first_false(&policy, request, &slice.entities) else { continue };
        let source = snapshot.source(policy.id()).map(|source| snapshot.told_source(&source)).unwrap_or_default();
        let miss = NearMiss { id: exact(policy.id()).to_owned(), effect: effect(policy.effect()), source, failed };
        misses.push((stage, miss));
        if misses.len() >= MAX_NEAR_MISSES * 2 {
            omitted += keep_nearest(&mut misses);
        }
    }
    omitted += keep_nearest(&mut misses);
    Explanation { near_misses: misses.into_iter().map(|(_, miss)| miss).collect(), near_misses_omitted: omitted }
}

fn keep_nearest(misses: &mut Vec<(Stage, NearMiss)>) -> usize {
    misses.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.id.cmp(&right.1.id)));
    let omitted = misses.len().saturating_sub(MAX_NEAR_MISSES);
    misses.truncate(MAX_NEAR_MISSES);
    omitted
}

fn candidates<'a>(snapshot: &'a Snapshot, request: &Request, slice: &Slice) -> impl Iterator<Item = Policy> + 'a {
    let names = |uid: Option<&EntityUid>| uid.map(|uid| names(snapshot, slice, uid)).unwrap_or_default();
    let (principals, resources) = (names(request.principal()), names(request.resource()));
    let policies = &snapshot.policies;
    let written = policies.written.iter().map(|written| written.policy.clone());
    let links = policies.links.iter().filter(move |link| {
        let is_in = |names: &Names, (number, id): (_, &str)| names.iter().any(|name| name.0 == number && name.1 == id);
        is_in(&principals, link.principal_name()) || is_in(&resources, link.resource_name())
    });
    written.chain(links.filter_map(|link| policies.link_policy(link))).map(Policy::from)
}

type Names = Vec<(crate::schema::TypeNumber, String)>;

/// An entity and all that it is in.
fn names(snapshot: &Snapshot, slice: &Slice, uid: &EntityUid) -> Names {
    let types = &snapshot.schema.types;
    let above = slice.entities.ancestors(uid).into_iter().flatten();
    let all = std::iter::once(uid).chain(above);
    all.filter_map(|uid| Some((types.locate(uid)?.0, crate::schema::id_of(uid).to_owned()))).collect()
}

/// An explanation names this many near misses at most.
const MAX_NEAR_MISSES: usize = 50;
