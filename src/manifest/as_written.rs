//! YAML as its author reads it: the one door through which manifests and cases are read.
//!
//! A plain scalar is a number or a boolean only where it is written as JSON writes it: `true`, `12`, `1.5`. Every other
//! one is text, letter for letter: `NO`, `on`, `012`, `1.10`, `1e3`, `0x1F`, `2026-01-01`; no version of YAML reads them
//! otherwise here. Where a text is asked for (names, conditions on claims, mapped values), `true` and `12` are text too.
//!
//! Bounds of the reader, each document on its own: 64 levels, 250,000 nodes, 64 MiB of text, 50,000 aliases.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Location, Options, Spanned, options};

use crate::cedar_text::on_deep_stack;
use crate::model::claim_text;

/// Reads one YAML document.
///
/// # Errors
/// When it is not YAML, or not of this shape.
pub(crate) fn read_yaml<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let before = SOURCE.replace(Some(Source::of(text)));
    // Its 64 levels take more stack than small threads have.
    let read = on_deep_stack(|| serde_saphyr::from_str_with_options(text, reading()));
    SOURCE.replace(before);
    read
}

fn reading() -> Options {
    options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}

/// Any value, of which scalars are as they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AsWritten(pub Value);

/// An object of such values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(pub Map<String, Value>);

/// A value with the places of its parts, by their paths below it: `jwks_uri`, `email.domains`.
#[derive(Clone, Debug, Default)]
pub(super) struct WithPlaces {
    pub value: Value,
    places: BTreeMap<String, Location>,
}

impl WithPlaces {
    /// Where a part stands, or the part that it would stand in. Elements of lists stand where their list does.
    pub(super) fn place_of(&self, path: &str) -> Option<Location> {
        let path = path.split('[').next().unwrap_or(path);
        let shorter = path.rmatch_indices('.').filter_map(|(at, _)| path.get(..at));
        std::iter::once(path).chain(shorter).find_map(|path| self.places.get(path)).copied()
    }
}

impl Deref for AsWritten {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Deref for Members {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AsWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Read(value), defined, referenced } = Spanned::<Read>::deserialize(deserializer)?;
        PARTS.with_borrow_mut(|parts| parts.as_mut().map(|parts| parts.note(referenced)));
        if !matches!(value, Value::Bool(_) | Value::Number(_)) {
            return Ok(Self(value));
        }
        let written = SOURCE.with_borrow(|source| source.as_ref().and_then(|source| source.scalar_at(defined)));
        Ok(Self(match written {
            Some(text) if claim_text(&value).as_ref() != Some(&text) => Value::String(text),
            _ => value,
        }))
    }
}

impl<'de> Deserialize<'de> for WithPlaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let before = PARTS.replace(Some(Parts::default()));
        let value = AsWritten::deserialize(deserializer);
        let parts = PARTS.replace(before).unwrap_or_default();
        Ok(Self { value: value?.0, places: parts.places })
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = BTreeMap::<String, AsWritten>::deserialize(deserializer)?;
        Ok(Self(members.into_iter().map(|(name, AsWritten(value))| (name, value)).collect()))
    }
}

/// A value whose parts are as they are written, and which may itself be another scalar than it seems.
struct Read(Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Read;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Read, E> {
                Ok(Read(Value::Null))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Read, E> {
                Ok(Read(Value::Bool(value)))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Read, E> {
                Ok(Read(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Read, E> {
                Ok(Read(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Read, E> {
                // What is no number to JSON, as `.inf`, differs from how it is written, and so becomes text.
                Ok(Read(Number::from_f64(value).map_or(Value::Bool(false), Value::Number)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Read, E> {
                Ok(Read(Value::String(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Read, A::Error> {
                let mut items = Vec::new();
                while let Some(AsWritten(item)) = list.next_element()? {
                    items.push(item);
                }
                Ok(Read(Value::Array(items)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let mut members = Map::new();
                while let Some(name) = map.next_key::<String>()? {
                    PARTS.with_borrow_mut(|parts| parts.as_mut().map(|parts| parts.path.push(name.clone())));
                    let value = map.next_value::<AsWritten>();
                    PARTS.with_borrow_mut(|parts| parts.as_mut().map(|parts| parts.path.pop()));
                    members.insert(name, value?.0);
                }
                Ok(Read(Value::Object(members)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

thread_local! {
    /// The document that this thread reads. The reader hands out typed values and places, not what stood there.
    static SOURCE: RefCell<Option<Source>> = const { RefCell::new(None) };
}

thread_local! {
    /// The parts of the value whose places are wanted.
    static PARTS: RefCell<Option<Parts>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Parts {
    /// Members from the value down to what is being read.
    path: Vec<String>,
    places: BTreeMap<String, Location>,
}

impl Parts {
    fn note(&mut self, place: Location) {
        if !self.path.is_empty() {
            self.places.entry(self.path.join(".")).or_insert(place);
        }
    }
}

struct Source {
    lines: Vec<String>,
}

impl Source {
    fn of(text: &str) -> Self {
        Self { lines: text.split('\n').map(str::to_owned).collect() }
    }

    /// The plain scalar that stands somewhere, past its anchor; none where a tag says what it is.
    fn scalar_at(&self, at: Location) -> Option<String> {
        let line = self.lines.get(usize::try_from(at.line()).ok()?.checked_sub(1)?)?;
        let column = usize::try_from(at.column()).ok()?.checked_sub(1)?;
        let (start, _) = line.char_indices().nth(column)?;
        let before = line.get(..start)?.trim_end();
        let property = before.rsplit(|letter: char| letter.is_whitespace() || "[{,".contains(letter)).next()?;
        if property.starts_with('!') {
            return None;
        }
        let mut rest = line.get(start..)?;
        while rest.starts_with('&') {
            rest = rest.split_once(char::is_whitespace)?.1.trim_start();
        }
        // Numbers and booleans hold none of these, in a flow or in a block.
        let end = rest.find(|letter: char| letter.is_whitespace() || ",]}".contains(letter)).unwrap_or(rest.len());
        let text = rest.get(..end)?;
        (!text.is_empty() && !text.starts_with(['!', '*', '\'', '"'])).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        read_yaml::<AsWritten>(text).unwrap().0
    }

    #[test]
    fn only_what_json_would_write_is_a_number_or_a_boolean() {
        for text in ["true", "false", "12", "-3", "0", "1.5", "18446744073709551615"] {
            assert_eq!(
                read(&format!("a: {text}")),
                json!({"a": serde_json::from_str::<Value>(text).unwrap()}),
                "{text}"
            );
        }
        for text in [
            "NO",
            "no",
            "n",
            "N",
            "yes",
            "On",
            "off",
            "True",
            "FALSE",
            "012",
            "0o14",
            "0x1F",
            "0b11",
            "1_000",
            "+1",
            "1.10",
            "2.0",
            "1e3",
            "1E3",
            "-0.0",
            ".5",
            "5.",
            ".inf",
            "-.INF",
            ".NaN",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            "190:20:30",
            "99999999999999999999999",
            "1.",
            "-0",
            "1e999",
        ] {
            let expected = json!({"a": text, "b": [text, {"c": text}], "d": text});
            for yaml in [
                format!("a: {text}\nb:\n  - {text}\n  - c: {text}\nd: {text} # as it is\n"),
                format!("{{a: {text}, b: [{text}, {{c: {text}}}], d: {text}}}"),
                format!("a: &x {text}\nb: [*x, {{c: *x}}]\nd: *x\n"),
                format!("a: '{text}'\nb: [\"{text}\", {{c: '{text}'}}]\nd: !!str {text}\n"),
            ] {
                assert_eq!(read(&yaml), expected, "{yaml}");
            }
        }
        assert_eq!(read("{a: null, b: ~, c: }"), json!({"a": null, "b": null, "c": null}));
        assert_eq!(read("é: [ü, 012, ö, 0x1]"), json!({"é": ["ü", "012", "ö", "0x1"]}));
        assert_eq!(
            read("{a: !!int 0x1F, b: [!!float 1e3]}"),
            json!({"a": 31, "b": [1000.0]}),
            "a tag asks for the type"
        );
    }

    proptest! {
        /// Whatever stands there without quotes, its text is what was written.
        #[test]
        fn a_plain_scalar_reads_as_it_is_written(text in "[0-9a-fA-FxXoOeEnNyYsStTrRuUlL+._-]{1,12}") {
            let yaml = format!("- {{a: {text}}}\n- {text}\n");
            let Ok(AsWritten(read)) = read_yaml::<AsWritten>(&yaml) else { return Ok(()) };
            for value in [&read[0]["a"], &read[1]] {
                if !value.is_null() {
                    prop_assert_eq!(claim_text(value), Some(text.clone()), "{}", yaml);
                }
            }
        }
    }
}
