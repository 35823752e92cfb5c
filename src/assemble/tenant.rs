//! One tenant: its directory, from manifests or from the bundle on disk, and everything else of it, validated.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::relocate::Relocate;
use super::{Assembled, Layout, ManifestsAre, Shared};
use crate::bundle::{self, StoredBundle};
use crate::compile;
use crate::manifest::{Checked, check_manifests};
use crate::model::{DeclaredPlaces, EntityRef, Fault, Faults, Revision, TenantId, speaker_of_addresses, with_causes};
use crate::schema::Identity;
use crate::snapshot::{Parts, Snapshot, build};
use crate::tree::PolicyFolder;

/// What assembling a tenant came to.
#[derive(Debug)]
pub enum Outcome {
    /// Everything is as in the generation that was given.
    Unchanged,
    Ready(Box<Assembled>),
}

/// Assembles one tenant; of the snapshot that is `serving`, what did not change is shared, and its revision is never
/// gone back from.
///
/// # Errors
/// Every fault of the tenant's manifests and of everything beside them.
pub fn assemble_tenant(
    layout: &Layout,
    platform: &PolicyFolder,
    shared: &Shared,
    tenant: &TenantId,
    folder: &PolicyFolder,
    serving: Option<&Snapshot>,
    now: DateTime<Utc>,
) -> Result<Outcome, Faults> {
    let bundle_folder = layout.bundle_folder(tenant).to_string_lossy().into_owned();
    let parts = Parts { tenant, schema: &shared.schema, platform, folder, bundle: None, bundle_folder: &bundle_folder };
    let found = if folder.has_manifests && layout.manifests == ManifestsAre::TheDirectory {
        compiled(layout, shared, tenant, folder, serving.map(|serving| serving.revision))
    } else {
        kept(layout, tenant, folder)
    };
    let directory = found.map_err(|mut faults| {
        // The manifests' faults do not hide those of the files beside them.
        faults.extend(build(parts, None, now).err().unwrap_or_default());
        faults
    })?;
    let parts = Parts { bundle: directory.bundle.as_ref(), ..parts };
    let generation = parts.generation();
    let revision = parts.bundle.map(|bundle| bundle.index.revision).unwrap_or_default();
    let is_serving = serving.is_some_and(|serving| serving.generation == generation);
    // A file of the bundle that someone touched is read again, though `bundle.json` says that it is the same.
    let is_as_read = |serving: &Snapshot| {
        let untouched = |bundle: &StoredBundle| bundle.stamps.is_empty() || bundle.stamps == serving.bundle_stamps;
        serving.revision == revision && parts.bundle.is_none_or(untouched)
    };
    let is_told = |serving: &Snapshot| {
        serving.policies.declared == directory.places
            && folder.warnings.iter().all(|warning| serving.warnings.contains(warning))
    };
    if directory.is_published && is_serving && serving.is_some_and(|serving| is_as_read(serving) && is_told(serving)) {
        return Ok(Outcome::Unchanged);
    }
    let relocate = parts.bundle.map(|bundle| Relocate { bundle, folder: &bundle_folder, places: &directory.places });
    let mut snapshot = build(parts, serving, now)
        .map_err(|faults| relocate.map_or_else(|| faults.clone(), |relocate| relocate.faults(faults.clone())))?;
    snapshot.places = layout.places();
    if let Some(relocate) = relocate {
        snapshot.warnings = relocate.all(snapshot.warnings);
    }
    snapshot.policies.declared = Arc::clone(&directory.places);
    let mut bundle = directory.bundle.filter(|_| directory.is_compiled).and_then(StoredBundle::into_compiled);
    if let Some(serving) = serving.filter(|_| directory.is_compiled && is_serving) {
        // The same directory, whose bundle on disk was lost or damaged: it is published as it was.
        snapshot.revision = serving.revision;
        bundle.iter_mut().for_each(|bundle| bundle.revision = serving.revision);
    }
    snapshot.warnings.extend(directory.warnings);
    snapshot.warnings.extend(folder.warnings.iter().cloned());
    Ok(Outcome::Ready(Box::new(Assembled { snapshot, bundle })))
}

/// A tenant's directory as a bundle.
struct Directory {
    bundle: Option<StoredBundle>,
    /// From manifests: it is ours to publish.
    is_compiled: bool,
    /// What is on disk is this already.
    is_published: bool,
    warnings: Vec<Fault>,
    places: Arc<DeclaredPlaces>,
}

/// The directory that the manifests say.
fn compiled(
    layout: &Layout,
    shared: &Shared,
    tenant: &TenantId,
    folder: &PolicyFolder,
    serving: Option<Revision>,
) -> Result<Directory, Faults> {
    let manifests = folder.manifests.first().map_or("manifests", |file| file.name.as_str());
    if layout.identity == Identity::LeftOut {
        let message = "manifests need the identity part of the schema: leave `schema.identity` on";
        return Err(Fault::of_file(manifests, message).into());
    }
    let Checked { state, warnings, places, .. } = check_directory(shared, tenant, folder)?;
    let rendered = bundle::render(&compile::compile(tenant, &state), Revision(1));
    let mut bundle = rendered.map_err(|error| Faults::from(Fault::of_file(manifests, error.to_string())))?;
    bundle.hand_written = !folder.policies.is_empty();
    let kept = layout.bundle_folder(tenant);
    let on_disk = bundle::read_bundle(&kept).ok().flatten().filter(|found| found.files == bundle.files);
    let is_published = on_disk.as_ref().is_some_and(|found| found.hand_written == bundle.hand_written);
    bundle.revision = match on_disk {
        Some(same) => same.revision,
        None => {
            // A number is never given twice, though the files that had it are torn.
            let seen = bundle::recorded_revision(&kept).max(serving);
            seen.map_or(Revision(1), Revision::next)
        }
    };
    let bundle = Some(StoredBundle::in_memory(bundle));
    Ok(Directory { bundle, is_compiled: true, is_published, warnings, places: Arc::new(places) })
}

/// What a tenant's manifests say, with what is worth their author's look.
///
/// # Errors
/// Every fault of every manifest.
pub fn check_directory(shared: &Shared, tenant: &TenantId, folder: &PolicyFolder) -> Result<Checked, Faults> {
    let checked = check_manifests(tenant, &folder.manifests, &shared.schema, &shared.default_roles)?;
    let warnings = check_parents(&checked, folder)?;
    Ok(Checked { warnings, ..checked })
}

/// The directory that only the files on disk know, as on a node that they were copied to.
fn kept(layout: &Layout, tenant: &TenantId, folder: &PolicyFolder) -> Result<Directory, Faults> {
    let kept = layout.bundle_folder(tenant);
    let fault = |message: String| Faults::from(Fault::of_file(kept.to_string_lossy(), message));
    let bundle = StoredBundle::open(&kept).map_err(|error| fault(with_causes(&error)))?;
    if let Some(bundle) = &bundle {
        // INVARIANT: what a database does not have any more serves nobody.
        layout.provenance.check(tenant, &bundle.index).map_err(&fault)?;
    }
    let stood_beside = bundle.as_ref().is_some_and(|bundle| bundle.index.hand_written);
    // A candidate serves nobody, and may be to do without them.
    if stood_beside && folder.policies.is_empty() && layout.beside.is_none() {
        // INVARIANT: grants never serve without the guard rails that stood beside them.
        return Err(fault(
            "the hand-written policies that stood beside this bundle are gone: put them back, or remove the folder"
                .to_owned(),
        ));
    }
    let warnings = bundle.as_ref().map(address_warnings).unwrap_or_default();
    Ok(Directory { bundle, is_compiled: false, is_published: true, warnings, places: Arc::default() })
}

/// Manifests have it at a place of theirs.
fn address_warnings(bundle: &StoredBundle) -> Vec<Fault> {
    // What cannot be read is a fault when the snapshot is built.
    let providers = bundle::parse_providers(bundle).unwrap_or_default();
    let speaker = speaker_of_addresses(providers.iter().map(|record| &record.provider));
    speaker.warning().map(|warning| Fault::of_file(bundle::PROVIDERS_FILE, warning)).into_iter().collect()
}

/// A parent that no manifest declares must be declared beside them, or be of a type of which nothing is declared.
fn check_parents(checked: &Checked, folder: &PolicyFolder) -> Result<Vec<Fault>, Faults> {
    let mut warnings = checked.warnings.clone();
    let mut faults = Faults::default();
    let beside = declared_beside(folder);
    for open in &checked.open_parents {
        let mut declared = checked.state.resources.keys().chain(&beside);
        if beside.contains(&open.parent) {
            continue;
        }
        if declared.any(|known| known.entity_type == open.parent.entity_type) {
            faults.push(open.fault.clone());
        } else {
            warnings.push(open.fault.clone());
        }
    }
    faults.or(warnings)
}

/// The entities of the hand-written files; what cannot be read of them is for the snapshot to say.
fn declared_beside(folder: &PolicyFolder) -> BTreeSet<EntityRef> {
    let files = folder.entities.iter().filter_map(|file| serde_json::from_str::<Vec<Value>>(&file.text).ok());
    let uid = |entity: Value| {
        let uid = entity.get("uid")?;
        serde_json::from_value(uid.get("__entity").unwrap_or(uid).clone()).ok()
    };
    files.flatten().filter_map(uid).collect()
}
