//! Manifests and directories: the operations from the one to the other, and a whole tenant as manifests.
//!
//! Tokens of our own have no manifests: nothing here touches them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::document::{Document, document_of, resource_id};
use super::edit::{Operation, Planned};
use super::fact::{Fact, FactKey, Kind};
use super::store::{Directory, Listing, StoreError};
use crate::manifest::{WriteError, write_documents};
use crate::model::{Collaborator, EntityRef, Revision, TenantId};
use crate::vocabulary;

/// What manifests say of what they do not mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Of these resources they say who has which role: other grants go. Of everything else nothing: it stays.
    Grants(BTreeSet<EntityRef>),
    /// It goes.
    Everything,
    /// What they mentioned before, and do not now, goes.
    Since(BTreeSet<FactKey>),
}

/// What makes a directory what manifests say.
///
/// # Errors
/// When the directory does not answer.
pub async fn operations_towards(
    directory: &dyn Directory,
    tenant: &TenantId,
    wanted: BTreeMap<FactKey, Fact>,
    extent: &Extent,
    at: Revision,
) -> Result<Vec<Operation>, StoreError> {
    let keys: Vec<FactKey> = wanted.keys().cloned().collect();
    let gone = match extent {
        Extent::Grants(resources) => grants_on(directory, tenant, resources, at).await?,
        Extent::Everything => everything(directory, tenant, at).await?.into_iter().map(|fact| fact.key()).collect(),
        Extent::Since(before) => {
            let before: Vec<_> = before.iter().cloned().collect();
            let mut there = Vec::new();
            for keys in before.chunks(CHUNK) {
                there.extend(directory.read(tenant, keys, at).await?.into_keys());
            }
            there
        }
    };
    let removals = gone.into_iter().filter(|key| !wanted.contains_key(key)).map(Operation::Remove).collect::<Vec<_>>();
    let mut operations = Vec::new();
    let mut wanted = wanted;
    for keys in keys.chunks(CHUNK) {
        let known = directory.read(tenant, keys, at).await?;
        for key in keys {
            let Some(fact) = wanted.remove(key) else { continue };
            if known.get(key).is_none_or(|known| known.fact != fact) {
                operations.push(Operation::Put(fact));
            }
        }
    }
    operations.extend(removals);
    Ok(operations)
}

/// The grants on some resources.
async fn grants_on(
    directory: &dyn Directory,
    tenant: &TenantId,
    resources: &BTreeSet<EntityRef>,
    at: Revision,
) -> Result<Vec<FactKey>, StoreError> {
    let mut keys = Vec::new();
    for resource in resources {
        let keys_of = vec![FactKey::resource(resource)];
        let mut listing = Listing { mentioning: keys_of, ..Listing::of(Kind::Collaborator, CHUNK) };
        loop {
            let found = directory.list(tenant, &listing, at).await?;
            let is_last = found.len() < CHUNK;
            listing.after = found.last().map(|one| one.fact.key().id);
            keys.extend(found.iter().map(|recorded| recorded.fact.key()));
            if is_last {
                break;
            }
        }
    }
    Ok(keys)
}

/// What a directory has beyond manifests, and keeps.
///
/// # Errors
/// When the directory does not answer.
pub async fn kept_beyond(
    directory: &dyn Directory,
    tenant: &TenantId,
    wanted: &BTreeSet<FactKey>,
    planned: &Planned,
) -> Result<Vec<Fact>, StoreError> {
    let gone: BTreeSet<&FactKey> =
        planned.changes.iter().filter(|change| change.after.is_none()).map(|change| &change.key).collect();
    let mut kept = everything(directory, tenant, planned.at).await?;
    kept.retain(|fact| !wanted.contains(&fact.key()) && !gone.contains(&fact.key()));
    Ok(kept)
}

/// All facts that manifests can say, at a revision.
///
/// # Errors
/// When the directory does not answer.
pub async fn everything(directory: &dyn Directory, tenant: &TenantId, at: Revision) -> Result<Vec<Fact>, StoreError> {
    let mut facts = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Token) {
        let mut listing = Listing::of(kind, CHUNK);
        loop {
            let found = directory.list(tenant, &listing, at).await?;
            let is_last = found.len() < CHUNK;
            listing.after = found.last().map(|one| one.fact.key().id);
            facts.extend(found.into_iter().map(|recorded| recorded.fact));
            if is_last {
                break;
            }
        }
    }
    Ok(facts)
}

/// A tenant's facts as manifests: file name → text.
///
/// # Errors
/// When a fact has no form in YAML, which would be a fault of ours.
pub fn manifests_of(
    tenant: &TenantId,
    facts: impl IntoIterator<Item = Fact>,
) -> Result<BTreeMap<&'static str, String>, WriteError> {
    let mut files: BTreeMap<&'static str, Vec<Manifest>> = BTreeMap::new();
    let mut grants: BTreeMap<EntityRef, Vec<Granted>> = BTreeMap::new();
    let mut resources = Vec::new();
    for fact in facts {
        let file = match &fact {
            Fact::IdentityProvider(_) => "identity-providers.yaml",
            Fact::ExternalIdentity(_) => "external-identities.yaml",
            Fact::User(_) | Fact::Team(_) | Fact::VirtualAccount(_) => "people.yaml",
            Fact::Role(_) => "roles.yaml",
            Fact::Resource(resource) => {
                resources.push(resource.clone());
                continue;
            }
            Fact::Collaborator(grant) => {
                grants.entry(grant.resource.clone()).or_default().push(Granted::of(grant));
                continue;
            }
            Fact::Token(_) => continue,
        };
        files.entry(file).or_default().push(Manifest::Plain(document_of(&fact)));
    }
    if let Some(collaborators) = grants.remove(&vocabulary::tenant(tenant)) {
        files.entry("tenant.yaml").or_default().push(Manifest::Tenant { kind: "tenant", collaborators });
    }
    for resource in resources {
        let manifest = Manifest::Resource {
            kind: "resource",
            resource: resource_id(&resource.entity),
            parents: resource.parents.iter().map(resource_id).collect(),
            attributes: resource.attributes,
            collaborators: grants.remove(&resource.entity).unwrap_or_default(),
        };
        files.entry("resources.yaml").or_default().push(manifest);
    }
    files.into_iter().map(|(name, documents)| Ok((name, write_documents(documents)?))).collect()
}

/// The file names that `manifests_of` gives.
pub const MANIFEST_FILES: [&str; 6] = [
    "external-identities.yaml",
    "identity-providers.yaml",
    "people.yaml",
    "resources.yaml",
    "roles.yaml",
    "tenant.yaml",
];

#[derive(Serialize)]
#[serde(untagged)]
enum Manifest {
    Plain(Document),
    Resource {
        #[serde(rename = "type")]
        kind: &'static str,
        resource: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        parents: Vec<String>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, serde_json::Value>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        collaborators: Vec<Granted>,
    },
    Tenant {
        #[serde(rename = "type")]
        kind: &'static str,
        collaborators: Vec<Granted>,
    },
}

/// A grant below its resource.
#[derive(Serialize)]
struct Granted {
    subject: String,
    role: String,
}

impl Granted {
    fn of(grant: &Collaborator) -> Self {
        Self { subject: super::document::shown_subject(&grant.subject), role: grant.role.to_string() }
    }
}

/// Facts that are read at once.
const CHUNK: usize = 10_000;
