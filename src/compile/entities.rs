//! The directory as Cedar entities: tenant, providers, external identities, teams, users, virtual accounts and
//! resources, each with its parents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::model::{DirectoryState, Email, EntityRef, TenantId};
use crate::vocabulary::{self, EXTERNAL_IDENTITY, IDENTITY_PROVIDER, TEAM, USER, VIRTUAL_ACCOUNT};

/// All entities, sorted by type and id. Only active users are among them.
pub fn directory_entities(tenant: &TenantId, state: &DirectoryState) -> Vec<(EntityRef, Value)> {
    let tenant = vocabulary::tenant(tenant);
    let teams = teams_of_members(state);
    let in_tenant = || BTreeSet::from([tenant.clone()]);
    let mut entities = vec![(tenant.clone(), Map::new(), BTreeSet::new())];
    for name in state.identity_providers.keys() {
        entities.push((EntityRef::new(IDENTITY_PROVIDER, name.as_str()), Map::new(), BTreeSet::new()));
    }
    for name in state.external_identities.keys() {
        entities.push((EntityRef::new(EXTERNAL_IDENTITY, name.as_str()), Map::new(), in_tenant()));
    }
    for name in state.teams.keys() {
        entities.push((EntityRef::new(TEAM, name.as_str()), Map::new(), in_tenant()));
    }
    for name in state.virtual_accounts.keys() {
        entities.push((EntityRef::new(VIRTUAL_ACCOUNT, name.as_str()), Map::new(), in_tenant()));
    }
    for user in state.users.values().filter(|user| user.active) {
        let mut attributes = Map::new();
        attributes.insert("email".into(), user.email.as_str().into());
        let mut parents = in_tenant();
        parents.extend(teams.get(&user.email).into_iter().flatten().cloned());
        entities.push((EntityRef::new(USER, user.email.as_str()), attributes, parents));
    }
    for resource in state.resources.values() {
        let attributes = resource.attributes.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
        // Every resource has its tenant among its ancestors.
        let mut parents = in_tenant();
        parents.extend(resource.parents.iter().cloned());
        entities.push((resource.entity.clone(), attributes, parents));
    }
    entities.sort_by(|left, right| left.0.cmp(&right.0));
    entities
        .into_iter()
        .map(|(uid, attributes, parents)| {
            let json = entity(&uid, attributes, &parents);
            (uid, json)
        })
        .collect()
}

/// Members only: a manager may change who is in a team, and is in it only when listed as a member too.
fn teams_of_members(state: &DirectoryState) -> BTreeMap<&Email, BTreeSet<EntityRef>> {
    let mut teams: BTreeMap<&Email, BTreeSet<EntityRef>> = BTreeMap::new();
    for team in state.teams.values() {
        for member in &team.members {
            teams.entry(member).or_default().insert(EntityRef::new(TEAM, team.name.as_str()));
        }
    }
    teams
}

fn entity(uid: &EntityRef, attributes: Map<String, Value>, parents: &BTreeSet<EntityRef>) -> Value {
    let parents: Vec<_> = parents.iter().map(uid_json).collect();
    json!({"uid": uid_json(uid), "attrs": attributes, "parents": parents})
}

fn uid_json(uid: &EntityRef) -> Value {
    json!({"type": uid.entity_type, "id": uid.id})
}

/// The same value with the members of every object in order.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut pairs: Vec<_> = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            pairs.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(pairs.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}
