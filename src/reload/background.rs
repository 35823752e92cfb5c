//! Where loads run: threads of their own that stand back whenever there is a request to answer.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use std::thread::available_parallelism;

use crate::cedar_text::THREAD_STACK_BYTES;

/// Threads for the parts of one load.
///
/// # Errors
/// When the system gives none.
pub fn background() -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = |number| format!("reload-{number}");
    // The other half of the cores never waits for a load at all.
    let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let threads = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).stack_size(THREAD_STACK_BYTES);
    threads.start_handler(|_| stand_back()).build()
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

/// A tenth of a core is left for a load where requests want all of it.
const NICENESS: i32 = 10;
