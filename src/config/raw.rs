//! The configuration as written: every key that there is, with its default. Nothing but types is checked here.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::{Fault, Faults};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    pub http: RawHttp,
    pub policies: RawPolicies,
    pub shadow: RawShadow,
    pub schema: RawSchema,
    pub bundle: RawBundle,
    /// Where tenants without manifests have their directory.
    pub directory: Option<RawDirectory>,
    pub database: RawDatabase,
    pub tenants: RawTenants,
    pub tokens: RawTokens,
    pub keys: RawKeys,
    pub decisions: RawDecisions,
    pub cache: RawCache,
    pub callers: RawCallers,
    pub audit: RawAudit,
    pub watch: RawWatch,
    pub log: RawLog,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section!(RawHttp {
    bind: String = "127.0.0.1:8180".into(),
    /// A Unix socket to listen on as well.
    unix_socket: Option<PathBuf> = None,
    /// Who may connect to it, in octal digits.
    unix_socket_mode: String = "0660".into(),
    /// Connections open at once on each listener; one more waits until another ends.
    max_connections: usize = 8192,
    /// How long the head of a request may take from its first byte.
    header_timeout_seconds: u64 = 10,
    /// How long a connection is kept without a request. Longer than gateways keep theirs, so that they end them: a
    /// request can then not meet a connection that is just being closed.
    idle_timeout_seconds: u64 = 620,
    max_header_bytes: u32 = 32 * 1024,
    /// Requests under way at once on one HTTP/2 connection.
    max_streams: u32 = 256,
    max_body_bytes: usize = 256 * 1024,
    /// Of a change of many things at once.
    max_batch_body_bytes: usize = 32 * 1024 * 1024,
    /// How long a decision waits for a revision that it asks for.
    at_least_timeout_milliseconds: u64 = 5000,
    max_batch: usize = 100,
    /// Requests that may be under way at once; one more is answered 429.
    max_in_flight: usize = 4096,
    request_timeout_seconds: u64 = 10,
    /// How long the server goes on taking requests after it says that it is not ready.
    stop_delay_milliseconds: u64 = 500,
    /// How long requests under way may take to finish when the server stops.
    drain_timeout_seconds: u64 = 20,
});
section!(RawPolicies {
    dir: Option<PathBuf> = None,
    /// A candidate beside it: a folder as this one, or one with `policies/` and `schema/` in it. Every decision is made by
    /// it as well, and answers never are.
    candidate: Option<PathBuf> = None,
});
section!(RawShadow {
    /// Decisions that wait for the candidate; one more is not compared.
    queue: usize = 10_000,
    /// Differences that are told in the log each second; all are counted.
    log_per_second: u32 = 5,
});
section!(RawSchema { dir: Option<PathBuf> = None, identity: bool = true, });
section!(RawBundle { dir: Option<PathBuf> = None, });
section!(RawDatabase {
    /// [default: `cedargate.db` beside the policies folder]
    path: Option<PathBuf> = None,
    /// What a tenant's `manifests/` are where there is a database.
    manifests: RawManifests = RawManifests::Serve,
});
section!(RawTenants { default: Option<String> = None, });
section!(RawTokens {
    leeway_seconds: u64 = 30,
    max_bytes: usize = 16 * 1024,
    /// Of signed tokens of our own: where this server is to be found from outside.
    issuer: Option<String> = None,
    issuer_trailing_slash: RawTrailingSlash = RawTrailingSlash::Exact,
});
section!(RawKeys {
    refresh_seconds: u64 = 15 * 60,
    min_refresh_seconds: u64 = 60,
    max_refresh_seconds: u64 = 24 * 60 * 60,
    unknown_key_interval_seconds: u64 = 5,
    max_stale_seconds: u64 = 3 * 24 * 60 * 60,
    timeout_seconds: u64 = 5,
    /// Hosts, `name` or `name:port`, that keys may be fetched from without TLS; loopback always may.
    allow_http: Vec<String> = Vec::new(),
});
section!(RawDecisions { forbid_errors: RawForbidErrors = RawForbidErrors::Deny });
section!(RawCache {
    /// Of each snapshot; 0 keeps none.
    slice_megabytes: usize = 64,
    /// Of verified tokens, and as much again of principals; 0 keeps none.
    token_megabytes: usize = 32,
});
section!(RawCallers {
    anonymous: RawAnonymous = RawAnonymous::Token,
    /// Who may ask for explanations: they name grants and people of the directory.
    explain: RawExplain = RawExplain::Anyone,
    keys: Vec<RawCallerKey> = Vec::new(),
});
section!(RawAudit {
    sink: RawAuditSink = RawAuditSink::Off,
    path: Option<PathBuf> = None,
    rotate_bytes: usize = 100 * 1024 * 1024,
    keep: usize = 10,
    queue: usize = 10_000,
    when_full: RawWhenFull = RawWhenFull::Drop,
    /// Claims whose values are not written, by path.
    mask: Vec<String> = Vec::new(),
});
section!(RawWatch { debounce_milliseconds: u64 = 100, poll_seconds: u64 = 5 });
section!(RawLog { level: String = "info".into(), format: RawLogFormat = RawLogFormat::Text });

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCallerKey {
    pub name: String,
    /// `sha256:…`, as `cedargate key` prints it.
    pub hash: String,
    #[serde(default)]
    pub may: Vec<super::Permission>,
    /// The tenants it may ask about; all when left out.
    pub tenants: Option<Vec<String>>,
}

macro_rules! choice {
    ($name:ident { $($variant:ident),* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($variant),* }
    };
}

choice!(RawDirectory { Sqlite, Files });
choice!(RawManifests { Serve, Apply });
choice!(RawTrailingSlash { Exact, Ignore });
choice!(RawForbidErrors { Deny, Skip });
choice!(RawAnonymous { Token, Nobody });
choice!(RawExplain { Anyone, Keyed });
choice!(RawAuditSink { Off, Stdout, File });
choice!(RawWhenFull { Drop, Block });
choice!(RawLogFormat { Text, Json });

impl RawConfig {
    pub(super) fn from_table(table: toml::Table) -> Result<Self, Faults> {
        table.try_into().map_err(|error: toml::de::Error| {
            Fault::of_file("configuration", error.message().replace('\n', " ")).into()
        })
    }
}
