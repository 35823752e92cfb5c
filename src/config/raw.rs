//! The configuration as written: every key that there is, with its default. Nothing but types is checked here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{Fault, Faults};

/// How cedargate runs. Each key may also be set by the environment: `CEDARGATE_HTTP__BIND` is `http.bind`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "cedargate configuration")]
pub struct RawConfig {
    /// What the server listens on, and its limits.
    pub http: RawHttp,
    /// Where probes and scrapers ask.
    pub ops: RawOps,
    /// When the server is ready.
    pub ready: RawReady,
    /// Where the policy tree is, and a candidate beside it.
    pub policies: RawPolicies,
    /// How a candidate is compared.
    pub shadow: RawShadow,
    /// Where the schema is.
    pub schema: RawSchema,
    /// Where compiled bundles are kept.
    pub bundle: RawBundle,
    /// Where tenants without manifests have their directory.
    pub directory: Option<RawDirectory>,
    /// The directory's database.
    pub database: RawDatabase,
    /// Which tenant is asked about.
    pub tenants: RawTenants,
    /// How tokens are verified.
    pub tokens: RawTokens,
    /// How the keys of identity providers are fetched.
    pub keys: RawKeys,
    /// What an answer means.
    pub decisions: RawDecisions,
    /// How much is remembered; it never changes an answer.
    pub cache: RawCache,
    /// Who may call the server.
    pub callers: RawCallers,
    /// Where decisions are recorded.
    pub audit: RawAudit,
    /// When the tree is looked at again.
    pub watch: RawWatch,
    /// What the server says of itself, on standard error.
    pub log: RawLog,
    /// The server's numbers.
    pub telemetry: RawTelemetry,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
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
    /// Address and port to listen on.
    bind: String = "127.0.0.1:8180".into(),
    /// A Unix socket to listen on as well.
    unix_socket: Option<PathBuf> = None,
    /// Who may connect to it, in octal digits.
    unix_socket_mode: String = "0660".into(),
    /// Connections open at once on each listener; one more waits until another ends.
    max_connections: usize = 8192,
    /// Of these, those of one peer's address, or IPv6 network of 64 bits; 0 is no bound of its own. [default: a quarter
    /// of `max_connections`, and 64 at the least]
    max_connections_per_peer: Option<usize> = None,
    /// How long the head of a request may take: of a connection's first one from when the connection is taken, of later
    /// ones from their first byte.
    header_timeout_seconds: u64 = 10,
    /// How long the body of a request may take, from when it is waited for.
    body_timeout_seconds: u64 = 5,
    /// How long a connection is kept without a request. Longer than gateways keep theirs, so that they end them: a
    /// request can then not meet a connection that is just being closed.
    idle_timeout_seconds: u64 = 620,
    /// The largest head of a request.
    max_header_bytes: u32 = 32 * 1024,
    /// Requests under way at once on one HTTP/2 connection.
    max_streams: u32 = 256,
    /// Requests of one connection at once that wait for their bodies; one more is answered 429.
    max_waiting_bodies: usize = 128,
    /// What the bodies that are being read may hold together, a quarter of it those of one peer; one more is answered 429.
    max_reading_bytes: usize = 256 * 1024 * 1024,
    /// The largest body of a question.
    max_body_bytes: usize = 256 * 1024,
    /// Of a change of many things at once.
    max_batch_body_bytes: usize = 32 * 1024 * 1024,
    /// How long a decision waits for a revision that it asks for.
    at_least_timeout_milliseconds: u64 = 5000,
    /// The most questions in one request.
    max_batch: usize = 1000,
    /// The largest body of many questions.
    max_questions_body_bytes: usize = 2 * 1024 * 1024,
    /// Requests that may be under way at once, once they are whole; one more is answered 429.
    max_in_flight: usize = 4096,
    /// How long one request may take.
    request_timeout_seconds: u64 = 10,
    /// How long the server goes on taking requests after it says that it is not ready.
    stop_delay_milliseconds: u64 = 500,
    /// How long requests under way may take to finish when the server stops.
    drain_timeout_seconds: u64 = 20,
});
section!(RawOps {
    /// Address and port that answer `/live`, `/ready`, `/status` and `/metrics` whatever else goes on; `off` is none.
    /// [default: `127.0.0.1:8181`, and none if that is taken]
    bind: Option<String> = None,
});
section!(RawReady {
    /// When `/ready` says yes: every tenant has a snapshot or a fault that `/status` tells, or all have a snapshot.
    require: RawRequire = RawRequire::Told,
});
section!(RawPolicies {
    /// The folder; `policies` where left out.
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
section!(RawSchema {
    /// The folder; `schema` where left out.
    dir: Option<PathBuf> = None,
    /// Whether cedargate's own identity types are added: users, teams, external identities.
    identity: bool = true,
});
section!(RawBundle {
    /// A folder a tenant in here, instead of `compiled/` in the tenant's own.
    dir: Option<PathBuf> = None,
    /// Whether bundles that were compiled from a database of another node may serve beside this node's own database,
    /// which never had their tenants. With `directory = "files"` they always may.
    accept_copied: bool = false,
});
section!(RawDatabase {
    /// [default: `cedargate.db` beside the policies folder]
    path: Option<PathBuf> = None,
    /// What a tenant's `manifests/` are where there is a database.
    manifests: RawManifests = RawManifests::Serve,
    /// Changes that may wait to be written, of one tenant and of all together; one more is answered 503.
    max_waiting_writes: usize = 1000,
});
section!(RawTenants {
    /// Whom questions are about that name no tenant.
    default: Option<String> = None,
});
section!(RawTokens {
    /// How far an issuer's clock may differ.
    leeway_seconds: u64 = 30,
    /// The longest token that is read.
    max_bytes: usize = 16 * 1024,
    /// Of signed tokens of our own: where this server is to be found from outside.
    issuer: Option<String> = None,
    /// Whether `https://a` and `https://a/` are one issuer.
    issuer_trailing_slash: RawTrailingSlash = RawTrailingSlash::Exact,
});
section!(RawKeys {
    /// Between fetches, where the issuer does not say.
    refresh_seconds: u64 = 15 * 60,
    /// The issuer's `max-age` is not taken below this.
    min_refresh_seconds: u64 = 60,
    /// The issuer's `max-age` is not taken above this.
    max_refresh_seconds: u64 = 24 * 60 * 60,
    /// At most one fetch in this time because of tokens that no key at hand verifies.
    unknown_key_interval_seconds: u64 = 5,
    /// How long keys serve when they cannot be fetched again.
    max_stale_seconds: u64 = 3 * 24 * 60 * 60,
    /// For one fetch.
    timeout_seconds: u64 = 5,
    /// How long a question waits for keys that its token lacks.
    unknown_key_wait_milliseconds: u64 = 1000,
    /// Hosts, `name` or `name:port`, that keys may be fetched from without TLS, wherever they are.
    allow_http: Vec<String> = Vec::new(),
    /// Hosts that keys may be fetched from though they are of this machine or its network: `name`, `name:port`, an
    /// address, or a network as `10.0.0.0/8`. Those of this machine need no TLS then.
    allow_hosts: Vec<String> = Vec::new(),
});
section!(RawDecisions {
    /// What a forbid that cannot be evaluated means: the answer is deny, or it is passed over as Cedar does.
    forbid_errors: RawForbidErrors = RawForbidErrors::Deny,
    /// The longest text of a context, or of what a question says of its resource, that policies look at. Beyond it the
    /// answer is deny, with `errors` naming the field.
    max_string_bytes: usize = crate::decide::DEFAULT_MAX_STRING_BYTES,
    /// Whether contexts that have no time get the server's, where the action's context declares it as `datetime`.
    clock: RawDecisionClock = RawDecisionClock::Off,
    /// What contexts call the time.
    clock_attribute: String = crate::decide::DEFAULT_TIME_MEMBER.into(),
});
section!(RawCache {
    /// Of slices of all tenants together; 0 keeps none.
    slice_megabytes: usize = 256,
    /// Of verified tokens, and as much again of principals; 0 keeps none.
    token_megabytes: usize = 32,
});
section!(RawCallers {
    /// Whether whoever has a token may ask about it without a key.
    anonymous: RawAnonymous = RawAnonymous::Token,
    /// Whose `explain` counts: explanations name grants and people of the directory.
    explain: RawCountsFrom = RawCountsFrom::Keyed,
    /// Whose `attributes` and `parents` of the resource count: policies are decided by them.
    describe: RawCountsFrom = RawCountsFrom::Keyed,
    /// Callers that have a key.
    keys: Vec<RawCallerKey> = Vec::new(),
});
section!(RawAudit {
    /// Where records go.
    sink: RawAuditSink = RawAuditSink::Off,
    /// The file, of the sink `file`.
    path: Option<PathBuf> = None,
    /// How large it gets before another is begun.
    rotate_bytes: usize = 100 * 1024 * 1024,
    /// How many earlier files are kept.
    keep: usize = 10,
    /// Records that may wait to be written.
    queue: usize = 10_000,
    /// What happens when so many wait: the record is lost, or the request waits too.
    when_full: RawWhenFull = RawWhenFull::Drop,
    /// Claims whose values are not written, by path.
    mask: Vec<String> = Vec::new(),
});
section!(RawWatch {
    /// Files must have stayed the same for this long.
    debounce_milliseconds: u64 = 100,
    /// Looks even when the system told of no change.
    poll_seconds: u64 = 5,
});
section!(RawLog {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter as `info,cedargate=debug`.
    level: String = "info".into(),
    format: RawLogFormat = RawLogFormat::Text,
});
section!(RawTelemetry {
    /// Tenants with series of their own in the metrics, in the order in which they are first counted; the others are
    /// counted as `other`.
    tenant_labels: usize = 100,
});

/// Who holds a key, and what they may do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCallerKey {
    /// What records call it.
    pub name: String,
    /// `sha256:…`, as `cedargate key` prints it.
    pub hash: String,
    /// What it may do beside asking about tokens.
    #[serde(default)]
    pub may: Vec<super::Permission>,
    /// The tenants it may ask about; all when left out.
    pub tenants: Option<Vec<String>>,
}

macro_rules! choice {
    ($name:ident { $($variant:ident),* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($variant),* }
    };
}

choice!(RawRequire { Told, All });
choice!(RawDirectory { Sqlite, Files });
choice!(RawManifests { Serve, Apply });
choice!(RawTrailingSlash { Exact, Ignore });
choice!(RawForbidErrors { Deny, Skip });
choice!(RawDecisionClock { Off, Now });
choice!(RawAnonymous { Token, Nobody });
choice!(RawCountsFrom { Anyone, Keyed });
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
