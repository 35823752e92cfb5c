//! The configuration as checked: each part in the terms of the module that takes it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::http::HttpConfig;
use super::keys::CallerKeys;
use super::raw::{
    RawAnonymous, RawAuditSink, RawBundle, RawConfig, RawCountsFrom, RawDatabase, RawDecisionClock, RawDirectory,
    RawForbidErrors, RawLogFormat, RawManifests, RawRequire, RawTrailingSlash, RawWhenFull,
};
use crate::assemble::{Layout, ManifestsAre, Provenance};
use crate::audit::{AuditSettings, Mask, WhenFull};
use crate::authn::{AllowedHosts, KeySettings, TokenSettings, TrailingSlash};
use crate::decide::{Decider, ForbidErrors, ServerTime};
use crate::model::{Fault, Faults, TenantId};
use crate::schema::Identity;
use crate::shadow::ShadowSettings;
use crate::snapshot::WatchSettings;
use crate::tree::TreeDirs;

/// Everything that a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    pub http: HttpConfig,
    pub layout: Layout,
    pub directory: DirectoryConfig,
    pub default_tenant: Option<TenantId>,
    pub tokens: TokenSettings,
    /// What tokens of our own that are signed name as their issuer, before the tenant.
    pub issuer: Option<String>,
    pub keys: KeySettings,
    pub decider: Decider,
    /// Where contexts without a time get the server's.
    pub server_time: Option<ServerTime>,
    pub callers: CallersConfig,
    pub audit: AuditConfig,
    /// The candidate's tree, and how it is compared with.
    pub candidate: Option<(Layout, ShadowSettings)>,
    pub watch: WatchSettings,
    pub log: LogConfig,
    /// Tenants with series of their own in the metrics.
    pub tenant_labels: usize,
    /// Whether every tenant must have a snapshot for the server to be ready.
    pub needs_every_snapshot: bool,
}

/// Where tenants without manifests have their directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryConfig {
    /// Nowhere: all that such a tenant has is in its files.
    Files,
    Sqlite {
        path: PathBuf,
        /// Asked for in so many words: without it the server does not start.
        is_needed: bool,
        /// Changes that may wait to be written.
        max_waiting_writes: usize,
        /// Whether bundles of tenants that it never had may serve: they come by copy.
        accepts_copied: bool,
    },
}

#[derive(Clone, Debug)]
pub struct CallersConfig {
    pub anonymous: WhoMayAsk,
    /// Whose wish for an explanation counts.
    pub explain: CountsFrom,
    /// Whose word on the resource counts.
    pub describe: CountsFrom,
    pub keys: CallerKeys,
}

/// Who may ask without a caller key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhoMayAsk {
    /// Whoever brings a verified token, about that token's principal.
    #[default]
    WithToken,
    Nobody,
}

/// From whom a part of a question counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountsFrom {
    Anyone,
    /// Callers with a key.
    #[default]
    Keyed,
}

impl From<RawCountsFrom> for CountsFrom {
    fn from(raw: RawCountsFrom) -> Self {
        match raw {
            RawCountsFrom::Anyone => Self::Anyone,
            RawCountsFrom::Keyed => Self::Keyed,
        }
    }
}

#[derive(Clone, Debug)]
pub struct AuditConfig {
    pub sink: AuditSink,
    pub settings: AuditSettings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditSink {
    Off,
    Stdout,
    File { path: PathBuf, rotate_bytes: usize, keep: usize },
}

#[derive(Clone, Debug)]
pub struct LogConfig {
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl TryFrom<RawConfig> for Config {
    type Error = Faults;

    fn try_from(raw: RawConfig) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut fault =
            |key: &str, message: String| faults.push(Fault::of_file("configuration", format!("`{key}`: {message}")));
        for (key, value) in [
            ("http.max_body_bytes", raw.http.max_body_bytes),
            ("http.max_batch_body_bytes", raw.http.max_batch_body_bytes),
            ("http.max_batch", raw.http.max_batch),
            ("http.max_questions_body_bytes", raw.http.max_questions_body_bytes),
            ("http.max_in_flight", raw.http.max_in_flight),
            ("http.max_connections", raw.http.max_connections),
            ("http.max_reading_bytes", raw.http.max_reading_bytes),
            ("tokens.max_bytes", raw.tokens.max_bytes),
            ("decisions.max_string_bytes", raw.decisions.max_string_bytes),
            ("audit.queue", raw.audit.queue),
            ("audit.rotate_bytes", raw.audit.rotate_bytes),
            ("shadow.queue", raw.shadow.queue),
        ] {
            if value == 0 {
                fault(key, "must be more than 0".to_owned());
            }
            if value > MOST {
                fault(key, format!("must be at most {MOST}"));
            }
        }
        if raw.keys.min_refresh_seconds > raw.keys.max_refresh_seconds {
            fault("keys.min_refresh_seconds", "is more than `keys.max_refresh_seconds`".to_owned());
        }
        if raw.keys.max_stale_seconds <= raw.keys.max_refresh_seconds {
            // Keys would be too old at the very moment at which they are due.
            fault("keys.max_stale_seconds", "must be more than `keys.max_refresh_seconds`".to_owned());
        }
        if raw.decisions.clock_attribute.is_empty() {
            fault("decisions.clock_attribute", "must be the name of a context member".to_owned());
        }
        if tracing_subscriber::EnvFilter::try_new(&raw.log.level).is_err() {
            fault("log.level", format!("`{}` is not a level or a filter", raw.log.level));
        }
        let default_tenant =
            raw.tenants.default.as_deref().and_then(|name| {
                TenantId::parse(name).map_err(|error| fault("tenants.default", error.to_string())).ok()
            });
        let allow_hosts = AllowedHosts::parse(&raw.keys.allow_hosts).unwrap_or_else(|text| {
            let expected = "a host, `host:port`, an address or a network as `10.0.0.0/8`";
            fault("keys.allow_hosts", format!("`{text}` is not {expected}"));
            AllowedHosts::default()
        });
        let http = HttpConfig::read(raw.http, &raw.ops, &mut fault);
        let keys = CallerKeys::read(&raw.callers.keys, &mut fault);
        let sink = match (raw.audit.sink, raw.audit.path) {
            (RawAuditSink::Off, None) => AuditSink::Off,
            (RawAuditSink::Stdout, None) => AuditSink::Stdout,
            (RawAuditSink::File, Some(path)) => {
                AuditSink::File { path, rotate_bytes: raw.audit.rotate_bytes, keep: raw.audit.keep }
            }
            (RawAuditSink::File, None) => {
                fault("audit.path", "is needed when `audit.sink` is `file`".to_owned());
                AuditSink::Off
            }
            (RawAuditSink::Off | RawAuditSink::Stdout, Some(_)) => {
                fault("audit.path", "is only for `audit.sink = \"file\"`".to_owned());
                AuditSink::Off
            }
        };
        let policies = raw.policies.dir.unwrap_or_else(|| "policies".into());
        if raw.policies.candidate.as_ref().is_some_and(|candidate| candidate.starts_with(&policies)) {
            fault("policies.candidate", "is in `policies.dir`, and would be a tenant: put it beside that".to_owned());
        }
        let identity = if raw.schema.identity { Identity::Included } else { Identity::LeftOut };
        let written = (raw.directory, &raw.database, &raw.bundle);
        let directory = directory(written, &policies, identity, &mut fault);
        let is_applied = directory != DirectoryConfig::Files && raw.database.manifests == RawManifests::Apply;
        let layout = Layout {
            dirs: TreeDirs { policies, schema: raw.schema.dir.unwrap_or_else(|| "schema".into()) },
            bundle_dir: raw.bundle.dir,
            identity,
            manifests: if is_applied { ManifestsAre::AWayIn } else { ManifestsAre::TheDirectory },
            // Whoever opens the database knows better.
            provenance: Provenance::Copied,
            beside: None,
        };
        let shadow = ShadowSettings { queue: raw.shadow.queue, log_per_second: raw.shadow.log_per_second };
        let config = Self {
            http,
            directory,
            candidate: raw.policies.candidate.map(|dir| (layout.of_candidate(&dir), shadow)),
            layout,
            default_tenant,
            issuer: raw.tokens.issuer,
            tokens: TokenSettings {
                leeway: Duration::from_secs(raw.tokens.leeway_seconds),
                max_bytes: raw.tokens.max_bytes,
                trailing_slash: match raw.tokens.issuer_trailing_slash {
                    RawTrailingSlash::Exact => TrailingSlash::Exact,
                    RawTrailingSlash::Ignore => TrailingSlash::Ignore,
                },
                remembered_bytes: megabytes(raw.cache.token_megabytes),
            },
            keys: KeySettings {
                default_refresh: Duration::from_secs(raw.keys.refresh_seconds),
                min_refresh: Duration::from_secs(raw.keys.min_refresh_seconds),
                max_refresh: Duration::from_secs(raw.keys.max_refresh_seconds),
                unknown_key_interval: Duration::from_secs(raw.keys.unknown_key_interval_seconds),
                max_stale: Duration::from_secs(raw.keys.max_stale_seconds),
                fetch_timeout: Duration::from_secs(raw.keys.timeout_seconds),
                unknown_key_wait: Duration::from_millis(raw.keys.unknown_key_wait_milliseconds),
                allow_http: raw.keys.allow_http,
                allow_hosts,
                ..KeySettings::default()
            },
            decider: Decider {
                forbid_errors: match raw.decisions.forbid_errors {
                    RawForbidErrors::Deny => ForbidErrors::Deny,
                    RawForbidErrors::Skip => ForbidErrors::Skip,
                },
                slice_bytes: megabytes(raw.cache.slice_megabytes),
                max_string_bytes: raw.decisions.max_string_bytes,
            },
            server_time: match raw.decisions.clock {
                RawDecisionClock::Off => None,
                RawDecisionClock::Now => Some(ServerTime::in_member(&raw.decisions.clock_attribute)),
            },
            callers: CallersConfig {
                anonymous: match raw.callers.anonymous {
                    RawAnonymous::Token => WhoMayAsk::WithToken,
                    RawAnonymous::Nobody => WhoMayAsk::Nobody,
                },
                explain: raw.callers.explain.into(),
                describe: raw.callers.describe.into(),
                keys,
            },
            audit: AuditConfig {
                sink,
                settings: AuditSettings {
                    queue: raw.audit.queue,
                    when_full: match raw.audit.when_full {
                        RawWhenFull::Drop => WhenFull::Drop,
                        RawWhenFull::Block => WhenFull::Block,
                    },
                    mask: Mask::of(raw.audit.mask),
                },
            },
            watch: WatchSettings {
                debounce: Duration::from_millis(raw.watch.debounce_milliseconds.max(1)),
                poll: Duration::from_secs(raw.watch.poll_seconds.max(1)),
            },
            tenant_labels: raw.telemetry.tenant_labels,
            needs_every_snapshot: raw.ready.require == RawRequire::All,
            log: LogConfig {
                level: raw.log.level,
                format: match raw.log.format {
                    RawLogFormat::Text => LogFormat::Text,
                    RawLogFormat::Json => LogFormat::Json,
                },
            },
        };
        faults.or(config)
    }
}

fn directory(
    (wanted, database, bundle): (Option<RawDirectory>, &RawDatabase, &RawBundle),
    policies: &Path,
    identity: Identity,
    fault: &mut impl FnMut(&str, String),
) -> DirectoryConfig {
    let max_waiting_writes = database.max_waiting_writes;
    if !WAITING_WRITES.contains(&max_waiting_writes) {
        let (least, most) = (WAITING_WRITES.start(), WAITING_WRITES.end());
        fault("database.max_waiting_writes", format!("must be from {least} to {most}"));
    }
    if identity == Identity::LeftOut {
        if wanted == Some(RawDirectory::Sqlite) {
            fault("directory", "needs the identity part of the schema: leave `schema.identity` on".to_owned());
        }
        return DirectoryConfig::Files;
    }
    if wanted == Some(RawDirectory::Files) {
        if database.path.is_some() || database.manifests == RawManifests::Apply {
            fault("database", "is only for `directory = \"sqlite\"`".to_owned());
        }
        return DirectoryConfig::Files;
    }
    let beside = || policies.parent().unwrap_or(Path::new("")).join(DATABASE);
    let is_needed = wanted.is_some() || database.path.is_some() || database.manifests == RawManifests::Apply;
    let path = database.path.clone().unwrap_or_else(beside);
    DirectoryConfig::Sqlite { path, is_needed, max_waiting_writes, accepts_copied: bundle.accept_copied }
}

const DATABASE: &str = "cedargate.db";
/// Each that waits is a change in memory.
const WAITING_WRITES: RangeInclusive<usize> = 1..=100_000;

fn megabytes(count: usize) -> usize {
    count.saturating_mul(1024 * 1024).min(MOST)
}

/// Nothing that is counted here is meant to be more; queues and semaphores cannot be.
const MOST: usize = 1 << 40;
