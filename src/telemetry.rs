//! What an operator sees: logs by `tracing`, numbers for Prometheus.

mod progress;
mod reloads;
mod shadow;
mod tenant_labels;

pub use progress::ProgressMetrics;
pub use reloads::{ReloadMetrics, ReloadResult};
pub use shadow::ShadowMetrics;
use tenant_labels::OTHER;
pub use tenant_labels::TenantNames;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use crate::decide::Answer;

/// Installs the log for the whole process; lines go to standard error.
pub fn install_log(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second installation, as in tests, leaves the first one standing.
    let _ = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Every number that we keep.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Which tenants have series of their own.
    pub tenant_names: TenantNames,
    pub decisions: Family<DecisionLabels, Counter>,
    pub decision_seconds: Histogram,
    pub token_refusals: Family<SlugLabels, Counter>,
    http_requests: Family<HttpLabels, Counter>,
    http_connections: Family<ListenerLabels, Gauge>,
    http_connections_turned_away: Family<ListenerLabels, Counter>,
    /// Policies that a decision was made over, and entities.
    pub slice_policies: Histogram,
    pub slice_entities: Histogram,
    pub cache_lookups: Family<CacheLabels, Gauge>,
    pub slice_lookups: Family<OutcomeLabels, Counter>,
    pub reloads: ReloadMetrics,
    /// Of the candidate's tree.
    pub candidate_reloads: ReloadMetrics,
    pub shadow: ShadowMetrics,
    pub progress: ProgressMetrics,
    pub log_records: Family<OutcomeLabels, Gauge>,
    pub log_queue: Gauge,
    pub key_fetches: Gauge,
    keys_age: Family<KeysLabels, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DecisionLabels {
    pub tenant: String,
    pub decision: &'static str,
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SlugLabels {
    pub slug: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantLabels {
    pub tenant: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SizeLabels {
    pub tenant: String,
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CacheLabels {
    pub cache: &'static str,
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeysLabels {
    jwks_uri: String,
}

/// How many connections one listener has open, and how many it ended or refused for others.
#[derive(Clone, Debug)]
pub struct OpenConnections {
    open: Gauge,
    turned_away: Counter,
}

impl OpenConnections {
    pub fn set(&self, count: usize) {
        self.open.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a connection that was closed because its peer had its share, or because others needed its place.
    pub fn turned_away(&self) {
        self.turned_away.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::within(100)
    }
}

impl Metrics {
    /// Numbers with series of their own for at most so many tenants.
    pub fn within(tenant_labels: usize) -> Self {
        let tenant_names = TenantNames::within(tenant_labels);
        let mut registry = Registry::with_prefix("cedargate");
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        let seconds = || Histogram::new(exponential_buckets(SMALLEST_BUCKET_SECONDS, 2.0, 18));
        let decisions = register!("decisions", "Decisions made", Family::default());
        let token_refusals = register!("token_refusals", "Tokens refused, by problem", Family::default());
        let http_requests = register!("http_requests", "Requests answered", Family::default());
        let http_connections = register!("http_connections", "Connections open now", Family::default());
        let http_connections_turned_away =
            register!("http_connections_turned_away", "Connections closed for others", Family::default());
        let sizes = || Histogram::new(exponential_buckets(1.0, 2.0, 12));
        let slice_policies = register!("slice_policies", "Policies that a decision was made over", sizes());
        let slice_entities = register!("slice_entities", "Entities that a decision could look at", sizes());
        let slice_lookups = register!("slice_lookups", "Slices looked for among those kept", Family::default());
        let cache_lookups = register!("cache_lookups", "Tokens and principals looked for", Family::default());
        let reloads = ReloadMetrics::register(&mut registry, &tenant_names);
        let candidate_reloads = ReloadMetrics::register(registry.sub_registry_with_prefix("candidate"), &tenant_names);
        let shadow = ShadowMetrics::register(&mut registry, &tenant_names);
        let progress = ProgressMetrics::register(&mut registry);
        let log_records = register!("decision_log_records", "Decision log records, by outcome", Family::default());
        let log_queue = register!("decision_log_queue", "Decision log records waiting", Gauge::default());
        let key_fetches = register!("key_fetches", "Fetches of key sets since the start", Gauge::default());
        let keys_age = register!(
            "keys_last_successful_fetch_timestamp_seconds",
            "When the key set was last fetched",
            Family::default()
        );
        let decision_seconds = seconds();
        registry.register_with_unit(
            "decision_duration",
            "From a verified principal to an answer",
            Unit::Seconds,
            decision_seconds.clone(),
        );
        Self {
            registry: Arc::new(registry),
            tenant_names,
            decisions,
            decision_seconds,
            token_refusals,
            http_requests,
            http_connections,
            http_connections_turned_away,
            slice_policies,
            slice_entities,
            cache_lookups,
            slice_lookups,
            reloads,
            candidate_reloads,
            shadow,
            progress,
            log_records,
            log_queue,
            key_fetches,
            keys_age,
        }
    }

    /// Counts a decision.
    pub fn decided(&self, tenant: &str, answer: &Answer, elapsed: Duration) {
        let labels = DecisionLabels {
            tenant: self.tenant_names.label(tenant),
            decision: answer.decision.as_str(),
            reason: answer.reason.as_str(),
        };
        self.decisions.get_or_create(&labels).inc();
        self.decision_seconds.observe(elapsed.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "far below the numbers that a float cannot hold")]
        let observe = |histogram: &Histogram, count: usize| histogram.observe(count as f64);
        observe(&self.slice_policies, answer.work.policies);
        observe(&self.slice_entities, answer.work.entities);
        let outcome = if answer.work.is_kept { "hit" } else { "miss" };
        self.slice_lookups.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts an answer to a request.
    pub fn answered(&self, route: &str, status: u16) {
        self.http_requests.get_or_create(&HttpLabels { route: route.to_owned(), status }).inc();
    }

    /// The number of a listener's connections, for the listener to keep.
    pub fn open_connections(&self, listener: &'static str) -> OpenConnections {
        let labels = ListenerLabels { listener };
        OpenConnections {
            open: self.http_connections.get_or_create(&labels).clone(),
            turned_away: self.http_connections_turned_away.get_or_create(&labels).clone(),
        }
    }

    /// Notes when each address's keys were fetched last, and forgets addresses that are gone. Those beyond the bound on
    /// tenants are one, as old as its oldest.
    pub fn keys_fetched(&self, fetched: impl Iterator<Item = (String, DateTime<Utc>)>) {
        self.keys_age.clear();
        let mut oldest = None;
        for (count, (jwks_uri, at)) in fetched.enumerate() {
            let is_other = count >= self.tenant_names.most();
            let jwks_uri = if is_other { OTHER.to_owned() } else { jwks_uri };
            let at =
                if is_other { *oldest.insert(oldest.map_or(at, |oldest: DateTime<Utc>| oldest.min(at))) } else { at };
            #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit a float exactly")]
            self.keys_age.get_or_create(&KeysLabels { jwks_uri }).set(at.timestamp() as f64);
        }
    }

    /// Everything in the OpenMetrics text form.
    ///
    /// # Errors
    /// When the text cannot be written, which memory alone decides.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

const SMALLEST_BUCKET_SECONDS: f64 = 0.000_005;
