//! Makes an expression come to a given value, by changing the scene where the expression looks.
//!
//! Numbers are worked out backwards: of `context.time.durationSince(epoch).toSeconds() - since > 43200`, the time that
//! is just one second more. So a scene stands on either side of a threshold, and on it.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, ValueKind};
use proptest::prelude::RngExt;
use serde_json::{Value, json};

use super::aim::Aim;
use super::values::{SOME_DAY, duration, moment};
use crate::workbench::scene::extension;

/// What is ordered: whole numbers, milliseconds, or ten thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Long,
    Moment,
    Duration,
    Decimal,
}

impl Aim<'_, '_> {
    /// Makes an expression be a value, if something in the scene can make it so.
    pub(super) fn assign(&mut self, expression: &Expr, value: &Value) -> bool {
        if let Some(place) = self.place_of(expression) {
            self.put(&place, value.clone());
            return true;
        }
        let Some(number) = value.as_i64() else { return false };
        self.assign_number(expression, Measure::Long, number)
    }

    /// Makes an expression be a number of some measure.
    pub(super) fn assign_number(&mut self, expression: &Expr, measure: Measure, number: i64) -> bool {
        if let Some(place) = self.place_of(expression) {
            let Some(value) = measure.value(number) else { return false };
            self.put(&place, value);
            return true;
        }
        match expression.expr_kind() {
            ExprKind::UnaryApp { op: UnaryOp::Neg, arg } => {
                number.checked_neg().is_some_and(|number| self.assign_number(arg, measure, number))
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => self.assign_sum(*op, arg1, arg2, number),
            ExprKind::ExtensionFunctionApp { fn_name, args } => match (fn_name.to_string().as_str(), args.as_slice()) {
                ("durationSince", [later, earlier]) => self.assign_since(later, earlier, number),
                ("offset", [from, by]) => {
                    let by = self.number_of(by).map_or(0, |(_, by)| by);
                    self.assign_number(from, Measure::Moment, number.saturating_sub(by))
                }
                ("toDate", [time]) => self.assign_number(time, Measure::Moment, number),
                ("toTime", [time]) => self.assign_number(time, Measure::Moment, SOME_DAY.saturating_add(number)),
                (function, [span]) => milliseconds_of(function)
                    .is_some_and(|unit| self.assign_number(span, Measure::Duration, number.saturating_mul(unit))),
                _ => false,
            },
            _ => false,
        }
    }

    fn assign_sum(&mut self, op: BinaryOp, left: &Expr, right: &Expr, number: i64) -> bool {
        let other = |aim: &mut Self, side: &Expr| aim.number_of(side).map(|(_, number)| number);
        let left_first = is_fixed(right) || (!is_fixed(left) && self.rng.random_bool(0.5));
        let known = if left_first { other(self, right) } else { other(self, left) };
        let Some(known) = known else { return false };
        let wanted = match (op, left_first) {
            (BinaryOp::Add, _) => number.checked_sub(known),
            (BinaryOp::Sub, true) => number.checked_add(known),
            (BinaryOp::Sub, false) => known.checked_sub(number),
            (BinaryOp::Mul, _) => number.checked_div(known),
            _ => None,
        };
        let side = if left_first { left } else { right };
        wanted.is_some_and(|wanted| self.assign_number(side, Measure::Long, wanted))
    }

    fn assign_since(&mut self, later: &Expr, earlier: &Expr, number: i64) -> bool {
        if is_fixed(earlier) || (!is_fixed(later) && self.rng.random_bool(0.5)) {
            let from = self.number_of(earlier).map_or(0, |(_, from)| from);
            return self.assign_number(later, Measure::Moment, from.saturating_add(number));
        }
        let until = self.number_of(later).map_or(0, |(_, until)| until);
        self.assign_number(earlier, Measure::Moment, until.saturating_sub(number))
    }

    /// The number that an expression comes to, with what it measures.
    pub(super) fn number_of(&mut self, expression: &Expr) -> Option<(Measure, i64)> {
        // What it looks at must be there.
        expression.subexpressions().for_each(|part| {
            if let Some(place) = self.place_of(part) {
                self.fill(&place);
            }
        });
        let value = self.evaluate(expression)?;
        let function = |name: &str, args: Vec<Expr>| Some(Expr::call_extension_fn(name.parse().ok()?, args));
        let milliseconds = |span: Expr| function("toMilliseconds", vec![span]);
        let measured = match value.value_kind() {
            ValueKind::Lit(Literal::Long(number)) => return Some((Measure::Long, *number)),
            ValueKind::ExtensionValue(made) => match made.typename().to_string().as_str() {
                "datetime" => {
                    let epoch = function("datetime", vec![Expr::val("1970-01-01")])?;
                    (Measure::Moment, milliseconds(function("durationSince", vec![expression.clone(), epoch])?)?)
                }
                "duration" => (Measure::Duration, milliseconds(expression.clone())?),
                "decimal" => return Some((Measure::Decimal, ten_thousandths(&self.value_of(expression)?)?)),
                _ => return None,
            },
            _ => return None,
        };
        match self.evaluate(&measured.1)?.value_kind() {
            ValueKind::Lit(Literal::Long(number)) => Some((measured.0, *number)),
            _ => None,
        }
    }
}

impl Measure {
    fn value(self, number: i64) -> Option<Value> {
        match self {
            Self::Long => Some(json!(number)),
            Self::Moment => moment(number),
            Self::Duration => Some(duration(number)),
            Self::Decimal => {
                let (sign, number) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
                Some(extension("decimal", format!("{sign}{}.{:04}", number / 10_000, number % 10_000)))
            }
        }
    }
}

fn ten_thousandths(value: &Value) -> Option<i64> {
    let (_, text) = crate::workbench::scene::as_extension(value)?;
    let (whole, part) = text.split_once('.')?;
    let number: i64 = format!("{whole}{part:0<4}").parse().ok()?;
    Some(number)
}

/// Whether nothing in a scene changes what the expression is.
fn is_fixed(expression: &Expr) -> bool {
    !expression.subexpressions().any(|part| matches!(part.expr_kind(), ExprKind::Var(_)))
}

fn milliseconds_of(function: &str) -> Option<i64> {
    Some(match function {
        "toMilliseconds" => 1,
        "toSeconds" => 1_000,
        "toMinutes" => 60_000,
        "toHours" => 3_600_000,
        "toDays" => 86_400_000,
        _ => return None,
    })
}
