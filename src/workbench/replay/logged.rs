//! A line of the decision log, as far as deciding again takes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::decide::{AccessQuery, ActionName, Decision, Reason, ResourceQuery};
use crate::model::EntityRef;
use crate::vocabulary;

/// The other side of what `audit` writes.
#[derive(Debug, Deserialize)]
pub(super) struct Logged<'a> {
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    #[serde(borrow)]
    pub decision_id: Cow<'a, str>,
    #[serde(borrow)]
    pub tenant: Cow<'a, str>,
    /// Described once, and again for each of its questions in the same bytes.
    #[serde(borrow)]
    pub principal: &'a RawValue,
    #[serde(borrow)]
    request: LoggedRequest<'a>,
    pub decision: Decision,
    pub reason: Reason,
    pub policies: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct LoggedRequest<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    resource: LoggedResource,
    #[serde(default)]
    context: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct LoggedResource {
    #[serde(rename = "type")]
    entity_type: String,
    id: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    parents: Vec<String>,
}

/// A principal as the log describes it.
#[derive(Debug, Deserialize)]
pub(super) struct LoggedPrincipal {
    pub uid: String,
    /// Absent of one that the directory did not know.
    #[serde(default)]
    pub attributes: Option<Map<String, Value>>,
    #[serde(default)]
    pub parents: Vec<EntityRef>,
    #[serde(default)]
    pub tags: Map<String, Value>,
}

impl Logged<'_> {
    /// What was asked, and the line's other parts without it; what cannot be read of it is told.
    pub fn take_query(&mut self) -> Result<AccessQuery, String> {
        let resource = &mut self.request.resource;
        let parent = |text: &String| {
            vocabulary::read_ref(text).ok_or_else(|| format!("`request.resource.parents`: `{text}` is not an entity"))
        };
        let parents = resource.parents.iter().map(parent).collect::<Result<_, _>>()?;
        let entity = EntityRef::new(std::mem::take(&mut resource.entity_type), std::mem::take(&mut resource.id));
        Ok(AccessQuery {
            action: ActionName(self.request.action.to_string()),
            resource: ResourceQuery { entity, attributes: std::mem::take(&mut resource.attributes), parents },
            context: self.request.context.take(),
            explain: false,
        })
    }
}
