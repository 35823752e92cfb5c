//! `verify`: do the invariants hold? Exit 4 when one is broken.

mod json;
mod text;

pub(super) use json::scene_json;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::report::Trouble;
use super::tenants::OfTenants;
use super::{Ending, report};
use crate::config::{Config, solver_of_process};
use crate::model::{Fault, Faults};
use crate::snapshot::Snapshot;
use crate::tree::read_invariants as invariant_files;
use crate::workbench::checks::check;
use crate::workbench::invariant::{Invariant, read_invariants};
use crate::workbench::proof::{Proof, Prover};
use crate::workbench::scene::World;
use crate::workbench::search::Effort;
use crate::workbench::shape::Shape;
use crate::workbench::verify::{Laid, verify};

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    of_tenants: OfTenants,
    /// Only invariants whose words contain this; may be repeated
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    #[command(flatten)]
    effort: EffortArgs,
    #[command(flatten)]
    proving: ProvingArgs,
    /// Fail also for what is wrong with policies in themselves
    #[arg(long)]
    strict: bool,
}

/// How much is tried at random.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct EffortArgs {
    /// Requests that are tried for each question
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    cases: u32,
    /// The same seed tries the same requests
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

impl EffortArgs {
    pub fn effort(self) -> Effort {
        Effort { cases: self.cases, seed: self.seed }
    }
}

/// Whether and how to prove.
#[derive(Clone, Debug, Args)]
pub(super) struct ProvingArgs {
    /// Also prove it for every possible request, with the cvc5 solver
    #[arg(long)]
    pub prove: bool,
    /// The solver [default: the environment variable CVC5, else `cvc5` on PATH]
    #[arg(long, value_name = "FILE")]
    solver: Option<PathBuf>,
    /// The longest that the solver may take for one question, in seconds
    #[arg(long, default_value_t = 60, value_name = "N")]
    solver_timeout: u64,
}

impl ProvingArgs {
    /// The prover that was asked for, if the solver is there.
    pub fn prover(&self, config: &Config) -> Option<Result<Prover, String>> {
        self.prove.then(|| self.find(config))
    }

    /// The prover, whether or not it was asked for.
    pub fn find(&self, config: &Config) -> Result<Prover, String> {
        let solver = self.solver.clone().or_else(solver_of_process).unwrap_or_else(|| PathBuf::from("cvc5"));
        let patience = Duration::from_secs(self.solver_timeout);
        let prover = Prover { solver, patience, forbid_errors: config.decider.forbid_errors };
        prover.check().map(|_| prover).map_err(|error| format!("{error}. {INSTALL}"))
    }
}

/// What to do where there is no solver.
const INSTALL: &str = "Install cvc5 (Debian, Ubuntu: `apt install cvc5`; macOS: `brew install cvc5`; others: \
                       https://github.com/cvc5/cvc5/releases), or name it with --solver or the variable CVC5";

impl Verify {
    pub(super) fn run(self) -> Ending {
        let json = self.of_tenants.common.json;
        match self.verify() {
            Ok(ending) => ending,
            Err(trouble) => trouble.end(json),
        }
    }

    fn verify(&self) -> Result<Ending, Trouble> {
        let (config, snapshots) = self.of_tenants.read()?;
        let prover = self.proving.prover(&config);
        let tenants: Vec<_> = snapshots
            .iter()
            .map(|snapshot| Ok((snapshot, self.invariants(&config, snapshot)?)))
            .collect::<Result<_, Faults>>()?;
        if !self.filter.is_empty() && tenants.iter().all(|(_, invariants)| invariants.is_empty()) {
            let message = format!("no invariant has `{}` in its words", self.filter.join("` or `"));
            return Err(Faults::from(Fault::of_file("--filter", message)).into());
        }
        if let Some(Err(reason)) = &prover {
            report::complain(format!("cannot prove: {reason}"));
        }
        let usable = prover.as_ref().and_then(|prover| prover.as_ref().ok());
        let mut is_broken = false;
        // A proof that was asked for and could not be had is no success.
        let mut is_unproved = matches!(prover, Some(Err(_)));
        let mut told = Vec::new();
        for (snapshot, invariants) in &tenants {
            let shape = Shape::of(&snapshot.schema);
            let laid = Laid::of(World::of(snapshot, config.decider), &shape, invariants);
            let verified = verify(&laid, invariants, self.effort.effort(), usable);
            let findings = if self.filter.is_empty() { check(&laid, self.effort.effort(), usable) } else { Vec::new() };
            is_broken |= verified.iter().any(|verified| verified.broken_by.is_some());
            is_broken |= self.strict && !findings.is_empty();
            is_unproved |= verified.iter().any(|one| matches!(one.proof, Some(Proof::Unknown { .. })));
            if self.of_tenants.common.json {
                told.push(json::told(&snapshot.tenant, &verified, &findings));
            } else {
                text::say(&snapshot.tenant, &verified, &findings);
            }
        }
        if self.of_tenants.common.json {
            report::say_json(&json!({"ok": !is_broken && !is_unproved, "tenants": told}));
        }
        Ok(if is_broken {
            Ending::Difference
        } else if is_unproved {
            Ending::Failure
        } else {
            Ending::Ok
        })
    }

    fn invariants(&self, config: &Config, snapshot: &Snapshot) -> Result<Vec<Invariant>, Faults> {
        let files = invariant_files(&config.layout.dirs.policies, &snapshot.tenant)?;
        let all = read_invariants(&files, &snapshot.schema)?;
        let is_asked = |invariant: &Invariant| {
            self.filter.is_empty() || self.filter.iter().any(|text| invariant.name.contains(text.as_str()))
        };
        Ok(all.into_iter().filter(is_asked).collect())
    }
}
