//! Where everything is measured: the sizes, an identity provider, a runtime, and trees that are written once.

use std::cell::OnceCell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate::bench::generate::{AUDIENCE, PROVIDER, Spec, Trusted};
use cedargate::clock::{SharedClock, SystemClock};
use cedargate::demo::{DemoIssuer, DemoIssuers};
use cedargate::model::SigningAlgorithm;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::child;
use crate::error::BarError;
use crate::scale::Scale;
use crate::table::tell;
use crate::world::World;

pub struct Lab {
    pub scale: Scale,
    pub clock: SharedClock,
    /// Whom all trees trust.
    pub issuer: DemoIssuer,
    large: OnceCell<World>,
    folder: TempDir,
    // Last to go: what is above may still run on it.
    pub runtime: Runtime,
}

impl Lab {
    pub fn open(scale: Scale) -> Result<Self, BarError> {
        let runtime = cedargate::app::server_runtime().map_err(BarError::Runtime)?;
        let clock: SharedClock = Arc::new(SystemClock);
        let algorithms: [(_, _, &[_]); 1] = [(PROVIDER, AUDIENCE, &[SigningAlgorithm::RS256, SigningAlgorithm::ES256])];
        let issuers = runtime.block_on(DemoIssuers::start_only(Arc::clone(&clock), &algorithms))?;
        let issuer = issuers.get(PROVIDER).cloned().ok_or(BarError::Unknown("who issues tokens"))?;
        let folder = TempDir::with_prefix("cedargate-bars-").map_err(BarError::file(std::env::temp_dir()))?;
        Ok(Self { scale, clock, issuer, large: OnceCell::new(), folder, runtime })
    }

    /// Waits for something that serves or asks.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Where the tree of this name is, or is to be.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A made-up tree, written unless it is there.
    pub fn tree(&self, name: &str, spec: &Spec) -> Result<PathBuf, BarError> {
        let place = self.place(name);
        if !place.exists() {
            tell(&format!("  writing {spec}"));
            child::write(spec, &self.issuer.issuer, &place)?;
        }
        Ok(place)
    }

    pub fn trusted(&self) -> Trusted {
        Trusted::by_demo(&self.issuer.issuer)
    }

    /// A tenant that serves in this process.
    pub fn world(&self, tree: &Path) -> Result<World, BarError> {
        World::load(tree, self)
    }

    /// The tree of the large tenant.
    pub fn large_tree(&self) -> Result<PathBuf, BarError> {
        self.tree("large", &self.scale.large)
    }

    /// The large tenant, loaded once.
    pub fn large(&self) -> Result<&World, BarError> {
        if let Some(world) = self.large.get() {
            return Ok(world);
        }
        let tree = self.large_tree()?;
        tell("  loading it, and reading it again as plain Cedar");
        let world = self.world(&tree)?;
        Ok(self.large.get_or_init(|| world))
    }
}
