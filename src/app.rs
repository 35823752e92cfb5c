//! The composition root: configuration in, a running server out, and its end.

mod directory;
mod shadow;

pub use directory::OpenError;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::admin::{Administration, FirstKey};
use crate::apply::{Applier, Wanted};
use crate::ask::{Ask, JustMade, KnownPrincipals, Lanes, Places};
use crate::assemble::Layout;
use crate::audit::{Audit, Sink, SinkError};
use crate::authn::{KeyRegistry, Verifier};
use crate::cedar_text::THREAD_STACK_BYTES;
use crate::clock::SharedClock;
use crate::config::{AuditConfig, AuditSink, Config};
use crate::directory::{Progress, SqliteDirectory};
use crate::http::{AppState, DefaultTenant, Limits, Readiness, Served, ops_router, refused_head, router};
use crate::listen::{ConnectionLimits, ListenError, Listeners, RefusedHead, Routers};
use crate::publish::{Publisher, UnderWay};
use crate::reload::{Loads, Purpose, Reloader};
use crate::shadow::{Comparing, Shadow};
use crate::snapshot::{Tenants, WatchError, Watcher};
use crate::telemetry::Metrics;
use directory::Opened;

/// Why a server does not start or run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Log(#[from] SinkError),
    #[error("the system gives no thread for the decision log")]
    LogThread(#[source] io::Error),
    #[error("the system gives no thread for the candidate")]
    CandidateThread(#[source] io::Error),
    #[error("the server stopped")]
    Serve(#[source] io::Error),
    #[error("the server stopped listening by a fault of its own")]
    Accept(#[source] tokio::task::JoinError),
    #[error(transparent)]
    Directory(#[from] OpenError),
    #[error("the system gives no threads for reloads or decisions")]
    ReloadThreads(#[from] rayon::ThreadPoolBuildError),
}

/// A server that has read its tree and holds its addresses.
pub struct App {
    listeners: Listeners,
    loads: Arc<Loads>,
    connections: ConnectionLimits,
    state: AppState,
    drain_timeout: Duration,
    stop_delay: Duration,
    /// Those that go on for as long as the server does.
    background: Vec<AbortHandle>,
    log_writer: Option<JoinHandle<()>>,
    first_key: Option<FirstKey>,
    database: Option<Arc<SqliteDirectory>>,
}

/// What a server runs in: threads with room for Cedar's recursion, so that no decision has to make any.
///
/// # Errors
/// When the system gives no threads.
pub fn server_runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build()
}

impl App {
    /// Begins, and waits until every tenant was loaded or has a fault that is told.
    ///
    /// # Errors
    /// As `begin`.
    pub async fn start(config: Config, clock: SharedClock) -> Result<Self, AppError> {
        let app = Self::begin(config, clock).await?;
        app.loads.first_load().await;
        Ok(app)
    }

    /// Takes the addresses to listen on, and begins to read the tree and to follow it.
    ///
    /// A tree with faults is no reason not to start: tenants that do not load answer 503 and say why in `/status`, as
    /// do those that were not loaded yet.
    ///
    /// # Errors
    /// When an address, the database, the decision log or the watching of folders cannot be had.
    pub async fn begin(config: Config, clock: SharedClock) -> Result<Self, AppError> {
        let (audit, log_writer) = start_audit(config.audit)?;
        let keys = Arc::new(KeyRegistry::new(config.keys, Arc::clone(&clock)));
        let tenants = Arc::new(Tenants::default());
        let metrics = Metrics::within(config.tenant_labels);
        let listeners = Listeners::bind(config.http.listen).await?;
        let progress = Progress::default();
        let mut opened = directory::open(&config.directory, &config.layout, &config.callers.keys, &progress).await?;
        let provenance = directory::provenance(&config.directory, opened.as_ref(), &tenants);
        let layout = Layout { provenance, ..config.layout };
        let database = opened.as_ref().map(|opened| Arc::clone(&opened.directory));
        let (rules, wanted) = (watch::Sender::new(None), watch::Sender::new(Wanted::new()));
        let reloader = Reloader {
            rules: rules.clone(),
            wanted: wanted.clone(),
            under_way: UnderWay::default(),
            layout: layout.clone(),
            tenants: Arc::clone(&tenants),
            purpose: Purpose::Serve(Arc::clone(&keys)),
            metrics: metrics.reloads.clone(),
            clock: Arc::clone(&clock),
            debounce: config.watch.debounce,
            loads: Arc::default(),
        };
        // Watching starts before reading, so that no change falls between the two.
        let watcher = Watcher::start(layout.folders(), config.watch)?;
        let mut background = Vec::new();
        let wake = Arc::new(Notify::new());
        let follow = match &opened {
            None => tokio::spawn(reloader.clone().follow(watcher)),
            Some(opened) => {
                let applier = Applier {
                    directory: opened.directory.clone(),
                    rules: reloader.rules.subscribe(),
                    wanted: wanted.subscribe(),
                    wake: Arc::clone(&wake),
                    clock: Arc::clone(&clock),
                    applied: Wanted::new(),
                    kept: BTreeMap::new(),
                };
                let directory = opened.directory.clone();
                let (under_way, clock) = (reloader.under_way.clone(), Arc::clone(&clock));
                let publisher = Publisher::new(directory, layout.clone(), under_way, progress.clone(), clock);
                tokio::spawn(follow_database(reloader.clone(), watcher, (applier, publisher), Arc::clone(&wake)))
            }
        };
        background.push(follow.abort_handle());
        // A key that is made is shown: nothing that stops a start comes between.
        let first_key = match &mut opened {
            Some(opened) => opened.first_key(&clock).await?,
            None => None,
        };
        let remembered_bytes = config.tokens.remembered_bytes;
        let verifier = Verifier::new(config.tokens, keys, Arc::clone(&clock));
        let comparing = Comparing {
            decider: config.decider,
            verifier: verifier.clone(),
            principals: KnownPrincipals::within(remembered_bytes),
            metrics: metrics.shadow.clone(),
        };
        let shadow = match config.candidate {
            None => Shadow::off(),
            Some(candidate) => {
                let watched = (&reloader, config.watch);
                let (shadow, following) = shadow::start(candidate, watched, &metrics, comparing)?;
                background.push(following);
                shadow
            }
        };
        let ask = Ask {
            tenants: Arc::clone(&tenants),
            principals: Arc::new(KnownPrincipals::within(remembered_bytes)),
            just_made: JustMade::of(database.clone().map(|database| database as _), config.issuer.clone()),
            verifier,
            decider: config.decider,
            server_time: config.server_time,
            lanes: Lanes::start()?,
            audit,
            shadow,
            metrics: metrics.clone(),
            clock: Arc::clone(&clock),
            patience: config.http.at_least_timeout,
            places: Places::within(config.http.max_in_flight),
        };
        let admin = match opened {
            None => None,
            Some(Opened { directory, keys, .. }) => {
                let administration = Administration {
                    secrets: directory.clone(),
                    directory,
                    issuer: config.issuer,
                    keys,
                    rules: rules.subscribe(),
                    wake,
                    tenants: Arc::clone(&tenants),
                    ask: ask.clone(),
                    layout,
                    progress: progress.clone(),
                    clock,
                    patience: config.http.at_least_timeout,
                };
                background.push(tokio::spawn(administration.clone().follow_uses()).abort_handle());
                background.push(tokio::spawn(administration.clone().follow_keys()).abort_handle());
                Some(administration)
            }
        };
        let state = AppState::new(Served {
            ask,
            admin,
            callers: Arc::new(config.callers),
            tenants,
            default_tenant: DefaultTenant(config.default_tenant),
            limits: Limits {
                max_body_bytes: config.http.max_body_bytes,
                max_batch_body_bytes: config.http.max_batch_body_bytes,
                max_batch: config.http.max_batch,
                max_questions_body_bytes: config.http.max_questions_body_bytes,
                timeout: config.http.request_timeout,
            },
            metrics,
            progress,
            readiness: Readiness::requiring(config.needs_every_snapshot),
        });
        Ok(Self {
            listeners,
            loads: reloader.loads,
            connections: config.http.connections,
            state,
            drain_timeout: config.http.drain_timeout,
            stop_delay: config.http.stop_delay,
            background,
            log_writer,
            first_key,
            database,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    /// Where it listens for operations, if it does.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.listeners.ops_address()
    }

    /// The admin key, if this start made the first one: it is not to be had again.
    pub fn take_first_key(&mut self) -> Option<FirstKey> {
        self.first_key.take()
    }

    /// The tenants, for those who look in from the same process.
    pub fn tenants(&self) -> Arc<Tenants> {
        Arc::clone(&self.state.tenants)
    }

    /// All that a router serves, for those who ask without a network.
    pub fn state(&self) -> AppState {
        self.state.clone()
    }

    /// What answers its questions, for the same ones.
    pub fn ask(&self) -> Ask {
        self.state.ask.clone()
    }

    /// Serves until `stop` completes; then is not ready, finishes what is under way, writes out the log and ends.
    ///
    /// # Errors
    /// When it stopped before it was asked to.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), AppError> {
        let readiness = self.state.readiness.clone();
        let metrics = self.state.metrics.clone();
        let administration = self.state.admin.clone();
        let ops = ops_router(self.state.clone());
        let routers = Routers { main: router(self.state), ops, refused_head: RefusedHead(refused_head) };
        let mut serving = self.listeners.serve(routers, self.connections, &metrics)?;
        let served = tokio::select! {
            () = stop => Ok(()),
            fault = serving.failed() => Err(AppError::Accept(fault)),
        };
        tracing::info!("stopping: not ready from now on");
        readiness.stop();
        // Load balancers need a moment to see it; requests are still taken.
        tokio::time::sleep(self.stop_delay).await;
        if !serving.finish(self.drain_timeout).await {
            tracing::warn!("requests were still under way when the time to finish ran out");
        }
        if let Some(administration) = administration {
            administration.keep_uses().await;
        }
        self.background.iter().for_each(AbortHandle::abort);
        if let Some(database) = self.database {
            // All of it is in the one file, for whoever copies that.
            let _ = tokio::time::timeout(DATABASE_PATIENCE, database.close()).await;
        }
        // The router, and with it the last sender of the log, is gone: the writer finishes what it has.
        if let Some(writer) = self.log_writer {
            let finished = tokio::task::spawn_blocking(move || writer.join());
            let _ = tokio::time::timeout(LOG_PATIENCE, finished).await;
        }
        served
    }
}

/// Follows a tree whose directories are in a database. What the manifests say is in the directory, and what that says
/// is on disk, before anything is read there.
async fn follow_database(
    reloader: Reloader,
    watcher: Watcher,
    (mut applier, mut publisher): (Applier, Publisher),
    wake: Arc<Notify>,
) {
    publisher.take_away_ended().await;
    let rules = reloader.read_rules().await;
    applier.apply_all().await;
    if let Some(rules) = rules {
        publisher.publish_all(&rules).await;
    }
    // Both end with this.
    let mut beside = JoinSet::new();
    beside.spawn(applier.follow());
    beside.spawn(publisher.follow(reloader.rules.subscribe(), wake));
    reloader.follow(watcher).await;
}

/// How long the database may take to bring its log into its file.
const DATABASE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the decision log may take to write what it still has.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

fn start_audit(config: AuditConfig) -> Result<(Audit, Option<JoinHandle<()>>), AppError> {
    let sink = match config.sink {
        AuditSink::Off => return Ok((Audit::off(), None)),
        AuditSink::Stdout => Sink::stdout()?,
        AuditSink::File { path, rotate_bytes, keep } => Sink::file(&path, rotate_bytes, keep)?,
    };
    let (audit, writer) = Audit::start(sink, config.settings).map_err(AppError::LogThread)?;
    Ok((audit, Some(writer)))
}

const SIGXFSZ: i32 = 25;

/// Completes when the process is asked to end: interrupt or terminate.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    // A file that may not grow is an error of the write, not the end of the process.
    let _file_size = signal(SignalKind::from_raw(SIGXFSZ));
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
