//! `compile`: manifests to bundles on disk, without a server.

use clap::Args;
use serde_json::json;

use super::report::Trouble;
use super::{Common, Ending, report};
use crate::assemble::{assemble_all, publish};
use crate::clock::{Clock, SystemClock};
use crate::model::Faults;

#[derive(Debug, Args)]
pub(super) struct Compile {
    #[command(flatten)]
    common: Common,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<String>,
}

impl Compile {
    pub(super) fn run(self) -> Ending {
        match self.compile() {
            Ok(tenants) => {
                if self.common.json {
                    report::say_json(&json!({"ok": true, "tenants": tenants}));
                }
                Ending::Ok
            }
            Err(trouble) => trouble.end(self.common.json),
        }
    }

    fn compile(&self) -> Result<Vec<serde_json::Value>, Trouble> {
        let config = self.common.config()?;
        let (_, everything) = assemble_all(&config.layout, SystemClock.now());
        let mut faults = Faults::default();
        let mut unwritten = Vec::new();
        let mut compiled = Vec::new();
        let wanted = |name: &str| self.tenant.as_deref().is_none_or(|tenant| tenant == name);
        let tenants = everything?.tenants;
        if let Some(tenant) = self.tenant.as_deref().filter(|name| !tenants.contains_key(*name)) {
            faults.push(crate::model::Fault::of_file("--tenant", format!("there is no folder for tenant `{tenant}`")));
        }
        for (tenant, outcome) in tenants.into_iter().filter(|(tenant, _)| wanted(tenant.as_str())) {
            let bundle = match outcome {
                Ok(assembled) => assembled.bundle,
                Err(found) => {
                    faults.extend(found);
                    continue;
                }
            };
            // A tenant without manifests has nothing to compile.
            let Some(bundle) = bundle else { continue };
            match publish(&config.layout, &tenant, &bundle) {
                Ok(written) => {
                    let (revision, generation) = (bundle.revision, bundle.index().generation);
                    if !self.common.json {
                        let files = if written.is_empty() { "nothing to write".to_owned() } else { written.join(", ") };
                        report::say(format!("{tenant}: revision {revision}: {files}"));
                    }
                    compiled.push(json!({
                        "tenant": tenant, "revision": revision, "generation": generation, "written": written
                    }));
                }
                Err(fault) => unwritten.push(fault.to_string()),
            }
        }
        if faults.0.is_empty() && !unwritten.is_empty() {
            return Err(Trouble::Failed(unwritten.join("; ")));
        }
        Ok(faults.or(compiled)?)
    }
}
