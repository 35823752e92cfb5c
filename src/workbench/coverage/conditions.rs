//! A condition as its parts: the operands of `&&`, `||`, `!` and `if`, down to what is none of these. Each is put to
//! Cedar's own evaluator, and only where Cedar would come to it.

use cedar_policy_core::ast::{Expr, ExprKind, SlotEnv, UnaryOp};
use cedar_policy_core::evaluator::Evaluator;

use crate::model::Lines;

/// A condition and which outcomes its parts had.
#[derive(Debug)]
pub(super) struct Condition {
    shape: Shape,
    pub parts: Vec<Part>,
}

/// A part that is not put together of others.
#[derive(Debug)]
pub(super) struct Part {
    expression: Expr,
    /// As written, on one line.
    pub text: String,
    pub line: usize,
    pub was_true: bool,
    pub was_false: bool,
}

/// How the parts make the whole; numbers are their places.
#[derive(Debug)]
enum Shape {
    Part(usize),
    And(Box<Shape>, Box<Shape>),
    Or(Box<Shape>, Box<Shape>),
    Not(Box<Shape>),
    If(Box<Shape>, Box<Shape>, Box<Shape>),
}

impl Condition {
    pub(super) fn of(condition: &Expr) -> Self {
        let mut parts = Vec::new();
        let shape = Shape::of(condition, &mut parts);
        Self { shape, parts }
    }

    /// What it comes to, noting the outcomes of the parts that this takes; `None` for an error.
    pub(super) fn note(&mut self, evaluator: &Evaluator<'_>) -> Option<bool> {
        self.shape.note(&mut self.parts, evaluator)
    }
}

impl Shape {
    fn of(expression: &Expr, parts: &mut Vec<Part>) -> Self {
        let is_own = !is_shorthand(expression);
        let mut boxed = |inner: &Expr| Box::new(Self::of(inner, parts));
        match expression.expr_kind() {
            ExprKind::And { left, right } if is_own => Self::And(boxed(left), boxed(right)),
            ExprKind::Or { left, right } => Self::Or(boxed(left), boxed(right)),
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } if is_own => Self::Not(boxed(arg)),
            ExprKind::If { test_expr, then_expr, else_expr } => {
                Self::If(boxed(test_expr), boxed(then_expr), boxed(else_expr))
            }
            _ => {
                parts.push(Part::of(expression));
                Self::Part(parts.len() - 1)
            }
        }
    }

    fn note(&self, parts: &mut [Part], evaluator: &Evaluator<'_>) -> Option<bool> {
        match self {
            Self::Part(place) => parts.get_mut(*place)?.note(evaluator),
            Self::Not(inner) => inner.note(parts, evaluator).map(|outcome| !outcome),
            Self::And(left, right) => match left.note(parts, evaluator)? {
                true => right.note(parts, evaluator),
                false => Some(false),
            },
            Self::Or(left, right) => match left.note(parts, evaluator)? {
                true => Some(true),
                false => right.note(parts, evaluator),
            },
            Self::If(test, then, otherwise) => match test.note(parts, evaluator)? {
                true => then.note(parts, evaluator),
                false => otherwise.note(parts, evaluator),
            },
        }
    }
}

/// Cedar has no `>`, no `!=` and no `is … in`: it reads each as a `!` or `&&` of others, all at the place where the
/// one thing is written.
fn is_shorthand(expression: &Expr) -> bool {
    let inner = match expression.expr_kind() {
        ExprKind::And { left, .. } if matches!(left.expr_kind(), ExprKind::Is { .. }) => left,
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } if matches!(arg.expr_kind(), ExprKind::BinaryApp { .. }) => arg,
        _ => return false,
    };
    inner.source_loc().is_some() && inner.source_loc() == expression.source_loc()
}

impl Part {
    fn of(expression: &Expr) -> Self {
        let loc = expression.source_loc();
        let written = loc.and_then(|loc| loc.snippet()).map_or_else(|| expression.to_string(), str::to_owned);
        Self {
            expression: expression.clone(),
            text: written.split_whitespace().collect::<Vec<_>>().join(" "),
            line: loc.map_or(0, |loc| Lines::of(&loc.src).position(loc.start()).0),
            was_true: false,
            was_false: false,
        }
    }

    /// A text that is written out has only one outcome, and need not have the other.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.expression.expr_kind(), ExprKind::Lit(_))
    }

    fn note(&mut self, evaluator: &Evaluator<'_>) -> Option<bool> {
        // Slots stand in scopes only.
        let value = evaluator.interpret(&self.expression, &SlotEnv::new()).ok()?;
        let outcome = [true, false].into_iter().find(|outcome| value == (*outcome).into())?;
        self.was_true |= outcome;
        self.was_false |= !outcome;
        Some(outcome)
    }
}
