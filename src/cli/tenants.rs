//! The tenants that a verb of the workbench looks at: one, or all that there are.

use clap::Args;

use super::Common;
use crate::assemble::assemble_all;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{Fault, Faults, TenantId};
use crate::snapshot::Snapshot;

/// What verbs take that look at one tenant or at all.
#[derive(Clone, Debug, Args)]
pub(super) struct OfTenants {
    #[command(flatten)]
    pub common: Common,
    /// Only this tenant
    #[arg(long)]
    pub tenant: Option<String>,
}

impl OfTenants {
    /// The configuration, and each tenant's snapshot.
    pub fn read(&self) -> Result<(Config, Vec<Snapshot>), Faults> {
        let config = self.common.config()?;
        let snapshots = snapshots(&config, self.tenant.as_deref())?;
        Ok((config, snapshots))
    }
}

/// One tenant's snapshot, or all. Another's faults do not matter to someone who named one.
pub(super) fn snapshots(config: &Config, tenant: Option<&str>) -> Result<Vec<Snapshot>, Faults> {
    let of_tenant = |message: String| Faults::from(Fault::of_file("--tenant", message));
    let only = tenant.map(TenantId::parse).transpose().map_err(|error| of_tenant(error.to_string()))?;
    let (tree, everything) = assemble_all(&config.layout, SystemClock.now());
    let mut faults = Faults::default();
    let mut snapshots = Vec::new();
    for (tenant, assembled) in everything?.tenants {
        if only.as_ref().is_some_and(|only| *only != tenant) {
            continue;
        }
        match assembled {
            Ok(assembled) => snapshots.push(assembled.snapshot),
            Err(found) => faults.extend(found),
        }
    }
    faults.or(())?;
    match (&only, snapshots.is_empty()) {
        (Some(only), true) => Err(of_tenant(format!("there is no folder for tenant `{only}`"))),
        (None, true) => {
            let dir = config.layout.dirs.policies.to_string_lossy().into_owned();
            let strays = tree.strays;
            strays.or(())?;
            Err(Fault::of_file(dir, "holds no tenant: each has a folder of its own here").into())
        }
        _ => Ok(snapshots),
    }
}
