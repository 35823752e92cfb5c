//! What a piece of work takes of this thread's CPU time: waiting, and whoever else runs here, does not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Microseconds that each of so many took, and what came of them.
pub fn of_each<T>(count: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let before = thread_time();
    let done = work();
    let spent = thread_time().saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
    let count = count.max(1) as f64;
    (spent.as_secs_f64() * 1e6 / count, done)
}

fn thread_time() -> Duration {
    time_of(ClockId::ThreadCPUTime)
}

/// What all threads of this process have run.
pub fn process_time() -> Duration {
    time_of(ClockId::ProcessCPUTime)
}

fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default())
}
