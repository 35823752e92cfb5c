//! `check`: is everything that people wrote valid?

use clap::Args;
use serde_json::json;

mod names;

use names::Names;

use super::report::counted;
use super::{Common, Ending, report};
use crate::assemble::{Layout, assemble_all};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{Fault, Faults, TenantId};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    common: Common,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(self) -> Ending {
        let config = match self.common.config() {
            Ok(config) => config,
            Err(faults) => return report::invalid(self.common.json, &faults),
        };
        let mut found = Found::default();
        let good = found.look(&config, &config.layout);
        let candidate = config.candidate.as_ref().map(|(layout, _)| found.look(&config, layout));
        found.warnings.sort();
        found.warnings.dedup();
        let ending = report(self.common.json, &good, candidate.as_deref(), &found.warnings, found.faults);
        if self.strict && !found.warnings.is_empty() {
            if !self.common.json {
                report::complain(format!("{}: `--strict` lets none pass", counted(found.warnings.len(), "warning")));
            }
            return Ending::Invalid;
        }
        ending
    }
}

#[derive(Default)]
struct Found {
    faults: Faults,
    warnings: Vec<Fault>,
}

impl Found {
    /// Looks at a whole tree; the tenants that are good.
    fn look(&mut self, config: &Config, layout: &Layout) -> Vec<TenantId> {
        let (tree, everything) = assemble_all(layout, SystemClock.now());
        self.faults.extend(tree.strays.clone());
        self.warnings.extend(tree.warnings.iter().cloned());
        let mut good = Vec::new();
        match everything {
            Ok(everything) => {
                let schema_warnings = everything.shared.schema.warnings.iter();
                let schema = layout.dirs.schema.to_string_lossy();
                self.warnings.extend(schema_warnings.map(|warning| Fault::of_file(schema.as_ref(), warning)));
                let mut names = Names::over(config, layout, &tree);
                for (tenant, outcome) in everything.tenants {
                    match outcome {
                        Ok(assembled) => {
                            names.look(&assembled.snapshot);
                            self.warnings.extend(assembled.snapshot.warnings);
                            good.push(tenant);
                        }
                        Err(found) => {
                            names.pass_over();
                            self.faults.extend(found);
                            let folder = tree.tenants.iter().flatten().find(|(other, _)| **other == tenant);
                            let folder = folder.and_then(|(_, folder)| folder.as_ref().ok());
                            self.warnings.extend(folder.iter().flat_map(|folder| folder.warnings.clone()));
                        }
                    }
                }
                self.warnings.extend(names.finish());
            }
            Err(found) => self.faults.extend(found),
        }
        good
    }
}

fn report(
    as_json: bool,
    good: &[TenantId],
    candidate: Option<&[TenantId]>,
    warnings: &[Fault],
    faults: Faults,
) -> Ending {
    let checked = faults.or(());
    let found = checked.as_ref().err().map(|faults| faults.0.as_slice()).unwrap_or_default();
    if as_json {
        let (ok, faults) = (found.is_empty(), found);
        let mut told = json!({"ok": ok, "tenants": good, "faults": faults, "warnings": warnings});
        if let (Some(told), Some(candidate)) = (told.as_object_mut(), candidate) {
            told.insert("candidate".to_owned(), json!({"tenants": candidate}));
        }
        report::say_json(&told);
    } else {
        warnings.iter().for_each(|warning| report::say(format!("warning: {warning}")));
        found.iter().for_each(|fault| report::complain(fault.to_string()));
        if found.is_empty() {
            let names = |tenants: &[TenantId]| tenants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            report::say(format!("valid: schema, platform and {} tenant(s): {}", good.len(), names(good)));
            if let Some(candidate) = candidate {
                report::say(format!("valid: the candidate with {} tenant(s): {}", candidate.len(), names(candidate)));
            }
        } else {
            report::complain(format!("{} fault(s)", found.len()));
        }
    }
    if found.is_empty() { Ending::Ok } else { Ending::Invalid }
}
