//! JSON from strangers, read strictly: what two parsers could read differently is refused.
//!
//! In: bytes. Out: an object without duplicate names at any level, within the bounds of `claims`. Depth is
//! counted before descending, so hostile nesting costs nothing and recursion stays shallow.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{MAX_DEPTH, MAX_MEMBERS, MAX_VALUES};

/// Why a text is not an object that we read.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    #[error("is not JSON: line {}, column {}", .0.line(), .0.column())]
    NotJson(#[source] serde_json::Error),
    #[error("is not a JSON object")]
    NotAnObject,
    #[error("has the member `{name}` twice")]
    Duplicate { name: String },
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("has more than {MAX_MEMBERS} members")]
    TooManyMembers,
    #[error("has more than {MAX_VALUES} values")]
    TooManyValues,
}

/// Reads one object and nothing after it.
pub fn parse_object(json: &[u8]) -> Result<Map<String, Value>, ClaimsError> {
    let budget = Budget::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = Strict { budget: &budget, depth: 0 }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    match (read, budget.fault.into_inner()) {
        (_, Some(fault)) => Err(fault),
        (Err(error), None) => Err(ClaimsError::NotJson(error)),
        (Ok(Value::Object(map)), None) => Ok(map),
        (Ok(_), None) => Err(ClaimsError::NotAnObject),
    }
}

/// The same bounds, for an object that was read elsewhere.
pub fn check_bounds(map: &Map<String, Value>) -> Result<(), ClaimsError> {
    if map.len() > MAX_MEMBERS {
        return Err(ClaimsError::TooManyMembers);
    }
    let budget = Budget::default();
    map.values().try_for_each(|value| walk(value, 1, &budget))
}

fn walk(value: &Value, depth: usize, budget: &Budget) -> Result<(), ClaimsError> {
    budget.spend()?;
    if matches!(value, Value::Array(_) | Value::Object(_)) && depth >= MAX_DEPTH {
        return Err(ClaimsError::TooDeep);
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, depth + 1, budget)),
        Value::Object(members) => members.values().try_for_each(|member| walk(member, depth + 1, budget)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// What is left to spend, and the bound that was broken: serde errors cannot carry it.
#[derive(Default)]
struct Budget {
    values: Cell<usize>,
    fault: RefCell<Option<ClaimsError>>,
}

impl Budget {
    fn spend(&self) -> Result<(), ClaimsError> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES { Err(ClaimsError::TooManyValues) } else { Ok(()) }
    }

    fn refuse<E: serde::de::Error>(&self, fault: ClaimsError) -> E {
        let error = E::custom(&fault);
        self.fault.replace(Some(fault));
        error
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl Strict<'_> {
    fn descend<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.budget.refuse(ClaimsError::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > 0 {
            self.budget.spend().map_err(|fault| self.budget.refuse(fault))?;
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.descend()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.descend::<A::Error>()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                let name = name.chars().take(64).collect::<String>().escape_debug().to_string();
                return Err(self.budget.refuse(ClaimsError::Duplicate { name }));
            }
            if self.depth == 0 && map.len() >= MAX_MEMBERS {
                return Err(self.budget.refuse(ClaimsError::TooManyMembers));
            }
            let value = members.next_value_seed(inner)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
