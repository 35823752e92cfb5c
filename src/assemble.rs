//! A reading of the tree in, each tenant's bundle and snapshot out: the one pipeline that `serve`, `check`,
//! `compile`, `export` and `authorize` run.
//!
//! manifests → directory state → bundle (in memory) → snapshot, validated. Nothing is written here, and nothing is
//! published that was not validated first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::bundle::{self, Bundle};
use crate::compile;
use crate::manifest::{self, DefaultRoles, check_manifests, read_default_roles};
use crate::model::{Fault, Faults, Generation, Revision, TenantId};
use crate::schema::{Identity, LoadedSchema, load_schema};
use crate::snapshot::{Parts, Snapshot, build, syntax_faults};
use crate::tree::{PolicyFolder, Tree, TreeDirs};

/// Where to look, and where bundles are kept.
#[derive(Clone, Debug)]
pub struct Layout {
    pub dirs: TreeDirs,
    /// Bundles live here, a folder a tenant, instead of in the tenants' own `compiled/`.
    pub bundle_dir: Option<PathBuf>,
    pub identity: Identity,
}

impl Layout {
    /// Every folder that a change can come from.
    pub fn folders(&self) -> Vec<PathBuf> {
        let own = [&self.dirs.policies, &self.dirs.schema];
        own.into_iter().chain(&self.bundle_dir).cloned().collect()
    }

    /// Where a tenant's bundle is kept.
    pub fn bundle_folder(&self, tenant: &TenantId) -> PathBuf {
        match &self.bundle_dir {
            Some(dir) => dir.join(tenant.as_str()),
            None => self.dirs.policies.join(tenant.as_str()).join(bundle::FOLDER),
        }
    }
}

/// A tenant that is ready to serve.
#[derive(Debug)]
pub struct Assembled {
    pub snapshot: Snapshot,
    /// To be published: where the tenant has manifests.
    pub bundle: Option<Bundle>,
}

/// What all tenants share.
#[derive(Debug)]
pub struct Shared {
    pub schema: Arc<LoadedSchema>,
    pub default_roles: DefaultRoles,
}

/// Reads what all tenants share.
///
/// # Errors
/// Faults of the schema, the default roles and the platform folder: they stop every tenant.
pub fn assemble_shared(tree: &Tree, identity: Identity) -> Result<Shared, Faults> {
    tree.faults.clone().or(())?;
    let schema = load_schema(&tree.schema.schemas, identity)?;
    let default_roles = match identity {
        Identity::Included => read_default_roles(&tree.schema.roles, &schema)?,
        Identity::LeftOut => DefaultRoles::new(),
    };
    Ok(Shared { schema: Arc::new(schema), default_roles })
}

/// What assembling a tenant came to.
#[derive(Debug)]
pub enum Outcome {
    /// Everything is as in the generation that was given.
    Unchanged,
    Ready(Box<Assembled>),
}

/// Assembles one tenant; `serving` is what need not be built again, and whose revision is never gone back from.
///
/// # Errors
/// Every fault of the tenant's manifests, or of everything once they hold.
pub fn assemble_tenant(
    layout: &Layout,
    tree: &Tree,
    shared: &Shared,
    tenant: &TenantId,
    folder: &PolicyFolder,
    serving: Option<(Generation, Revision)>,
    now: DateTime<Utc>,
) -> Result<Outcome, Faults> {
    let kept = layout.bundle_folder(tenant);
    let name = kept.to_string_lossy().into_owned();
    let on_disk = bundle::read_bundle(&kept);
    let mut parts = Parts {
        tenant,
        schema: &shared.schema,
        schema_files: &tree.schema,
        platform: &tree.platform,
        folder,
        bundle: None,
        bundle_folder: &name,
    };
    let mut warnings = Vec::new();
    let mut is_published = true;
    let (mut bundle, publish) = if folder.has_manifests {
        if layout.identity == Identity::LeftOut {
            let message = "manifests need the identity part of the schema: leave `schema.identity` on";
            return Err(Fault::of_file(manifests_name(folder), message).into());
        }
        let checked = check_manifests(tenant, &folder.manifests, &shared.schema, &shared.default_roles);
        let checked = checked.map_err(|faults| faults.and(build(parts, now).err()))?;
        warnings = checked.warnings;
        let compiled = compile::compile(tenant, &checked.state);
        let mut bundle = bundle::render(&compiled, Revision(1))
            .map_err(|error| Faults::from(Fault::of_file(&name, error.to_string())))?;
        let found = on_disk.as_ref().ok().and_then(Option::as_ref);
        is_published = found.is_some_and(|found| found.files == bundle.files);
        bundle.revision = revision_after(found, serving.map(|(_, revision)| revision), &bundle);
        (Some(bundle), true)
    } else {
        (on_disk.map_err(|error| Faults::from(Fault::of_file(&name, chain(&error))))?, false)
    };
    parts.bundle = bundle.as_ref();
    let generation = parts.generation();
    let revision = parts.bundle.map(|bundle| bundle.revision).unwrap_or_default();
    if is_published && serving == Some((generation, revision)) {
        return Ok(Outcome::Unchanged);
    }
    let mut snapshot = build(parts, now)?;
    if let Some((_, serving)) = serving.filter(|(serving, _)| publish && *serving == generation) {
        // The same directory, whose bundle on disk was lost or damaged: it is published as it was.
        snapshot.revision = serving;
        bundle.iter_mut().for_each(|bundle| bundle.revision = serving);
    }
    warnings.append(&mut snapshot.warnings);
    snapshot.warnings = warnings;
    Ok(Outcome::Ready(Box::new(Assembled { snapshot, bundle: bundle.filter(|_| publish) })))
}

/// Equal contents keep their revision; anything else is the next one after all that were seen.
fn revision_after(on_disk: Option<&Bundle>, serving: Option<Revision>, compiled: &Bundle) -> Revision {
    match on_disk {
        Some(found) if found.files == compiled.files => found.revision,
        found => {
            let seen = found.map(|found| found.revision).max(serving);
            seen.map_or(Revision(1), Revision::next)
        }
    }
}

fn manifests_name(folder: &PolicyFolder) -> &str {
    folder.manifests.first().map_or("manifests", |file| file.name.as_str())
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

/// Assembles every tenant once, for the verbs that look at a tree and go.
pub fn assemble_all(layout: &Layout, now: DateTime<Utc>) -> (Tree, Result<Everything, Faults>) {
    let tree = crate::tree::read_tree(&layout.dirs);
    let shared = assemble_shared(&tree, layout.identity).map_err(|faults| faults.and(Some(unreadable(&tree))));
    let everything = shared.map(|shared| {
        let tenants = tree
            .tenants
            .iter()
            .flatten()
            .map(|(tenant, folder)| {
                let outcome = match folder {
                    Ok(folder) => assemble_tenant(layout, &tree, &shared, tenant, folder, None, now),
                    Err(faults) => Err(faults.clone()),
                };
                let assembled = outcome.and_then(|outcome| match outcome {
                    Outcome::Ready(assembled) => Ok(*assembled),
                    Outcome::Unchanged => Err(Fault::of_file(tenant.as_str(), "was not assembled").into()),
                });
                (tenant.clone(), assembled)
            })
            .collect();
        Everything { shared, tenants }
    });
    (tree, everything)
}

/// What is wrong in the tenants' and the platform's files, as far as it can be said without a schema.
fn unreadable(tree: &Tree) -> Faults {
    let mut faults = Faults::default();
    // A tenant at a time: two of them may give the same id.
    for (_, folder) in tree.tenants.iter().flatten() {
        match folder {
            Ok(folder) => {
                faults.extend(syntax_faults(tree.platform.policies.iter().chain(&folder.policies)));
                faults.extend(manifest::syntax_faults(&folder.manifests));
            }
            Err(found) => faults.extend(found.clone()),
        }
    }
    faults
}

/// Every tenant of a tree.
#[derive(Debug)]
pub struct Everything {
    pub shared: Shared,
    pub tenants: BTreeMap<TenantId, Result<Assembled, Faults>>,
}

/// Publishes a tenant's bundle where it belongs.
///
/// # Errors
/// When it cannot be written.
pub fn publish(layout: &Layout, tenant: &TenantId, bundle: &Bundle) -> Result<Vec<String>, Fault> {
    let folder = layout.bundle_folder(tenant);
    if let Some(dir) = &layout.bundle_dir {
        let failed = |error| Fault::of_file(shown(dir), format!("cannot be made: {error}"));
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    bundle::publish(&folder, bundle).map_err(|error| Fault::of_file(shown(&folder), chain(&error)))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
