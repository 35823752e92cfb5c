//! The configuration: defaults < file < environment < flags, raw text in, checked sections out.
//!
//! Unknown keys are errors, and so is what contradicts itself: a server that would not do what its configuration
//! says does not start.

mod environment;
mod http;
mod keys;
mod raw;
mod sections;

pub use environment::{Environment, solver_of_process};
pub use http::HttpConfig;
pub use keys::{CallerKey, CallerKeys, Permission};
pub use raw::{
    RawAuditSink, RawCallerKey, RawConfig, RawCountsFrom, RawDecisionClock, RawDecisions, RawDirectory,
    RawForbidErrors, RawManifests, RawRequire, RawWhenFull,
};
pub use sections::{
    AuditConfig, AuditSink, CallersConfig, Config, CountsFrom, DirectoryConfig, LogConfig, LogFormat, WhoMayAsk,
};

use std::path::Path;

use crate::model::{Fault, Faults};

/// Reads the configuration file, if one is named, and the environment over it.
///
/// # Errors
/// Every fault, with file, line and column where a file is at fault.
pub fn read(file: Option<&Path>, environment: &Environment) -> Result<RawConfig, Faults> {
    let mut table = toml::Table::new();
    if let Some(path) = file {
        let name = path.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Faults::from(Fault::of_file(&name, format!("cannot be read: {error}"))))?;
        // Read by itself first, so that a fault of the file has its line.
        let fault = |error: toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            Faults::from(Fault::at_offset(&name, &text, offset, error.message().replace('\n', " ")))
        };
        toml::from_str::<RawConfig>(&text).map_err(fault)?;
        table = text.parse::<toml::Table>().map_err(fault)?;
    }
    environment.overlay(&mut table)?;
    RawConfig::from_table(table)
}

#[cfg(test)]
mod tests;
