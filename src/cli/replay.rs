//! `replay`: a decision log against the tree or a candidate; exit 4 when an answer changed.

mod progress;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Common, Ending, report};
use crate::assemble::{Layout, assemble_all};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{Fault, Faults, TenantId};
use crate::snapshot::Snapshot;
use crate::workbench::replay::{Input, PrincipalsFrom, Replay as Run, Report};

#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    common: Common,
    /// Decision logs; `-` is standard input
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// Read what each LOG was rotated into first: LOG.2, LOG.1, LOG
    #[arg(long)]
    rotated: bool,
    /// Decide by this instead of by the tree: a policies folder, or a folder with `policies/` and `schema/`
    #[arg(long, value_name = "DIR")]
    candidate: Option<PathBuf>,
    /// Only the lines of this tenant [default: each line by its own tenant's policies]
    #[arg(long)]
    tenant: Option<String>,
    /// Principals as they were when they asked, or as the directory knows them now
    #[arg(long, value_enum, value_name = "WHICH", default_value = "logged")]
    principals: Which,
    /// The same decision for another reason, or by other policies, is a change too
    #[arg(long)]
    strict: bool,
    /// How many changes, and how many lines of each kind that cannot be decided, are shown
    #[arg(long, value_name = "N", default_value = "20")]
    examples: usize,
    /// Which changes end with 4
    #[arg(long, value_enum, value_name = "CHANGE", default_value = "any")]
    fail_on: FailOn,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Logged,
    Directory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Any change
    Any,
    /// Something is newly allowed
    Allow,
    /// Something is newly denied
    Deny,
    None,
}

impl Replay {
    pub(super) fn run(self) -> Ending {
        let ran = self.replay();
        match ran {
            Ok((report, tenants)) => self.tell(&report, &tenants),
            Err(faults) => report::invalid(self.common.json, &faults),
        }
    }

    fn replay(&self) -> Result<(Report, BTreeMap<TenantId, Snapshot>), Faults> {
        let config = self.common.config()?;
        let of_tenant = |message: String| Faults::from(Fault::of_file("--tenant", message));
        let tenant = self.tenant.as_deref().map(TenantId::parse).transpose();
        let tenant = tenant.map_err(|error| of_tenant(error.to_string()))?;
        let tenants = snapshots(&self.layout(&config), tenant.as_ref())?;
        if let Some(tenant) = tenant.as_ref().filter(|tenant| !tenants.contains_key(*tenant)) {
            return Err(of_tenant(format!("there is no folder for tenant `{tenant}`")));
        }
        let run = Run {
            decider: config.decider,
            principals: match self.principals {
                Which::Logged => PrincipalsFrom::Log,
                Which::Directory => PrincipalsFrom::Directory,
            },
            tenant,
            is_strict: self.strict,
            examples: self.examples,
            workers: available_parallelism().map_or(1, std::num::NonZero::get),
        };
        let inputs: Vec<_> = self.logs.iter().flat_map(|log| self.inputs(log)).collect();
        let mut bar = progress::Bar::on_terminal();
        let replayed = run.run(&inputs, &tenants, |progress| bar.show(progress));
        bar.clear();
        Ok((replayed?, tenants))
    }

    fn layout(&self, config: &Config) -> Layout {
        match &self.candidate {
            Some(dir) => config.layout.of_candidate(dir),
            None => config.layout.clone(),
        }
    }

    fn inputs(&self, log: &Path) -> Vec<Input> {
        if self.rotated { Input::with_rotated(log) } else { vec![Input::of(log)] }
    }

    fn tell(&self, replayed: &Report, tenants: &BTreeMap<TenantId, Snapshot>) -> Ending {
        let has_changed = self.has_changed(replayed);
        if self.common.json {
            let generations: BTreeMap<_, _> =
                tenants.iter().map(|(tenant, snapshot)| (tenant, snapshot.generation)).collect();
            let ok = !has_changed && !replayed.is_invalid();
            let mut told = json!({"ok": ok, "generations": generations});
            if let (Some(told), Ok(serde_json::Value::Object(rest))) =
                (told.as_object_mut(), serde_json::to_value(replayed))
            {
                told.extend(rest);
            }
            report::say_json(&told);
        } else {
            text::lines(replayed, self.strict).iter().for_each(report::say);
        }
        if replayed.is_invalid() {
            if !self.common.json {
                report::complain("not one line could be decided");
            }
            return Ending::Invalid;
        }
        if has_changed { Ending::Difference } else { Ending::Ok }
    }

    fn has_changed(&self, replayed: &Report) -> bool {
        let (allowed, denied) = (replayed.newly_allowed > 0, replayed.newly_denied > 0);
        match self.fail_on {
            FailOn::Any => allowed || denied || self.strict && replayed.other_reason > 0,
            FailOn::Allow => allowed,
            FailOn::Deny => denied,
            FailOn::None => false,
        }
    }
}

/// The tenants' snapshots; with one tenant named, the others' faults do not matter.
fn snapshots(layout: &Layout, wanted: Option<&TenantId>) -> Result<BTreeMap<TenantId, Snapshot>, Faults> {
    let (tree, everything) = assemble_all(layout, SystemClock.now());
    let mut faults = if wanted.is_none() { tree.strays } else { Faults::default() };
    let mut snapshots = BTreeMap::new();
    for (tenant, assembled) in everything?.tenants {
        if wanted.is_some_and(|wanted| *wanted != tenant) {
            continue;
        }
        match assembled {
            Ok(assembled) => {
                snapshots.insert(tenant, assembled.snapshot);
            }
            Err(found) => faults.extend(found),
        }
    }
    faults.or(snapshots)
}
