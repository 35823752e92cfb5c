//! Why not: of each candidate policy that did not match, the first part of it that was false.
//!
//! Each part is put to Cedar's own evaluator, over the same request and entities as the decision.

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, EvalResult, Expression, Policy, PrincipalConstraint, Request,
    ResourceConstraint, Response, eval_expression,
};
use cedar_policy_core::ast::{self, Expr, ExprKind};
use serde::Serialize;

use super::answer::{as_text, effect};
use crate::snapshot::Snapshot;

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
            let miss = NearMiss { id: as_text(policy.id()), effect: effect(policy.effect()), source, failed };
            Some((stage, miss))
        })
        .collect();
    misses.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.id.cmp(&right.1.id)));
    let omitted = misses.len().saturating_sub(MAX_NEAR_MISSES);
    misses.truncate(MAX_NEAR_MISSES);
    Explanation { near_misses: misses.into_iter().map(|(_, miss)| miss).collect(), near_misses_omitted: omitted }
}

/// The first part of a policy that is not true of a request, as written; `None` when all of it is.
pub fn first_failure(policy: &Policy, request: &Request, entities: &Entities) -> Option<String> {
    if !action_holds(&policy.action_constraint(), request, entities) {
        let core: &ast::Policy = policy.as_ref();
        return Some(core.action_constraint().to_string());
    }
    first_false(policy, request, entities).map(|(_, failed)| failed)
}

/// How far a policy came before it failed; later is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Resource,
    Principal,
    Condition,
}

fn first_false(policy: &Policy, request: &Request, entities: &Entities) -> Option<(Stage, String)> {
    let core: &ast::Policy = policy.as_ref();
    let principal_holds = request.principal().is_some_and(|uid| principal_holds(policy, uid, entities));
    let resource_holds = request.resource().is_some_and(|uid| resource_holds(policy, uid, entities));
    if !resource_holds {
        return Some((Stage::Resource, core.resource_constraint().to_string()));
    }
    if !principal_holds {
        return Some((Stage::Principal, core.principal_constraint().to_string()));
    }
    let mut parts = Vec::new();
    conjuncts(core.non_scope_constraints()?, &mut parts);
    parts.into_iter().find_map(|part| {
        let outcome = eval_expression(request, entities, &Expression::from(part.clone()));
        match outcome {
            Ok(EvalResult::Bool(true)) => None,
            Ok(_) => Some((Stage::Condition, as_written(part))),
            Err(error) => Some((Stage::Condition, format!("{} ({error})", as_written(part)))),
        }
    })
}

/// The operands of `&&`, from left to right.
fn conjuncts<'a>(expression: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expression.expr_kind() {
        ExprKind::And { left, right } => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        _ => parts.push(expression),
    }
}

fn as_written(expression: &Expr) -> String {
    let written = expression.source_loc().and_then(|loc| loc.snippet()).map(str::to_owned);
    written.unwrap_or_else(|| expression.to_string()).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_in(entities: &Entities, uid: &EntityUid, ancestor: &EntityUid) -> bool {
    uid == ancestor || entities.is_ancestor_of(ancestor, uid)
}

fn principal_holds(policy: &Policy, uid: &EntityUid, entities: &Entities) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(other) => *uid == other,
        PrincipalConstraint::In(other) => is_in(entities, uid, &other),
        PrincipalConstraint::Is(kind) => *uid.type_name() == kind,
        PrincipalConstraint::IsIn(kind, other) => *uid.type_name() == kind && is_in(entities, uid, &other),
    }
}

fn resource_holds(policy: &Policy, uid: &EntityUid, entities: &Entities) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Eq(other) => *uid == other,
        ResourceConstraint::In(other) => is_in(entities, uid, &other),
        ResourceConstraint::Is(kind) => *uid.type_name() == kind,
        ResourceConstraint::IsIn(kind, other) => *uid.type_name() == kind && is_in(entities, uid, &other),
    }
}

fn action_holds(constraint: &ActionConstraint, request: &Request, entities: &Entities) -> bool {
    let Some(action) = request.action() else { return false };
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(other) => action == other,
        ActionConstraint::In(others) => others.iter().any(|other| is_in(entities, action, other)),
    }
}

/// An explanation names this many near misses at most.
const MAX_NEAR_MISSES: usize = 50;
