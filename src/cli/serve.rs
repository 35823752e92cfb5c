//! `serve`: the server, until it is told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Common, Ending, report};
use crate::admin::FirstKey;
use crate::app::{App, AppError, stop_signal};
use crate::clock::SystemClock;
use crate::config::{AuditSink, Config, RawConfig};
use crate::model::{Fault, Faults};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    common: Common,
    /// Address to listen on [default: 127.0.0.1:8180]
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,
}

impl Serve {
    pub(super) fn run(self) -> Ending {
        let config = self.common.raw_config().and_then(|mut raw| {
            if let Some(bind) = self.bind {
                raw.http.bind = bind;
            }
            check_folders(&raw)?;
            Config::try_from(raw)
        });
        let config = match config {
            Ok(config) => config,
            Err(faults) => return report::invalid(self.common.json, &faults),
        };
        crate::telemetry::install_log(&config.log);
        match run(config, self.common.json) {
            Ok(()) => Ending::Ok,
            Err(error) => report::failure(self.common.json, &error),
        }
    }
}

/// A folder that somebody named must be there, but on the first start, which makes both.
fn check_folders(raw: &RawConfig) -> Result<(), Faults> {
    let named = [("--policies", &raw.policies.dir, "policies"), ("--schema", &raw.schema.dir, "schema")];
    let is_there = |dir: &Option<PathBuf>, usual: &str| dir.as_deref().unwrap_or(Path::new(usual)).exists();
    if named.iter().all(|(_, dir, usual)| !is_there(dir, usual)) {
        return Ok(());
    }
    let mut faults = Faults::default();
    for (flag, dir, _) in named {
        if let Some(missing) = dir.as_ref().filter(|dir| !dir.exists()) {
            let message = format!("there is no such folder: make it, or name another with `{flag}`");
            faults.push(Fault::of_file(missing.to_string_lossy(), message));
        }
    }
    faults.or(())?;
    let (policies, schema) = (Path::new("policies"), raw.schema.dir.as_deref().unwrap_or(Path::new("schema")));
    if raw.policies.dir.is_none() && !policies.exists() && schema.exists() {
        // A schema of one's own is a tree that somebody began.
        let failed = |error| Faults::from(Fault::of_file("policies", format!("cannot be made: {error}")));
        std::fs::create_dir(policies).map_err(failed)?;
    }
    Ok(())
}

fn run(config: Config, json: bool) -> Result<(), AppError> {
    let runtime = crate::app::server_runtime().map_err(AppError::Serve)?;
    let is_log_on_stdout = config.audit.sink == AuditSink::Stdout;
    let ended = runtime.block_on(async {
        let mut app = App::begin(config, Arc::new(SystemClock)).await?;
        let first_key = app.take_first_key();
        if json && !is_log_on_stdout {
            let mut said = Map::from_iter([("base_url".to_owned(), json!(format!("http://{}", app.address())))]);
            let ops = app.ops_address().map(|address| ("ops_url".to_owned(), json!(format!("http://{address}"))));
            let key = first_key.as_ref().map(|FirstKey(key)| ("admin_key".to_owned(), json!(key)));
            said.extend(ops.into_iter().chain(key));
            report::say_json(&Value::Object(said));
        }
        if let Some(FirstKey(key)) = first_key {
            match (json, is_log_on_stdout) {
                (true, false) => {}
                (false, false) => report::say(format!("admin key, shown this once: {key}")),
                // Decisions go there, and nothing else.
                (_, true) => report::complain(format!("admin key, shown this once: {key}")),
            }
        }
        if let Some(address) = app.ops_address() {
            tracing::info!(%address, "operations are answered");
        }
        tracing::info!(address = %app.address(), "listening");
        app.run(stop_signal()).await
    });
    // A log that nobody takes must not keep the process: its time to finish is over.
    runtime.shutdown_background();
    ended
}
