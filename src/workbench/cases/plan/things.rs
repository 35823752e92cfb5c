//! What cases name: principals, actions, resources, contexts and entities, looked up in the suite first and in the
//! schema then.

use cedar_policy::{Entity, EntityUid};
use serde_json::{Map, Value, json};

use super::Plan;
use crate::decide::ResourceQuery;
use crate::directory::resource_id;
use crate::manifest::{AsWritten, read_entity};
use crate::schema::ActionFacts;
use crate::tree::one_line;
use crate::vocabulary::{self, ACTION};
use crate::workbench::cases::people::{Who, unknown_name};
use crate::workbench::cases::shape::{Placed, ShortOrFull};
use crate::workbench::cases::written::{WrittenContext, WrittenPrincipal, WrittenResource};

/// A resource, and how the suite calls it.
#[derive(Clone)]
pub(super) struct Shown {
    pub label: String,
    pub uid: EntityUid,
    pub query: ResourceQuery,
}

impl<'a> Plan<'a> {
    /// Somebody, and how the suite calls them.
    pub(super) fn principal(&mut self, written: &Placed<WrittenPrincipal>) -> Option<(String, Who)> {
        if let ShortOrFull::Short(name) = &written.value
            && let Some(found) = self.principal_named(name)
        {
            return found.map(|who| (name.clone(), who));
        }
        let names: Vec<_> = self.written.iter().flat_map(|suite| suite.principals.names()).collect();
        match self.people.find(written, &names) {
            Ok(who) => {
                let uid = who.as_ref().map(|principal| resource_id(&vocabulary::entity_ref(&principal.uid)));
                Some((uid.unwrap_or_else(|_| "a token".to_owned()), who))
            }
            Err((at, message)) => {
                self.fault(at, message);
                None
            }
        }
    }

    /// One of the suite's principals, each made once; `None` for a name that the suite does not have.
    #[expect(clippy::option_option, reason = "there is no such name; or it has a fault, which was told")]
    pub(super) fn principal_named(&mut self, name: &str) -> Option<Option<Who>> {
        if let Some(known) = self.known.get(name) {
            return Some(known.clone());
        }
        let written = self.written?.principals.get(name)?;
        let found = match self.people.find(written, &[]) {
            Ok(who) => Some(who),
            Err((at, message)) => {
                self.fault(at, message);
                None
            }
        };
        self.known.insert(name.to_owned(), found.clone());
        Some(found)
    }

    /// An action, and how to call it.
    pub(super) fn action(&mut self, written: &Placed<String>) -> Option<(String, &'a ActionFacts)> {
        let actions = &self.snapshot.schema.actions;
        let by_uid = || actions.get(&vocabulary::read_uid(&written.value)?);
        let Some(facts) = actions.named(&written.value).or_else(by_uid) else {
            self.fault(written.at, format!("`{}` is not an action of the schema", written.value));
            return None;
        };
        Some((action_label(facts), facts))
    }

    pub(super) fn resource(&mut self, written: &Placed<WrittenResource>) -> Option<Shown> {
        let (label, definition) = match &written.value {
            ShortOrFull::Short(name) => {
                let named = self.written.and_then(|suite| suite.resources.get(name));
                (Some(name.clone()), named.unwrap_or(written))
            }
            ShortOrFull::Full(_) => (None, written),
        };
        let query = match &definition.value {
            ShortOrFull::Short(text) => {
                let Some(entity) = read_entity(text) else {
                    let names: Vec<_> = self.written.iter().flat_map(|suite| suite.resources.names()).collect();
                    self.fault(definition.at, unknown_name(text, &names, "resource"));
                    return None;
                };
                ResourceQuery::named(entity)
            }
            ShortOrFull::Full(described) => {
                let mut parents = Vec::new();
                for parent in &described.parents {
                    match read_entity(&parent.value) {
                        Some(entity) => parents.push(entity),
                        None => self.fault(parent.at, format!("`{}` is no entity: write `Type::id`", parent.value)),
                    }
                }
                let entity = crate::model::EntityRef::new(&described.kind, &described.id);
                ResourceQuery { entity, attributes: described.attributes.0.clone(), parents }
            }
        };
        let Some(uid) = self.snapshot.schema.types.uid_of(&query.entity) else {
            self.fault(definition.at, format!("the schema has no entity type `{}`", query.entity.entity_type));
            return None;
        };
        let label = label.unwrap_or_else(|| resource_id(&query.entity));
        Some(Shown { label, uid, query })
    }

    pub(super) fn context(&mut self, written: &Placed<WrittenContext>) -> Option<Value> {
        let mut merged = Map::new();
        for part in &written.value.0 {
            match part {
                ShortOrFull::Full(members) => merged.extend(members.0.clone()),
                ShortOrFull::Short(name) => {
                    let Some(named) = self.written.and_then(|suite| suite.contexts.get(name)) else {
                        let names: Vec<_> = self.written.iter().flat_map(|suite| suite.contexts.names()).collect();
                        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                        self.fault(written.at, format!("`{name}` is no context of this suite; there are: {known}"));
                        return None;
                    };
                    merged.extend(named.value.0.clone());
                }
            }
        }
        Some(Value::Object(merged))
    }

    /// Entities in Cedar's JSON; what they leave out is empty. Actions are the schema's.
    pub(super) fn entities(&mut self, given: &[Placed<AsWritten>]) -> Vec<Entity> {
        let mut entities: Vec<Entity> = Vec::new();
        for entity in given {
            if is_action(&entity.value) {
                continue;
            }
            let mut json = entity.value.0.clone();
            if let Some(members) = json.as_object_mut() {
                members.entry("attrs").or_insert_with(|| json!({}));
                members.entry("parents").or_insert_with(|| json!([]));
            }
            match Entity::from_json_value(json, Some(&self.snapshot.schema.schema)) {
                Ok(read) if entities.iter().any(|other| other.uid() == read.uid()) => {
                    self.fault(entity.at, format!("entity {} is given twice", read.uid()));
                }
                Ok(read) => entities.push(read),
                Err(error) => self.fault(entity.at, one_line(&error)),
            }
        }
        entities
    }
}

fn is_action(entity: &Value) -> bool {
    let uid = entity.get("uid").map(|uid| uid.get("__entity").unwrap_or(uid));
    let kind = uid.and_then(|uid| uid.get("type")?.as_str());
    kind.is_some_and(|kind| kind.rsplit("::").next() == Some(ACTION))
}

/// How an action is called in cases.
pub(super) fn action_label(facts: &ActionFacts) -> String {
    if facts.uid.type_name().to_string() == ACTION {
        return facts.uid.id().unescaped().to_owned();
    }
    facts.uid.to_string()
}
