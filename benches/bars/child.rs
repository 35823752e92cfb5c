//! This program as a child of itself: to write a tree, or to serve one that is to be seen from outside.
//!
//! Apart, so that what one takes of memory and time is nobody else's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedargate::app::App;
use cedargate::bench::generate::{Spec, Trusted, write_tree};
use cedargate::bench::{Connection, Running, resident_bytes};
use cedargate::clock::{SharedClock, SystemClock};
use cedargate::config::Config;
use serde::{Deserialize, Serialize};

use crate::error::BarError;
use crate::lab::Lab;
use crate::options::Child;
use crate::world::{raw_config, serving};

/// What a child that serves says of itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Served {
    address: SocketAddr,
    grants: usize,
    resident_bytes: u64,
}

/// What became of a child that served, as seen from its parent.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// From before it existed to its first answer.
    pub ready_after: Duration,
    pub grants: usize,
    pub resident_bytes: u64,
}

/// Writes a tree.
pub fn write(spec: &Spec, issuer: &str, into: &Path) -> Result<(), BarError> {
    let mut command = this()?;
    let made = command.args(["write", &spec.to_string(), issuer]).arg(into).output().map_err(BarError::Runtime)?;
    if made.status.success() {
        return Ok(());
    }
    Err(BarError::Child(String::from_utf8_lossy(&made.stderr).trim().to_owned()))
}

/// Serves a tree until it is ready, and ends it.
pub fn serve(lab: &Lab, tree: &Path) -> Result<Seen, BarError> {
    let begun = Instant::now();
    let mut command = this()?;
    let command = command.arg("serve").arg(tree).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(BarError::Runtime)?;
    let seen = watch(lab, &mut child, begun);
    // Its input ends with this.
    drop(child.stdin.take());
    child.wait().map_err(BarError::Runtime)?;
    seen
}

fn watch(lab: &Lab, child: &mut process::Child, begun: Instant) -> Result<Seen, BarError> {
    let mut said = String::new();
    let out = child.stdout.as_mut().ok_or(BarError::Unknown("what its child says"))?;
    BufReader::new(out).read_line(&mut said).map_err(BarError::Runtime)?;
    if said.is_empty() {
        return Err(BarError::Child("it ended before it served".to_owned()));
    }
    let Served { address, grants, resident_bytes } = serde_json::from_str(&said)?;
    lab.wait(async { Connection::open(address).await?.ask(READY).await.map(|_| ()) })?;
    Ok(Seen { ready_after: begun.elapsed(), grants, resident_bytes })
}

fn this() -> Result<Command, BarError> {
    Ok(Command::new(std::env::current_exe().map_err(BarError::Runtime)?))
}

/// What the child does.
pub fn run(child: &Child) -> Result<(), BarError> {
    match child {
        Child::Write { spec, issuer, into } => Ok(write_tree(into, &spec.parse()?, &Trusted::by_demo(issuer))?),
        Child::Serve { tree } => {
            let runtime = cedargate::app::server_runtime().map_err(BarError::Runtime)?;
            runtime.block_on(serve_until_the_end(tree))
        }
    }
}

async fn serve_until_the_end(tree: &Path) -> Result<(), BarError> {
    let clock: SharedClock = Arc::new(SystemClock);
    let app = App::start(Config::try_from(raw_config(tree))?, clock).await?;
    let grants = serving(&app)?.policies.links.len();
    let resident_bytes = resident_bytes().ok_or(BarError::Unknown("what a process takes of memory"))?;
    let server = Running::cedargate(app);
    let served = Served { address: server.address, grants, resident_bytes };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&served)?).map_err(BarError::Runtime)?;
    let until = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(until).await;
    Ok(server.stop().await?)
}

const READY: &[u8] = b"GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n";
