//! A reading of the tree in, each tenant's bundle and snapshot out: the one pipeline that `serve`, `check`,
//! `compile`, `export` and `authorize` run.
//!
//! manifests → directory state → bundle (in memory) → snapshot, validated. Nothing is written here, and nothing is
//! published that was not validated first.

mod provenance;
mod relocate;
mod tenant;

pub use provenance::{DatabaseBundles, Provenance};
pub use tenant::{Outcome, assemble_tenant, check_directory};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::bundle::{self, Bundle};
use crate::directory::Rules;
use crate::manifest::{self, DefaultRoles, read_default_roles};
use crate::model::{Fault, Faults, TenantId, with_causes};
use crate::schema::{Identity, LoadedSchema, load_schema};
use crate::snapshot::{Places, Snapshot, syntax_faults};
use crate::tree::{Tree, TreeDirs};

/// Where to look, and where bundles are kept.
#[derive(Clone, Debug)]
pub struct Layout {
    pub dirs: TreeDirs,
    /// Bundles live here, a folder a tenant, instead of in the tenants' own `compiled/`.
    pub bundle_dir: Option<PathBuf>,
    pub identity: Identity,
    pub manifests: ManifestsAre,
    /// Which bundles of databases may serve.
    pub provenance: Provenance,
    /// Of a candidate: the tree that serves, whose directories it has where it declares none of its own.
    pub beside: Option<Box<Layout>>,
}

/// What a tenant's `manifests/` are to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManifestsAre {
    /// The directory of that tenant.
    #[default]
    TheDirectory,
    /// Only a way into the database: the bundle on disk is what it was compiled to.
    AWayIn,
}

impl Layout {
    /// A tree with everything else as a server has it that is not configured otherwise.
    pub fn of(dirs: TreeDirs) -> Self {
        Self {
            dirs,
            bundle_dir: None,
            identity: Identity::Included,
            manifests: ManifestsAre::TheDirectory,
            provenance: Provenance::Copied,
            beside: None,
        }
    }

    /// Whether a tenant's directory is its manifests.
    pub fn is_of_manifests(&self, tenant: &TenantId) -> bool {
        self.manifests == ManifestsAre::TheDirectory
            && self.dirs.policies.join(tenant.as_str()).join(crate::tree::MANIFESTS).is_dir()
    }

    /// Whether a tenant certainly has no folder of manifests, beside a folder of its own that is there.
    pub fn lacks_manifests(&self, tenant: &TenantId) -> bool {
        let folder = self.dirs.policies.join(tenant.as_str());
        let found = std::fs::symlink_metadata(folder.join(crate::tree::MANIFESTS));
        folder.is_dir() && found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    }

    /// A candidate for this tree: a folder of policies, or one with `policies/` and, if that changes too, `schema/` in
    /// it. Nothing of a candidate is ever published.
    pub fn of_candidate(&self, dir: &Path) -> Self {
        let (policies, schema) = (dir.join(POLICIES), dir.join(SCHEMA));
        let is_tree = policies.is_dir();
        let live = TreeDirs::clone(&self.dirs);
        let dirs = TreeDirs {
            policies: if is_tree { policies } else { dir.to_owned() },
            schema: if is_tree && schema.is_dir() { schema } else { live.schema },
        };
        Self { dirs, bundle_dir: None, beside: Some(Box::new(self.clone())), ..self.clone() }
    }

    /// Every folder that a change can come from.
    pub fn folders(&self) -> Vec<PathBuf> {
        let own = [&self.dirs.policies, &self.dirs.schema];
        let mut folders: Vec<_> = own.into_iter().chain(&self.bundle_dir).cloned().collect();
        folders.extend(self.beside.iter().flat_map(|live| live.folders()));
        folders.sort();
        folders.dedup();
        folders
    }

    /// How answers tell where policies stand. A candidate answers nobody: what differs is told to the operator, with
    /// the whole path.
    pub fn places(&self) -> Places {
        if self.beside.is_some() {
            return Places::default();
        }
        Places::below(std::iter::once(&self.dirs.policies).chain(&self.bundle_dir).cloned())
    }

    /// Where a tenant's bundle is kept.
    pub fn bundle_folder(&self, tenant: &TenantId) -> PathBuf {
        if let Some(live) = self.beside.as_ref().filter(|_| !self.is_of_manifests(tenant)) {
            return live.bundle_folder(tenant);
        }
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

impl Shared {
    /// What edits of directories are judged by.
    pub fn rules(&self) -> Rules {
        Rules { schema: Arc::clone(&self.schema), default_roles: Arc::new(self.default_roles.clone()) }
    }
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

/// Assembles every tenant once, for the verbs that look at a tree and go.
pub fn assemble_all(layout: &Layout, now: DateTime<Utc>) -> (Tree, Result<Everything, Faults>) {
    let tree = crate::tree::read_tree(&layout.dirs);
    let everything = assemble_shared(&tree, layout.identity).map_err(|mut faults| {
        // Without a schema nothing can be validated, but what does not even parse is worth knowing now.
        let folders = tree.tenants.iter().flat_map(BTreeMap::values).flatten();
        folders.chain([&tree.platform]).for_each(|folder| {
            faults.extend(syntax_faults(folder));
            faults.extend(manifest::syntax_faults(&folder.manifests));
        });
        faults
    });
    let everything = everything.map(|shared| {
        let tenants = tree
            .tenants
            .iter()
            .flatten()
            .map(|(tenant, folder)| {
                let outcome = match folder {
                    Ok(folder) => assemble_tenant(layout, &tree.platform, &shared, tenant, folder, None, now),
                    Err(faults) => Err(faults.clone()),
                };
                let assembled = outcome.and_then(|outcome| match outcome {
                    Outcome::Ready(mut assembled) => {
                        // The verbs' reports are for whoever typed the folder's name: as it was typed.
                        assembled.snapshot.places = Places::default();
                        Ok(*assembled)
                    }
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
    if let Some(dir) = &layout.bundle_dir {
        let failed = |error| Fault::of_file(shown(dir), format!("cannot be made: {error}"));
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    bundle::publish(&folder, bundle).map_err(|error| Fault::of_file(shown(&folder), with_causes(&error)))
}

/// What a candidate's folder may hold.
const POLICIES: &str = "policies";
const SCHEMA: &str = "schema";

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
pub mod test_tenant;
