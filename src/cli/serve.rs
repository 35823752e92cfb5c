//! `serve`: the server, until it is told to stop.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Common, Ending, report};
use crate::admin::FirstKey;
use crate::app::{App, AppError, stop_signal};
use crate::clock::SystemClock;
use crate::config::{AuditSink, Config};

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

fn run(config: Config, json: bool) -> Result<(), AppError> {
    let runtime = super::server_runtime().map_err(AppError::Serve)?;
    let is_log_on_stdout = config.audit.sink == AuditSink::Stdout;
    let ended = runtime.block_on(async {
        let mut app = App::begin(config, Arc::new(SystemClock)).await?;
        if let Some(FirstKey(key)) = app.take_first_key() {
            match (json, is_log_on_stdout) {
                (true, false) => report::say_json(&json!({"admin_key": key})),
                (false, false) => report::say(format!("admin key, shown this once: {key}")),
                // Decisions go there, and nothing else.
                (_, true) => report::complain(format!("admin key, shown this once: {key}")),
            }
        }
        tracing::info!(address = %app.address(), "listening");
        app.run(stop_signal()).await
    });
    // A log that nobody takes must not keep the process: its time to finish is over.
    runtime.shutdown_background();
    ended
}
