//! The bars that the project sets itself, measured on this machine: `cargo bench --bench bars`.
//!
//! Each line is ours beside a baseline of the same run, both in turns where they can be, medians of the rounds. Answers
//! are compared with plain Cedar's, or with what a line knows must come out, before anything is timed. A bar that is
//! missed is printed as missed. `-- --only decision,http` measures some lines, `-- --quick` shows in seconds that all
//! of it works.

mod change;
mod child;
mod cpu;
mod decision;
mod error;
mod everything;
mod grant;
mod half_load;
mod http;
mod identities;
mod lab;
mod line;
mod memory;
mod options;
mod policies;
mod rounds;
mod scale;
mod start;
mod table;
mod token;
mod unseen;
mod world;

use std::process::ExitCode;

use cedargate::cedar_text::on_deep_thread;
use clap::Parser;

use self::error::BarError;
use self::lab::Lab;
use self::line::Line;
use self::options::{Name, Options};
use self::scale::Scale;

type Measure = fn(&Lab) -> Result<Vec<Line>, BarError>;

/// In the order in which they run: first what starts other processes, while this one is small; last of those that
/// share a tree the one that changes it.
const LINES: [(Name, Measure); 9] = [
    (Name::Start, start::measure),
    (Name::Memory, memory::measure),
    (Name::Decision, decision::measure),
    (Name::Everything, everything::measure),
    (Name::Http, http::measure),
    (Name::Token, token::measure),
    (Name::Change, change::measure),
    (Name::Identities, identities::measure),
    (Name::Policies, policies::measure),
];

fn main() -> ExitCode {
    // As all threads of the product have it.
    on_deep_thread(run).unwrap_or(ExitCode::FAILURE)
}

fn run() -> ExitCode {
    let options = Options::parse();
    let done = match &options.child {
        Some(child) => child::run(child).map(|()| true),
        // As `cargo test --all-targets` starts it.
        None if !options.bench => Ok(true),
        None => measure(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            table::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Measures what is wanted; whether all of it could be. One line that cannot is no reason to lose the others.
fn measure(options: &Options) -> Result<bool, BarError> {
    let scale = if options.quick { Scale::quick() } else { Scale::full() };
    let lab = Lab::open(scale)?;
    let (mut lines, mut all_well) = (Vec::new(), true);
    for (name, measure) in LINES.into_iter().filter(|(name, _)| options.wants(*name)) {
        table::tell(&name.to_string());
        match measure(&lab) {
            Ok(measured) => lines.extend(measured.into_iter().map(|line| (name, line))),
            Err(error) => {
                table::complain(&error);
                all_well = false;
            }
        }
    }
    lines.sort_by_key(|(name, _)| *name);
    table::print(&lines, options.quick);
    if let Some(file) = &options.json {
        table::write_json(file, &lines, options.quick)?;
    }
    Ok(all_well)
}
