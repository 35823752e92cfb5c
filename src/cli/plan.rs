//! `plan`: what manifests would change in a directory.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::database::{Database, OfTenant, author, failed, line};
use super::report::Trouble;
use super::{Ending, report};
use crate::apply::{apply, ensure_tenant, plan};
use crate::directory::{Change, Editor, Extent, MemoryDirectory, Planned, document_of, shown_id};
use crate::model::Revision;

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    manifests: Manifests,
}

/// `apply`: manifests make a directory what they say, in one revision.
#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    manifests: Manifests,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct Manifests {
    #[command(flatten)]
    of_tenant: OfTenant,
    /// The folder of the manifests
    #[arg(short = 'f', long = "manifests", value_name = "DIR")]
    folder: PathBuf,
    /// What the manifests do not say goes
    #[arg(long)]
    prune: bool,
}

impl Plan {
    pub(super) fn run(self) -> Ending {
        let json = self.manifests.of_tenant.common.json;
        super::in_runtime(json, async {
            let database = self.manifests.of_tenant.open().await?;
            let planned = self.manifests.plan(&database).await?;
            tell(json, &planned, None);
            Ok(if planned.changes.is_empty() { Ending::Ok } else { Ending::Difference })
        })
    }
}

impl Apply {
    pub(super) fn run(self) -> Ending {
        let json = self.manifests.of_tenant.common.json;
        super::in_runtime(json, async {
            let database = self.manifests.of_tenant.open().await?;
            if self.dry_run {
                tell(json, &self.manifests.plan(&database).await?, None);
                return Ok(Ending::Ok);
            }
            let state = database.read(&self.manifests.folder)?;
            let author = author(self.reason.as_ref());
            let Database { directory, tenant, rules, .. } = &database;
            ensure_tenant(directory, tenant, Revision(0), &author).await.map_err(failed)?;
            let editor = Editor { directory, rules, tenant };
            let (planned, revision) =
                apply(&editor, &state, &self.manifests.extent(), &author).await.map_err(failed)?;
            directory.close().await;
            tell(json, &planned, Some(revision));
            Ok(Ending::Ok)
        })
    }
}

impl Manifests {
    fn extent(&self) -> Extent {
        if self.prune { Extent::Everything } else { Extent::Some }
    }

    async fn plan(&self, database: &Database) -> Result<Planned, Trouble> {
        let state = database.read(&self.folder)?;
        let Database { directory, tenant, rules, .. } = database;
        // A tenant that is not there yet is an empty one.
        let nothing = MemoryDirectory::of_files(tenant.clone(), [], Revision(0));
        let editor = match database.head().await? {
            Some(_) => Editor { directory, rules, tenant },
            None => Editor { directory: &nothing, rules, tenant },
        };
        plan(&editor, &state, &self.extent()).await.map_err(failed)
    }
}

fn tell(json: bool, planned: &Planned, revision: Option<Revision>) {
    if json {
        let changes: Vec<_> = planned.changes.iter().map(told).collect();
        report::say_json(&json!({"ok": true, "changes": changes, "revision": revision}));
        return;
    }
    planned.changes.iter().map(line).for_each(report::say);
    let count = planned.changes.len();
    report::say(match (count, revision) {
        (0, _) => "nothing to change".to_owned(),
        (_, Some(revision)) => format!("{count} change(s), at revision {revision}"),
        (_, None) => format!("{count} change(s)"),
    });
}

fn told(change: &Change) -> Value {
    let fact = change.after.as_ref().or(change.before.as_ref());
    let action = match (&change.before, &change.after) {
        (None, _) => "create",
        (_, None) => "delete",
        _ => "update",
    };
    json!({
        "action": action,
        "type": change.key.kind,
        "id": fact.map_or_else(|| change.key.id.clone(), shown_id),
        "before": change.before.as_ref().map(document_of),
        "after": change.after.as_ref().map(document_of),
    })
}
