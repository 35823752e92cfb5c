//! The resource that a request is about: what the directory knows of it, with what the request adds.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityUid};
use serde_json::json;

use super::query::{QueryError, ResourceQuery, known_uid};
use crate::schema::Identity;
use crate::snapshot::{Snapshot, place_in_tenant};
use crate::tree::one_line;

/// A resource, ready to be decided about.
pub(super) struct FoundResource {
    pub uid: EntityUid,
    /// What the request made of it; without, the directory's entity stands, if it has one.
    pub entity: Option<Entity>,
}

/// Finds the resource and merges what the request says of it, all of it checked against the schema.
pub(super) fn find_resource(
    snapshot: &Snapshot,
    query: &ResourceQuery,
    action: &EntityUid,
) -> Result<FoundResource, QueryError> {
    let uid = known_uid(snapshot, &query.entity)?;
    check_applies(snapshot, action, &uid)?;
    let known = snapshot.entities.get(&uid);
    let says_nothing = query.attributes.is_empty() && query.parents.is_empty();
    let is_plain = snapshot.schema.identity == Identity::LeftOut;
    if says_nothing && (known.is_some() || is_plain) {
        return Ok(FoundResource { uid, entity: None });
    }
    let given = given_entity(snapshot, query)?;
    let entity = match known {
        Some(known) => merge(&uid, known, given)?,
        None => given,
    };
    Ok(FoundResource { uid, entity: Some(in_tenant(snapshot, entity)?) })
}

fn check_applies(snapshot: &Snapshot, action: &EntityUid, uid: &EntityUid) -> Result<(), QueryError> {
    let mut kinds = snapshot.schema.schema.resources_for_action(action).into_iter().flatten();
    if kinds.any(|kind| kind == uid.type_name()) {
        return Ok(());
    }
    Err(QueryError::ActionDoesNotApply {
        action: action.id().unescaped().to_owned(),
        resource_type: uid.type_name().to_string(),
    })
}

/// The entity as the request alone describes it, read by the schema's types.
fn given_entity(snapshot: &Snapshot, query: &ResourceQuery) -> Result<Entity, QueryError> {
    let uid_json = |entity: &crate::model::EntityRef| json!({"type": entity.entity_type, "id": entity.id});
    for parent in &query.parents {
        known_uid(snapshot, parent)?;
    }
    let mut attributes = query.attributes.clone();
    // Required attributes that only the directory knows must not count as missing.
    if let Some(known) = vocabulary_uid(&query.entity).and_then(|uid| snapshot.entities.get(&uid)) {
        let json = known.to_json_value().map_err(|error| QueryError::Resource(one_line(&error)))?;
        for (name, value) in json.get("attrs").and_then(|found| found.as_object()).into_iter().flatten() {
            if !attributes.contains_key(name) {
                attributes.insert(name.clone(), value.clone());
            }
        }
    }
    let parents: Vec<_> = query.parents.iter().map(uid_json).collect();
    let described = json!({"uid": uid_json(&query.entity), "attrs": attributes, "parents": parents});
    Entity::from_json_value(described, Some(&snapshot.schema.schema)).map_err(|error| QueryError::Resource(one_line(&error)))
}

fn vocabulary_uid(entity: &crate::model::EntityRef) -> Option<EntityUid> {
    crate::vocabulary::uid(entity).ok()
}

/// The request's attributes win; parents and tags of both count.
fn merge(uid: &EntityUid, known: &Entity, given: Entity) -> Result<Entity, QueryError> {
    let tags: HashMap<_, _> = known
        .tags()
        .filter_map(|(name, value)| Some((name.to_owned(), crate::decide::slice::restricted(value.ok()?)?)))
        .collect();
    let (_, mut attributes, mut parents) = known.clone().into_inner();
    let (_, given_attributes, given_parents) = given.into_inner();
    attributes.extend(given_attributes);
    parents.extend::<HashSet<_>>(given_parents);
    Entity::new_with_tags(uid.clone(), attributes, parents, tags)
        .map_err(|error| QueryError::Resource(one_line(&error)))
}

fn in_tenant(snapshot: &Snapshot, entity: Entity) -> Result<Entity, QueryError> {
    match snapshot.tenant_uid().filter(|_| snapshot.schema.identity == Identity::Included) {
        Some(tenant) if entity.uid() != tenant => {
            place_in_tenant(entity, &tenant, &snapshot.schema).map_err(QueryError::Resource)
        }
        _ => Ok(entity),
    }
}
