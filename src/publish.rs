//! The rules change in a database: its head becomes the bundle on disk, and the watcher takes it from there.
//!
//! In: a directory, and the roles that every tenant has. Out: for each of its tenants, files of exactly one revision.
//! Only what changed since the bundle's revision is read, compiled and written; a bundle that is missing, torn or made
//! of other roles is written anew, so that after a crash at any point the next start converges.

mod affected;
mod parts;
mod published;
mod under_way;

pub use under_way::{Publishing, UnderWay};

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::assemble::Layout;
use crate::bundle::{BundleError, PublishError};
use crate::directory::{Directory, Rules, StoreError, TenantHead};
use crate::model::{Revision, TenantId, with_causes};
use published::{Published, inputs_digest};

/// Why a tenant's bundle is not what its directory says.
#[derive(Debug, thiserror::Error)]
pub enum PublishFailure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] PublishError),
    #[error(transparent)]
    Read(#[from] BundleError),
    #[error("`{path}` cannot be made", path = .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a file of the bundle cannot be put into words")]
    Render(#[from] serde_json::Error),
    #[error("a task that writes the bundle failed")]
    Task(#[from] tokio::task::JoinError),
}

/// Keeps the bundles on disk what a directory says.
pub struct Publisher {
    directory: Arc<dyn Directory>,
    layout: Layout,
    under_way: UnderWay,
    published: BTreeMap<TenantId, Published>,
    failing: BTreeMap<TenantId, String>,
}

impl Publisher {
    pub fn new(directory: Arc<dyn Directory>, layout: Layout, under_way: UnderWay) -> Self {
        Self { directory, layout, under_way, published: BTreeMap::new(), failing: BTreeMap::new() }
    }

    /// Publishes whenever it is woken, the rules change, or another process wrote.
    pub async fn follow(mut self, mut rules: watch::Receiver<Option<Arc<Rules>>>, wake: Arc<Notify>) {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let current = rules.borrow_and_update().clone();
            if let Some(current) = current {
                self.publish_all(&current).await;
            }
            tokio::select! {
                () = wake.notified() => {}
                _ = poll.tick() => {}
                changed = rules.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Publishes every tenant whose bundle is not what the directory says. What fails is tried again.
    pub async fn publish_all(&mut self, rules: &Rules) {
        let heads = match self.directory.tenants().await {
            Ok(heads) => heads,
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "the directory cannot be read");
                return;
            }
        };
        let inputs = inputs_digest(rules);
        for TenantHead { tenant, head } in &heads {
            if self.layout.is_of_manifests(tenant) {
                continue;
            }
            let outcome = self.publish(tenant, *head, rules, &inputs).await;
            self.note(tenant, outcome);
        }
        let live: BTreeSet<_> = heads.into_iter().map(|head| head.tenant).collect();
        let ended: Vec<_> = self.published.keys().filter(|tenant| !live.contains(*tenant)).cloned().collect();
        for tenant in ended {
            self.published.remove(&tenant);
            if let Err(error) = remove_bundle(&self.layout, &tenant) {
                tracing::error!(%tenant, %error, "the bundle of a tenant that is no more cannot be removed");
            }
        }
    }

    fn note(&mut self, tenant: &TenantId, outcome: Result<Option<Revision>, PublishFailure>) {
        match outcome {
            Ok(revision) => {
                self.failing.remove(tenant);
                if let Some(revision) = revision {
                    tracing::info!(%tenant, %revision, "a revision is on disk");
                }
            }
            Err(error) => {
                // What is on disk is not known any more.
                self.published.remove(tenant);
                let said = with_causes(&error);
                if self.failing.get(tenant) != Some(&said) {
                    tracing::error!(%tenant, error = %said, "the directory cannot be published");
                    self.failing.insert(tenant.clone(), said);
                }
            }
        }
    }
}

/// Takes away what was compiled for a tenant, and its folder where nothing else is in it.
fn remove_bundle(layout: &Layout, tenant: &TenantId) -> std::io::Result<()> {
    let folder = layout.bundle_folder(tenant);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Refused while there is anything in it.
    let _ = fs::remove_dir(layout.dirs.policies.join(tenant.as_str()));
    Ok(())
}

/// How soon a write of another process is seen.
const POLL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
