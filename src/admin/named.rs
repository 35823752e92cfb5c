//! What still names something that is to be removed: policies and entity files that people wrote, and attributes.
//!
//! In: removals, and the snapshot that serves. Out: for each removed thing, every place that names it. Whoever made
//! the same thing again would be the one that these places mean, so nothing goes unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;
use serde_json::json;

use super::Administration;
use crate::directory::{Change, Fact, FactKey, History, Kind, Listing, Lives, Planned, Refusal, Rules, StoreError};
use crate::model::{EntityRef, Resource, Revision, TenantId};
use crate::snapshot::{Snapshot, exact, mentioned_by, named_in, scope_entity};
use crate::vocabulary::{self, EXTERNAL_IDENTITY, IDENTITY_PROVIDER, TEAM, USER, VIRTUAL_ACCOUNT};

/// Something that is removed, and what names it all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillNamed {
    pub key: FactKey,
    /// Each as people find it: ``policy `x` at `policies/acme/a.cedar:12` ``.
    pub by: Vec<String>,
}

impl StillNamed {
    pub(super) fn refusal(self) -> Refusal {
        Refusal::Named { key: self.key, by: self.by }
    }
}

impl Administration {
    /// What names the things that a plan removes; of a plan without cascade, those alone that were asked for.
    pub(super) async fn still_named(
        &self,
        tenant: &TenantId,
        planned: &Planned,
        rules: &Rules,
    ) -> Result<Vec<StillNamed>, StoreError> {
        let removed: Vec<&Change> = planned.changes.iter().filter(|change| change.after.is_none()).collect();
        let wanted: Vec<(&FactKey, EntityUid)> = removed
            .iter()
            .filter_map(|change| Some((&change.key, rules.schema.types.uid_of(&entity(change)?)?)))
            .collect();
        let roles = removed.iter().any(|change| change.key.kind == Kind::Role);
        if wanted.is_empty() && !roles {
            return Ok(Vec::new());
        }
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot());
        let since = snapshot.as_ref().map(|snapshot| snapshot.revision);
        let mut others = self.resources_since(tenant, since, planned.at).await?;
        others.retain(|key, _| !planned.changes.iter().any(|change| change.key == *key));
        let bundle = self.layout.bundle_folder(tenant).to_string_lossy().into_owned();
        let mut found = Vec::new();
        for change in removed {
            let mut by = BTreeSet::new();
            let uid = wanted.iter().find(|(key, _)| **key == change.key).map(|(_, uid)| uid);
            if let Some(snapshot) = &snapshot {
                by.extend(policies_naming(snapshot, &change.key, uid, &bundle));
            }
            if let Some(uid) = uid {
                // What is live does not tell of resources that are others by now, or will be.
                let is_other =
                    |key: &FactKey| others.contains_key(key) || planned.changes.iter().any(|change| change.key == *key);
                by.extend(snapshot.iter().flat_map(|snapshot| data_naming(snapshot, uid, is_other)));
                let put = planned.changes.iter().filter_map(|change| match &change.after {
                    Some(Fact::Resource(resource)) => Some(resource),
                    _ => None,
                });
                let naming = put.chain(others.values().flatten());
                let naming = naming.filter(|resource| named_by_attributes(resource, rules).contains(uid));
                by.extend(naming.map(has_it));
            }
            if !by.is_empty() {
                found.push(StillNamed { key: change.key.clone(), by: by.into_iter().take(MOST_NAMED).collect() });
            }
        }
        Ok(found)
    }

    /// The resources that became others after a revision, as they are at another; without the first, all there are.
    async fn resources_since(
        &self,
        tenant: &TenantId,
        since: Option<Revision>,
        at: Revision,
    ) -> Result<BTreeMap<FactKey, Option<Resource>>, StoreError> {
        let resource = |fact: Option<Fact>| match fact {
            Some(Fact::Resource(resource)) => Some(resource),
            _ => None,
        };
        let mut found = BTreeMap::new();
        if let Some(since) = since {
            let (kind, limit) = (Some(Kind::Resource), CHUNK);
            let history =
                History { kind, about: Vec::new(), actor: None, before: None, lives: Lives::default(), limit };
            let entries = self.directory.history(tenant, &history).await?;
            let is_whole = entries.len() < CHUNK || entries.last().is_some_and(|last| last.revision <= since);
            // The newest come first.
            for entry in entries.into_iter().filter(|entry| entry.revision > since && entry.revision <= at) {
                found.entry(entry.change.key).or_insert_with(|| resource(entry.change.after));
            }
            if is_whole {
                return Ok(found);
            }
        }
        let mut listing = Listing::of(Kind::Resource, CHUNK);
        loop {
            let page = self.directory.list(tenant, &listing, at).await?;
            let is_last = page.len() < CHUNK;
            listing.after = page.last().map(|one| one.fact.key().id);
            found.extend(page.into_iter().map(|one| (one.fact.key(), resource(Some(one.fact)))));
            if is_last {
                return Ok(found);
            }
        }
    }
}

/// The entity that a removed fact was.
fn entity(change: &Change) -> Option<EntityRef> {
    let id = change.key.id.as_str();
    match change.key.kind {
        Kind::IdentityProvider => Some(EntityRef::new(IDENTITY_PROVIDER, id)),
        Kind::ExternalIdentity => Some(EntityRef::new(EXTERNAL_IDENTITY, id)),
        Kind::User => Some(EntityRef::new(USER, id)),
        Kind::Team => Some(EntityRef::new(TEAM, id)),
        Kind::VirtualAccount => Some(EntityRef::new(VIRTUAL_ACCOUNT, id)),
        Kind::Resource => match &change.before {
            Some(Fact::Resource(resource)) => Some(resource.entity.clone()),
            _ => None,
        },
        Kind::Role | Kind::Collaborator | Kind::Token => None,
    }
}

/// The policies and templates of people that name it; of a role, the links of its template that people wrote.
fn policies_naming(snapshot: &Snapshot, key: &FactKey, uid: Option<&EntityUid>, bundle: &str) -> Vec<String> {
    let written = &snapshot.policies.written;
    let is_named = |template: &ast::Template,
                    principal: &ast::PrincipalConstraint,
                    resource: &ast::ResourceConstraint| {
        let Some(uid) = uid else { return false };
        let condition = template.non_scope_constraints().is_some_and(|one| named_in(one).any(|named| named == *uid));
        let scopes = [principal.as_inner(), resource.as_inner()];
        condition || scopes.into_iter().filter_map(scope_entity).any(|named| named == *uid)
    };
    let role = (key.kind == Kind::Role).then(|| format!("role/{}", key.id.replacen(':', "/", 1)));
    let mut found = Vec::new();
    for one in written.iter().filter(|one| !is_compiled(&one.source.file, bundle)) {
        let policy = &one.policy;
        let links_role = role.as_ref().is_some_and(|role| {
            let template: &str = policy.template().id().as_ref();
            template == role && !policy.is_static()
        });
        if links_role || is_named(policy.template(), &policy.principal_constraint(), &policy.resource_constraint()) {
            found.push(format!("policy `{}` at `{}`", exact(&one.id()), one.source));
        }
    }
    for one in written.templates().filter(|one| !is_compiled(&one.source.file, bundle)) {
        let template = &one.template;
        if is_named(template, template.principal_constraint(), template.resource_constraint()) {
            found.push(format!("template `{}` at `{}`", exact(&one.id()), one.source));
        }
    }
    found
}

/// Whether a file is cedargate's own, of the tenant's bundle.
pub(super) fn is_compiled(file: &str, bundle: &str) -> bool {
    let in_bundle = file.strip_prefix(bundle).is_some_and(|rest| rest.starts_with('/'));
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let is_ours = [crate::bundle::ROLES_FILE, crate::bundle::EXTERNAL_IDENTITIES_FILE].contains(&name);
    in_bundle || is_ours && folder.rsplit('/').next() == Some(crate::bundle::FOLDER)
}

/// The entities whose attributes name it, and those of people's files that are in it.
fn data_naming(snapshot: &Snapshot, uid: &EntityUid, is_other: impl Fn(&FactKey) -> bool) -> Vec<String> {
    let store = &snapshot.entities;
    let mut found = Vec::new();
    for (by, place) in store.mentioning(uid) {
        let written = store.written_place(&by);
        if written.is_none() && is_other(&FactKey::resource(&vocabulary::entity_ref(&by))) {
            continue;
        }
        found.push(match written {
            Some(_) => format!("{by} at `{place}`"),
            None => format!("an attribute of {by}"),
        });
    }
    found.extend(store.written_within(uid).into_iter().map(|(by, place)| format!("{by} at `{place}`, which is in it")));
    found
}

fn named_by_attributes(resource: &Resource, rules: &Rules) -> Vec<EntityUid> {
    let (entity, attributes) = (&resource.entity, &resource.attributes);
    let as_json = json!({"uid": {"type": entity.entity_type, "id": entity.id}, "attrs": attributes, "parents": []});
    let mut named = Vec::new();
    if let Ok(entity) = Entity::from_json_value(as_json, Some(&rules.schema.schema)) {
        mentioned_by(entity.as_ref(), &mut named);
    }
    named
}

fn has_it(resource: &Resource) -> String {
    format!("an attribute of {}", resource.entity)
}

/// Entries or resources that are read at once.
const CHUNK: usize = 1_000;
/// The most places that are told.
const MOST_NAMED: usize = 10;
