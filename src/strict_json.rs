//! JSON from strangers: no object has a member twice, an object is written as an object, and nesting is bounded. Two
//! parsers must never read it differently, and a position must never stand for a name.
//!
//! In: bytes, or a value that was read already. Out: what a type makes of them.

mod objects;

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use self::objects::Objects;

/// The deepest nesting of arrays and objects that is read.
pub const MAX_DEPTH: usize = 64;

/// Reads one JSON document; structs come as objects only, at every depth.
///
/// # Errors
/// When it is not JSON, is nested deeper than [`MAX_DEPTH`], or is not what the type takes.
pub fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> serde_json::Result<T> {
    read_within(json, MAX_DEPTH)
}

/// The same of a part of a document, which may be nested as deep as this.
///
/// # Errors
/// As [`read`].
pub fn read_within<'de, T: Deserialize<'de>>(json: &'de [u8], depth: usize) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = T::deserialize(Objects::within(&mut reader, depth))?;
    reader.end()?;
    Ok(value)
}

/// Reads a value that was read already.
///
/// # Errors
/// As [`read`].
pub fn from_value<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    T::deserialize(Objects::within(value, MAX_DEPTH))
}

/// The same, and where it is not what the type takes: the path of the member, `config.kind`; empty for the whole.
///
/// # Errors
/// As [`read`].
pub fn from_value_by_path<T: DeserializeOwned>(value: Value) -> Result<T, (String, serde_json::Error)> {
    serde_path_to_error::deserialize(Objects::within(value, MAX_DEPTH)).map_err(|error| {
        let path = error.path().to_string();
        (if path == "." { String::new() } else { path }, error.into_inner())
    })
}

/// A JSON value without duplicate members at any level.
#[derive(Clone, Debug, PartialEq)]
pub struct StrictJson(pub Value);

impl<'de> Deserialize<'de> for StrictJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
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

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(StrictJson(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let StrictJson(value) = members.next_value()?;
            if object.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("the member `{name}` is there twice")));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_there_twice_is_refused_at_any_level() {
        assert!(serde_json::from_str::<StrictJson>(r#"{"a":1,"b":[{"c":null}]}"#).is_ok());
        for twice in [r#"{"a":1,"a":1}"#, r#"{"b":[{"c":1,"c":2}]}"#] {
            assert!(serde_json::from_str::<StrictJson>(twice).is_err(), "{twice}");
        }
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        all: Vec<Inner>,
        #[serde(default)]
        by_name: std::collections::BTreeMap<String, Inner>,
        #[serde(default)]
        one_of: Option<OneOf>,
        #[serde(default)]
        any: Option<StrictJson>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Inner {
        #[serde(default)]
        number: Option<u8>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum OneOf {
        Holds(Inner),
        Has { number: u8 },
    }

    #[test]
    fn a_struct_is_an_object_at_every_depth() {
        for (good, bad) in [
            (r#"{"name":"a"}"#, r#"["a"]"#),
            (r#"{"name":"a","inner":{"number":1}}"#, r#"{"name":"a","inner":[1]}"#),
            (r#"{"name":"a","inner":null}"#, r#"{"name":"a","inner":[null]}"#),
            (r#"{"name":"a","inner":{}}"#, r#"{"name":"a","inner":[]}"#),
            (r#"{"name":"a","all":[{},{"number":2}]}"#, r#"{"name":"a","all":[{},[2]]}"#),
            (r#"{"name":"a","by_name":{"b":{"number":2}}}"#, r#"{"name":"a","by_name":{"b":[2]}}"#),
            (r#"{"name":"a","one_of":{"holds":{"number":2}}}"#, r#"{"name":"a","one_of":{"holds":[2]}}"#),
            (r#"{"name":"a","one_of":{"has":{"number":2}}}"#, r#"{"name":"a","one_of":{"has":[2]}}"#),
            (r#"{"name":"a","any":[[1]]}"#, r#"{"name":"a","any":[{"b":1,"b":1}]}"#),
        ] {
            let read_both = |text: &str| {
                let value = serde_json::from_str::<Value>(text).unwrap();
                (read::<Outer>(text.as_bytes()), from_value::<Outer>(value))
            };
            let (of_text, of_value) = read_both(good);
            assert_eq!(of_text.unwrap(), of_value.unwrap(), "{good}");
            assert_eq!(read::<Outer>(good.as_bytes()).unwrap(), serde_json::from_str::<Outer>(good).unwrap());
            let (of_text, of_value) = read_both(bad);
            let is_twice = bad.contains("\"b\":1,");
            assert!(of_text.is_err() && (of_value.is_err() || is_twice), "{bad}");
            let error = of_text.unwrap_err().to_string();
            assert!(is_twice || error.contains("expected a JSON object"), "{error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            assert!(read::<StrictJson>(nested(open, close, MAX_DEPTH).as_bytes()).is_ok());
            for depth in [MAX_DEPTH + 1, 127, 100_000] {
                assert!(read::<StrictJson>(nested(open, close, depth).as_bytes()).is_err(), "{depth}");
            }
        }
    }

    #[test]
    fn nothing_comes_after_the_document() {
        assert!(read::<StrictJson>(b" {} ").is_ok());
        for text in ["{} {}", "{}x", "", "{"] {
            assert!(read::<StrictJson>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
