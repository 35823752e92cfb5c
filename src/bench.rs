//! The bench: how fast this machine decides a tenant's requests, beside plain Cedar and beside a bare HTTP handler.
//!
//! In: a tree and a tenant of it, or the size of a tenant to make up. Out: a `Report`. Everything is measured in one
//! run, the real server on loopback included, and nothing is reported whose answers were not checked first.

mod deciding;
mod files;
pub mod generate;
mod latencies;
mod load;
mod machine;
mod people;
mod plain;
mod random;
mod report;
mod rounds;
mod serving;
mod stage;
mod wire;
mod workload;

pub use deciding::{Answered, Cold, Subject, Warm};
pub use files::TenantFiles;
pub use latencies::Latencies;
pub use load::{Order, Round, Target};
pub use machine::{Machine, resident_bytes};
pub use people::{People, Proof, Who};
pub use report::{Measured, Report, Sizes, shown};
pub use rounds::Rounds;
pub use serving::Running;
pub use stage::StageError;
pub use wire::{Connection, WireError};
pub use workload::{Asked, Candidate, Draw};

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::generate::{Spec, Trusted};
use self::stage::Stage;
use crate::app::{App, AppError};
use crate::authn::{KeyError, hash_key, new_key};
use crate::clock::SharedClock;
use crate::config::{Config, Permission, RawAuditSink, RawCallerKey, RawConfig, RawWhenFull};
use crate::demo::{DemoIssuer, DemoIssuers, IssuerError};
use crate::model::{Faults, SigningAlgorithm, TenantId, with_causes};
use crate::snapshot::Snapshot;

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub struct Settings {
    pub raw: RawConfig,
    pub tenant: Measurable,
    /// For each measurement.
    pub time: Duration,
    pub connections: usize,
    /// What every request carries.
    pub context: Option<Value>,
}

/// Whose requests are decided.
#[derive(Clone, Debug)]
pub enum Measurable {
    /// A tenant of the tree: this one, or the only one.
    Real(Option<TenantId>),
    Generated(Spec),
}

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("no request can be made: {0}")]
    NoRequest(String),
    #[error("no principal can be made")]
    Principal(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("policy `{0}` is in the answers and not in the files")]
    UnknownPolicy(String),
    #[error("plain Cedar takes other files than cedargate: {0}")]
    Cedar(String),
    #[error("cedargate says {ours} and {of} says {theirs}: {request}")]
    Differs { request: String, ours: String, theirs: String, of: &'static str },
    #[error("the server's answers differ from the decider's: {0}")]
    OverHttp(String),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("there is no memory for a histogram")]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("the system gives no runtime")]
    Runtime(#[source] std::io::Error),
}

impl BenchError {
    fn cedar(error: &dyn std::error::Error) -> Self {
        Self::Cedar(with_causes(error))
    }
}

/// Measures, telling what it is at.
///
/// # Errors
/// When there is nothing to measure, or something to mend first.
pub fn run(settings: &Settings, clock: &SharedClock, tell: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let runtime = crate::app::server_runtime().map_err(BenchError::Runtime)?;
    let mut bench = runtime.block_on(Bench::set_up(settings, clock, tell))?;
    crate::telemetry::install_log(&bench.config.log);
    tell("loading");
    let begun = Instant::now();
    let app = runtime.block_on(App::start(bench.config.clone(), Arc::clone(clock)))?;
    let load = begun.elapsed();
    bench.add("load_seconds", Some(load.as_secs_f64()), "s");
    bench.add("resident_bytes", machine::resident_bytes().map(as_float), "bytes");
    bench.add("load_peak_bytes", machine::peak_resident_bytes().map(as_float), "bytes");
    let snapshot = bench.snapshot(&app)?;
    let people = bench.people(&snapshot, clock)?;
    let (sizes, answered) = bench.decide(&snapshot, &people, tell)?;
    drop(snapshot);
    runtime.block_on(bench.serve(app, &people, answered, clock, tell))?;
    Ok(Report { machine: Machine::this(), sizes, results: bench.results, notes: bench.notes })
}

/// A bench under way.
struct Bench<'a> {
    settings: &'a Settings,
    stage: Stage,
    config: Config,
    key: String,
    issuer: Option<DemoIssuer>,
    results: Vec<Measured>,
    notes: Vec<String>,
}

impl<'a> Bench<'a> {
    async fn set_up(settings: &'a Settings, clock: &SharedClock, tell: &dyn Fn(&str)) -> Result<Self, BenchError> {
        let mut raw = settings.raw.clone();
        let (stage, issuer) = match &settings.tenant {
            Measurable::Real(tenant) => (Stage::of(&Config::try_from(raw.clone())?.layout, tenant.clone())?, None),
            Measurable::Generated(spec) => {
                // What most providers sign with.
                let (name, audience) = (generate::PROVIDER, generate::AUDIENCE);
                let wanted: [(_, _, &[_]); 1] = [(name, audience, &[SigningAlgorithm::RS256])];
                let issuers = DemoIssuers::start_only(Arc::clone(clock), &wanted).await?;
                let issuer = issuers.0.into_iter().next();
                let issuer = issuer.ok_or_else(|| BenchError::NoRequest("there is no issuer".to_owned()))?;
                tell(&format!("making up {spec}"));
                // Made over the sample's schema, for callers that need no key.
                raw.schema.identity = true;
                raw.callers = RawConfig::default().callers;
                (Stage::generated(spec, &Trusted::by_demo(&issuer.issuer))?, Some(issuer))
            }
        };
        let key = new_key("caller")?;
        raw.http.bind = "127.0.0.1:0".to_owned();
        raw.ops.bind = Some("off".to_owned());
        // The issuer of a made-up tenant is on this machine.
        raw.keys.allow_hosts.push("127.0.0.0/8".to_owned());
        raw.http.stop_delay_milliseconds = 0;
        raw.policies.dir = Some(stage.dirs.policies.clone());
        raw.schema.dir = Some(stage.dirs.schema.clone());
        raw.bundle.dir = None;
        raw.tenants.default = Some(stage.tenant.to_string());
        raw.audit = RawConfig::default().audit;
        // Nobody's keys are needed to name principals: that they cannot be fetched here is no news.
        raw.log.level = "error".to_owned();
        raw.callers.keys.push(RawCallerKey {
            name: "cedargate-bench".to_owned(),
            hash: hash_key(&key),
            may: vec![Permission::Vouch],
            tenants: None,
        });
        let config = Config::try_from(raw)?;
        Ok(Self { settings, stage, config, key, issuer, results: Vec::new(), notes: Vec::new() })
    }

    fn add(&mut self, name: &str, value: Option<f64>, unit: &'static str) {
        self.results.extend(value.map(|value| Measured::new(name, value, unit)));
    }

    /// The snapshot that serves, or why there is none.
    fn snapshot(&self, app: &App) -> Result<Arc<Snapshot>, BenchError> {
        let tenants = app.tenants();
        let handle = tenants.get(self.stage.tenant.as_str());
        if let Some(snapshot) = handle.as_ref().and_then(|handle| handle.snapshot()) {
            return Ok(snapshot);
        }
        let errors = handle.iter().flat_map(|handle| handle.last_reload().errors.clone());
        let faults = errors.chain(tenants.shared().errors.clone()).map(|fault| self.stage.renamed(fault)).collect();
        Err(Faults(faults).into())
    }

    fn people(&self, snapshot: &Snapshot, clock: &SharedClock) -> Result<People, BenchError> {
        match &self.issuer {
            Some(issuer) => People::with_tokens(issuer.clone(), &self.config, snapshot, clock),
            None => Ok(People::Vouched { key: self.key.clone() }),
        }
    }

    /// Decisions in this process.
    fn decide(
        &mut self,
        snapshot: &Snapshot,
        people: &People,
        tell: &dyn Fn(&str),
    ) -> Result<(Sizes, Vec<Answered>), BenchError> {
        let time = self.settings.time;
        tell("reading the files again, as plain Cedar");
        let files = TenantFiles::read(&self.config.layout, &self.stage.tenant, &snapshot.schema)?;
        let (askers, things) = workload::kinds(&files);
        let sizes = Sizes {
            grants: files.links.len(),
            users: files.count(&askers),
            resources: files.count(&things),
            policies: plain::count(&files),
        };
        let decider = self.config.decider;
        let subject = Subject { decider: &decider, snapshot, files: &files, people };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded right after")]
        let count = (time.as_secs_f64() * REQUESTS_A_SECOND) as usize;
        let count = count.clamp(FEWEST_REQUESTS, MOST_REQUESTS);
        tell("deciding");
        let cold = subject.cold(count, self.settings.context.as_ref(), time)?;
        let warm = subject.warm(&cold.answered, time)?;
        self.results.extend(warm.latencies.results("decide_warm", &latencies::ALL));
        self.results.extend(cold.latencies.results("decide_cold", &latencies::ALL));
        self.results.extend(warm.minimal.results("cedar_minimal", &latencies::ALL));
        self.add("decide_rps", Some(1e6 / warm.latencies.mean().max(f64::MIN_POSITIVE)), "1/s");
        // Each by itself, so that 10,000 grants beside a few guard rails are measured.
        if sizes.grants.max(sizes.policies - sizes.grants) <= MOST_FOR_PLAIN_CEDAR {
            tell("deciding by plain Cedar over everything");
            let full = subject.full(&cold.answered, time)?;
            self.results.extend(full.results("cedar_full", &[("p50", 50.0)]));
        } else {
            self.notes.push(format!("plain Cedar over everything is left out above {MOST_FOR_PLAIN_CEDAR} policies"));
        }
        let (allows, denies) = deciding::tally(&cold.answered);
        self.notes.push(format!("{} requests: {allows} allow, {denies} deny", allows + denies));
        Ok((sizes, cold.answered))
    }

    /// Answers over HTTP: without a decision log, then with one.
    async fn serve(
        &mut self,
        app: App,
        people: &People,
        mut answered: Vec<Answered>,
        clock: &SharedClock,
        tell: &dyn Fn(&str),
    ) -> Result<(), BenchError> {
        answered.truncate(MOST_OVER_HTTP);
        tell("serving");
        let Settings { connections, time, .. } = *self.settings;
        let server = Running::cedargate(app);
        let rounds = Rounds::start(&server, people, answered, connections, time).await?;
        self.results.extend(rounds.measure(&server).await?);
        // One at a time: a large tenant need not fit twice.
        server.stop().await?;
        tell("loading again, with the decision log on");
        let config = Config { audit: self.audit()?, ..self.config.clone() };
        let server = Running::cedargate(App::start(config, Arc::clone(clock)).await?);
        self.results.extend(rounds.measure_logged(&server).await?);
        server.stop().await?;
        rounds.stop().await
    }

    /// A log that loses nothing: every answer waits until it is on record.
    fn audit(&self) -> Result<crate::config::AuditConfig, BenchError> {
        let mut raw = RawConfig::default();
        raw.audit.sink = RawAuditSink::File;
        raw.audit.path = Some(self.stage.log());
        raw.audit.keep = 1;
        raw.audit.when_full = RawWhenFull::Block;
        Ok(Config::try_from(raw)?.audit)
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

/// Where questions go.
const PATH: &str = "/authorize";
const REQUESTS_A_SECOND: f64 = 4000.0;
const FEWEST_REQUESTS: usize = 200;
const MOST_REQUESTS: usize = 20_000;
/// Each may bring a token of its own to be signed.
const MOST_OVER_HTTP: usize = 1000;
/// Above this, plain Cedar takes longer than anyone waits.
const MOST_FOR_PLAIN_CEDAR: usize = 10_000;
