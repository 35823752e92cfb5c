//! The composition root: configuration in, a running server out, and its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

use crate::ask::{Ask, KnownPrincipals};
use crate::audit::{Audit, Sink, SinkError};
use crate::authn::{KeyRegistry, Verifier};
use crate::clock::SharedClock;
use crate::config::{AuditConfig, AuditSink, Config};
use crate::http::{AppState, DefaultTenant, Limits, Readiness, router};
use crate::reload::Reloader;
use crate::snapshot::{Tenants, WatchError, Watcher};
use crate::telemetry::Metrics;

/// Why a server does not start or run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("`{address}` cannot be listened on")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Log(#[from] SinkError),
    #[error("the system gives no thread for the decision log")]
    LogThread(#[source] io::Error),
    #[error("the server stopped")]
    Serve(#[source] io::Error),
    #[error("a task that reads the tree failed")]
    FirstLoad(#[source] tokio::task::JoinError),
}

/// A server that has read its tree and holds its port.
pub struct App {
    listener: TcpListener,
    address: SocketAddr,
    state: AppState,
    drain_timeout: Duration,
    stop_delay: Duration,
    follower: AbortHandle,
    log_writer: Option<JoinHandle<()>>,
}

impl App {
    /// Reads the tree, starts to follow it, and takes the port.
    ///
    /// A tree with faults is no reason not to start: tenants that do not load answer 503 and say why in `/status`.
    ///
    /// # Errors
    /// When the port, the decision log or the watching of folders cannot be had.
    pub async fn start(config: Config, clock: SharedClock) -> Result<Self, AppError> {
        let (audit, log_writer) = start_audit(config.audit)?;
        let keys = Arc::new(KeyRegistry::new(config.keys, Arc::clone(&clock)));
        let tenants = Arc::new(Tenants::default());
        let metrics = Metrics::default();
        let reloader = Reloader {
            layout: config.layout.clone(),
            tenants: Arc::clone(&tenants),
            keys: Arc::clone(&keys),
            metrics: metrics.clone(),
            clock: Arc::clone(&clock),
        };
        // Watching starts before reading, so that no change falls between the two.
        let watcher = Watcher::start(config.layout.folders(), config.watch)?;
        let first = reloader.clone();
        tokio::task::spawn_blocking(move || first.load_first()).await.map_err(AppError::FirstLoad)?;
        let follower = tokio::spawn(reloader.follow(watcher)).abort_handle();
        let address = config.http.bind;
        let bound = |source| AppError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let ask = Ask {
            tenants: Arc::clone(&tenants),
            principals: Arc::new(KnownPrincipals::within(config.tokens.remembered_bytes)),
            verifier: Verifier::new(config.tokens, keys, Arc::clone(&clock)),
            decider: config.decider,
            audit,
            metrics: metrics.clone(),
            clock,
        };
        let state = AppState {
            ask,
            callers: Arc::new(config.callers),
            tenants,
            default_tenant: DefaultTenant(config.default_tenant),
            limits: Limits {
                max_body_bytes: config.http.max_body_bytes,
                max_batch: config.http.max_batch,
                in_flight: Arc::new(Semaphore::new(config.http.max_in_flight)),
                timeout: config.http.request_timeout,
            },
            metrics,
            readiness: Readiness::default(),
        };
        Ok(Self {
            listener,
            address,
            state,
            drain_timeout: config.http.drain_timeout,
            stop_delay: config.http.stop_delay,
            follower,
            log_writer,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tenants, for those who look in from the same process.
    pub fn tenants(&self) -> Arc<Tenants> {
        Arc::clone(&self.state.tenants)
    }

    /// Serves until `stop` completes; then is not ready, finishes what is under way, writes out the log and ends.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), AppError> {
        let readiness = self.state.readiness.clone();
        let draining = Arc::new(Notify::new());
        let started_draining = Arc::clone(&draining);
        let stop_delay = self.stop_delay;
        let graceful = async move {
            stop.await;
            tracing::info!("stopping: not ready from now on");
            readiness.stop();
            // Load balancers need a moment to see it; requests are still taken.
            tokio::time::sleep(stop_delay).await;
            started_draining.notify_one();
        };
        let listener = self.listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let server = axum::serve(listener, router(self.state)).with_graceful_shutdown(graceful);
        let served = tokio::select! {
            served = server.into_future() => served,
            () = after(draining, self.drain_timeout) => {
                tracing::warn!("requests were still under way when the time to finish ran out");
                Ok(())
            }
        };
        self.follower.abort();
        // The router, and with it the last sender of the log, is gone: the writer finishes what it has.
        if let Some(writer) = self.log_writer {
            let finished = tokio::task::spawn_blocking(move || writer.join());
            let _ = tokio::time::timeout(LOG_PATIENCE, finished).await;
        }
        served.map_err(AppError::Serve)
    }
}

/// How long the decision log may take to write what it still has.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

async fn after(started: Arc<Notify>, patience: Duration) {
    started.notified().await;
    tokio::time::sleep(patience).await;
}

fn start_audit(config: AuditConfig) -> Result<(Audit, Option<JoinHandle<()>>), AppError> {
    let sink = match config.sink {
        AuditSink::Off => return Ok((Audit::off(), None)),
        AuditSink::Stdout => Sink::stdout(),
        AuditSink::File { path, rotate_bytes, keep } => Sink::file(&path, rotate_bytes, keep)?,
    };
    let (audit, writer) = Audit::start(sink, config.settings).map_err(AppError::LogThread)?;
    Ok((audit, Some(writer)))
}

/// Completes when the process is asked to end: interrupt or terminate.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
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
