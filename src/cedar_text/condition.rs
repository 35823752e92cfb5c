//! A condition in, the same condition with balanced chains out: `a || b || c || d` becomes `(a || b) || (c || d)`.
//!
//! Cedar reads a chain of n terms as n levels, and recurses over them wherever it reads the condition. `&&` and `||`
//! are associative in value, in errors and in which terms are evaluated (left to right, up to the one that decides),
//! and in the validator's types and capabilities: the balanced condition says the same with log n levels.

use std::sync::Arc;

use cedar_policy_core::ast::{Expr, ExprBuilder, ExprKind};
use cedar_policy_core::expr_builder::ExprBuilder as _;
use smol_str::SmolStr;

use super::{MAX_DEPTH, MAX_PATTERN_BYTES};

/// Why a condition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    /// In bytes from the start of the text, where that is known.
    pub offset: Option<usize>,
    pub message: String,
}

/// The condition in a shallow form; nothing where it is shallow already.
pub(super) fn shallow(condition: &Expr) -> Result<Option<Expr>, Beyond> {
    let balanced = balanced(condition);
    check(balanced.as_ref().unwrap_or(condition))?;
    Ok(balanced)
}

/// Depth and patterns, without recursion.
pub(super) fn check(condition: &Expr) -> Result<(), Beyond> {
    let mut open = vec![(condition, 1)];
    while let Some((part, depth)) = open.pop() {
        let beyond = |message: String| Beyond { offset: part.source_loc().map(|loc| loc.start()), message };
        if depth > MAX_DEPTH {
            return Err(beyond(format!("the condition is more than {MAX_DEPTH} operations deep: split the policy")));
        }
        if let ExprKind::Like { pattern, .. } = part.expr_kind()
            && pattern.to_string().len() > MAX_PATTERN_BYTES
        {
            return Err(beyond(format!("a pattern of more than {MAX_PATTERN_BYTES} bytes: shorten it")));
        }
        open.extend(parts(part).into_iter().map(|part| (part, depth + 1)));
    }
    Ok(())
}

/// What an expression is made of, whatever its nodes carry.
pub fn parts<T>(expression: &Expr<T>) -> Vec<&Expr<T>> {
    match expression.expr_kind() {
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => Vec::new(),
        ExprKind::If { test_expr, then_expr, else_expr } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::Set(elements) => elements.iter().collect(),
        ExprKind::Record(attributes) => attributes.values().collect(),
    }
}

/// What joins the terms of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

fn join_of(expression: &Expr) -> Option<(Join, &Arc<Expr>, &Arc<Expr>)> {
    match expression.expr_kind() {
        ExprKind::And { left, right } => Some((Join::And, left, right)),
        ExprKind::Or { left, right } => Some((Join::Or, left, right)),
        _ => None,
    }
}

/// With every long chain balanced; nothing where there is none.
fn balanced(expression: &Expr) -> Option<Expr> {
    let builder = || ExprBuilder::new().with_maybe_source_loc(expression.source_loc());
    if let Some((join, ..)) = join_of(expression) {
        return chain(expression, join);
    }
    let one = |part: &Arc<Expr>| balanced(part);
    let or_same = |new: Option<Expr>, old: &Arc<Expr>| new.unwrap_or_else(|| Expr::clone(old));
    match expression.expr_kind() {
        ExprKind::If { test_expr, then_expr, else_expr } => {
            let (test, then, otherwise) = (one(test_expr), one(then_expr), one(else_expr));
            if test.is_none() && then.is_none() && otherwise.is_none() {
                return None;
            }
            let (test, then) = (or_same(test, test_expr), or_same(then, then_expr));
            Some(builder().ite(test, then, or_same(otherwise, else_expr)))
        }
        ExprKind::UnaryApp { op, arg } => one(arg).map(|arg| builder().unary_app(*op, arg)),
        ExprKind::BinaryApp { op, arg1, arg2 } => {
            let (left, right) = (one(arg1), one(arg2));
            if left.is_none() && right.is_none() {
                return None;
            }
            Some(builder().binary_app(*op, or_same(left, arg1), or_same(right, arg2)))
        }
        ExprKind::ExtensionFunctionApp { fn_name, args } => {
            let args = all_balanced(args)?;
            let Ok(call) = builder().call_extension_fn(fn_name.clone(), args);
            Some(call)
        }
        ExprKind::GetAttr { expr, attr } => one(expr).map(|expr| builder().get_attr(expr, attr.clone())),
        ExprKind::HasAttr { expr, attr } => one(expr).map(|expr| builder().has_attr(expr, attr.clone())),
        ExprKind::ExtHasAttr { expr, attrs } => one(expr).map(|expr| builder().extended_has_attr(expr, attrs.clone())),
        ExprKind::Like { expr, pattern } => one(expr).map(|expr| builder().like(expr, pattern.clone())),
        ExprKind::Is { expr, entity_type } => one(expr).map(|expr| builder().is_entity_type(expr, entity_type.clone())),
        ExprKind::Set(elements) => all_balanced(elements).map(|elements| builder().set(elements)),
        ExprKind::Record(attributes) => {
            let values: Vec<_> = attributes.values().cloned().collect();
            let values = all_balanced(&values)?;
            let names: Vec<SmolStr> = attributes.keys().cloned().collect();
            // The names were those of a record: no two are the same.
            builder().record(names.into_iter().zip(values)).ok()
        }
        ExprKind::And { .. }
        | ExprKind::Or { .. }
        | ExprKind::Lit(_)
        | ExprKind::Var(_)
        | ExprKind::Slot(_)
        | ExprKind::Unknown(_) => None,
    }
}

fn all_balanced(all: &[Expr]) -> Option<Vec<Expr>> {
    let new: Vec<_> = all.iter().map(balanced).collect();
    let is_new = new.iter().any(Option::is_some);
    is_new.then(|| new.into_iter().zip(all).map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect())
}

/// A chain of `&&` or of `||`, its terms taken off its spine without recursion.
fn chain(expression: &Expr, join: Join) -> Option<Expr> {
    let mut open = vec![expression];
    let mut terms = Vec::new();
    while let Some(part) = open.pop() {
        match join_of(part) {
            // The left one is looked at next.
            Some((found, left, right)) if found == join => open.extend([&**right, &**left]),
            _ => terms.push(part),
        }
    }
    let new: Vec<_> = terms.iter().map(|term| balanced(term)).collect();
    if terms.len() <= SHORT && new.iter().all(Option::is_none) {
        return None;
    }
    let terms: Vec<Expr> = new.into_iter().zip(terms).map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect();
    joined(&terms, join).map(|joined| joined.with_maybe_source_loc(expression.source_loc().cloned()))
}

/// Terms as a tree whose depth is the logarithm of their number.
fn joined(terms: &[Expr], join: Join) -> Option<Expr> {
    let (left, right) = match terms {
        [] => return None,
        [one] => return Some(one.clone()),
        more => more.split_at(more.len() / 2),
    };
    let (left, right) = (joined(left, join)?, joined(right, join)?);
    Some(match join {
        Join::And => ExprBuilder::new().and(left, right),
        Join::Or => ExprBuilder::new().or(left, right),
    })
}

/// Chains of so many terms stay as they are written.
const SHORT: usize = 32;
