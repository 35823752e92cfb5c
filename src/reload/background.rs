//! Where reloads run: threads of their own that stand back whenever there is a request to answer.

use std::thread::available_parallelism;

use crate::cedar_text::THREAD_STACK_BYTES;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads for reloads.
///
/// # Errors
/// When the system gives none.
pub fn background() -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = |number| format!("reload-{number}");
    // The other half of the cores never waits for a reload at all.
    let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(name)
        .stack_size(THREAD_STACK_BYTES)
        .start_handler(|_| stand_back())
        .build()
}

/// Makes the calling thread one that stands back.
pub fn stand_back() {
    // Only Linux does this for the calling thread alone.
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::setpriority_process(None, NICENESS)
    {
        tracing::warn!(%error, "work in the background has the same priority as requests");
    }
}

/// A tenth of a core is left for a reload where requests want all of it.
const NICENESS: i32 = 10;
