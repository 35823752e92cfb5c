//! Claims in, the principal's typed `claims` record out: each claim that the schema's `Claims` type declares, if
//! its value is of that type.

use std::collections::BTreeMap;

use cedar_policy::{Context, RestrictedExpression};
use chrono::DateTime;
use serde_json::{Map, Value};

use super::DroppedClaim;
use crate::model::{claim_text, whole};
use crate::schema::{DataType, DataTypes};

/// The typed claims as a Cedar record, or none when the token has none of them.
///
/// A claim that is missing or does not fit is left out by itself: what else the token says still counts, and a
/// policy that reads a required claim which is not there fails to evaluate, so that a forbid fails closed.
pub(super) fn typed_claims(
    claims: &Map<String, Value>,
    types: &DataTypes,
) -> (Option<RestrictedExpression>, Vec<DroppedClaim>) {
    let mut dropped = Vec::new();
    let members = members(claims, types, "", &mut dropped);
    let record = if members.is_empty() { None } else { RestrictedExpression::new_record(members).ok() };
    (record, dropped)
}

fn members(
    given: &Map<String, Value>,
    types: &DataTypes,
    above: &str,
    dropped: &mut Vec<DroppedClaim>,
) -> BTreeMap<String, RestrictedExpression> {
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
                Some(expression) => {
                    members.insert(name.clone(), expression);
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

fn convert(
    value: &Value,
    kind: &DataType,
    claim: &str,
    dropped: &mut Vec<DroppedClaim>,
) -> Option<RestrictedExpression> {
    match kind {
        DataType::Text => Some(RestrictedExpression::new_string(value.as_str()?.to_owned())),
        DataType::Boolean => Some(RestrictedExpression::new_bool(value.as_bool()?)),
        DataType::Number => Some(RestrictedExpression::new_long(seconds(value)?)),
        DataType::Extension(name) => extension(value, name),
        DataType::Set(element) => {
            let elements = value.as_array()?.iter().map(|value| convert(value, element, claim, dropped));
            Some(RestrictedExpression::new_set(elements.collect::<Option<Vec<_>>>()?))
        }
        DataType::Record(types) => {
            let mut inside = Vec::new();
            let members = members(value.as_object()?, types, &format!("{claim}/"), &mut inside);
            if types.iter().any(|(name, (_, required))| *required && !members.contains_key(name)) {
                return None;
            }
            dropped.append(&mut inside);
            RestrictedExpression::new_record(members).ok()
        }
        DataType::Entity => None,
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
fn extension(value: &Value, name: &str) -> Option<RestrictedExpression> {
    let expression = match (name, value) {
        ("ipaddr", Value::String(given)) => RestrictedExpression::new_ip(given),
        ("decimal", Value::String(_) | Value::Number(_)) => {
            let given = claim_text(value)?;
            RestrictedExpression::new_decimal(if given.contains('.') { given } else { format!("{given}.0") })
        }
        ("datetime", Value::String(given)) => RestrictedExpression::new_datetime(given),
        ("datetime", Value::Number(_)) => {
            let moment = DateTime::from_timestamp(seconds(value)?, 0)?;
            RestrictedExpression::new_datetime(moment.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        ("duration", Value::String(given)) => RestrictedExpression::new_duration(given),
        _ => return None,
    };
    // The constructor takes any text: only evaluating it tells whether it is such a value.
    Context::from_pairs([("value".to_owned(), expression.clone())]).ok().map(|_| expression)
}

fn describe(kind: &DataType) -> String {
    match kind {
        DataType::Text => "a string".to_owned(),
        DataType::Boolean => "a boolean".to_owned(),
        DataType::Number => "a number".to_owned(),
        DataType::Extension(name) => format!("a `{name}`"),
        DataType::Set(element) => format!("a list in which each is {}", describe(element)),
        DataType::Record(_) => "an object with the declared members".to_owned(),
        DataType::Entity => "an entity".to_owned(),
    }
}
