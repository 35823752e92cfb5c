//! `authorize`: one decision with the server's own decider; exit 0 allow, 2 deny.

use std::path::PathBuf;

use cedar_policy::EntityUid;
use clap::Args;
use serde_json::json;
use ulid::Ulid;

use super::report::Trouble;
use super::source::{Source, json_argument};
use super::{Common, Ending, report};
use crate::ask::Answered;
use crate::clock::{Clock, SystemClock};
use crate::decide::{AccessQuery, ActionName, Decision, ResourceQuery};
use crate::model::{Fault, Faults};
use crate::principal::{Principal, resolve};
use crate::vocabulary;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("who").required(true).args(["token", "claims", "principal"])))]
pub(super) struct Authorize {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    tenant: String,
    /// About whoever this token proves; keys are fetched from its provider
    #[arg(long, value_name = "JWT")]
    token: Option<String>,
    /// About whoever these claims stand for, taken as the provider's word
    #[arg(long, value_name = "FILE", requires = "provider")]
    claims: Option<PathBuf>,
    #[arg(long, requires = "claims")]
    provider: Option<String>,
    /// About this entity, as the directory knows it
    #[arg(long, value_name = "UID")]
    principal: Option<String>,
    #[arg(long)]
    action: String,
    #[arg(long, value_name = "UID")]
    resource: String,
    /// Cedar's JSON for a context
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// Also say of each candidate policy why it did not match
    #[arg(long)]
    explain: bool,
}

impl Authorize {
    pub(super) fn run(self) -> Ending {
        let source = match Source::read(&self.common, &self.tenant) {
            Ok(source) => source,
            Err(faults) => return report::invalid(self.common.json, &faults),
        };
        let (principal, mut query) = match self.principal(&source).and_then(|who| Ok((who, self.query()?))) {
            Ok(asked) => asked,
            Err(trouble) => return trouble.end(self.common.json),
        };
        if let Some(server_time) = &source.config.server_time {
            server_time.put_in(&source.snapshot, &mut query, SystemClock.now());
        }
        match source.config.decider.decide(&source.snapshot, &principal, &query) {
            Ok(answer) => {
                let answered = Answered {
                    answer,
                    principal: principal.uid.to_string(),
                    external_identities: principal.external_identities,
                    generation: source.snapshot.generation,
                    revision: source.snapshot.revision,
                    decision_id: Ulid::generate().to_string(),
                    dropped: Vec::new(),
                };
                self.print(&answered);
                if answered.answer.decision == Decision::Allow { Ending::Ok } else { Ending::Deny }
            }
            Err(error) => report::invalid(self.common.json, &Fault::of_file("request", error.to_string()).into()),
        }
    }

    fn principal(&self, source: &Source) -> Result<Principal, Trouble> {
        let token = if let Some(principal) = &self.principal {
            return Ok(Principal::named(uid("--principal", principal)?));
        } else if let (Some(claims), Some(provider)) = (&self.claims, &self.provider) {
            source.trusted_claims(claims, provider)?
        } else {
            let token = self.token.as_deref().unwrap_or_default();
            let runtime = tokio::runtime::Runtime::new().map_err(|error| Trouble::Failed(error.to_string()))?;
            let providers = &source.snapshot.identity_providers;
            runtime
                .block_on(async { source.verifier().verify_refreshing(token, providers).await })
                .map_err(|error| Trouble::Failed(format!("{}: {error}", error.slug())))?
        };
        resolve(&token, &source.snapshot).map_err(|error| Trouble::Failed(error.to_string()))
    }

    fn query(&self) -> Result<AccessQuery, Trouble> {
        let context = self.context.as_deref().map(|text| json_argument("--context", text)).transpose()?;
        let resource = ResourceQuery::named(vocabulary::entity_ref(&uid("--resource", &self.resource)?));
        Ok(AccessQuery { action: ActionName(self.action.clone()), resource, context, explain: self.explain })
    }

    fn print(&self, answered: &Answered) {
        if self.common.json {
            return report::say_json(answered);
        }
        let answer = &answered.answer;
        report::say(format!("{} ({})", answer.decision.as_str(), answer.reason.as_str()));
        report::say(format!("  principal: {}", answered.principal));
        if !answered.external_identities.is_empty() {
            report::say(format!("  external identities: {}", answered.external_identities.join(", ")));
        }
        for policy in &answer.policies {
            report::say(format!("  {} by {} at {}", policy.effect, policy.id, policy.source));
        }
        for error in &answer.errors {
            report::say(format!("  error in {} at {}: {}", error.id, error.source, error.message));
        }
        for miss in answer.explanation.iter().flat_map(|explanation| &explanation.near_misses) {
            report::say(format!("  not {} by {} at {}: false: {}", miss.effect, miss.id, miss.source, miss.failed));
        }
    }
}

fn uid(flag: &str, text: &str) -> Result<EntityUid, Faults> {
    let message = || json!(text).to_string();
    let uid = vocabulary::read_entity(text).and_then(|entity| vocabulary::uid(&entity).ok());
    let wrong = || format!("{} is not an entity: write Type::\"id\" or Type::id", message());
    uid.ok_or_else(|| Fault::of_file(flag, wrong()).into())
}
