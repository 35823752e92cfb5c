//! A tenant of the tree, assembled for one look: what `export`, `authorize` and `token explain` start from.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::Common;
use crate::assemble::{Assembled, assemble_all};
use crate::authn::{Claims, KeyRegistry, VerifiedToken, Verifier};
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::config::Config;
use crate::model::{Fault, Faults, ProviderName, TenantId};
use crate::snapshot::Snapshot;

/// A tenant's snapshot, and the configuration it was read with.
pub(super) struct Source {
    pub config: Config,
    pub snapshot: Snapshot,
}

impl Source {
    /// Assembles one tenant; the others' faults do not matter here.
    pub(super) fn read(common: &Common, tenant: &str) -> Result<Self, Faults> {
        let config = common.config()?;
        let of_tenant = |message: String| Faults::from(Fault::of_file("--tenant", message));
        let tenant = TenantId::parse(tenant).map_err(|error| of_tenant(error.to_string()))?;
        let (_, everything) = assemble_all(&config.layout, SystemClock.now());
        let mut tenants = everything?.tenants;
        let Some(assembled) = tenants.remove(&tenant) else {
            return Err(of_tenant(format!("there is no folder for tenant `{tenant}`")));
        };
        let Assembled { snapshot, .. } = assembled?;
        Ok(Self { config, snapshot })
    }

    /// A verifier for the tenant's providers, which starts to fetch their keys. Needs a runtime.
    pub(super) fn verifier(&self) -> Verifier {
        let clock: SharedClock = Arc::new(SystemClock);
        let keys = Arc::new(KeyRegistry::new(self.config.keys.of_one_look(), Arc::clone(&clock)));
        keys.configure(&self.snapshot.identity_providers.iter().map(|provider| provider.jwks_uri.clone()).collect());
        Verifier::new(self.config.tokens, keys, clock)
    }

    /// Claims from a file, taken as a provider's word.
    pub(super) fn trusted_claims(&self, file: &Path, provider: &str) -> Result<VerifiedToken, Faults> {
        let name = file.to_string_lossy().into_owned();
        let fault = |message: String| Faults::from(Fault::of_file(&name, message));
        let bytes = std::fs::read(file).map_err(|error| fault(format!("cannot be read: {error}")))?;
        let claims = Claims::parse(&bytes).map_err(|error| fault(error.to_string()))?;
        let unknown =
            || Faults::from(Fault::of_file("--provider", format!("there is no identity provider `{provider}`")));
        let wanted = ProviderName::parse(provider).map_err(|_| unknown())?;
        let provider =
            self.snapshot.identity_providers.iter().find(|known| known.name == wanted).ok_or_else(unknown)?;
        VerifiedToken::of_trusted(claims, provider).map_err(|error| fault(error.to_string()))
    }
}

/// A JSON object from the command line.
pub(super) fn json_argument(flag: &str, text: &str) -> Result<Value, Faults> {
    serde_json::from_str(text).map_err(|error| Fault::of_file(flag, format!("is not JSON: {error}")).into())
}
