//! `demo`: the whole story on loopback, with tokens and curl lines to paste.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Ending, report};
use crate::app::{App, AppError, stop_signal};
use crate::authn::{KeyError, hash_key, new_key};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, Permission, RawConfig, RawDirectory, RawManifests};
use crate::demo::{DemoIssuers, IssuerError, SAMPLE_TENANT, SampleError, people, write_sample};
use crate::model::{Faults, SigningAlgorithm};

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Address to listen on
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8180")]
    bind: String,
    /// Address that answers `/status` and `/metrics` [default: a free port on loopback]
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", hide_default_value = true)]
    ops_bind: String,
    /// Folder for the sample's files [default: a temporary one, gone at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One line when ready, for programs
    #[arg(long)]
    json: bool,
}

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("no temporary folder")]
    Folder(#[source] std::io::Error),
    #[error(transparent)]
    Sample(#[from] SampleError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Mint(#[from] crate::authn::mint::MintError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Config(#[from] Faults),
    #[error(transparent)]
    App(#[from] AppError),
}

impl Demo {
    pub(super) fn run(self) -> Ending {
        let as_json = self.json;
        let runtime = match crate::app::server_runtime() {
            Ok(runtime) => runtime,
            Err(error) => return report::failure(as_json, &error),
        };
        match runtime.block_on(self.demonstrate()) {
            Ok(()) => Ending::Ok,
            Err(error) => report::failure(as_json, &error),
        }
    }

    async fn demonstrate(self) -> Result<(), DemoError> {
        let clock: SharedClock = Arc::new(SystemClock);
        // Kept until the end: the folder goes when this does.
        let temporary = match self.dir {
            Some(_) => None,
            None => Some(TempDir::with_prefix("cedargate-demo-").map_err(DemoError::Folder)?),
        };
        let dir = self.dir.clone().or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).unwrap_or_default();
        let issuers = DemoIssuers::start(Arc::clone(&clock)).await?;
        write_sample(&dir, &issuers)?;
        let keys = Keys { caller: new_key("caller")?, admin: new_key("admin")? };
        let config = config((&self.bind, &self.ops_bind), &dir, &keys)?;
        crate::telemetry::install_log(&config.log);
        let app = App::start(config, Arc::clone(&clock)).await?;
        let tokens = tokens(&issuers, &clock)?;
        let shown = describe(&app, &dir, &issuers, &keys, &tokens);
        if self.json {
            report::say_json(&shown)
        } else {
            tell(&shown, &tokens)
        }
        Ok(app.run(stop_signal()).await?)
    }
}

struct Keys {
    caller: String,
    admin: String,
}

fn config((bind, ops_bind): (&str, &str), dir: &std::path::Path, keys: &Keys) -> Result<Config, DemoError> {
    let mut raw = RawConfig::default();
    bind.clone_into(&mut raw.http.bind);
    raw.ops.bind = Some(ops_bind.to_owned());
    raw.policies.dir = Some(dir.join("policies"));
    raw.schema.dir = Some(dir.join("schema"));
    // The directory is a database; the sample's manifests are a way into it, and edits of them are applied.
    raw.directory = Some(RawDirectory::Sqlite);
    raw.database.manifests = RawManifests::Apply;
    raw.tenants.default = Some(SAMPLE_TENANT.to_owned());
    // The demo's identity provider is on this machine.
    raw.keys.allow_hosts = vec!["127.0.0.0/8".to_owned()];
    raw.audit.sink = crate::config::RawAuditSink::File;
    raw.audit.path = Some(dir.join("decisions.jsonl"));
    "warn".clone_into(&mut raw.log.level);
    let (gateway, admin) = (vec![Permission::Vouch], vec![Permission::Vouch, Permission::Administer]);
    for (name, key, may) in [("demo-gateway", &keys.caller, gateway), ("demo-admin", &keys.admin, admin)] {
        raw.callers.keys.push(crate::config::RawCallerKey {
            name: name.to_owned(),
            hash: hash_key(key),
            may,
            tenants: None,
        });
    }
    Ok(Config::try_from(raw)?)
}

fn tokens(issuers: &DemoIssuers, clock: &SharedClock) -> Result<Map<String, Value>, DemoError> {
    let mut tokens = Map::new();
    for person in people(clock.now()) {
        let Some(issuer) = issuers.get(person.provider) else { continue };
        tokens.insert(person.name.to_owned(), issuer.mint(person.claims, SigningAlgorithm::RS256)?.into());
    }
    Ok(tokens)
}

fn describe(
    app: &App,
    dir: &std::path::Path,
    issuers: &DemoIssuers,
    keys: &Keys,
    tokens: &Map<String, Value>,
) -> Value {
    let main = issuers.0.first();
    let policies = dir.join("policies");
    json!({
        "base_url": format!("http://{}", app.address()),
        "ops_url": app.ops_address().map(|address| format!("http://{address}")),
        "tenant": SAMPLE_TENANT,
        "provider": main.map(|issuer| issuer.provider),
        "issuer": main.map(|issuer| issuer.issuer.as_str()),
        "jwks_uri": main.map(crate::demo::DemoIssuer::jwks_uri),
        "mint_url": main.map(crate::demo::DemoIssuer::mint_url),
        "policies_dir": policies,
        "schema_dir": dir.join("schema"),
        "database": dir.join("cedargate.db"),
        "manifests_dir": policies.join(SAMPLE_TENANT).join("manifests"),
        "decision_log": dir.join("decisions.jsonl"),
        "caller_key": keys.caller,
        "admin_key": keys.admin,
        "tokens": tokens,
    })
}

/// The story for people: what to paste, and what to edit.
fn tell(shown: &Value, tokens: &Map<String, Value>) {
    let text = |member: &str| shown.get(member).and_then(Value::as_str).unwrap_or_default();
    let (url, policies) = (text("base_url"), text("policies_dir"));
    let lines = [
        format!("cedargate demo: tenant `acme` at {url}"),
        format!("  policies  {policies}"),
        format!("  decisions {}", text("decision_log")),
        format!("  state     {0}/status   {0}/metrics", text("ops_url")),
        format!("  issuer    {}   (mint any token: POST {})", text("issuer"), text("mint_url")),
        String::new(),
        "Tokens, to paste first:".to_owned(),
        String::new(),
    ];
    lines.iter().for_each(report::say);
    for (name, token) in tokens {
        report::say(format!("{}={}", name.to_uppercase().replace('-', "_"), token.as_str().unwrap_or_default()));
    }
    report::say(format!("CALLER_KEY={}", text("caller_key")));
    report::say("\nMay Jane look at the model? Allow, as a viewer through team `ml`:\n");
    report::say(ask(url, "$JANE", r#"{"action": "viewModel", "resource": "Model::\"gpt-4o\""}"#));
    report::say("\nMay she invoke it? Deny: nothing permits it.\n");
    report::say(ask(url, "$JANE", r#"{"action": "invokeModel", "resource": "Model::\"gpt-4o\""}"#));
    report::say("\nWhy not? Explanations name grants and people, so they are for callers with a key:\n");
    let question = r#"{"action": "invokeModel", "resource": "Model::\"gpt-4o\"", "explain": true}"#;
    report::say(ask(url, "$JANE", question).replacen(" -d ", " -H \"X-Cedargate-Key: $CALLER_KEY\" -d ", 1));
    report::say(
        "\nMay the partner, who has no account here? Allow, through external identity `partner-integration`:\n",
    );
    report::say(ask(url, "$PARTNER", r#"{"action": "invokeModel", "resource": "Model::\"gpt-4o\""}"#));
    report::say(format!(
        "\nNow edit the policy: Jane's team becomes `user` of the model. Ask again for invokeModel: allow.\n\n\
         sed -i.bak '/resource: Model::gpt-4o/,/^---/ s/subject: team:ml, role: viewer/subject: team:ml, role: user/' \\\n  \
         {policies}/acme/manifests/resources.yaml\n"
    ));
    report::say("Stop with Ctrl-C.");
}

fn ask(url: &str, token: &str, body: &str) -> String {
    format!(
        "curl -s {url}/authorize -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )
}
