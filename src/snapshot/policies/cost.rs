//! What it takes to validate a policy, known before it is done.
//!
//! Where the test of an `if` is true or false by its types alone, Cedar's typed form has one branch twice, and its
//! level validation follows both: such `if`s in each other double the work with each step, so that forty of them would
//! take days. The typed form shares the branch, so its size is counted here without following it twice.

use std::collections::HashMap;

use cedar_policy_core::ast::{Expr, ExprKind, Template};
use cedar_policy_core::validator::typecheck::{PolicyCheck, Typechecker};
use cedar_policy_core::validator::types::Type;
use cedar_policy_core::validator::{ValidationMode, Validator};

use crate::cedar_text::parts;

/// Whether a policy's validation is beyond the bound.
pub(super) fn is_too_costly(template: &Template, validator: &Validator) -> bool {
    let is_cheap = |condition: &Expr| at_most(condition) <= MAX_STEPS;
    if template.non_scope_constraints().is_none_or(is_cheap) {
        return false;
    }
    let typechecker = Typechecker::new(validator.schema(), ValidationMode::Strict);
    let mut steps: u64 = 0;
    for (_, check) in typechecker.typecheck_by_request_env(template) {
        if let PolicyCheck::Success(typed) | PolicyCheck::Irrelevant(_, typed) = &check {
            steps = steps.saturating_add(Steps::default().of(typed));
        }
        if steps > MAX_STEPS {
            return true;
        }
    }
    false
}

/// More than any validation takes: as if every `if` had one branch twice.
fn at_most(expression: &Expr) -> u64 {
    let parts: u64 = match expression.expr_kind() {
        ExprKind::If { test_expr, then_expr, else_expr } => {
            let branches = at_most(then_expr).max(at_most(else_expr)).saturating_mul(2);
            at_most(test_expr).saturating_add(branches)
        }
        _ => parts(expression).into_iter().map(at_most).fold(0, u64::saturating_add),
    };
    parts.saturating_add(1)
}

/// How many steps following each part of a typed form takes; what is shared counts each time that it is reached.
#[derive(Default)]
struct Steps(HashMap<*const Expr<Option<Type>>, u64>);

impl Steps {
    fn of(&mut self, typed: &Expr<Option<Type>>) -> u64 {
        // A copied node has its own place and shares what is below it.
        let place = std::ptr::from_ref(typed);
        if let Some(known) = self.0.get(&place) {
            return *known;
        }
        let steps = parts(typed).into_iter().map(|part| self.of(part)).fold(1, u64::saturating_add);
        self.0.insert(place, steps);
        steps
    }
}

/// In all kinds of requests together: a tenth of a second, measured.
const MAX_STEPS: u64 = 1_000_000;
