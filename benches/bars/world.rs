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
    pub server: Running,
    /// What the server asks, for the same in this process.
    pub ask: Ask,
    pub config: Config,
    /// What served at first.
    pub snapshot: Arc<Snapshot>,
    pub files: TenantFiles,
    pub people: People,
}

impl World {
    pub fn load(tree: &Path, lab: &Lab) -> Result<Self, BarError> {
        let config = Config::try_from(raw_config(tree))?;
        let app = lab.wait(App::start(config.clone(), Arc::clone(&lab.clock)))?;
        let snapshot = serving(&app)?;
        let files = TenantFiles::read(&config.layout, &tenant()?, &snapshot.schema)?;
        let people = People::with_tokens(lab.issuer.clone(), &config, &snapshot, &lab.clock)?;
        let ask = app.ask();
        let server = lab.wait(async { Running::cedargate(app) });
        Ok(Self { server, ask, config, snapshot, files, people })
    }

    /// What decides here.
    pub fn subject(&self) -> Subject<'_> {
        let Self { snapshot, files, people, .. } = self;
        Subject { decider: &self.config.decider, snapshot, files, people }
    }

    pub fn stop(self, lab: &Lab) -> Result<(), BarError> {
        Ok(lab.wait(self.server.stop())?)
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
