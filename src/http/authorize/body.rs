//! The bodies of questions, as written, and what they mean.

use cedar_policy::EntityUid;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ask::{Question, Who};
use crate::decide::{AccessQuery, ActionName, ResourceQuery, Unknown};
use crate::http::caller::Caller;
use crate::http::problem::Problem;
use crate::model::{EntityRef, Revision};
use crate::strict_json::{self, MAX_DEPTH, StrictJson};
use crate::vocabulary;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRequest {
    pub tenant: Option<String>,
    token: Option<String>,
    principal: Option<NamedEntity>,
    action: NamedAction,
    resource: RawResource,
    context: Option<StrictJson>,
    #[serde(default)]
    explain: bool,
    #[serde(default)]
    unknown: Unknown,
    /// Answered from this revision of the directory or a later one.
    pub at_least: Option<Revision>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBatch<'a> {
    pub tenant: Option<String>,
    pub at_least: Option<Revision>,
    token: Option<String>,
    principal: Option<NamedEntity>,
    /// Each is read by itself: what is wrong with one is wrong with no other.
    #[serde(borrow)]
    pub requests: Vec<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawItem {
    token: Option<String>,
    principal: Option<NamedEntity>,
    action: NamedAction,
    resource: RawResource,
    context: Option<StrictJson>,
    #[serde(default)]
    explain: bool,
    #[serde(default)]
    unknown: Unknown,
}

/// `Model::"gpt-4o"`, or the same with what the request adds.
#[derive(Debug)]
struct RawResource {
    entity: NamedEntity,
    attributes: Map<String, Value>,
    parents: Vec<NamedEntity>,
}

/// `Model::"gpt-4o"`, `Model::gpt-4o`, or an object with `type` and `id`. Whether the schema has the type is not asked.
#[derive(Debug)]
enum NamedEntity {
    Written(String),
    Parts(EntityRef),
}

impl NamedEntity {
    fn entity(self) -> Result<EntityRef, Problem> {
        match self {
            Self::Written(text) => vocabulary::read_entity(&text).ok_or_else(|| not_an_entity(&text)),
            Self::Parts(entity) => Ok(entity),
        }
    }

    fn uid(self) -> Result<EntityUid, Problem> {
        let entity = self.entity()?;
        vocabulary::uid(&entity).map_err(|_| not_an_entity(&entity.to_string()))
    }
}

/// The name of an action, its uid in either notation, or an object with `type` and `id`.
#[derive(Debug)]
struct NamedAction(ActionName);

impl<'de> Deserialize<'de> for NamedAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(ActionName(match NamedEntity::deserialize(deserializer)? {
            NamedEntity::Written(text) => text,
            NamedEntity::Parts(entity) => entity.to_string(),
        })))
    }
}

/// Reads a body.
pub(super) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    strict_json::read(body).map_err(|error| Problem::Malformed(format!("the body cannot be read: {error}")))
}

impl RawRequest {
    pub(super) fn into_question(self, bearer: Option<String>, caller: &Caller) -> Result<Question, Problem> {
        let who = one_of(bearer, self.token, self.principal, caller)?.ok_or(Problem::TokenMissing)?;
        let asked = Asked {
            action: self.action,
            resource: self.resource,
            context: self.context,
            explain: self.explain,
            unknown: self.unknown,
        };
        asked.into_question(who, caller)
    }
}

impl RawBatch<'_> {
    /// Whom the requests are about that name nobody of their own.
    pub(super) fn of_all(&mut self, bearer: Option<String>, caller: &Caller) -> Result<Option<Who>, Problem> {
        one_of(bearer, self.token.take(), self.principal.take(), caller)
    }

    /// Each request as a question, or what is wrong with it.
    pub(super) fn into_questions(self, of_all: Option<&Who>, caller: &Caller) -> Vec<Result<Question, Problem>> {
        self.requests.into_iter().map(|item| read_item(item)?.into_question(of_all, caller)).collect()
    }
}

fn read_item(item: &RawValue) -> Result<RawItem, Problem> {
    let read = strict_json::read_within(item.get().as_bytes(), MAX_DEPTH - DEPTH_OF_ITEMS);
    read.map_err(|error| Problem::Malformed(format!("the request cannot be read: {error}")))
}

impl RawItem {
    fn into_question(self, of_all: Option<&Who>, caller: &Caller) -> Result<Question, Problem> {
        let own = one_of(None, self.token, self.principal, caller)?;
        let who = own.or_else(|| of_all.cloned()).ok_or(Problem::TokenMissing)?;
        let asked = Asked {
            action: self.action,
            resource: self.resource,
            context: self.context,
            explain: self.explain,
            unknown: self.unknown,
        };
        asked.into_question(who, caller)
    }
}

/// Exactly one way to say who a question is about.
fn one_of(
    bearer: Option<String>,
    token: Option<String>,
    principal: Option<NamedEntity>,
    caller: &Caller,
) -> Result<Option<Who>, Problem> {
    match (bearer, token, principal) {
        (None, None, None) => Ok(None),
        (Some(token), None, None) | (None, Some(token), None) => Ok(Some(Who::Token(token))),
        (None, None, Some(principal)) => {
            caller.may_vouch()?;
            Ok(Some(Who::Named(principal.uid()?)))
        }
        _ => Err(Problem::Malformed(
            "give one of `token`, `Authorization: Bearer` and `principal`, not several".to_owned(),
        )),
    }
}

/// What is asked, whoever it is about.
struct Asked {
    action: NamedAction,
    resource: RawResource,
    context: Option<StrictJson>,
    explain: bool,
    unknown: Unknown,
}

impl Asked {
    /// The question, without what does not count from this caller.
    fn into_question(self, who: Who, caller: &Caller) -> Result<Question, Problem> {
        let Self { action, mut resource, context, mut explain, unknown } = self;
        let entity = resource.entity.entity()?;
        let parents = resource.parents.into_iter().map(NamedEntity::entity);
        let mut parents = parents.collect::<Result<Vec<_>, Problem>>()?;
        let mut dropped = Vec::new();
        if !caller.may_describe() {
            if !std::mem::take(&mut resource.attributes).is_empty() {
                dropped.push("resource.attributes".to_owned());
            }
            if !std::mem::take(&mut parents).is_empty() {
                dropped.push("resource.parents".to_owned());
            }
        }
        if explain && !caller.may_explain() {
            explain = false;
            dropped.push("explain".to_owned());
        }
        let resource = ResourceQuery { entity, attributes: resource.attributes, parents };
        let context = context.map(|context| context.0);
        let query = AccessQuery { action: action.0, resource, context, explain };
        Ok(Question { who, query, unknown, dropped })
    }
}

fn not_an_entity(text: &str) -> Problem {
    Problem::Malformed(format!("`{text}` is not an entity: write `Type::\"id\"` or `Type::id`"))
}

impl<'de> Deserialize<'de> for NamedEntity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            #[serde(rename = "type")]
            entity_type: String,
            id: String,
        }

        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = NamedEntity;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(ENTITY_FORMS)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<NamedEntity, E> {
                Ok(NamedEntity::Written(text.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, members: A) -> Result<NamedEntity, A::Error> {
                let Parts { entity_type, id } =
                    Parts::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
                Ok(NamedEntity::Parts(EntityRef::new(entity_type, id)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for RawResource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Described {
            #[serde(rename = "type")]
            entity_type: String,
            id: String,
            attributes: Option<StrictJson>,
            #[serde(default)]
            parents: Vec<NamedEntity>,
        }

        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = RawResource;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(ENTITY_FORMS)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawResource, E> {
                let entity = NamedEntity::Written(text.to_owned());
                Ok(RawResource { entity, attributes: Map::new(), parents: Vec::new() })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, members: A) -> Result<RawResource, A::Error> {
                let described = Described::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
                let attributes = match described.attributes.map(|given| given.0) {
                    None | Some(Value::Null) => Map::new(),
                    Some(Value::Object(members)) => members,
                    Some(_) => return Err(serde::de::Error::custom("`attributes` must be an object")),
                };
                let entity = NamedEntity::Parts(EntityRef::new(described.entity_type, described.id));
                Ok(RawResource { entity, attributes, parents: described.parents })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

const ENTITY_FORMS: &str = "`Type::\"id\"`, `Type::id` or an object with `type` and `id`";

/// The batch, and its list.
const DEPTH_OF_ITEMS: usize = 2;
