//! A tenant that serves in this process, and the same files as plain Cedar reads them.

use std::path::Path;
use std::sync::Arc;

use cedargate::app::App;
use cedargate::ask::{Ask, Asker};
use cedargate::bench::generate::GENERATED_TENANT;
use cedargate::bench::{People, Running, Subject, TenantFiles};
use cedargate::config::{Config, RawConfig};
use cedargate::model::{Faults, TenantId};
use cedargate::snapshot::Snapshot;

use crate::error::BarError;
use crate::lab::Lab;

pub struct World {
    pub server: Server,
    pub files: TenantFiles,
    pub people: People,
}

/// The tenant alone.
pub struct Server {
    pub running: Running,
    /// What it asks, for the same in this process.
    pub ask: Ask,
    pub config: Config,
    /// What served at first.
    pub snapshot: Arc<Snapshot>,
}

impl World {
    pub fn load(tree: &Path, lab: &Lab) -> Result<Self, BarError> {
        let server = Server::start(raw_config(tree), lab)?;
        let Server { config, snapshot, .. } = &server;
        let files = TenantFiles::read(&config.layout, &tenant()?, &snapshot.schema)?;
        let people = People::with_tokens(lab.issuer.clone(), config, snapshot, &lab.clock)?;
        Ok(Self { server, files, people })
    }

    /// What decides here.
    pub fn subject(&self) -> Subject<'_> {
        let Self { server: Server { config, snapshot, .. }, files, people } = self;
        Subject { decider: &config.decider, snapshot, files, people }
    }

    pub fn stop(self, lab: &Lab) -> Result<(), BarError> {
        self.server.stop(lab)
    }
}

impl Server {
    pub fn start(raw: RawConfig, lab: &Lab) -> Result<Self, BarError> {
        let config = Config::try_from(raw)?;
        let app = lab.wait(App::start(config.clone(), Arc::clone(&lab.clock)))?;
        let (ask, snapshot) = (app.ask(), serving(&app)?);
        let running = lab.wait(async { Running::cedargate(app) });
        Ok(Self { running, ask, config, snapshot })
    }

    pub fn stop(self, lab: &Lab) -> Result<(), BarError> {
        Ok(lab.wait(self.running.stop())?)
    }
}

/// The tenant of every tree.
pub fn tenant() -> Result<TenantId, BarError> {
    Ok(TenantId::parse(GENERATED_TENANT)?)
}

/// As somebody would serve such a tree, on any port.
pub fn raw_config(tree: &Path) -> RawConfig {
    let mut raw = RawConfig::default();
    raw.http.bind = "127.0.0.1:0".to_owned();
    raw.ops.bind = Some("off".to_owned());
    raw.keys.allow_hosts = vec!["127.0.0.0/8".to_owned()];
    raw.http.stop_delay_milliseconds = 0;
    raw.policies.dir = Some(tree.join("policies"));
    raw.schema.dir = Some(tree.join("schema"));
    raw.tenants.default = Some(GENERATED_TENANT.to_owned());
    raw.log.level = "error".to_owned();
    raw
}

/// The snapshot that serves, or why there is none.
pub fn serving(app: &App) -> Result<Arc<Snapshot>, BarError> {
    let tenants = app.tenants();
    let handle = tenants.get(GENERATED_TENANT);
    if let Some(snapshot) = handle.as_ref().and_then(|handle| handle.snapshot()) {
        return Ok(snapshot);
    }
    let own = handle.iter().flat_map(|handle| handle.last_reload().errors.clone());
    Err(Faults(own.chain(tenants.shared().errors.clone()).collect()).into())
}

/// Who asks here, for the record.
pub fn asker() -> Asker {
    Asker { caller: "bars".to_owned(), request_id: Arc::from("bars") }
}
