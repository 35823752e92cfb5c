//! Values: at random by their type, from policies, and from Cedar's evaluator.

use cedar_policy_core::ast::{self, Expr, ExprKind, Literal};
use chrono::DateTime;
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use serde_json::{Map, Value, json};

use super::{Generator, pick};
use crate::schema::{DataType, DataTypes};
use crate::vocabulary::entity_ref;
use crate::workbench::scene::{as_entity, as_extension, as_record, entity_value, extension};

impl Generator<'_> {
    /// A record: what must be there, and of what need not, some.
    pub(super) fn members(&self, rng: &mut TestRng, types: &DataTypes, sometimes: f64) -> Map<String, Value> {
        let mut members = Map::new();
        for (name, (kind, is_required)) in types {
            if *is_required || rng.random_bool(sometimes) {
                members.insert(name.clone(), self.value(rng, name, kind));
            }
        }
        members
    }

    /// A value of a type for an attribute or tag of this name: often one that a policy compares it with.
    pub(super) fn value(&self, rng: &mut TestRng, name: &str, kind: &DataType) -> Value {
        if let DataType::Set(element) = kind {
            let count = rng.random_range(0..=2);
            return Value::Array((0..count).map(|_| self.value(rng, name, element)).collect());
        }
        for words in [self.words.near(name), self.words.all()] {
            let fitting: Vec<_> = words.iter().filter(|value| fits(value, kind)).collect();
            if rng.random_bool(OFTEN)
                && let Some(word) = pick(rng, &fitting)
            {
                return (*word).clone();
            }
        }
        self.plain(rng, kind)
    }

    pub(super) fn plain(&self, rng: &mut TestRng, kind: &DataType) -> Value {
        match kind {
            DataType::Text => json!(pick(rng, &["a", "b", "", "x@example.com"]).copied().unwrap_or_default()),
            DataType::Number => {
                json!(pick(rng, &[0, 0, 1, -1, 1000, 1_000_000_000, i64::MAX]).copied().unwrap_or_default())
            }
            DataType::Boolean => json!(rng.random_bool(0.5)),
            DataType::Extension(name) => match name.as_str() {
                "ipaddr" => extension("ip", pick(rng, &ADDRESSES).copied().unwrap_or_default()),
                "decimal" => extension("decimal", pick(rng, &DECIMALS).copied().unwrap_or_default()),
                "duration" => duration(rng.random_range(0..=48) * 1_800_000),
                _ => moment(SOME_DAY + rng.random_range(0..=47) * 1_800_000).unwrap_or_default(),
            },
            DataType::Set(element) => json!([self.plain(rng, element)]),
            DataType::Record(types) => Value::Object(self.members(rng, types, 0.3)),
            DataType::Entity(entity_type) => {
                let named = self.words.entities(entity_type);
                let chosen = if rng.random_bool(OFTEN) { pick(rng, named).cloned() } else { None };
                entity_value(&chosen.unwrap_or_else(|| self.someone(rng, entity_type)))
            }
        }
    }
}

/// Whether a value is of a type, as far as can be seen from it.
fn fits(value: &Value, kind: &DataType) -> bool {
    match kind {
        DataType::Text => value.is_string(),
        DataType::Number => value.is_i64(),
        DataType::Boolean => value.is_boolean(),
        DataType::Extension(name) => as_extension(value).is_some_and(|(function, _)| made_by(name) == function),
        DataType::Entity(name) => as_entity(value).is_some_and(|uid| uid.entity_type == *name),
        DataType::Set(_) => value.is_array(),
        DataType::Record(_) => as_record(value).is_some(),
    }
}

fn made_by(extension_type: &str) -> &str {
    if extension_type == "ipaddr" { "ip" } else { extension_type }
}

/// What an expression is that asks nothing of the request.
pub(super) fn constant(expression: &Expr) -> Option<Value> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::Bool(value)) => Some(json!(value)),
        ExprKind::Lit(Literal::Long(value)) => Some(json!(value)),
        ExprKind::Lit(Literal::String(value)) => Some(json!(value.as_str())),
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(entity_value(&entity_ref(&uid.as_ref().clone().into()))),
        ExprKind::Set(elements) => elements.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::Array),
        ExprKind::Record(members) => {
            let member = |(name, value): (&smol_str::SmolStr, &Expr)| Some((name.to_string(), constant(value)?));
            members.iter().map(member).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        ExprKind::ExtensionFunctionApp { fn_name, args } => match args.as_slice() {
            [argument] => match argument.expr_kind() {
                ExprKind::Lit(Literal::String(text)) => Some(extension(&fn_name.to_string(), text.as_str())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// A value that Cedar worked out.
pub(super) fn of_cedar(value: &ast::Value) -> Option<Value> {
    constant(&Expr::from(value.clone()))
}

/// So many milliseconds.
pub(super) fn duration(milliseconds: i64) -> Value {
    extension("duration", format!("{milliseconds}ms"))
}

/// A time by the milliseconds since 1970, if Cedar can write it.
pub(in crate::workbench) fn moment(milliseconds: i64) -> Option<Value> {
    let time = DateTime::from_timestamp_millis(milliseconds)?;
    let text = time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    // Cedar reads years of four digits.
    (text.len() == "1970-01-01T00:00:00.000Z".len()).then(|| extension("datetime", text))
}

const OFTEN: f64 = 0.6;
const ADDRESSES: [&str; 4] = ["10.0.0.1", "192.0.2.1", "127.0.0.1", "2001:db8::1"];
const DECIMALS: [&str; 3] = ["0.0", "1.0", "-0.5"];
/// 1 November 2026.
pub(super) const SOME_DAY: i64 = 1_793_491_200_000;
