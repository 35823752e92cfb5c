//! Policies as the solver takes them: without slots, and said of one tenant only.

use cedar_policy_core::ast::{self, Effect, Expr, PolicyID, PrincipalOrResource, Var};

use crate::schema::Identity;
use crate::vocabulary::{OWN_TYPES, TENANT};
use crate::workbench::shape::Environment;
use crate::workbench::verify::Laid;

/// A policy that says the same with no slots.
pub(super) fn as_static(policy: &ast::Policy) -> ast::Policy {
    if policy.is_static() {
        return policy.clone();
    }
    ast::Policy::from_when_clause(policy.effect(), whole_condition(policy), policy.id().clone(), None)
}

/// What an invariant is about, of requests that are in their tenant.
pub(super) fn within_tenant(policy: &ast::Policy, laid: &Laid<'_>, environment: &Environment) -> ast::Policy {
    let condition = in_tenant(laid, environment).into_iter().fold(whole_condition(policy), Expr::and);
    ast::Policy::from_when_clause(Effect::Permit, condition, policy.id().clone(), None)
}

/// Forbids whatever is not in the tenant: no such request is ever asked.
pub(super) fn only_in_tenant(laid: &Laid<'_>, environment: &Environment) -> Option<ast::Policy> {
    let inside = in_tenant(laid, environment)?;
    let id = PolicyID::from_string(OUTSIDE);
    Some(ast::Policy::from_when_clause(Effect::Forbid, Expr::not(inside), id, None))
}

/// What is true of every request that is asked: what it is about is in the tenant. Of who asks it is not: a trusted
/// caller may name someone whom the directory does not know.
fn in_tenant(laid: &Laid<'_>, environment: &Environment) -> Option<Expr> {
    let snapshot = laid.world.snapshot;
    let kind = environment.resource.as_str();
    let is_placed = kind == TENANT || !OWN_TYPES.contains(&kind) && snapshot.schema.may_be_in(kind, TENANT);
    if snapshot.schema.identity == Identity::LeftOut || !is_placed {
        return None;
    }
    let tenant: ast::EntityUID = snapshot.tenant_uid().clone().into();
    Some(Expr::is_in(Expr::var(Var::Resource), Expr::val(tenant)))
}

fn whole_condition(policy: &ast::Policy) -> Expr {
    let principal = policy.principal_constraint().as_inner().as_expr(PrincipalOrResource::Principal);
    let resource = policy.resource_constraint().as_inner().as_expr(PrincipalOrResource::Resource);
    let scope = Expr::and(Expr::and(principal, policy.action_constraint().as_expr()), resource);
    match policy.non_scope_constraints() {
        Some(condition) => Expr::and(scope, condition.clone()),
        None => scope,
    }
}

const OUTSIDE: &str = "outside of the tenant";
