//! What the loader refuses is refused at the door: a change that would leave the tenant's files unreadable is none.
//!
//! In: a plan. Out: each reason why a bundle with it would not load. What changes is compiled and read by the loader's
//! own readers, so that there is one check and not two; what only shows beside other files (the same entity or policy
//! twice, a hierarchy that leads back to itself) is looked up in the snapshot that serves.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use cedar_policy::{EntityUid, PolicyId};
use chrono::DateTime;
use tokio::time::timeout;

use super::Administration;
use super::named::is_compiled;
use crate::bundle::{self, StoredBundle};
use crate::compile::{Compiled, compile};
use crate::directory::{Change, Fact, FactKey, Kind, Planned, Refusal, Rules, state_of};
use crate::model::{EntityRef, Resource, Revision, TenantId};
use crate::snapshot::{Parts, Snapshot, build, exact};
use crate::tree::PolicyFolder;
use crate::vocabulary::{self, USER};

impl Administration {
    /// Every reason why the tenant would not load with a plan.
    pub(super) async fn load_refusals(&self, tenant: &TenantId, planned: &Planned, rules: &Rules) -> Vec<Refusal> {
        if !planned.changes.iter().any(is_read) {
            return Vec::new();
        }
        let _ = timeout(A_MOMENT, self.tenants.reached(tenant.as_str(), planned.at)).await;
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot());
        let bundle = self.layout.bundle_folder(tenant).to_string_lossy().into_owned();
        refusals(tenant, planned, rules, snapshot.as_deref(), &bundle)
    }
}

fn refusals(
    tenant: &TenantId,
    planned: &Planned,
    rules: &Rules,
    snapshot: Option<&Snapshot>,
    bundle: &str,
) -> Vec<Refusal> {
    let put: Vec<&Change> = planned.changes.iter().filter(|change| is_read(change)).collect();
    let mut refusals = unreadable(tenant, &put, rules);
    if let Some(snapshot) = snapshot {
        refusals.extend(put.iter().filter_map(|change| taken(snapshot, change, bundle)));
        refusals.extend(circles(snapshot, &put, rules));
    }
    refusals
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
    // A team's members are in it; nothing else is compiled of it.
    let compiled = compile(tenant, &state);
    match build_alone(tenant, &compiled, rules) {
        Ok(()) => None,
        Err(message) => Some(message),
    }
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

/// Resources whose parents lead back to them, by way of people's files.
fn circles(snapshot: &Snapshot, put: &[&Change], rules: &Rules) -> Vec<Refusal> {
    let changed: BTreeMap<FactKey, &Resource> = put
        .iter()
        .filter_map(|change| match &change.after {
            Some(Fact::Resource(resource)) => Some((change.key.clone(), resource)),
            _ => None,
        })
        .collect();
    let types = &rules.schema.types;
    let parents = |uid: &EntityUid| -> Vec<EntityUid> {
        match changed.get(&FactKey::resource(&vocabulary::entity_ref(uid))) {
            Some(resource) => resource.parents.iter().filter_map(|parent| types.uid_of(parent)).collect(),
            None => snapshot.entities.parents_of_uid(uid),
        }
    };
    let leads_back = |start: &EntityUid| {
        let mut seen: HashSet<EntityUid> = HashSet::new();
        let mut open = parents(start);
        while let Some(next) = open.pop() {
            if next == *start {
                return true;
            }
            if seen.insert(next.clone()) {
                open.extend(parents(&next));
            }
        }
        false
    };
    let found = changed.iter().filter_map(|(key, resource)| {
        let uid = types.uid_of(&resource.entity)?;
        let is_recursive =
            types.locate(&uid).map(|(number, _)| number).is_some_and(|number| types.is_recursive(number));
        (is_recursive && leads_back(&uid)).then(|| Refusal::Unfit {
            by: key.clone(),
            message: "its parents lead back to itself, by way of an entities file".to_owned(),
        })
    });
    found.collect()
}

/// How long the last change may take to be live before it is judged by what is.
const A_MOMENT: Duration = Duration::from_secs(2);
/// The most changes that are read one by one to find which it is.
const MOST_ALONE: usize = 100;
/// The most faults that are told.
const MOST_SAID: usize = 5;

#[cfg(test)]
mod properties;
