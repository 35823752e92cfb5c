//! Why one policy does not match one request: the first part of it that is not true.
//!
//! Each part is put to Cedar's own evaluator, over the same request and entities as the decision.

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, EvalResult, Expression, Policy, PrincipalConstraint, Request,
    ResourceConstraint, eval_expression,
};
use cedar_policy_core::ast::{self, Expr, ExprKind};

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
pub enum Stage {
    Resource,
    Principal,
    Condition,
}

/// The first part that is not true, and how far the policy came. The action is taken to hold.
pub fn first_false(policy: &Policy, request: &Request, entities: &Entities) -> Option<(Stage, String)> {
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
pub fn conjuncts<'a>(expression: &'a Expr, parts: &mut Vec<&'a Expr>) {
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

/// Whether a policy is about a request's action.
pub fn action_holds(constraint: &ActionConstraint, request: &Request, entities: &Entities) -> bool {
    let Some(action) = request.action() else { return false };
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(other) => action == other,
        ActionConstraint::In(others) => others.iter().any(|other| is_in(entities, action, other)),
    }
}
