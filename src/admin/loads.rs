//! What the loader refuses is refused at the door: a change that would leave the tenant's files unreadable is none.
//!
//! In: a plan. Out: each reason why a bundle with it would not load. What changes is compiled and read by the loader's
//! own readers, so that there is one check and not two; what only shows beside other files (the same entity or policy
//! twice, a hierarchy that leads back to itself) is looked up in the snapshot that serves.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::PolicyId;
use chrono::DateTime;

use super::Administration;
use super::named::is_compiled;
use crate::bundle::{self, StoredBundle};
use crate::compile::{Compiled, compile};
use crate::directory::{Change, Directory, Fact, FactKey, Kind, Planned, Refusal, Rules, StoreError, state_of};
use crate::model::{EntityRef, Revision, TenantId};
use crate::snapshot::{Parts, Snapshot, build, exact};
use crate::tree::PolicyFolder;
use crate::vocabulary::{self, USER};

impl Administration {
    /// Every reason why the tenant would not load with a plan.
    pub(super) async fn load_refusals(
        &self,
        tenant: &TenantId,
        planned: &Planned,
        rules: &Rules,
    ) -> Result<Vec<Refusal>, StoreError> {
        if !planned.changes.iter().any(is_read) {
            return Ok(Vec::new());
        }
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot());
        let bundle = self.layout.bundle_folder(tenant).to_string_lossy().into_owned();
        refusals(&*self.directory, tenant, planned, rules, snapshot.as_deref(), &bundle).await
    }
}

async fn refusals(
    directory: &dyn Directory,
    tenant: &TenantId,
    planned: &Planned,
    rules: &Rules,
    snapshot: Option<&Snapshot>,
    bundle: &str,
) -> Result<Vec<Refusal>, StoreError> {
    let put: Vec<&Change> = planned.changes.iter().filter(|change| is_read(change)).collect();
    let mut refusals = unreadable(tenant, &put, rules);
    if let Some(snapshot) = snapshot {
        refusals.extend(put.iter().filter_map(|change| taken(snapshot, change, bundle)));
        refusals.extend(circles(directory, snapshot, planned, rules).await?);
    }
    Ok(refusals)
}

/// Whether the loader reads something new because of it. Grants are read as their role and their resource are, which
/// were; tokens are digests.
fn is_read(change: &Change) -> bool {
    change.after.is_some() && !matches!(change.key.kind, Kind::Collaborator | Kind::Token)
}

/// What the loader says of the changes by themselves.
fn unreadable(tenant: &TenantId, put: &[&Change], rules: &Rules) -> Vec<Refusal> {
    if put.is_empty() {
        return Vec::new();
    }
    let Some(message) = faults(tenant, put, rules) else { return Vec::new() };
    // Of many changes, one by one tells which it is.
    let alone = put.iter().take(MOST_ALONE).filter_map(|change| {
        let message = faults(tenant, std::slice::from_ref(change), rules)?;
        Some(Refusal::Unfit { by: change.key.clone(), message })
    });
    let alone: Vec<_> = alone.collect();
    match (alone.is_empty(), put.first()) {
        (true, Some(first)) => vec![Refusal::Unfit { by: first.key.clone(), message }],
        _ => alone,
    }
}

fn faults(tenant: &TenantId, put: &[&Change], rules: &Rules) -> Option<String> {
    let state = state_of(put.iter().filter_map(|change| change.after.clone()), &BTreeMap::new());
    let compiled = compile(tenant, &state);
    build_alone(tenant, &compiled, rules).err()
}

/// Builds a snapshot of these and nothing else.
fn build_alone(tenant: &TenantId, compiled: &Compiled, rules: &Rules) -> Result<(), String> {
    let bundle = bundle::render(compiled, Revision(0)).map_err(|error| error.to_string())?;
    let bundle = StoredBundle::in_memory(bundle);
    let nothing = PolicyFolder::default();
    let parts = Parts {
        tenant,
        schema: &rules.schema,
        platform: &nothing,
        folder: &nothing,
        bundle: Some(&bundle),
        bundle_folder: bundle::FOLDER,
    };
    let messages = |faults: crate::model::Faults| {
        let messages: Vec<_> = faults.0.into_iter().take(MOST_SAID).map(|fault| fault.message).collect();
        messages.join("; ")
    };
    build(parts, None, DateTime::UNIX_EPOCH).map(|_| ()).map_err(messages)
}

/// Whether files of people have an entity or a policy of this name already.
fn taken(snapshot: &Snapshot, change: &Change, bundle: &str) -> Option<Refusal> {
    if change.before.is_some() {
        return None;
    }
    let refusal = |what: String, place: String| Refusal::Taken { key: change.key.clone(), what, place };
    if let Some(uid) = entity(change).and_then(|entity| snapshot.schema.types.uid_of(&entity))
        && let Some(place) = snapshot.entities.written_place(&uid)
    {
        return Some(refusal(format!("entity {uid}"), place));
    }
    let id = match change.key.kind {
        Kind::Role => format!("role/{}", change.key.id.replacen(':', "/", 1)),
        Kind::ExternalIdentity => format!("external-identity/{}", change.key.id),
        _ => return None,
    };
    let source = snapshot.source(&PolicyId::new(&id))?;
    (!is_compiled(&source.file, bundle))
        .then(|| refusal(format!("policy `{}`", exact(&PolicyId::new(&id))), source.to_string()))
}

fn entity(change: &Change) -> Option<EntityRef> {
    match change.after.as_ref()? {
        Fact::User(user) => Some(EntityRef::new(USER, user.email.as_str())),
        Fact::Resource(resource) => Some(resource.entity.clone()),
        Fact::Team(_) => Some(EntityRef::new(vocabulary::TEAM, change.key.id.as_str())),
        Fact::VirtualAccount(_) => Some(EntityRef::new(vocabulary::VIRTUAL_ACCOUNT, change.key.id.as_str())),
        Fact::ExternalIdentity(_) => Some(EntityRef::new(vocabulary::EXTERNAL_IDENTITY, change.key.id.as_str())),
        Fact::IdentityProvider(_) => Some(EntityRef::new(vocabulary::IDENTITY_PROVIDER, change.key.id.as_str())),
        Fact::Role(_) | Fact::Collaborator(_) | Fact::Token(_) => None,
    }
}

/// Resources whose parents lead back to them by way of people's files: the directory has looked at its own.
async fn circles(
    directory: &dyn Directory,
    snapshot: &Snapshot,
    planned: &Planned,
    rules: &Rules,
) -> Result<Vec<Refusal>, StoreError> {
    let (types, store) = (&rules.schema.types, &snapshot.entities);
    let mut found = Vec::new();
    for change in &planned.changes {
        let Some(Fact::Resource(resource)) = &change.after else { continue };
        let Some(start) = types.uid_of(&resource.entity) else { continue };
        let is_recursive = types.locate(&start).is_some_and(|(number, _)| types.is_recursive(number));
        if !is_recursive || !store.has_written() {
            continue;
        }
        let mut seen: HashSet<EntityRef> = HashSet::new();
        let mut open: Vec<EntityRef> = resource.parents.iter().cloned().collect();
        while let Some(next) = open.pop() {
            if next == resource.entity {
                let message = "its parents lead back to itself, by way of an entities file".to_owned();
                found.push(Refusal::Unfit { by: change.key.clone(), message });
                break;
            }
            if seen.insert(next.clone()) {
                open.extend(parents(directory, snapshot, planned, &next).await?);
            }
        }
    }
    Ok(found)
}

/// What something will be in.
async fn parents(
    directory: &dyn Directory,
    snapshot: &Snapshot,
    planned: &Planned,
    entity: &EntityRef,
) -> Result<Vec<EntityRef>, StoreError> {
    let Some(uid) = snapshot.schema.types.uid_of(entity) else { return Ok(Vec::new()) };
    if snapshot.entities.written_place(&uid).is_some() {
        let parents = snapshot.entities.parents_of_uid(&uid);
        return Ok(parents.iter().map(vocabulary::entity_ref).collect());
    }
    let key = FactKey::resource(entity);
    let changed = planned.changes.iter().find(|change| change.key == key).map(|change| change.after.clone());
    let fact = match changed {
        Some(after) => after,
        None => {
            let read = directory.read(&snapshot.tenant, std::slice::from_ref(&key), planned.at).await?;
            read.into_values().next().map(|recorded| recorded.fact)
        }
    };
    Ok(match fact {
        Some(Fact::Resource(resource)) => resource.parents.into_iter().collect(),
        _ => Vec::new(),
    })
}

/// The most changes that are read one by one to find which it is.
const MOST_ALONE: usize = 100;
/// The most faults that are told.
const MOST_SAID: usize = 5;

#[cfg(test)]
mod properties;
