//! `diff`: which requests change answer between two trees, and for whom. Exit 4 when something is newly allowed.

mod json;
mod markdown;
mod text;

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::report::{Trouble, counted};
use super::tenants::snapshots;
use super::verify::ProvingArgs;
use super::{Common, Ending, report};
use crate::config::Config;
use crate::model::{Fault, Faults, TenantId};
use crate::snapshot::Snapshot;
use crate::workbench::diff::{Diff as Found, Direction, Outcome, diff};
use crate::workbench::proof::Prover;
use crate::workbench::scene::World;
use crate::workbench::search::Effort;
use crate::workbench::shape::Shape;
use crate::workbench::trees::OpenedTree;
use crate::workbench::verify::Laid;

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The tree before: a folder, or a git revision
    #[arg(value_name = "OLD")]
    old: String,
    /// The tree after: a folder, or a git revision [default: the tree as it is]
    #[arg(value_name = "NEW")]
    new: Option<String>,
    #[command(flatten)]
    common: Common,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Requests that are tried for each kind of request, each way
    #[arg(long, default_value_t = 500, value_name = "N")]
    cases: u32,
    /// The same seed tries the same requests
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Leave the solver alone, though it is there
    #[arg(long)]
    no_proof: bool,
    #[command(flatten)]
    proving: ProvingArgs,
    /// What makes the verb fail
    #[arg(long, value_enum, default_value_t = FailOn::Allow)]
    fail_on: FailOn,
    /// As Markdown, for a comment on a pull request
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Also show each example as a case for `cedargate test`
    #[arg(long)]
    as_cases: bool,
    /// How many examples, and how many people, are shown each way
    #[arg(long, default_value_t = 10, value_name = "N")]
    examples: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something is newly allowed
    Allow,
    /// Any answer changed
    Any,
    None,
}

/// One tenant's result, for those who tell it.
struct Told<'a> {
    tenant: &'a TenantId,
    found: &'a Found,
    old: &'a OpenedTree,
    new: &'a OpenedTree,
    effort: Effort,
    examples: usize,
    as_cases: bool,
    /// Whether a solver was there to be asked.
    is_proving: bool,
}

impl Diff {
    pub(super) fn run(self) -> Ending {
        let json = self.common.json;
        self.compare().unwrap_or_else(|trouble| trouble.end(json))
    }

    fn compare(&self) -> Result<Ending, Trouble> {
        let config = self.common.config()?;
        let open = |name: &str| {
            let opened = OpenedTree::open(name, &config.layout);
            opened.map_err(|error| Faults::from(Fault::of_file(name, crate::model::with_causes(&error))))
        };
        let current = config.layout.dirs.policies.to_string_lossy().into_owned();
        let (old, new) = (open(&self.old)?, open(self.new.as_deref().unwrap_or(&current))?);
        let (before, after) = match (self.is_in(&old), self.is_in(&new)) {
            (true, false) => (self.read(&config, &old)?, Vec::new()),
            (false, true) => (Vec::new(), self.read(&config, &new)?),
            _ => (self.read(&config, &old)?, self.read(&config, &new)?),
        };
        let tenants: BTreeSet<&TenantId> = before.iter().chain(&after).map(|snapshot| &snapshot.tenant).collect();
        let prover = self.prover(&config)?;
        let effort = Effort { cases: self.cases, seed: self.seed };
        let mut failed = false;
        let mut told = Vec::new();
        for tenant in tenants {
            let of = |all: &'_ [Snapshot]| all.iter().position(|snapshot| snapshot.tenant == *tenant);
            let (Some(one), Some(other)) = (of(&before), of(&after)) else {
                let is_new = of(&after).is_some();
                failed |= is_new && self.fail_on != FailOn::None || self.fail_on == FailOn::Any;
                told.push(self.tell_alone(tenant, is_new));
                continue;
            };
            let (Some(one), Some(other)) = (before.get(one), after.get(other)) else { continue };
            let (old_shape, new_shape) = (Shape::of(&one.schema), Shape::of(&other.schema));
            let world = |snapshot| World::of(snapshot, config.decider);
            let (mut one, mut other) = (Laid::of(world(one), &old_shape, &[]), Laid::of(world(other), &new_shape, &[]));
            one.words.join(&other.words);
            other.words.join(&one.words);
            let found = diff(&one, &other, effort, prover.as_ref());
            failed |= match self.fail_on {
                FailOn::Allow => found.has(Direction::Allowed),
                FailOn::Any => Direction::BOTH.iter().any(|direction| found.has(*direction)),
                FailOn::None => false,
            };
            let (examples, is_proving) = (self.examples, prover.is_some());
            let as_cases = self.as_cases;
            let result = Told { tenant, found: &found, old: &old, new: &new, effort, examples, as_cases, is_proving };
            if self.common.json {
                told.push(json::told(&result));
            } else if self.markdown {
                markdown::say(&result);
            } else {
                text::say(&result);
            }
        }
        if self.common.json {
            report::say_json(&json!({"ok": !failed, "old": self.old, "new": new.name, "tenants": told}));
        }
        Ok(if failed { Ending::Difference } else { Ending::Ok })
    }

    /// The solver, if it is there; one that was asked for must be.
    fn prover(&self, config: &Config) -> Result<Option<Prover>, Trouble> {
        if self.no_proof {
            return Ok(None);
        }
        match (self.proving.find(config), self.proving.prove) {
            (Ok(prover), _) => Ok(Some(prover)),
            (Err(reason), true) => Err(Trouble::Failed(format!("cannot prove: {reason}"))),
            (Err(_), false) => Ok(None),
        }
    }

    /// Whether the tenant that was named has a folder in a tree: it may be new, or gone.
    fn is_in(&self, tree: &OpenedTree) -> bool {
        let named = self.tenant.as_deref().and_then(|tenant| TenantId::parse(tenant).ok());
        named.is_none_or(|tenant| tree.layout.dirs.policies.join(tenant.as_str()).is_dir())
    }

    fn read(&self, config: &Config, tree: &OpenedTree) -> Result<Vec<Snapshot>, Faults> {
        let config = Config { layout: tree.layout.clone(), ..config.clone() };
        snapshots(&config, self.tenant.as_deref()).map_err(|faults| {
            let shown = |fault: Fault| Fault { file: tree.shown(&fault.file), ..fault };
            Faults(faults.0.into_iter().map(shown).collect())
        })
    }

    fn tell_alone(&self, tenant: &TenantId, is_new: bool) -> serde_json::Value {
        let what =
            if is_new { "is new: whatever its policies allow is newly allowed" } else { "is gone: all is denied" };
        if !self.common.json {
            report::say(format!("{tenant} {what}"));
        }
        json!({"tenant": tenant, "is": if is_new { "new" } else { "gone" }})
    }
}

impl Told<'_> {
    /// What changed, in one line.
    fn summary(&self) -> String {
        let changes = &self.found.changes;
        let mut parts = Vec::new();
        if changes.is_schema_changed {
            parts.push("the schema changed".to_owned());
        }
        let written = || changes.policies.iter().filter(|change| change.is_written());
        for (verb, is) in [("new", (false, true)), ("changed", (true, true)), ("gone", (true, false))] {
            let these = written().filter(|change| (change.before.is_some(), change.after.is_some()) == is);
            let names: Vec<_> = these.map(|change| change.id.as_str()).collect();
            if !names.is_empty() {
                parts.push(format!("{} {verb} ({})", counted(names.len(), "policy"), shortened(&names)));
            }
        }
        for (count, noun, verb) in [
            (changes.roles.len(), "role", "changed"),
            (changes.grants_added, "grant", "added"),
            (changes.grants_removed, "grant", "removed"),
            (changes.entities.len(), "entity", "changed"),
        ] {
            if count > 0 {
                parts.push(format!("{} {verb}", counted(count, noun)));
            }
        }
        if !changes.providers.is_empty() {
            let (count, names) = (changes.providers.len(), changes.providers.join(", "));
            let what = counted(count, "identity provider");
            parts.push(format!("{what} changed ({names}), so tokens may stand for someone else"));
        }
        if parts.is_empty() { "nothing changed that decides".to_owned() } else { parts.join("; ") }
    }

    /// How sure it is that nothing else changes this way.
    fn certainty(&self, direction: Direction) -> String {
        let of_direction = || self.found.differences.iter().filter(|difference| difference.direction == direction);
        let count = |is: fn(&Outcome) -> bool| of_direction().filter(|difference| is(&difference.outcome)).count();
        let changed = count(|outcome| matches!(outcome, Outcome::Changed(_)));
        let proved = count(|outcome| matches!(outcome, Outcome::ProvedNone));
        let tried = count(|outcome| matches!(outcome, Outcome::NoneFound(_)));
        let mut parts = Vec::new();
        if changed > 0 {
            parts.push(format!("in {} of request", counted(changed, "kind")));
        }
        if proved > 0 {
            parts.push(format!("nothing in {}, by proof", counted(proved, "kind")));
        }
        if tried > 0 {
            let kinds = counted(tried, "kind");
            parts.push(format!("nothing found in {kinds}, by {} random requests of each", self.effort.cases));
        }
        if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
    }

    /// Why something was not proved though a solver is there.
    fn unproved(&self) -> Option<&str> {
        self.found.differences.iter().find_map(|difference| match &difference.outcome {
            Outcome::NoneFound(Some(reason)) => Some(reason.as_str()),
            _ => None,
        })
    }
}

/// Some names, and how many more there are.
fn shortened(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<_> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{}, … {more} more", shown.join(", ")),
    }
}

const MOST_NAMES: usize = 5;
