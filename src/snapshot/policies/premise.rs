//! The part of a policy's condition that no value in a context can change: the first operands of its `&&`, as long as
//! they look at nothing of the context but which attributes it has.
//!
//! Sound because `&&` is evaluated from left to right and ends at the first operand that is false: then the condition
//! is false, whatever stands after it. It stays so for every request with the same principal, action, resource and
//! entities whose context has attributes of the same names, so such requests are decided without the policy. A
//! premise that is true or cannot be evaluated leaves the policy where it is.

use std::sync::Arc;

use cedar_policy_core::ast::{Context, Expr, ExprKind, SlotEnv, Var};
use cedar_policy_core::evaluator::Evaluator;
use smol_str::SmolStr;

use crate::mismatch::conjuncts;

/// What must hold for a policy to match.
#[derive(Clone, Debug)]
pub struct Premise(Arc<[Expr]>);

impl Premise {
    /// Of a condition.
    pub(super) fn of(condition: Option<&Expr>) -> Self {
        let mut parts = Vec::new();
        condition.into_iter().for_each(|condition| conjuncts(condition, &mut parts));
        let mut premise = Vec::new();
        for part in parts {
            if let Some(name) = first_of_path(part) {
                // The rest of the path is a matter of values.
                premise.push(Expr::has_attr(Expr::var(Var::Context), name));
                break;
            }
            if looks_at_values(part) {
                break;
            }
            premise.push(part.clone());
        }
        Self(premise.into())
    }

    /// Whether Cedar says that it is false.
    pub(in crate::snapshot) fn is_false(&self, evaluator: &Evaluator<'_>) -> bool {
        // Slots stand in scopes only.
        let slots = SlotEnv::new();
        for part in &*self.0 {
            let value = evaluator.interpret(part, &slots).ok();
            if value != Some(true.into()) {
                return value == Some(false.into());
            }
        }
        false
    }
}

/// `context has a.b.c`: the `a`.
fn first_of_path(part: &Expr) -> Option<SmolStr> {
    match part.expr_kind() {
        ExprKind::ExtHasAttr { expr, attrs } if is_context(expr) => Some(attrs.first().clone()),
        _ => None,
    }
}

/// Whether an expression may come to something else for another context with the same attributes.
fn looks_at_values(part: &Expr) -> bool {
    let asks = |part: &Expr| matches!(part.expr_kind(), ExprKind::HasAttr { expr, .. } if is_context(expr));
    let mentions = part.subexpressions().filter(|part| is_context(part)).count();
    mentions != part.subexpressions().filter(|part| asks(part)).count()
}

fn is_context(part: &Expr) -> bool {
    matches!(part.expr_kind(), ExprKind::Var(Var::Context))
}

/// The names of a context's attributes: all that a premise can see of it.
pub fn attribute_names(context: &Context) -> Box<[SmolStr]> {
    match context {
        Context::Value(attributes) => attributes.keys().cloned().collect(),
        Context::RestrictedResidual(attributes) => attributes.keys().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;
    use cedar_policy_core::ast;

    use super::*;

    fn premise(condition: &str) -> Vec<String> {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let policy = Policy::parse(None, text).unwrap();
        let policy: &ast::Policy = policy.as_ref();
        Premise::of(policy.non_scope_constraints()).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_ends_where_a_value_of_the_context_is_looked_at() {
        for (condition, expected) in [
            ("true", &["true"][..]),
            ("resource has tier && resource.tier == \"gold\"", &["resource has tier", "resource.tier == \"gold\""]),
            ("context has ip && context.ip == resource.ip && resource.open", &["context has ip"]),
            ("context.ip == resource.ip && context has ip", &[]),
            ("(context has a || principal has b) && context.a", &["(context has a) || (principal has b)"]),
            ("(context has a || context.b) && principal.c", &[]),
            ("context has a.b.c && resource.open", &["context has a"]),
            ("if context has a then resource.open else false", &["if context has a then resource.open else false"]),
            ("principal == resource.owner && context == {}", &["principal == resource.owner"]),
            ("resource.open && (resource.closed && context.a)", &["resource.open", "resource.closed"]),
            ("!(context has a.b)", &[]),
            ("{c: context} has c", &[]),
        ] {
            assert_eq!(premise(condition), expected, "{condition}");
        }
        assert!(Premise::of(None).0.is_empty());
    }
}
