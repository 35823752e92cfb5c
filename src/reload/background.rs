//! Where reloads run: threads of their own that stand back whenever there is a request to answer.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads for reloads.
///
/// # Errors
/// When the system gives none.
pub fn background() -> Result<ThreadPool, ThreadPoolBuildError> {
    let stand_back = |_| {
        // Only Linux does this for the calling thread alone.
        if cfg!(target_os = "linux")
            && let Err(error) = rustix::process::setpriority_process(None, NICENESS)
        {
            tracing::warn!(%error, "reloads have the same priority as requests");
        }
    };
    let name = |number| format!("reload-{number}");
    ThreadPoolBuilder::new().thread_name(name).start_handler(stand_back).build()
}

/// A tenth of a core is left for a reload where requests want all of it.
const NICENESS: i32 = 10;
