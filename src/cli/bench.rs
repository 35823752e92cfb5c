//! `bench`: how fast a tenant's requests are decided on this machine, beside plain Cedar and a bare HTTP handler.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::report::Trouble;
use super::source::json_argument;
use super::{Common, Ending, report};
use crate::bench::generate::{Spec, Trusted, write_tree};
use crate::bench::{BenchError, Measurable, Report, Settings, run};
use crate::clock::{SharedClock, SystemClock};
use crate::model::{Fault, Faults, TenantId, with_causes};

#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(flatten)]
    common: Common,
    /// The tenant to measure [default: the only one]
    #[arg(long)]
    tenant: Option<String>,
    /// Measure a made-up tenant instead: grants=N,users=N,resources=N[,teams=N][,seed=N]
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["tenant", "policies", "schema"])]
    generate: Option<Spec>,
    /// Only write the made-up tenant's tree into this folder
    #[arg(long, value_name = "DIR", requires = "generate")]
    into: Option<PathBuf>,
    /// The issuer that a made-up tenant trusts
    #[arg(long, hide = true, requires = "into", default_value = "https://bench.example")]
    issuer: String,
    /// Seconds for each measurement
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    seconds: Duration,
    /// Connections that the server is asked over
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Cedar's JSON for a context that every request carries
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
}

impl Bench {
    pub(super) fn run(self) -> Ending {
        if let (Some(spec), Some(dir)) = (&self.generate, &self.into) {
            return match write_tree(dir, spec, &Trusted::by_demo(&self.issuer)) {
                Ok(()) => Ending::Ok,
                Err(error) => report::failure(self.common.json, &error),
            };
        }
        match self.measure() {
            Ok(report) if self.common.json => report::say_json(&report),
            Ok(report) => report.lines().iter().for_each(report::say),
            Err(trouble) => return trouble.end(self.common.json),
        }
        Ending::Ok
    }

    fn measure(&self) -> Result<Report, Trouble> {
        let tenant = self.tenant.as_deref().map(TenantId::parse).transpose();
        let tenant = tenant.map_err(|error| Faults::from(Fault::of_file("--tenant", error.to_string())))?;
        let context = self.context.as_deref().map(|text| json_argument("--context", text)).transpose()?;
        let settings = Settings {
            raw: self.common.raw_config()?,
            tenant: self.generate.clone().map_or(Measurable::Real(tenant), Measurable::Generated),
            time: self.seconds,
            connections: usize::from(self.connections),
            context,
        };
        let clock: SharedClock = Arc::new(SystemClock);
        let tell = |at: &str| {
            if !self.common.json {
                report::complain(format!("… {at}"));
            }
        };
        run(&settings, &clock, &tell).map_err(|error| match error {
            BenchError::Faults(faults) => Trouble::Invalid(faults),
            error => Trouble::Failed(with_causes(&error)),
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.05..=600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be a number from 0.05 to 600".to_owned())
}
