//! Schemas in JSON form in, yes or the type that is too large out: types that are made of types that are made of
//! types.
//!
//! Cedar puts the definition of a common type wherever its name stands. Types that name each other in a row become as
//! deep as the row is long, and types that name another twice double with each step: both are found here on the
//! names, before Cedar expands them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::MAX_NESTING;

/// The types of all fragments together, each in Cedar's JSON form.
///
/// # Errors
/// The first type that is too large or too deep, with the reason.
pub fn check_types(fragments: &[Value]) -> Result<(), String> {
    let mut sizes = Sizes { types: HashMap::new(), known: HashMap::new() };
    let namespaces = || fragments.iter().filter_map(Value::as_object).flatten();
    for (namespace, content) in namespaces() {
        for (name, definition) in members(content, "commonTypes") {
            sizes.types.insert(qualified(namespace, name), (namespace, definition));
        }
    }
    let mut names: Vec<_> = sizes.types.keys().cloned().collect();
    names.sort();
    for name in names {
        sizes.of_type(&name, 0)?;
    }
    for (namespace, content) in namespaces() {
        for part in ["entityTypes", "actions"] {
            for (name, definition) in members(content, part) {
                let size = sizes.of(definition, namespace, 0)?;
                check(&format!("`{}`", qualified(namespace, name)), size)?;
            }
        }
    }
    Ok(())
}

fn members<'a>(content: &'a Value, part: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    content.get(part).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() || name.contains("::") { name.to_owned() } else { format!("{namespace}::{name}") }
}

/// What a type comes to once all names in it are replaced.
#[derive(Clone, Copy, Default)]
struct Size {
    parts: usize,
    depth: usize,
}

struct Sizes<'a> {
    /// Namespace and definition of each common type.
    types: HashMap<String, (&'a str, &'a Value)>,
    known: HashMap<String, Option<Size>>,
}

impl<'a> Sizes<'a> {
    fn of_type(&mut self, name: &str, above: usize) -> Result<Size, String> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            // One that is made of itself: Cedar says so, and names all that take part.
            Some(None) => return Ok(Size::default()),
            None => {}
        }
        let Some((namespace, definition)) = self.types.get(name).copied() else { return Ok(Size::default()) };
        if above > MAX_NESTING {
            return Err(too_deep(&format!("type `{name}`")));
        }
        self.known.insert(name.to_owned(), None);
        let size = self.of(definition, namespace, above + 1)?;
        check(&format!("type `{name}`"), size)?;
        self.known.insert(name.to_owned(), Some(size));
        Ok(size)
    }

    fn of(&mut self, definition: &'a Value, namespace: &str, above: usize) -> Result<Size, String> {
        let mut size = Size { parts: 1, depth: 1 };
        let mut inner = |sizes: &mut Self, value: &'a Value| -> Result<(), String> {
            let found = sizes.of(value, namespace, above)?;
            size.parts = size.parts.saturating_add(found.parts);
            size.depth = size.depth.max(found.depth.saturating_add(1));
            Ok(())
        };
        match definition {
            Value::Array(values) => values.iter().try_for_each(|value| inner(self, value))?,
            Value::Object(members) => members.values().try_for_each(|value| inner(self, value))?,
            Value::String(name) => {
                let own = qualified(namespace, name);
                let found = if self.types.contains_key(&own) { own } else { name.clone() };
                return self.of_type(&found, above);
            }
            _ => {}
        }
        Ok(size)
    }
}

fn check(what: &str, size: Size) -> Result<(), String> {
    if size.parts > MAX_PARTS {
        return Err(format!(
            "{what} comes to more than {MAX_PARTS} parts once the types in it are put in their places"
        ));
    }
    if size.depth > MAX_TYPE_DEPTH {
        return Err(too_deep(what));
    }
    Ok(())
}

fn too_deep(what: &str) -> String {
    format!("{what} is made of types in more than {MAX_NESTING} steps: make the nesting less deep")
}

/// Parts of one type with everything in its place.
const MAX_PARTS: usize = 100_000;
/// A record in a schema's JSON form takes a few levels of JSON.
const MAX_TYPE_DEPTH: usize = MAX_NESTING * 4;
