//! What the command line says: which lines, how large, and for children of this process what to do.

use std::fmt;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures the bars of the project.
#[derive(Debug, Parser)]
#[command(name = "bars")]
pub struct Options {
    /// Measure only these
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Name>,
    /// Much smaller and shorter, to try that it works: what it prints is no result
    #[arg(long)]
    pub quick: bool,
    /// Write the lines as JSON as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// As `cargo bench` starts it
    #[arg(long, hide = true)]
    pub bench: bool,
    #[command(subcommand)]
    pub child: Option<Child>,
}

impl Options {
    pub fn wants(&self, name: Name) -> bool {
        self.only.is_empty() || self.only.contains(&name)
    }
}

/// What is measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Name {
    /// Large tenant against small, and against plain Cedar over the determining policies
    Decision,
    /// Plain Cedar over everything
    Everything,
    /// Requests a second against the bare handler
    Http,
    /// Tokens never seen
    Token,
    /// A grant is added while others ask
    Change,
    /// One of ten thousand external identities
    Identities,
    /// Bytes of a grant, a user, a resource
    Memory,
    /// From nothing to ready
    Start,
    /// Hand-written policies
    Policies,
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        out.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// What this program does as a child of itself.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
pub enum Child {
    /// Writes a made-up tree
    Write { spec: String, issuer: String, into: PathBuf },
    /// Serves a tree until its input ends
    Serve { tree: PathBuf },
}
