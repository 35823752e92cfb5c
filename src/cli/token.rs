//! `token explain`: every step by which a token becomes a principal, or the step at which it does not.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::source::Source;
use super::{Common, Ending, report};
use crate::authn::{Outcome, Step, VerifiedToken, VerifyError};
use crate::principal::{IdentityOutcome, Principal, resolve_explained, tags};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Show each validation step with its outcome, and the principal that comes of it
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    tenant: String,
    #[arg(value_name = "JWT")]
    token: String,
}

impl Token {
    pub(super) fn run(self) -> Ending {
        let Self::Explain(explain) = self;
        explain.run()
    }
}

impl Explain {
    fn run(self) -> Ending {
        let source = match Source::read(&self.common, &self.tenant) {
            Ok(source) => source,
            Err(faults) => return report::invalid(self.common.json, &faults),
        };
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return report::failure(self.common.json, &error),
        };
        let providers = &source.snapshot.identity_providers;
        let (steps, verified) = runtime.block_on(async { source.verifier().explain(&self.token, providers).await });
        match verified {
            Ok(token) => match resolve_explained(&token, &source.snapshot) {
                Ok((principal, identities)) => {
                    self.accepted(&steps, &token, &principal, &identities);
                    Ending::Ok
                }
                Err(error) => report::failure(self.common.json, &error),
            },
            Err(error) => {
                self.refused(&steps, &error);
                Ending::Failure
            }
        }
    }

    fn refused(&self, steps: &[Step], error: &VerifyError) {
        if self.common.json {
            let refusal = json!({"slug": error.slug(), "detail": error.to_string()});
            return report::say_json(&json!({"valid": false, "steps": steps, "error": refusal}));
        }
        steps.iter().for_each(say_step);
        report::say(format!("refused: {}: {error}", error.slug()));
    }

    fn accepted(&self, steps: &[Step], token: &VerifiedToken, principal: &Principal, identities: &[IdentityOutcome]) {
        let (kept, _) = tags(token.claims.as_map());
        let entity =
            principal.entity.as_ref().and_then(|entity| entity.entity().to_json_value().ok()).unwrap_or(Value::Null);
        if self.common.json {
            return report::say_json(&json!({
                "valid": true,
                "steps": steps,
                "provider": token.provider,
                "key": token.key_id,
                "unique_id": token.unique_id,
                "email": token.email,
                "claims": {"kept": kept, "dropped": principal.dropped},
                "external_identities": identities,
                "principal": {"uid": principal.uid.to_string(), "entity": entity},
            }));
        }
        steps.iter().for_each(say_step);
        report::say("claims");
        for (path, values) in &kept {
            report::say(format!("  kept     {path} = {}", values.iter().cloned().collect::<Vec<_>>().join(", ")));
        }
        for dropped in &principal.dropped {
            report::say(format!("  dropped  {}: {}", dropped.claim, dropped.reason));
        }
        report::say("external identities");
        for identity in identities {
            let outcome = match (identity.matched, identity.outranked, &identity.failed) {
                (true, false, _) => "matched".to_owned(),
                (true, true, _) => "matched, but a more specific one counts".to_owned(),
                (false, _, Some(failed)) => format!("not matched: false: {failed}"),
                (false, _, None) => "not matched: a guard rail forbids it".to_owned(),
            };
            report::say(format!("  {}: {outcome}", identity.name));
        }
        report::say(format!("principal {}", principal.uid));
        for parent in entity.get("parents").and_then(Value::as_array).into_iter().flatten() {
            let text = |member: &str| parent.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
            report::say(format!("  in {}::\"{}\"", text("type"), text("id")));
        }
    }
}

fn say_step(step: &Step) {
    let mark = match step.outcome {
        Outcome::Passed => "ok  ",
        Outcome::Failed => "FAIL",
        Outcome::Skipped => "-   ",
    };
    let name = serde_json::to_value(step.name).ok();
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
    report::say(format!("{mark} {name:<17} {}", step.detail));
}
