//! `plan`: what manifests would change in a directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::database::{Database, OfTenant, author, failed, line};
use super::named_in_files::{NamedInFile, named_in_files};
use super::report::Trouble;
use super::{Ending, report};
use crate::apply::{apply, ensure_tenant, kept, plan};
use crate::directory::{Change, Editor, Extent, Fact, MemoryDirectory, Planned, document_of, resource_id, shown_id};
use crate::manifest::Checked;
use crate::model::{Fault, Faults, Revision};

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
    /// What a policy or an entities file names goes all the same
    #[arg(long)]
    cascade: bool,
    /// Make the tenant, if there is none of the name
    #[arg(long)]
    create: bool,
}

impl Plan {
    pub(super) fn run(self) -> Ending {
        let json = self.manifests.of_tenant.common.json;
        super::in_runtime(json, async {
            let database = self.manifests.of_tenant.open().await?;
            let outcome = self.manifests.plan(&database).await?;
            if !self.manifests.create && database.head().await?.is_none() {
                report::complain(format!("note: {}", database.no_such_tenant().await?));
            }
            tell(json, &outcome, None);
            let nothing = outcome.planned.changes.is_empty() && outcome.kept.is_empty();
            Ok(if nothing { Ending::Ok } else { Ending::Difference })
        })
    }
}

impl Apply {
    pub(super) fn run(self) -> Ending {
        let json = self.manifests.of_tenant.common.json;
        super::in_runtime(json, async {
            let database = self.manifests.of_tenant.open().await?;
            if !self.manifests.create && database.head().await?.is_none() {
                let message = database.no_such_tenant().await?;
                return Err(Trouble::Invalid(Fault::of_file("--tenant", message).into()));
            }
            let mut outcome = self.manifests.plan(&database).await?;
            if self.dry_run {
                tell(json, &outcome, None);
                return Ok(Ending::Ok);
            }
            if !self.manifests.cascade && !outcome.named.is_empty() {
                let faults = outcome.named.iter().map(|named| Fault::of_file(&named.place, named.in_use()));
                return Err(Trouble::Invalid(Faults(faults.collect())));
            }
            let checked = database.read(&self.manifests.folder)?;
            let author = author(self.reason.as_ref());
            let Database { directory, tenant, rules, .. } = &database;
            ensure_tenant(directory, tenant, Revision(0), &author).await.map_err(failed)?;
            let editor = Editor { directory, rules, tenant };
            let extent = self.manifests.extent(&checked);
            let (planned, revision) = apply(&editor, &checked.state, &extent, &author).await.map_err(failed)?;
            directory.close().await;
            outcome.planned = planned;
            tell(json, &outcome, Some(revision));
            Ok(Ending::Ok)
        })
    }
}

/// What manifests come to.
struct Outcome {
    planned: Planned,
    /// What they do not say, and the directory has all the same.
    kept: Vec<Fact>,
    /// What goes though a file that somebody wrote names it.
    named: Vec<NamedInFile>,
}

impl Manifests {
    fn extent(&self, checked: &Checked) -> Extent {
        if self.prune { Extent::Everything } else { Extent::Grants(checked.written_out.clone()) }
    }

    async fn plan(&self, database: &Database) -> Result<Outcome, Trouble> {
        let checked = database.read(&self.folder)?;
        let Database { directory, tenant, rules, tree, .. } = database;
        // A tenant that is not there yet is an empty one.
        let nothing = MemoryDirectory::of_files(tenant.clone(), [], Revision(0));
        let editor = match database.head().await? {
            Some(_) => Editor { directory, rules, tenant },
            None => Editor { directory: &nothing, rules, tenant },
        };
        let planned = plan(&editor, &checked.state, &self.extent(&checked)).await.map_err(failed)?;
        let kept = kept(&editor, &checked.state, &planned).await.map_err(failed)?;
        let named = named_in_files(tree, tenant, &rules.schema, &planned.changes);
        Ok(Outcome { planned, kept, named })
    }
}

fn tell(json: bool, outcome: &Outcome, revision: Option<Revision>) {
    let Outcome { planned, kept, named } = outcome;
    if json {
        let changes: Vec<_> = planned.changes.iter().map(told).collect();
        let kept: Vec<_> = kept.iter().map(told_kept).collect();
        let mut body = json!({"ok": true, "changes": changes, "kept": kept, "revision": revision});
        let warnings: Vec<_> =
            named.iter().map(|named| json!({"at": named.place, "message": named.in_use()})).collect();
        if let Some(members) = body.as_object_mut().filter(|_| !warnings.is_empty()) {
            members.insert("warnings".to_owned(), warnings.into());
        }
        report::say_json(&body);
        return;
    }
    planned.changes.iter().map(line).for_each(report::say);
    named.iter().for_each(|named| report::say(format!("warning: {}: {}", named.place, named.in_use())));
    lines_of_kept(kept).into_iter().for_each(report::say);
    let count = planned.changes.len();
    report::say(match (count, revision) {
        (0, _) => "nothing to change".to_owned(),
        (_, Some(revision)) => format!("{count} change(s), at revision {revision}"),
        (_, None) => format!("{count} change(s)"),
    });
}

/// What stays, a line a resource for grants and one each for the rest.
fn lines_of_kept(kept: &[Fact]) -> Vec<String> {
    let mut grants: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for fact in kept {
        match fact {
            Fact::Collaborator(grant) => *grants.entry(resource_id(&grant.resource)).or_default() += 1,
            other => lines.push(format!(
                "{} {} is not in the manifests: kept; `--prune` takes it",
                other.kind().name(),
                shown_id(other)
            )),
        }
    }
    lines.extend(grants.into_iter().map(|(resource, count)| match count {
        1 => format!("1 grant on {resource} is not in the manifests: kept; `--prune` takes it"),
        _ => format!("{count} grants on {resource} are not in the manifests: kept; `--prune` takes them"),
    }));
    lines
}

fn told_kept(fact: &Fact) -> Value {
    json!({"type": fact.kind(), "id": shown_id(fact), "fact": document_of(fact)})
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
