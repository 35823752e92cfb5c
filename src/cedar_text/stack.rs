//! Room for Cedar's recursion, whichever thread runs it.

use std::io;
use std::panic::resume_unwind;
use std::thread;

/// Runs work on a thread of [`THREAD_STACK_BYTES`] and waits for it. The main thread's own stack is as the system likes,
/// and where it is smaller, each decision would make a stack for itself: thirty microseconds for five.
///
/// # Errors
/// When the system gives no thread.
pub fn on_deep_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let running = thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn_scoped(scope, work)?;
        Ok(running.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Runs work that recurses over a text within the bounds, on a stack that has room for it.
///
/// Costs nothing on threads of [`THREAD_STACK_BYTES`]; on others a stack is made for the work and given back.
pub fn on_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(NEEDED_BYTES, GROWN_BYTES, work)
}

/// The stack of the threads that cedargate starts. The system gives memory only for what was used of it.
pub const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Four times what the worst texts within the bounds take to be parsed, validated or evaluated, measured without
/// optimisation.
const NEEDED_BYTES: usize = 8 * 1024 * 1024;
const GROWN_BYTES: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_thread_needs_no_stack_for_the_work() {
        let has_room = || stacker::remaining_stack().is_some_and(|left| left > NEEDED_BYTES);
        assert!(on_deep_thread(has_room).unwrap());
        let small = thread::Builder::new().stack_size(512 * 1024).spawn(has_room).unwrap();
        assert!(!small.join().unwrap());
        assert!(on_deep_stack(has_room));
    }
}
