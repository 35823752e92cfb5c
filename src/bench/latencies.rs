//! Times in, percentiles out: in constant memory, to three digits.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

use super::report::Measured;

/// How long something took, many times.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn empty() -> Result<Self, CreationError> {
        Histogram::new_with_max(LONGEST_NANOSECONDS, 3).map(Self)
    }

    pub fn record(&mut self, elapsed: Duration) {
        self.0.saturating_record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Microseconds below which this share of them stayed.
    pub fn percentile(&self, percent: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an hour of nanoseconds fits a float exactly")]
        let nanoseconds = self.0.value_at_percentile(percent) as f64;
        nanoseconds / 1000.0
    }

    /// Microseconds on average, but for the fastest and the slowest: the mean of the deciles. Where there are two kinds of
    /// requests, as many of each, a median would jump from the one to the other.
    pub fn midmean(&self) -> f64 {
        (1..=9_u8).map(|decile| self.percentile(f64::from(decile) * 10.0)).sum::<f64>() / 9.0
    }

    /// Microseconds on average.
    pub(super) fn mean(&self) -> f64 {
        self.0.mean() / 1000.0
    }

    /// As results, as `<name>_p50`.
    pub(super) fn results(&self, name: &str, percents: &[(&str, f64)]) -> Vec<Measured> {
        let result = |(suffix, percent): &(&str, f64)| {
            Measured::new(format!("{name}_{suffix}"), self.percentile(*percent), "us")
        };
        percents.iter().map(result).collect()
    }
}

pub(super) const ALL: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9)];
const LONGEST_NANOSECONDS: u64 = 60 * 60 * 1_000_000_000;
