//! All parts of a tenant in, a validated `Snapshot` out, or every fault.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::EntityUid;
use chrono::{DateTime, Utc};

use super::entities::EntityShard;
use super::load::Loader;
use super::policies::{LinkShard, LinkStore, Policies, PolicyFile, WrittenPolicies, unlinked_templates};
use super::{EntityStore, Origin, Places, SignIns, SliceCache, Snapshot};
use crate::bundle::{self, StoredBundle};
use crate::compile::ProviderRecord;
use crate::digest::Digester;
use crate::model::{EntityRef, Fault, Faults, Generation, IdentityProvider, TenantId};
use crate::schema::LoadedSchema;
use crate::tree::PolicyFolder;
use crate::vocabulary;

/// What a snapshot is built from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    pub tenant: &'a TenantId,
    pub schema: &'a Arc<LoadedSchema>,
    pub platform: &'a PolicyFolder,
    pub folder: &'a PolicyFolder,
    pub bundle: Option<&'a StoredBundle>,
    /// How the bundle's files are called in answers and faults: `policies/acme/compiled`.
    pub bundle_folder: &'a str,
}

impl Parts<'_> {
    /// The digest of everything the snapshot would be built from.
    pub fn generation(&self) -> Generation {
        let mut digester = Digester::default();
        digester.add(self.schema.digest.0);
        for (kind, files) in [
            ("platform", &self.platform.policies),
            ("policy", &self.folder.policies),
            ("entities", &self.folder.entities),
            ("links", &self.folder.links),
        ] {
            for file in files {
                [kind, &file.relative, &file.text].into_iter().for_each(|part| digester.add(part));
            }
        }
        for (name, digest) in self.bundle.iter().flat_map(|bundle| &bundle.index.files) {
            ["bundle", name, digest].into_iter().for_each(|part| digester.add(part));
        }
        digester.finish()
    }
}

/// Builds a snapshot; what did not change since the one `before` is shared with it.
///
/// # Errors
/// Every fault of every part; nothing half-built is ever returned.
pub fn build(parts: Parts<'_>, before: Option<&Snapshot>, now: DateTime<Utc>) -> Result<Snapshot, Faults> {
    let tenant_uid = vocabulary::uid(&vocabulary::tenant(parts.tenant))
        .map_err(|error| Faults::from(Fault::of_file(parts.bundle_folder, error.to_string())))?;
    let mut loader = Loader::new(parts, before);
    let files = loader.policy_files();
    let links = loader.links();
    let written = join(&mut loader, files, &links, before);
    let schema = Arc::clone(parts.schema);
    let mut policies = Policies { schema: Arc::clone(&schema), written, links, declared: Arc::default() };
    let entities = loader.entities(&tenant_uid);
    let providers = parts.bundle.map(bundle::parse_providers).transpose().unwrap_or_else(|error| {
        let fault = loader.bundle_fault(&error);
        loader.faults.push(fault);
        None
    });
    let sign_ins = sign_ins(&mut loader, before);
    sign_ins.check_deactivated(&entities, &mut loader.faults);
    let link_warnings = check(&mut loader, &mut policies, &entities, before);
    loader.faults.or(())?;
    let providers = providers.unwrap_or_default();
    let mut warnings: Vec<Fault> =
        policies.written.files().iter().flat_map(|file| file.warnings.clone()).chain(link_warnings).collect();
    warnings.extend(unlinked_templates(&policies, &parts.folder.policies));
    warnings.sort();
    warnings.dedup();
    let same_identities = before
        .filter(|before| makes_same_principals(before, &policies, &entities, &providers))
        .filter(|before| before.sign_ins.deactivates_as(&sign_ins));
    let identity_serial =
        same_identities.map_or_else(|| SERIAL.fetch_add(1, Ordering::Relaxed), |before| before.identity_serial);
    Ok(Snapshot {
        tenant: parts.tenant.clone(),
        generation: parts.generation(),
        revision: parts.bundle.map(|bundle| bundle.index.revision).unwrap_or_default(),
        loaded_at: now,
        schema,
        policies,
        entities,
        identity_providers: identity_providers(&providers, before),
        identity_serial,
        identities: places(&providers),
        providers,
        sign_ins,
        warnings,
        built: loader.built,
        slices: SliceCache::default(),
        bundle_stamps: parts.bundle.map(|bundle| Arc::clone(&bundle.stamps)).unwrap_or_default(),
        places: Places::default(),
        tenant_uid,
    })
}

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Whether all that principals are made of is as it was: a grant changes none of it.
fn makes_same_principals(
    before: &Snapshot,
    policies: &Policies,
    entities: &EntityStore,
    providers: &[ProviderRecord],
) -> bool {
    let same_entities =
        || before.entities.shards().map(std::ptr::from_ref).eq(entities.shards().map(std::ptr::from_ref));
    before.schema.digest == policies.schema.digest
        && before.providers == providers
        && Arc::ptr_eq(&before.policies.written, &policies.written)
        && !policies.written.assume.asks_links()
        && same_entities()
}

/// The providers: the very same list where they are the same.
fn identity_providers(records: &[ProviderRecord], before: Option<&Snapshot>) -> Arc<[IdentityProvider]> {
    let same = |before: &&Snapshot| before.identity_providers.iter().eq(records.iter().map(|record| &record.provider));
    match before.filter(same) {
        Some(before) => Arc::clone(&before.identity_providers),
        None => records.iter().map(|record| record.provider.clone()).collect(),
    }
}

/// The written policies as one: those of the snapshot before, where no file of theirs changed.
fn join(
    loader: &mut Loader<'_>,
    files: Vec<Arc<PolicyFile>>,
    links: &LinkStore,
    before: Option<&Snapshot>,
) -> Arc<WrittenPolicies> {
    let is_odd = |shards: &[Arc<LinkShard>]| shards.iter().any(|shard| shard.has_odd());
    let same = before.filter(|before| {
        let known = before.policies.written.files();
        known.len() == files.len()
            && known.iter().zip(&files).all(|(old, new)| Arc::ptr_eq(old, new))
            && !is_odd(before.policies.links.shards())
            && !is_odd(links.shards())
    });
    match same {
        Some(before) => Arc::clone(&before.policies.written),
        None => {
            let schema = loader.parts.schema;
            let written = WrittenPolicies::join(files, links.shards(), schema, &schema.validator, &mut loader.faults);
            Arc::new(written)
        }
    }
}

fn sign_ins(loader: &mut Loader<'_>, before: Option<&Snapshot>) -> SignIns {
    let Some(bundle) = loader.parts.bundle else { return SignIns::default() };
    match (bundle::parse_tokens(bundle), bundle::parse_deactivated(bundle)) {
        (Ok(tokens), Ok(deactivated)) => SignIns::of(tokens, deactivated, loader.parts.schema, before),
        (tokens, deactivated) => {
            for error in [tokens.err(), deactivated.err()].into_iter().flatten() {
                let fault = loader.bundle_fault(&error);
                loader.faults.push(fault);
            }
            SignIns::default()
        }
    }
}

/// What can only be seen of all parts together. Only what is new is looked at, with what it could clash with.
fn check(
    loader: &mut Loader<'_>,
    policies: &mut Policies,
    entities: &EntityStore,
    before: Option<&Snapshot>,
) -> Vec<Fault> {
    let schema = loader.parts.schema;
    let faults = &mut loader.faults;
    let before = before.filter(|before| before.schema.digest == schema.digest);
    let known_links = before.map(|before| before.policies.links.shards()).unwrap_or_default();
    let same_split = before.is_some_and(|before| before.policies.links.sharding() == policies.links.sharding());
    policies.links.check_places(
        |number, shard| {
            !(same_split && known_links.get(number).is_some_and(|known| std::ptr::eq(&raw const **known, shard)))
        },
        faults,
    );
    policies.written.check_ids(policies, faults);
    let known: HashSet<_> = before.iter().flat_map(|before| before.entities.shards()).map(std::ptr::from_ref).collect();
    let is_new = |shard: &EntityShard| !known.contains(&std::ptr::from_ref(shard));
    entities.check_places(faults);
    entities.check_unique(is_new, faults);
    entities.check_hierarchy(is_new, faults);
    let mut warnings = policies.written.warnings.clone();
    let same_templates = before.filter(|before| Arc::ptr_eq(&before.policies.written, &policies.written));
    let links_before = same_templates.map(|before| &before.policies.links);
    warnings.extend(policies.links.validate(&policies.written, schema, links_before, faults));
    warnings
}

/// Where each external identity is in the list of providers.
fn places(providers: &[ProviderRecord]) -> HashMap<EntityUid, (usize, usize)> {
    let identities = providers.iter().enumerate().flat_map(|(provider, record)| {
        record.identities.iter().enumerate().map(move |(place, identity)| (identity, (provider, place)))
    });
    let uid = |name: &str| vocabulary::uid(&EntityRef::new(vocabulary::EXTERNAL_IDENTITY, name)).ok();
    identities.filter_map(|(identity, place)| Some((uid(identity.name.as_str())?, place))).collect()
}

/// What of a folder does not even parse, for when there is no schema to validate with.
pub fn syntax_faults(folder: &PolicyFolder) -> Faults {
    let mut faults = Faults::default();
    for file in folder.policies.iter().chain(&folder.links) {
        faults.extend(PolicyFile::read(file, Origin::of_file(file), None).1);
    }
    faults
}
