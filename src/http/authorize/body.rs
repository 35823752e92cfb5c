//! The bodies of questions, as written, and what they mean.

use cedar_policy::EntityUid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::ask::{Question, Who};
use crate::decide::{AccessQuery, ActionName, ResourceQuery};
use crate::http::caller::Caller;
use crate::http::problem::Problem;
use crate::model::{EntityRef, Revision};
use crate::strict_json::StrictJson;
use crate::vocabulary;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRequest {
    pub tenant: Option<String>,
    token: Option<String>,
    principal: Option<String>,
    action: String,
    resource: RawResource,
    context: Option<StrictJson>,
    #[serde(default)]
    explain: bool,
    /// Answered from this revision of the directory or a later one.
    pub at_least: Option<Revision>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBatch {
    pub tenant: Option<String>,
    pub at_least: Option<Revision>,
    token: Option<String>,
    principal: Option<String>,
    pub requests: Vec<RawItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawItem {
    token: Option<String>,
    principal: Option<String>,
    action: String,
    resource: RawResource,
    context: Option<StrictJson>,
    #[serde(default)]
    explain: bool,
}

/// `Model::"gpt-4o"`, or the same with what the request adds.
#[derive(Debug)]
struct RawResource {
    entity: NamedResource,
    attributes: Map<String, Value>,
    parents: Vec<String>,
}

#[derive(Debug)]
enum NamedResource {
    Uid(String),
    Parts(EntityRef),
}

/// Reads a body.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::Malformed(format!("the body cannot be read: {error}")))
}

impl RawRequest {
    pub(super) fn into_question(self, bearer: Option<String>, caller: &Caller) -> Result<Question, Problem> {
        caller.check_explain(self.explain)?;
        let who = one_of(bearer, self.token, self.principal, caller)?.ok_or(Problem::TokenMissing)?;
        Ok(Question { who, query: query(self.action, self.resource, self.context, self.explain)? })
    }
}

impl RawBatch {
    /// Each request is about its own token or principal, else about the batch's.
    pub(super) fn into_questions(self, bearer: Option<String>, caller: &Caller) -> Result<Vec<Question>, Problem> {
        let of_all = one_of(bearer, self.token, self.principal, caller)?;
        let mut questions = Vec::with_capacity(self.requests.len());
        for (index, item) in self.requests.into_iter().enumerate() {
            let question = || {
                caller.check_explain(item.explain)?;
                let own = one_of(None, item.token, item.principal, caller)?;
                let who = own.or_else(|| of_all.clone()).ok_or(Problem::TokenMissing)?;
                Ok(Question { who, query: query(item.action, item.resource, item.context, item.explain)? })
            };
            questions.push(question().map_err(|problem: Problem| problem.in_batch(index))?);
        }
        Ok(questions)
    }
}

/// Exactly one way to say who a question is about.
fn one_of(
    bearer: Option<String>,
    token: Option<String>,
    principal: Option<String>,
    caller: &Caller,
) -> Result<Option<Who>, Problem> {
    match (bearer, token, principal) {
        (None, None, None) => Ok(None),
        (Some(token), None, None) | (None, Some(token), None) => Ok(Some(Who::Token(token))),
        (None, None, Some(principal)) => {
            caller.may_vouch()?;
            Ok(Some(Who::Named(uid(&principal)?)))
        }
        _ => Err(Problem::Malformed(
            "give one of `token`, `Authorization: Bearer` and `principal`, not several".to_owned(),
        )),
    }
}

fn query(
    action: String,
    resource: RawResource,
    context: Option<StrictJson>,
    explain: bool,
) -> Result<AccessQuery, Problem> {
    let entity = match resource.entity {
        NamedResource::Uid(text) => read_entity(&text)?,
        NamedResource::Parts(entity) => entity,
    };
    let parents = resource.parents.iter().map(|text| read_entity(text));
    Ok(AccessQuery {
        action: ActionName(action),
        resource: ResourceQuery {
            entity,
            attributes: resource.attributes,
            parents: parents.collect::<Result<_, Problem>>()?,
        },
        context: context.map(|context| context.0),
        explain,
    })
}

fn uid(text: &str) -> Result<EntityUid, Problem> {
    vocabulary::read_uid(text).ok_or_else(|| not_an_entity(text))
}

/// Whether the schema has the type is not known here.
fn read_entity(text: &str) -> Result<EntityRef, Problem> {
    vocabulary::read_ref(text).ok_or_else(|| not_an_entity(text))
}

fn not_an_entity(text: &str) -> Problem {
    Problem::Malformed(format!("`{text}` is not an entity: write `Type::\"id\"`"))
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
            parents: Vec<String>,
        }

        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = RawResource;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("`Type::\"id\"` or an object with `type` and `id`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawResource, E> {
                let entity = NamedResource::Uid(text.to_owned());
                Ok(RawResource { entity, attributes: Map::new(), parents: Vec::new() })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, members: A) -> Result<RawResource, A::Error> {
                let described = Described::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
                let attributes = match described.attributes.map(|given| given.0) {
                    None | Some(Value::Null) => Map::new(),
                    Some(Value::Object(members)) => members,
                    Some(_) => return Err(serde::de::Error::custom("`attributes` must be an object")),
                };
                let entity = NamedResource::Parts(EntityRef::new(described.entity_type, described.id));
                Ok(RawResource { entity, attributes, parents: described.parents })
            }
        }

        deserializer.deserialize_any(Either)
    }
}
