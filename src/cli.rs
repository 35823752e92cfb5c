//! The command line: one verb a file. Reports go to standard output, logs to standard error, and the exit code says
//! how it ended.

mod authorize;
mod backup;
mod bench;
mod check;
mod compile;
mod database;
mod demo;
mod diff;
mod export;
mod fmt;
mod key;
mod named_in_files;
mod plan;
mod pull;
mod replay;
mod report;
mod schema;
mod serve;
mod source;
mod tenants;
mod test;
mod token;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::cedar_text::{THREAD_STACK_BYTES, on_deep_thread};
use crate::config::{Config, Environment, RawConfig};
use crate::model::Faults;

/// An authorization server on Cedar.
#[derive(Debug, Parser)]
#[command(name = "cedargate", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the whole story on loopback: a demo identity provider, the sample tenant, the server
    Demo(demo::Demo),
    /// Run the server
    Serve(serve::Serve),
    /// Say whether config, schema, policies and manifests are valid, or list every fault
    Check(check::Check),
    /// Compile manifests to bundles on disk
    Compile(compile::Compile),
    /// Write a tenant as the files that the official `cedar` command line takes
    Export(export::Export),
    /// Decide one request with the server's own decider
    Authorize(authorize::Authorize),
    /// Begin a schema
    #[command(subcommand)]
    Schema(schema::Schema),
    /// Look into tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Run decision cases
    Test(test::Test),
    /// Format the tree's Cedar files
    Fmt(fmt::Fmt),
    /// Decide a decision log again: which past answers would the tree, or a candidate, give otherwise?
    Replay(replay::Replay),
    /// Measure how fast a tenant's requests are decided on this machine
    Bench(bench::Bench),
    /// Show what manifests would change in a directory
    Plan(plan::Plan),
    /// Make a directory what manifests say, in one revision
    Apply(plan::Apply),
    /// Write a directory as manifests, as it is or as it was
    Pull(pull::Pull),
    /// Copy the whole database into one file, beside a running server too
    Backup(backup::Backup),
    /// Make a backup the database
    Restore(backup::Restore),
    /// Say whether what must hold of policies does, by random search and by proof
    Verify(verify::Verify),
    /// Say which requests change answer between two trees, and for whom
    Diff(diff::Diff),
    /// Make a caller key, and the hash that the configuration keeps
    Key(key::Key),
}

/// What every verb that reads the tree takes.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The policy tree [default: policies]
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The schema folder [default: schema]
    #[arg(long, value_name = "DIR")]
    schema: Option<PathBuf>,
    /// Machine-readable on standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

impl Common {
    /// The configuration, flags on top.
    fn raw_config(&self) -> Result<RawConfig, Faults> {
        let mut raw = crate::config::read(self.config.as_deref(), &Environment::of_process())?;
        if let Some(dir) = &self.policies {
            raw.policies.dir = Some(dir.clone());
        }
        if let Some(dir) = &self.schema {
            raw.schema.dir = Some(dir.clone());
        }
        Ok(raw)
    }

    fn config(&self) -> Result<Config, Faults> {
        Config::try_from(self.raw_config()?)
    }
}

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Ok,
    Failure,
    Deny,
    Invalid,
    Difference,
    Usage,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Ok => 0,
            Ending::Failure => 1,
            Ending::Deny => 2,
            Ending::Invalid => 3,
            Ending::Difference => 4,
            Ending::Usage => 64,
        })
    }
}

/// Runs what waits for others.
fn in_runtime(json: bool, work: impl Future<Output = Result<Ending, report::Trouble>>) -> Ending {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK_BYTES)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report::failure(json, &error),
    };
    runtime.block_on(work).unwrap_or_else(|trouble| trouble.end(json))
}

/// Runs the command line.
pub fn run() -> ExitCode {
    // Refused only where the pool was made already: nothing here ran before.
    let _ = rayon::ThreadPoolBuilder::new().stack_size(THREAD_STACK_BYTES).build_global();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Ending::Usage.into() } else { Ending::Ok.into() };
        }
    };
    match on_deep_thread(|| run_verb(cli.verb)) {
        Ok(ending) => ending.into(),
        Err(error) => report::failure(false, &error).into(),
    }
}

fn run_verb(verb: Verb) -> Ending {
    match verb {
        Verb::Demo(verb) => verb.run(),
        Verb::Serve(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Compile(verb) => verb.run(),
        Verb::Export(verb) => verb.run(),
        Verb::Authorize(verb) => verb.run(),
        Verb::Token(verb) => verb.run(),
        Verb::Schema(verb) => verb.run(),
        Verb::Test(verb) => verb.run(),
        Verb::Fmt(verb) => verb.run(),
        Verb::Replay(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
        Verb::Plan(verb) => verb.run(),
        Verb::Apply(verb) => verb.run(),
        Verb::Pull(verb) => verb.run(),
        Verb::Backup(verb) => verb.run(),
        Verb::Restore(verb) => verb.run(),
        Verb::Verify(verb) => verb.run(),
        Verb::Diff(verb) => verb.run(),
        Verb::Key(verb) => verb.run(),
    }
}
