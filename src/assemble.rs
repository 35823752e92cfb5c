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
use crate::manifest::{DefaultRoles, check_manifests, read_default_roles};
use crate::model::{Fault, Faults, Generation, Revision, TenantId};
use crate::schema::{Identity, LoadedSchema, load_schema};
use crate::snapshot::{Parts, Snapshot, build};
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

/// Assembles one tenant; `serving` is the generation that need not be built again.
///
/// # Errors
/// Every fault of the tenant's manifests, or of everything once they hold.
pub fn assemble_tenant(
    layout: &Layout,
    tree: &Tree,
    shared: &Shared,
    tenant: &TenantId,
    folder: &PolicyFolder,
    serving: Option<Generation>,
    now: DateTime<Utc>,
) -> Result<Outcome, Faults> {
    let kept = layout.bundle_folder(tenant);
    let name = kept.to_string_lossy().into_owned();
    let on_disk = bundle::read_bundle(&kept);
    let mut warnings = Vec::new();
    let (bundle, publish) = if folder.has_manifests {
        if layout.identity == Identity::LeftOut {
            let message = "manifests need the identity part of the schema: leave `schema.identity` on";
            return Err(Fault::of_file(manifests_name(folder), message).into());
        }
        let checked = check_manifests(tenant, &folder.manifests, &shared.schema, &shared.default_roles)?;
        warnings = checked.warnings;
        let compiled = compile::compile(tenant, &checked.state);
        let mut bundle = bundle::render(&compiled, Revision(1))
            .map_err(|error| Faults::from(Fault::of_file(&name, error.to_string())))?;
        bundle.revision = revision_after(on_disk.as_ref().ok().and_then(Option::as_ref), &bundle);
        (Some(bundle), true)
    } else {
        (on_disk.map_err(|error| Faults::from(Fault::of_file(&name, chain(&error))))?, false)
    };
    let parts = Parts {
        tenant,
        schema: &shared.schema,
        schema_files: &tree.schema,
        platform: &tree.platform,
        folder,
        bundle: bundle.as_ref(),
        bundle_folder: &name,
    };
    if serving == Some(parts.generation()) {
        return Ok(Outcome::Unchanged);
    }
    let mut snapshot = build(parts, now)?;
    warnings.append(&mut snapshot.warnings);
    snapshot.warnings = warnings;
    Ok(Outcome::Ready(Box::new(Assembled { snapshot, bundle: bundle.filter(|_| publish) })))
}

/// Equal contents keep their revision; anything else is the next one.
fn revision_after(on_disk: Option<&Bundle>, compiled: &Bundle) -> Revision {
    match on_disk {
        Some(found) if found.files == compiled.files => found.revision,
        Some(found) => found.revision.next(),
        None => Revision(1),
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
    let everything = assemble_shared(&tree, layout.identity).map(|shared| {
        let tenants = tree
            .tenants
            .iter()
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
    bundle::publish(&folder, bundle).map_err(|error| Fault::of_file(shown(&folder), chain(&error)))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
pub mod test_tenant;
