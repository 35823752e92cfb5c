//! What still names something that is to be removed: policies and entity files that people wrote, and attributes.
//!
//! In: removals, and the snapshot that serves. Out: for each removed thing, every place that names it. Whoever made
//! the same thing again would be the one that these places mean, so nothing goes unnoticed.

use std::collections::BTreeSet;
use std::time::Duration;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;
use serde_json::json;
use tokio::time::timeout;

use super::Administration;
use crate::directory::{Change, Fact, FactKey, Kind, Listing, Planned, Refusal, Rules, StoreError};
use crate::model::{EntityRef, Resource, TenantId};
use crate::snapshot::{Snapshot, exact, mentioned_by, named_in};
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
        // A change that was just made is told by the directory alone, which takes longer to look through.
        let _ = timeout(A_MOMENT, self.tenants.reached(tenant.as_str(), planned.at)).await;
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot());
        let is_current = snapshot.as_ref().is_some_and(|snapshot| snapshot.revision >= planned.at);
        let others =
            if is_current { Vec::new() } else { self.resources_naming(tenant, planned, &wanted, rules).await? };
        let bundle = self.layout.bundle_folder(tenant).to_string_lossy().into_owned();
        let mut found = Vec::new();
        for change in removed {
            let mut by = BTreeSet::new();
            let uid = wanted.iter().find(|(key, _)| **key == change.key).map(|(_, uid)| uid);
            if let Some(snapshot) = &snapshot {
                by.extend(policies_naming(snapshot, &change.key, uid, &bundle));
            }
            if let Some(uid) = uid {
                let in_data = snapshot.iter().flat_map(|snapshot| data_naming(snapshot, uid, planned, is_current));
                by.extend(in_data);
                let in_others = others.iter().filter(|(_, named)| named.contains(uid));
                by.extend(in_others.map(|(resource, _)| has_it(resource)));
                let put = planned.changes.iter().filter_map(|change| match &change.after {
                    Some(Fact::Resource(resource)) => Some(resource),
                    _ => None,
                });
                let naming = put.filter(|resource| named_by_attributes(resource, rules).contains(uid));
                by.extend(naming.map(has_it));
            }
            if !by.is_empty() {
                found.push(StillNamed { key: change.key.clone(), by: by.into_iter().take(MOST_NAMED).collect() });
            }
        }
        Ok(found)
    }

    /// The resources of the directory that name one of these, apart from those that the plan changes.
    async fn resources_naming(
        &self,
        tenant: &TenantId,
        planned: &Planned,
        wanted: &[(&FactKey, EntityUid)],
        rules: &Rules,
    ) -> Result<Vec<(Resource, Vec<EntityUid>)>, StoreError> {
        let mut found = Vec::new();
        let mut listing = Listing::of(Kind::Resource, CHUNK);
        loop {
            let page = self.directory.list(tenant, &listing, planned.at).await?;
            let is_last = page.len() < CHUNK;
            listing.after = page.last().map(|one| one.fact.key().id);
            for one in page {
                let Fact::Resource(resource) = one.fact else { continue };
                if resource.attributes.is_empty() || is_changed(planned, &resource.entity) {
                    continue;
                }
                let named = named_by_attributes(&resource, rules);
                if wanted.iter().any(|(_, uid)| named.contains(uid)) {
                    found.push((resource, named));
                }
            }
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
        condition || scopes.into_iter().filter_map(super::gains::entity_of).any(|named| EntityUid::from(named) == *uid)
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
fn data_naming(snapshot: &Snapshot, uid: &EntityUid, planned: &Planned, is_current: bool) -> Vec<String> {
    let store = &snapshot.entities;
    let mut found = Vec::new();
    for (by, place) in store.mentioning(uid) {
        let written = store.written_place(&by);
        // What the directory knows of those that change is told by the changes.
        if written.is_none() && (!is_current || is_changed(planned, &vocabulary::entity_ref(&by))) {
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

fn is_changed(planned: &Planned, entity: &EntityRef) -> bool {
    let key = FactKey::resource(entity);
    planned.changes.iter().any(|change| change.key == key)
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

/// How long the last change may take to be live before it is looked for in the directory instead.
const A_MOMENT: Duration = Duration::from_secs(2);
const CHUNK: usize = 1_000;
/// The most places that are told.
const MOST_NAMED: usize = 10;
