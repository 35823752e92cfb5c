//! `verify`: do the invariants hold? Exit 4 when one is broken.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::report::Trouble;
use super::tenants::OfTenants;
use super::{Ending, report};
use crate::config::{Config, solver_of_process};
use crate::model::{Faults, TenantId};
use crate::snapshot::Snapshot;
use crate::tree::read_invariants as invariant_files;
use crate::workbench::invariant::{Invariant, read_invariants};
use crate::workbench::proof::{Proof, Prover};
use crate::workbench::scene::{Scene, World, as_case, as_cedar};
use crate::workbench::search::Effort;
use crate::workbench::shape::Shape;
use crate::workbench::verify::{Example, Laid, Verified, expected, verify};

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
        if let Some(Err(reason)) = &prover {
            report::complain(format!("cannot prove: {reason}"));
        }
        let usable = prover.as_ref().and_then(|prover| prover.as_ref().ok());
        let mut is_broken = false;
        let mut told = Vec::new();
        for (snapshot, invariants) in &tenants {
            let world = World::of(snapshot, config.decider);
            let shape = Shape::of(&snapshot.schema);
            let laid = Laid::of(world, &shape, invariants);
            let verified = verify(&laid, invariants, self.effort.effort(), usable);
            is_broken |= verified.iter().any(|verified| verified.broken_by.is_some());
            if self.of_tenants.common.json {
                told.push(
                    json!({"tenant": snapshot.tenant, "invariants": verified.iter().map(as_json).collect::<Vec<_>>()}),
                );
            } else {
                say(&snapshot.tenant, &verified);
            }
        }
        // A proof that was asked for and could not be tried is no success.
        let cannot_prove = matches!(prover, Some(Err(_)));
        if self.of_tenants.common.json {
            report::say_json(&json!({"ok": !is_broken && !cannot_prove, "tenants": told}));
        }
        Ok(if is_broken {
            Ending::Difference
        } else if cannot_prove {
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

fn say(tenant: &TenantId, verified: &[Verified<'_>]) {
    report::say(tenant.to_string());
    if verified.is_empty() {
        report::say(format!("  no invariants: write some in policies/{tenant}/invariants/*.cedar"));
    }
    for one in verified {
        let verdict = if one.broken_by.is_some() { "BROKEN" } else { "holds " };
        report::say(format!("  {verdict}  @{}(\"{}\")", one.invariant.claim.as_str(), one.invariant.name));
        report::say(format!("          {}", tried(one)));
        if let Some(example) = &one.broken_by {
            report::say(format!("          {}", one.invariant.source));
            say_example(example, &format!("{}: {}", one.invariant.claim.as_str(), one.invariant.name), one);
        } else if one.matched == 0 {
            report::say("          warning: no request was about it: does it say what you mean?");
        }
    }
}

fn tried(one: &Verified<'_>) -> String {
    let mut text = format!(
        "{} requests of {} kinds tried, {} of them about it, {:.1} s",
        one.cases,
        one.environments,
        one.matched,
        one.took.as_secs_f64()
    );
    match &one.proof {
        None => {}
        Some(Proof::Holds { questions, took }) => {
            text.push_str(&format!(
                "; proved for every possible request ({questions} questions, {:.1} s)",
                took.as_secs_f64()
            ));
        }
        Some(Proof::Refuted { took, .. }) => {
            text.push_str(&format!("; refuted by proof ({:.1} s)", took.as_secs_f64()))
        }
        Some(Proof::Unknown { reason, .. }) => text.push_str(&format!("; not proved: {reason}")),
    }
    text
}

fn say_example(example: &Example, name: &str, one: &Verified<'_>) {
    as_cedar(&example.scene).into_iter().for_each(|line| report::say(format!("            {line}")));
    let answer = &example.answer;
    report::say(format!("            answer     {} ({})", answer.decision.as_str(), answer.reason.as_str()));
    for policy in &answer.policies {
        report::say(format!("                       {} by {} at {}", policy.effect, policy.id, policy.source));
    }
    report::say("          as a case:");
    for line in as_case(&example.scene, name, expected(one.invariant.claim)).lines() {
        report::say(format!("            {line}"));
    }
}

fn as_json(one: &Verified<'_>) -> Value {
    let proof = one.proof.as_ref().map(|proof| match proof {
        Proof::Holds { questions, took } => {
            json!({"result": "holds", "questions": questions, "seconds": took.as_secs_f64()})
        }
        Proof::Refuted { took, .. } => json!({"result": "refuted", "seconds": took.as_secs_f64()}),
        Proof::Unknown { reason, took } => {
            json!({"result": "unknown", "reason": reason, "seconds": took.as_secs_f64()})
        }
    });
    json!({
        "claim": one.invariant.claim.as_str(),
        "name": one.invariant.name,
        "source": one.invariant.source.to_string(),
        "holds": one.broken_by.is_none(),
        "requests": one.cases,
        "about": one.matched,
        "seconds": one.took.as_secs_f64(),
        "proof": proof,
        "example": one.broken_by.as_ref().map(example_json),
    })
}

fn example_json(example: &Example) -> Value {
    let mut told = scene_json(&example.scene);
    let answer = json!({
        "decision": example.answer.decision,
        "reason": example.answer.reason,
        "policies": example.answer.policies.iter().map(|policy| policy.id.clone()).collect::<Vec<_>>(),
    });
    if let (Some(told), Value::Object(answer)) = (told.as_object_mut(), answer) {
        told.extend(answer);
    }
    told
}

/// A scene for programs: what a case of `cases/` has.
pub(super) fn scene_json(scene: &Scene) -> Value {
    json!({
        "principal": scene.principal.to_string(),
        "action": scene.action_id(),
        "resource": scene.resource.to_string(),
        "context": scene.context,
        "entities": scene.entities.iter().map(|(uid, entity)| entity.to_json(uid)).collect::<Vec<_>>(),
    })
}
