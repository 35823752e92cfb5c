//! `test`: decision cases as data. Exit 4 when a case fails, or too little of the policies was exercised.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::report::Trouble;
use super::{Common, Ending, in_runtime, report};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{Fault, TenantId, with_causes};
use crate::snapshot::Watcher;
use crate::workbench::cases::{Report, Runner, Selection, to_junit};

#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    common: Common,
    /// Case files or folders of them [default: `cases/` of every tenant]
    paths: Vec<PathBuf>,
    /// Without paths, the only tenant to run; with paths, the one for files outside of any tenant's folder
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Only cases whose suite's and own name hold this; may be given several times, any of which will do
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also say which policies, and which outcomes of their conditions, no case exercised
    #[arg(long)]
    coverage: bool,
    /// Fail when less than this was exercised
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Run again whenever the tree or the cases change, until interrupted
    #[arg(long)]
    watch: bool,
}

impl Test {
    pub(super) fn run(self) -> Ending {
        let started = self.common.config().map_err(Trouble::from);
        let prepared = started.and_then(|config| Ok((self.selection()?, config)));
        let (selection, config) = match prepared {
            Ok(prepared) => prepared,
            Err(trouble) => return trouble.end(self.common.json),
        };
        if self.watch {
            return in_runtime(self.common.json, self.again_and_again(&selection, &config));
        }
        self.once(&selection, &config)
    }

    fn selection(&self) -> Result<Selection, Trouble> {
        let tenant = self.tenant.as_deref().map(TenantId::parse).transpose();
        let tenant = tenant.map_err(|error| Trouble::Invalid(Fault::of_file("--tenant", error.to_string()).into()))?;
        Ok(Selection { paths: self.paths.clone(), tenant, filters: self.filter.clone() })
    }

    fn once(&self, selection: &Selection, config: &Config) -> Ending {
        let runner = Runner { covers: self.coverage || self.min_coverage.is_some(), ..Runner::of(config) };
        let result = match runner.run(selection, SystemClock.now()) {
            Ok(result) => result,
            Err(faults) => return report::invalid(self.common.json, &faults),
        };
        if let Some(path) = &self.junit
            && let Err(error) = std::fs::write(path, to_junit(&result))
        {
            return report::failed(self.common.json, &format!("`{}` cannot be written: {error}", path.display()));
        }
        let lacking = self.lacking(&result);
        self.print(&result, lacking.as_deref());
        if result.is_ok() && lacking.is_none() { Ending::Ok } else { Ending::Difference }
    }

    /// That too little was exercised.
    fn lacking(&self, result: &Report) -> Option<String> {
        let (least, coverage) = (self.min_coverage?, result.coverage.as_ref()?);
        let is_less = coverage.percent < least;
        is_less.then(|| format!("coverage is {} %, less than {least} %", coverage.shown_percent()))
    }

    fn print(&self, result: &Report, lacking: Option<&str>) {
        if !self.common.json {
            report::say(result.to_string());
            lacking.into_iter().for_each(report::say);
            return;
        }
        let mut all = match serde_json::to_value(result) {
            Ok(Value::Object(all)) => all,
            _ => Map::new(),
        };
        if let Some(lacking) = lacking {
            all.insert("ok".to_owned(), false.into());
            all.insert("error".to_owned(), lacking.into());
        }
        report::say_json(&all);
    }

    async fn again_and_again(&self, selection: &Selection, config: &Config) -> Result<Ending, Trouble> {
        let dirs = &config.layout.dirs;
        let mut folders = config.layout.folders();
        folders.extend(selection.paths.iter().map(|path| match path.parent() {
            // An editor puts another file in the place of the one that it changes.
            Some(parent) if path.is_file() && !parent.as_os_str().is_empty() => parent.to_owned(),
            Some(_) if path.is_file() => PathBuf::from("."),
            _ => path.clone(),
        }));
        let mut watcher =
            Watcher::start(folders, config.watch).map_err(|error| Trouble::Failed(with_causes(&error)))?;
        loop {
            let seen = selection.stamps(dirs);
            let separator = format!("-- {}", SystemClock.now().format("%H:%M:%S UTC"));
            if self.common.json {
                report::complain(separator)
            } else {
                report::say(separator)
            }
            self.once(selection, config);
            while selection.stamps(dirs) == seen {
                watcher.changed().await;
            }
            watcher.quiet_moment().await;
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "write a number from 0 to 100".to_owned())
}
