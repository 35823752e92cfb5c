//! The resource that a request is about: what the directory knows of it, with what the request adds.

use std::collections::HashSet;

use cedar_policy::{Entity, EntityUid};
use serde_json::json;

use super::fit::{Completeness, fit_members};
use super::query::{QueryError, ResourceQuery, known_uid};
use crate::model::EntityRef;
use crate::principal::Principal;
use crate::schema::{ActionFacts, Identity, read_entity_data};
use crate::snapshot::{Snapshot, Supplied, place_in_tenant, reach};
use crate::tree::one_line;

/// The uid of a resource that the action can be asked about.
pub(super) fn check_resource(
    snapshot: &Snapshot,
    query: &ResourceQuery,
    action: &ActionFacts,
) -> Result<EntityUid, QueryError> {
    let uid = known_uid(snapshot, &query.entity)?;
    if query.parents.len() > MAX_PARENTS {
        return Err(QueryError::Resource(format!("more than {MAX_PARENTS} parents")));
    }
    if action.applies_to_resource(uid.type_name()) {
        return Ok(uid);
    }
    Err(QueryError::ActionDoesNotApply {
        action: action.uid.id().unescaped().to_owned(),
        resource_type: uid.type_name().to_string(),
    })
}

/// What the request made of the resource, checked against the schema; without, the directory's entity stands, or what
/// is there instead of it, if there is one.
pub(super) fn describe(
    snapshot: &Snapshot,
    principal: &Principal,
    query: &ResourceQuery,
    uid: &EntityUid,
    instead: Option<&Supplied>,
) -> Result<Option<Entity>, QueryError> {
    let says_nothing = query.attributes.is_empty() && query.parents.is_empty();
    let is_plain = snapshot.schema.identity == Identity::LeftOut;
    if says_nothing && (is_plain || instead.is_some() || snapshot.entities.contains(uid)) {
        return Ok(None);
    }
    if is_of_principal(snapshot, principal, uid) {
        if says_nothing {
            return Ok(None);
        }
        return Err(QueryError::Resource(format!(
            "{uid} is the principal or what the principal is in: a request cannot describe it"
        )));
    }
    let known = instead.map(Supplied::entity).or_else(|| snapshot.entities.get(uid));
    let entity = described_entity(snapshot, query, known.as_ref())?;
    in_tenant(snapshot, entity).map(Some)
}

/// Whether an entity is the principal or something that the principal leads to.
/// INVARIANT: nothing in a request changes the principal, so these are never described by one.
fn is_of_principal(snapshot: &Snapshot, principal: &Principal, uid: &EntityUid) -> bool {
    let mut seen: HashSet<EntityUid> = HashSet::new();
    let mut open = vec![principal.uid.clone()];
    open.extend(principal.entity.iter().flat_map(|entity| reach(entity.core())));
    while let Some(next) = open.pop() {
        if next == *uid {
            return true;
        }
        if seen.insert(next.clone()) {
            open.extend(snapshot.entities.reach_of(&next));
        }
    }
    false
}

/// What the directory knows with the request's description over it, read by the schema's types: the request's
/// attributes win, parents of both count.
fn described_entity(snapshot: &Snapshot, query: &ResourceQuery, known: Option<&Entity>) -> Result<Entity, QueryError> {
    let uid_json = |entity: &EntityRef| json!({"type": entity.entity_type, "id": entity.id});
    let described = match known {
        Some(known) => known.to_json_value().map_err(|error| QueryError::Resource(one_line(&error)))?,
        None => json!({}),
    };
    let member = |name: &str| described.get(name).cloned();
    let mut attributes = member("attrs").and_then(|found| found.as_object().cloned()).unwrap_or_default();
    let types = read_entity_data(&snapshot.schema.schema, &query.entity.entity_type).attributes;
    let given = fit_members(&query.attributes, &types, "resource.attributes", Completeness::Part);
    attributes.extend(given.map_err(|misfit| QueryError::Resource(misfit.to_string()))?);
    let mut parents = member("parents").and_then(|found| found.as_array().cloned()).unwrap_or_default();
    for parent in &query.parents {
        known_uid(snapshot, parent)?;
        parents.push(uid_json(parent));
    }
    let tags = member("tags").unwrap_or_else(|| json!({}));
    let merged = json!({"uid": uid_json(&query.entity), "attrs": attributes, "parents": parents, "tags": tags});
    Entity::from_json_value(merged, Some(&snapshot.schema.schema))
        .map_err(|error| QueryError::Resource(one_line(&error)))
}

fn in_tenant(snapshot: &Snapshot, entity: Entity) -> Result<Entity, QueryError> {
    let tenant = snapshot.tenant_uid();
    if snapshot.schema.identity == Identity::LeftOut || entity.uid() == *tenant {
        return Ok(entity);
    }
    place_in_tenant(entity, tenant, &snapshot.schema).map_err(QueryError::Resource)
}

/// The most parents that a request may give a resource.
const MAX_PARENTS: usize = 256;
