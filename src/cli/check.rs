//! `check`: is everything that people wrote valid?

use clap::Args;
use serde_json::json;

use super::{Common, Ending, report};
use crate::assemble::assemble_all;
use crate::clock::{Clock, SystemClock};
use crate::model::{Fault, Faults};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    common: Common,
}

impl Check {
    pub(super) fn run(self) -> Ending {
        let config = match self.common.config() {
            Ok(config) => config,
            Err(faults) => return report::invalid(self.common.json, &faults),
        };
        let (tree, everything) = assemble_all(&config.layout, SystemClock.now());
        let mut faults = tree.strays.clone();
        let mut warnings: Vec<Fault> = Vec::new();
        let mut good = Vec::new();
        match everything {
            Ok(everything) => {
                let schema_warnings = everything.shared.schema.warnings.iter();
                warnings.extend(schema_warnings.map(|warning| Fault::of_file("schema", warning)));
                for (tenant, outcome) in everything.tenants {
                    match outcome {
                        Ok(assembled) => {
                            warnings.extend(assembled.snapshot.warnings);
                            good.push(tenant);
                        }
                        Err(found) => faults.extend(found),
                    }
                }
            }
            Err(found) => faults.extend(found),
        }
        warnings.sort();
        warnings.dedup();
        report(self.common.json, &good, &warnings, faults)
    }
}

fn report(as_json: bool, good: &[crate::model::TenantId], warnings: &[Fault], faults: Faults) -> Ending {
    let checked = faults.or(());
    let found = checked.as_ref().err().map(|faults| faults.0.as_slice()).unwrap_or_default();
    if as_json {
        let (ok, faults) = (found.is_empty(), found);
        report::say_json(&json!({"ok": ok, "tenants": good, "faults": faults, "warnings": warnings}));
    } else {
        warnings.iter().for_each(|warning| report::say(format!("warning: {warning}")));
        found.iter().for_each(|fault| report::complain(fault.to_string()));
        if found.is_empty() {
            let names: Vec<_> = good.iter().map(ToString::to_string).collect();
            report::say(format!("valid: schema, platform and {} tenant(s): {}", names.len(), names.join(", ")));
        } else {
            report::complain(format!("{} fault(s)", found.len()));
        }
    }
    if found.is_empty() { Ending::Ok } else { Ending::Invalid }
}
