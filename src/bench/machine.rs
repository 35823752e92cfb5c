//! The machine that a number is about, and what a process takes of it: read from `/proc`, left out where there is
//! none.

use std::fs;
use std::time::Duration;

use serde::Serialize;

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    pub os: String,
    pub version: &'static str,
    /// `release` or `debug`.
    pub build: &'static str,
}

impl Machine {
    /// The one that this runs on.
    pub fn this() -> Self {
        let unknown = || "unknown".to_owned();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kilobytes("/proc/meminfo", "MemTotal"),
            os: format!("{} {}", std::env::consts::OS, kernel.trim()).trim_end().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

/// What this process has in memory now.
pub fn resident_bytes() -> Option<u64> {
    kilobytes("/proc/self/status", "VmRSS")
}

/// The most that it ever had.
pub(super) fn peak_resident_bytes() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM")
}

/// What all threads of this process have run, those that ended included.
pub(super) fn process_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // proc(5): the name may hold anything; after its bracket, user and system time are the 12th and 13th.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * MILLISECONDS_A_TICK))
}

/// What this thread has run.
pub(super) fn thread_time() -> Option<Duration> {
    let times = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    times.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn kilobytes(file: &str, name: &str) -> Option<u64> {
    field(file, name)?.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Linux counts a process's time in hundredths of a second for whoever reads it here.
const MILLISECONDS_A_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_says_what_a_process_takes() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && machine.memory_bytes > resident_bytes(), "{machine:?}");
        assert!(resident_bytes() > Some(100_000) && peak_resident_bytes() >= Some(100_000));
        assert!(thread_time().is_some() && process_time().is_some());
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert_eq!(field("/nowhere", "x"), None);
        assert_eq!(kilobytes("/nowhere", "x"), None);
    }
}
