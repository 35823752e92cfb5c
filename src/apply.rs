//! Manifests as a way into a database: what they say, checked, becomes an edit of one revision.
//!
//! `plan` says what would change and `apply` makes it so, once, for the command line; an `Applier` does so whenever
//! the tree's manifests change, and takes back what they do not say any more: the database remembers what they said,
//! whatever happened to the server meanwhile. What was only ever changed otherwise stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::SharedClock;
use crate::directory::{
    Author, Directory, Edit, EditError, Editor, Extent, Fact, FactKey, Planned, Rules, StoreError, facts_of,
    kept_beyond, operations_towards,
};
use crate::model::{DirectoryState, Revision, TenantId, with_causes};

/// What the manifests of each tenant say; none of one whose folder is not there. Tenants whose manifests have faults, or
/// cannot be read, are as they were when these last could.
pub type Wanted = BTreeMap<TenantId, Option<Arc<DirectoryState>>>;

/// What would make a tenant what its manifests say; one that is not there yet is made, unless this is a dry run.
///
/// # Errors
/// When it does not hold together, or the directory does not answer.
pub async fn plan(editor: &Editor<'_>, state: &DirectoryState, extent: &Extent) -> Result<Planned, EditError> {
    let at = editor.directory.head(editor.tenant).await?;
    let facts = facts_by_key(state, editor.rules);
    let operations = operations_towards(editor.directory, editor.tenant, facts, extent, at).await?;
    editor.plan(&Edit { operations, cascade: false }).await
}

/// What the directory has and the manifests do not say, of what stays.
///
/// # Errors
/// When the directory does not answer.
pub async fn kept(editor: &Editor<'_>, state: &DirectoryState, planned: &Planned) -> Result<Vec<Fact>, StoreError> {
    let wanted = facts_by_key(state, editor.rules).into_keys().collect();
    kept_beyond(editor.directory, editor.tenant, &wanted, planned).await
}

/// Makes a tenant what its manifests say, as one revision.
///
/// # Errors
/// As `plan`.
pub async fn apply(
    editor: &Editor<'_>,
    state: &DirectoryState,
    extent: &Extent,
    author: &Author,
) -> Result<(Planned, Revision), EditError> {
    let _turn = editor.directory.turn(editor.tenant).await?;
    for _ in 0..MOST_ATTEMPTS {
        let planned = plan(editor, state, extent).await?;
        match editor.directory.apply(editor.tenant, &planned.to_changes(), planned.at, author).await {
            Ok(revision) => return Ok((planned, revision)),
            Err(StoreError::Moved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(EditError::Busy)
}

/// Makes a tenant that manifests are the first to speak of.
///
/// # Errors
/// When the directory does not answer.
pub async fn ensure_tenant(
    directory: &dyn Directory,
    tenant: &TenantId,
    above: Revision,
    author: &Author,
) -> Result<(), StoreError> {
    match directory.head(tenant).await {
        Err(StoreError::NoSuchTenant(_)) => directory.create_tenant(tenant, above, author).await.map(|_| ()),
        other => other.map(|_| ()),
    }
}

fn facts_by_key(state: &DirectoryState, rules: &Rules) -> BTreeMap<FactKey, Fact> {
    facts_of(state.clone(), &rules.default_roles).map(|fact| (fact.key(), fact)).collect()
}

/// Applies the tree's manifests whenever they change.
pub struct Applier {
    pub directory: Arc<dyn Directory>,
    pub rules: watch::Receiver<Option<Arc<Rules>>>,
    pub wanted: watch::Receiver<Wanted>,
    /// Of whoever publishes.
    pub wake: Arc<Notify>,
    pub clock: SharedClock,
    pub applied: Wanted,
    /// What could not be taken back, to say so once.
    pub kept: BTreeMap<TenantId, BTreeSet<FactKey>>,
}

impl Applier {
    pub async fn follow(mut self) {
        let mut retry = interval(RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.wanted.changed() => if changed.is_err() { return },
                _ = retry.tick() => {}
            }
            self.apply_all().await;
        }
    }

    /// Applies what was not applied yet.
    pub async fn apply_all(&mut self) {
        let Some(rules) = self.rules.borrow().clone() else { return };
        let wanted = self.wanted.borrow_and_update().clone();
        for (tenant, state) in wanted {
            if self.applied.get(&tenant) == Some(&state) {
                continue;
            }
            match self.apply_one(&tenant, state.as_deref(), &rules).await {
                Ok(None) => {
                    self.applied.insert(tenant, state);
                }
                Ok(Some(Applied { revision, kept })) => {
                    self.wake.notify_one();
                    if kept.is_empty() {
                        tracing::info!(%tenant, %revision, "the manifests are applied");
                        self.kept.remove(&tenant);
                        self.applied.insert(tenant, state);
                    } else if self.kept.get(&tenant) != Some(&kept) {
                        let in_use = kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                        tracing::warn!(
                            %tenant, %revision, in_use,
                            "the manifests are applied but for what they made and others use: remove these first"
                        );
                        self.kept.insert(tenant, kept);
                    }
                }
                Err(error) => {
                    tracing::error!(%tenant, error = %with_causes(&error), "the manifests cannot be applied");
                }
            }
        }
    }

    /// Nothing comes of manifests that are not there and never said anything.
    async fn apply_one(
        &self,
        tenant: &TenantId,
        state: Option<&DirectoryState>,
        rules: &Rules,
    ) -> Result<Option<Applied>, EditError> {
        let author = Author { actor: "manifests".to_owned(), at: self.clock.now(), reason: None, request_id: None };
        let nothing = DirectoryState::default();
        match state {
            Some(_) => ensure_tenant(&*self.directory, tenant, Revision(0), &author).await?,
            None => match self.directory.of_manifests(tenant).await {
                Ok(said) if said.is_empty() => return Ok(None),
                Err(StoreError::NoSuchTenant(_)) => return Ok(None),
                said => said.map(|_| ())?,
            },
        }
        let editor = Editor { directory: &*self.directory, rules, tenant };
        apply_remembered(&editor, state.unwrap_or(&nothing), &author).await.map(Some)
    }
}

/// What came of manifests.
struct Applied {
    revision: Revision,
    /// What they do not say any more, and what is still in use by others than them: it goes when these have gone.
    kept: BTreeSet<FactKey>,
}

/// Makes a tenant what its manifests say, takes back what they said before, and remembers what they say.
async fn apply_remembered(editor: &Editor<'_>, state: &DirectoryState, author: &Author) -> Result<Applied, EditError> {
    let Editor { directory, tenant, rules } = editor;
    let mut says: BTreeSet<FactKey> = facts_by_key(state, rules).into_keys().collect();
    let mut kept = BTreeSet::new();
    let _turn = directory.turn(tenant).await?;
    for _ in 0..MOST_ATTEMPTS {
        let said = directory.of_manifests(tenant).await?;
        let planned = match plan(editor, state, &Extent::Since(said.difference(&kept).cloned().collect())).await {
            // Someone gave what the manifests made to somebody else. That is no reason to keep the rest.
            Err(EditError::Refused(refusals)) if refusals.iter().all(|refusal| refusal.in_use().is_some()) => {
                let in_use: Vec<_> = refusals.iter().filter_map(|refusal| refusal.in_use().cloned()).collect();
                says.extend(in_use.iter().cloned());
                kept.extend(in_use);
                continue;
            }
            planned => planned?,
        };
        if planned.changes.is_empty() && said == says {
            return Ok(Applied { revision: planned.at, kept });
        }
        match directory.apply_of_manifests(tenant, &planned.to_changes(), &says, planned.at, author).await {
            Ok(revision) => return Ok(Applied { revision, kept }),
            Err(StoreError::Moved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(EditError::Busy)
}

const MOST_ATTEMPTS: usize = 8;
/// How soon something that could not be applied is tried again.
const RETRY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
