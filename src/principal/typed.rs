//! Claims in, the principal's typed `claims` record out: each claim that the schema's `Claims` type declares, if
//! its value is of that type.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast;
use chrono::DateTime;
use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::DroppedClaim;
use crate::model::{claim_text, whole};
use crate::schema::{DataType, DataTypes, extension_value};

/// The typed claims as a Cedar record, or none when the token has none of them.
///
/// A claim that is missing or does not fit is left out by itself: what else the token says still counts, and a
/// policy that reads a required claim which is not there fails to evaluate, so that a forbid fails closed.
pub(super) fn typed_claims(claims: &Map<String, Value>, types: &DataTypes) -> (Option<ast::Value>, Vec<DroppedClaim>) {
    let mut dropped = Vec::new();
    let members = members(claims, types, "", &mut dropped);
    ((!members.is_empty()).then(|| record(members)), dropped)
}

fn members(
    given: &Map<String, Value>,
    types: &DataTypes,
    above: &str,
    dropped: &mut Vec<DroppedClaim>,
) -> BTreeMap<SmolStr, ast::Value> {
    let mut members = BTreeMap::new();
    for (name, (kind, required)) in types {
        let claim = format!("{above}{name}");
        match given.get(name).filter(|value| !value.is_null()) {
            None if *required => {
                let reason = "the schema requires it, and the token does not have it".to_owned();
                dropped.push(DroppedClaim { claim, reason });
            }
            None => {}
            Some(value) => match convert(value, kind, &claim, dropped) {
                Some(value) => {
                    members.insert(name.into(), value);
                }
                None => {
                    let reason = format!("is not {}, as the schema's `Claims` declares it", describe(kind));
                    dropped.push(DroppedClaim { claim, reason });
                }
            },
        }
    }
    members
}

fn convert(value: &Value, kind: &DataType, claim: &str, dropped: &mut Vec<DroppedClaim>) -> Option<ast::Value> {
    match kind {
        DataType::Text => Some(value.as_str()?.into()),
        DataType::Boolean => Some(value.as_bool()?.into()),
        DataType::Number => Some(seconds(value)?.into()),
        DataType::Extension(name) => extension(value, name),
        DataType::Set(element) => {
            let elements = value.as_array()?.iter().map(|value| convert(value, element, claim, dropped));
            Some(ast::Value::set(elements.collect::<Option<Vec<_>>>()?, None))
        }
        DataType::Record(types) => {
            let mut inside = Vec::new();
            let members = members(value.as_object()?, types, &format!("{claim}/"), &mut inside);
            if types.iter().any(|(name, (_, required))| *required && !members.contains_key(name.as_str())) {
                return None;
            }
            dropped.append(&mut inside);
            Some(record(members))
        }
        DataType::Entity(_) => None,
    }
}

/// A number as a Cedar long. RFC 7519 §2: a NumericDate may have a fraction, which is dropped.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    whole(number).or_else(|| {
        let floor: serde_json::Number = serde_json::Number::from_f64(number.as_f64()?.floor())?;
        whole(&floor)
    })
}

/// A text, or for a `datetime` also seconds since the epoch, as Cedar's extension value.
fn extension(value: &Value, name: &str) -> Option<ast::Value> {
    match (name, value) {
        ("decimal", Value::String(_) | Value::Number(_)) => {
            let given = claim_text(value)?;
            let decimal = if given.contains('.') { given } else { format!("{given}.0") };
            extension_value(name, &decimal)
        }
        ("datetime", Value::Number(_)) => {
            let moment = DateTime::from_timestamp(seconds(value)?, 0)?;
            extension_value(name, &moment.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        (_, Value::String(given)) => extension_value(name, given),
        _ => None,
    }
}

fn record(members: BTreeMap<SmolStr, ast::Value>) -> ast::Value {
    ast::Value::record_arc(Arc::new(members), None)
}

fn describe(kind: &DataType) -> String {
    match kind {
        DataType::Text => "a string".to_owned(),
        DataType::Boolean => "a boolean".to_owned(),
        DataType::Number => "a number".to_owned(),
        DataType::Extension(name) => format!("a `{name}`"),
        DataType::Set(element) => format!("a list in which each is {}", describe(element)),
        DataType::Record(_) => "an object with the declared members".to_owned(),
        DataType::Entity(_) => "an entity".to_owned(),
    }
}
