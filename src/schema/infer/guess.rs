//! What a value seems to be, by data and by what policies do with it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The guess of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Guess {
    #[default]
    Unknown,
    Bool,
    Long,
    Text,
    Entity(String),
    Set(Box<Self>),
    Record(Members),
    Extension(&'static str),
}

pub(super) type Members = BTreeMap<String, Member>;

/// An attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub guess: Guess,
    /// Some policy asks whether it is there, or some entity goes without.
    pub is_optional: bool,
    /// How many entities have it.
    pub seen: usize,
}

impl Guess {
    /// The guess of a value of entity data.
    pub fn of_data(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Long,
            Value::String(_) => Self::Text,
            Value::Null => Self::Unknown,
            Value::Array(items) => {
                let mut element = Self::Unknown;
                items.iter().for_each(|item| element.merge(Self::of_data(item)));
                Self::Set(Box::new(element))
            }
            Value::Object(members) => Self::of_object(members),
        }
    }

    fn of_object(members: &Map<String, Value>) -> Self {
        if let Some(uid) = members.get("__entity") {
            return type_of(uid).map_or(Self::Unknown, Self::Entity);
        }
        if let Some(name) = members.get("__extn").and_then(|call| call.get("fn")?.as_str()) {
            return extension(name).map_or(Self::Unknown, Self::Extension);
        }
        // Where a schema says that an entity stands there, data may leave `__entity` out.
        if let Some(name) = members.get("type").and_then(Value::as_str)
            && members.len() == 2
            && members.get("id").is_some_and(Value::is_string)
        {
            return Self::Entity(name.to_owned());
        }
        let member = |(name, value): (&String, &Value)| {
            (name.clone(), Member { guess: Self::of_data(value), is_optional: false, seen: 1 })
        };
        Self::Record(members.iter().map(member).collect())
    }

    /// Takes over what another guess knows more; where they contradict, the first stays.
    pub fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Unknown, other) => *self = other,
            (Self::Set(own), Self::Set(other)) => own.merge(*other),
            (Self::Record(own), Self::Record(other)) => {
                for (name, member) in &mut *own {
                    member.is_optional |= !other.contains_key(name);
                }
                for (name, theirs) in other {
                    let is_new = !own.contains_key(&name);
                    let member = own.entry(name).or_default();
                    member.guess.merge(theirs.guess);
                    member.is_optional |= theirs.is_optional || is_new;
                }
            }
            _ => {}
        }
    }

    /// The same as Cedar's JSON schema has it; what nothing is known of is taken for a text, and noted.
    pub fn to_json(&self, path: &str, notes: &mut Vec<String>) -> Value {
        match self {
            Self::Unknown => {
                notes.push(format!("`{path}` is taken for a String: nothing says what it is"));
                json!({"type": "String"})
            }
            Self::Bool => json!({"type": "Boolean"}),
            Self::Long => json!({"type": "Long"}),
            Self::Text => json!({"type": "String"}),
            Self::Entity(name) => json!({"type": "Entity", "name": name}),
            Self::Extension(name) => json!({"type": "Extension", "name": name}),
            Self::Set(element) => json!({"type": "Set", "element": element.to_json(path, notes)}),
            Self::Record(members) => record(members, path, notes),
        }
    }
}

/// A record, as Cedar's JSON schema has it.
pub(super) fn record(members: &Members, path: &str, notes: &mut Vec<String>) -> Value {
    let mut attributes = Map::new();
    for (name, member) in members {
        let mut declared = member.guess.to_json(&format!("{path}.{name}"), notes);
        if let Some(declared) = declared.as_object_mut() {
            declared.insert("required".to_owned(), Value::Bool(!member.is_optional));
        }
        attributes.insert(name.clone(), declared);
    }
    json!({"type": "Record", "attributes": attributes})
}

/// The type in a uid, with or without `__entity`.
pub(super) fn type_of(uid: &Value) -> Option<String> {
    uid.get("__entity").unwrap_or(uid).get("type")?.as_str().map(str::to_owned)
}

/// The id in a uid.
pub(super) fn id_of(uid: &Value) -> Option<String> {
    uid.get("__entity").unwrap_or(uid).get("id")?.as_str().map(str::to_owned)
}

/// The type that a constructor of an extension makes.
pub(super) fn extension(function: &str) -> Option<&'static str> {
    Some(match function {
        "ip" => "ipaddr",
        "decimal" => "decimal",
        "datetime" => "datetime",
        "duration" => "duration",
        _ => return None,
    })
}
