//! Whether a bundle that a database was compiled to may serve here: only while that database has its tenant and its
//! revision.
//!
//! Files outlive what they were made from: a tenant is deleted while its folder cannot be removed, a database is lost,
//! or a backup of it is put back. In: a tenant and the index of its bundle. Out: nothing, or why it must not serve.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Layout;
use crate::bundle::Index;
use crate::directory::{Directory, Trace};
use crate::model::{Chain, Revision, TenantId, with_causes};
use crate::tree::has_files_of_people;

/// Where bundles of databases come from.
#[derive(Clone, Debug, Default)]
pub enum Provenance {
    /// From another node, by copy.
    #[default]
    Copied,
    /// From the database that this server has open.
    Database(Arc<DatabaseBundles>),
    /// From a database that should be here and is not.
    Missing { database: PathBuf },
}

impl Provenance {
    /// Whether a bundle may serve.
    ///
    /// # Errors
    /// Why it may not, and what to do.
    pub fn check(&self, tenant: &TenantId, index: &Index) -> Result<(), String> {
        match self {
            _ if !index.is_of_database() => Ok(()),
            Self::Copied => Ok(()),
            Self::Missing { database } => Err(format!(
                "this bundle is of a database, and `{}` cannot be opened: put it right, or set `directory = \"files\"` \
                 where bundles come by copy",
                database.display()
            )),
            Self::Database(bundles) => bundles.check(tenant, index),
        }
    }

    fn has_ended(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Database(bundles) => bundles.known().ended.contains(tenant),
            Self::Copied | Self::Missing { .. } => false,
        }
    }

    /// Notes that the database has ended a tenant: nothing of it serves from now on.
    pub fn end(&self, tenant: &TenantId) {
        let Self::Database(bundles) = self else { return };
        bundles.end(tenant);
        (bundles.stop_serving)(tenant);
    }

    /// Notes that the database's history of a tenant is another than it was: what was found in it may not be there.
    pub fn doubt(&self, tenant: &TenantId) {
        if let Self::Database(bundles) = self {
            let mut known = bundles.known();
            known.held.remove(tenant);
            known.ends += 1;
        }
    }

    /// Notes that there is such a tenant again.
    pub fn begin(&self, tenant: &TenantId) {
        if let Self::Database(bundles) = self {
            bundles.known().ended.remove(tenant);
        }
    }
}

impl Layout {
    /// Leaves out tenants that the database has ended and of which nothing is there but what was compiled: their
    /// folders may still wait to be removed.
    pub fn leave_out_ended(&self, tenants: &mut BTreeSet<TenantId>) {
        let is_of_people = |tenant: &TenantId| has_files_of_people(&self.dirs.policies.join(tenant.as_str()));
        tenants.retain(|tenant| !self.provenance.has_ended(tenant) || is_of_people(tenant));
    }
}

/// The bundles of an open database.
pub struct DatabaseBundles {
    directory: Arc<dyn Directory>,
    /// Its file, for people.
    database: PathBuf,
    /// Whether tenants that it never had may serve from bundles that came by copy.
    accepts_copied: bool,
    runtime: Handle,
    stop_serving: Box<dyn Fn(&TenantId) + Send + Sync>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The last bundle of each tenant that was looked for and found.
    held: BTreeMap<TenantId, (Revision, Chain)>,
    ended: BTreeSet<TenantId>,
    /// How often a tenant ended or was doubted: what was looked for before may not be so after.
    ends: u64,
}

impl DatabaseBundles {
    /// Must be called within a tokio runtime, on which the database is asked. `stop_serving` is told of tenants that
    /// ended.
    pub fn new(
        directory: Arc<dyn Directory>,
        database: PathBuf,
        accepts_copied: bool,
        stop_serving: impl Fn(&TenantId) + Send + Sync + 'static,
    ) -> Self {
        let (runtime, stop_serving) = (Handle::current(), Box::new(stop_serving));
        Self { directory, database, accepts_copied, runtime, stop_serving, known: Mutex::default() }
    }

    fn check(&self, tenant: &TenantId, index: &Index) -> Result<(), String> {
        let database = self.database.display();
        let chain = index.database.as_ref().map(|of| of.chain);
        let ends = {
            let known = self.known();
            let held = known.held.get(tenant).copied();
            if !known.ended.contains(tenant) && held.is_some() && held == chain.map(|chain| (index.revision, chain)) {
                return Ok(());
            }
            known.ends
        };
        match (self.trace(tenant, index.revision)?, chain) {
            (Trace::Live(Some(found)), Some(chain)) if found == chain => {
                let mut known = self.known();
                if known.ends == ends {
                    known.held.insert(tenant.clone(), (index.revision, chain));
                }
                Ok(())
            }
            (Trace::Live(_), _) => Err(format!(
                "this bundle is of another history than `{database}` has for tenant `{tenant}`: it is compiled anew, \
                 see `publish` in `/status`"
            )),
            (Trace::Ended, _) => {
                self.end(tenant);
                Err(format!("tenant `{tenant}` was deleted from `{database}`: remove this folder"))
            }
            (Trace::Unknown, _) if self.accepts_copied => Ok(()),
            (Trace::Unknown, _) => Err(format!(
                "this bundle is of a database, and `{database}` never had tenant `{tenant}`: put the right database \
                 there (with its `-wal`, or from a backup), remove this folder, or set `bundle.accept_copied = true` \
                 where bundles come by copy"
            )),
        }
    }

    fn end(&self, tenant: &TenantId) {
        let mut known = self.known();
        known.held.remove(tenant);
        known.ended.insert(tenant.clone());
        known.ends += 1;
    }

    /// Asks the database from a thread that may wait.
    fn trace(&self, tenant: &TenantId, at: Revision) -> Result<Trace, String> {
        let (say, said) = sync_channel(1);
        let (directory, asked) = (Arc::clone(&self.directory), tenant.clone());
        self.runtime.spawn(async move { say.send(directory.trace(&asked, at).await) });
        let database = self.database.display();
        match said.recv_timeout(PATIENCE) {
            Ok(Ok(trace)) => Ok(trace),
            Ok(Err(error)) => {
                Err(format!("this bundle is of a database, and `{database}` cannot be read: {}", with_causes(&error)))
            }
            Err(_) => Err(format!("this bundle is of a database, and `{database}` does not answer")),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DatabaseBundles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DatabaseBundles").field("database", &self.database).finish_non_exhaustive()
    }
}

/// How long a load waits for the database: a lookup by key.
const PATIENCE: Duration = Duration::from_secs(5);
