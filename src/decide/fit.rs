//! JSON of a question by the schema's types: what a gateway has at hand in, what Cedar reads out, or the one field
//! that does not fit and what it may be.
//!
//! `null` is absent, a time may have any offset, a mapped IPv4 address is that address. Cedar's escapes (`__entity`,
//! `__extn`) are left to Cedar's own reader, but for those of addresses and times.

mod unknown;

pub(super) use unknown::drop_members;

use std::fmt;

use serde_json::{Map, Value, json};

use crate::schema::{DataType, DataTypes, cedar_notation, extension_value};

/// A field that does not fit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub path: String,
    pub message: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}`: {}", self.path, self.message)
    }
}

/// Whether every member that the schema wants has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completeness {
    Whole,
    /// The directory may have the rest.
    Part,
}

/// A record by its types; `path` is how people call it.
pub(super) fn fit_members(
    given: &Map<String, Value>,
    types: &DataTypes,
    path: &str,
    completeness: Completeness,
) -> Result<Map<String, Value>, Misfit> {
    let mut members = Map::new();
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("{path}.{name}");
        let Some((kind, _)) = types.get(name) else {
            return Err(Misfit { message: unknown::message(name, types), path });
        };
        members.insert(name.clone(), fit(value, kind, &path)?);
    }
    let missing = types.iter().find(|(name, (_, is_required))| *is_required && !members.contains_key(*name));
    match missing.filter(|_| completeness == Completeness::Whole) {
        Some((name, (kind, _))) => {
            let message = format!("is missing: it must be {}", described(kind));
            Err(Misfit { path: format!("{path}.{name}"), message })
        }
        None => Ok(members),
    }
}

fn fit(given: &Value, kind: &DataType, path: &str) -> Result<Value, Misfit> {
    let misfit =
        || Err(Misfit { path: path.to_owned(), message: format!("{} is not {}", shown(given), described(kind)) });
    match (kind, given) {
        (DataType::Text, Value::String(_)) | (DataType::Boolean, Value::Bool(_)) => Ok(given.clone()),
        (DataType::Number, Value::Number(number)) if number.is_i64() => Ok(given.clone()),
        (DataType::Extension(name), Value::String(text)) => match extension_value(name, text) {
            Some(_) => Ok(cedar_notation(name, text).into()),
            None => misfit(),
        },
        (DataType::Extension(name), Value::Object(call)) => Ok(fit_call(call, name)),
        (DataType::Set(element), Value::Array(given)) => {
            let elements = given.iter().enumerate();
            elements.map(|(index, given)| fit(given, element, &format!("{path}[{index}]"))).collect()
        }
        (DataType::Record(types), Value::Object(given)) if !has_escape(given) => {
            fit_members(given, types, path, Completeness::Whole).map(Value::Object)
        }
        (DataType::Entity(wanted), Value::Object(given)) => match entity_type(given) {
            Some(other) if other != wanted => misfit(),
            _ => Ok(Value::Object(given.clone())),
        },
        // An escape where none is meant is for Cedar to refuse.
        (_, Value::Object(given)) if has_escape(given) => Ok(Value::Object(given.clone())),
        _ => misfit(),
    }
}

/// `{"fn": "ip", "arg": "10.0.0.1"}`, with or without `__extn` around it.
fn fit_call(call: &Map<String, Value>, type_name: &str) -> Value {
    let inner = call.get(EXTENSION).and_then(Value::as_object).unwrap_or(call);
    let function = inner.get("fn").and_then(Value::as_str);
    let argument = inner.get("arg").and_then(Value::as_str);
    let is_ours = matches!((function, type_name), (Some("ip"), "ipaddr") | (Some("datetime"), "datetime"));
    let (Some(function), Some(argument), true) = (function, argument, is_ours && inner.len() == 2) else {
        return Value::Object(call.clone());
    };
    json!({EXTENSION: {"fn": function, "arg": cedar_notation(type_name, argument)}})
}

fn entity_type(given: &Map<String, Value>) -> Option<&str> {
    let inner = given.get(ENTITY).and_then(Value::as_object).unwrap_or(given);
    inner.get("type").and_then(Value::as_str)
}

/// Whether Cedar may read an object as something else than a record.
fn has_escape(given: &Map<String, Value>) -> bool {
    given.keys().any(|name| name.starts_with(ESCAPE))
}

/// What a type takes, for whoever writes JSON.
fn described(kind: &DataType) -> String {
    match kind {
        DataType::Text => "a text (String)".to_owned(),
        DataType::Number => "a whole number (Long)".to_owned(),
        DataType::Boolean => "`true` or `false` (Bool)".to_owned(),
        DataType::Extension(name) => match name.as_str() {
            "ipaddr" => "an address or a range (ipaddr), as `10.1.2.3` or `10.0.0.0/8`".to_owned(),
            "datetime" => "a date and time (datetime), as `2026-01-31T18:03:00+01:00`".to_owned(),
            "decimal" => "a text with a decimal number (decimal), as `\"1.5\"`".to_owned(),
            "duration" => "a duration (duration), as `1h30m`".to_owned(),
            other => format!("a text with a value of `{other}`"),
        },
        DataType::Set(_) => "a list (Set)".to_owned(),
        DataType::Record(_) => "an object (record)".to_owned(),
        DataType::Entity(name) => format!("an entity ({name}), as `{{\"type\": \"{name}\", \"id\": \"…\"}}`"),
    }
}

/// A value as it was written, shortened.
fn shown(given: &Value) -> String {
    let text = given.to_string();
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((at, _)) => format!("`{}…`", text.get(..at).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// How Cedar's escapes begin: `__entity`, `__extn`, `__expr`.
pub(super) const ESCAPE: &str = "__";
const EXTENSION: &str = "__extn";
const ENTITY: &str = "__entity";
const LONGEST_SHOWN: usize = 60;
