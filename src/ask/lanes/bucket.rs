//! Time that work took, forgotten at a tenth of the time that passes.

use std::time::{Duration, Instant};

/// Fills with the time that slow work took.
#[derive(Debug)]
pub(super) struct Bucket {
    filled: Duration,
    at: Instant,
}

impl Bucket {
    pub fn new(now: Instant) -> Self {
        Self { filled: Duration::ZERO, at: now }
    }

    pub fn add(&mut self, took: Duration, now: Instant) {
        self.drain(now);
        self.filled = (self.filled + took).min(MOST);
    }

    pub fn is_over(&mut self, now: Instant) -> bool {
        self.drain(now);
        self.filled > BRIM
    }

    pub fn is_empty(&mut self, now: Instant) -> bool {
        self.drain(now);
        self.filled.is_zero()
    }

    fn drain(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.filled = self.filled.saturating_sub(passed / DRAIN);
        self.at = now;
    }
}

/// So much is nobody's harm: an explanation over very many grants, a slice that is large.
pub(super) const BRIM: Duration = Duration::from_millis(100);
/// A tenth of one processor may go on slow work for ever.
const DRAIN: u32 = 10;
/// A minute apart for whatever was done.
const MOST: Duration = Duration::from_millis(6_100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_time_may_go_on_slow_work_and_more_runs_over() {
        let start = Instant::now();
        let after = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut bucket = Bucket::new(start);
        for round in 1..100 {
            bucket.add(Duration::from_millis(10), after(round * 100));
            assert!(!bucket.is_over(after(round * 100)));
        }
        let mut bucket = Bucket::new(start);
        bucket.add(Duration::from_millis(60), start);
        assert!(!bucket.is_over(start));
        bucket.add(Duration::from_millis(60), start);
        assert!(bucket.is_over(start));
        assert!(!bucket.is_over(after(200)) && !bucket.is_empty(after(1_000)) && bucket.is_empty(after(1_200)));
    }

    #[test]
    fn whatever_was_done_is_forgiven_after_a_minute() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        bucket.add(Duration::from_secs(3_600), start);
        assert!(bucket.is_over(start + Duration::from_secs(59)));
        assert!(!bucket.is_over(start + Duration::from_secs(60)));
    }
}
