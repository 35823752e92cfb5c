//! Room for Cedar's recursion, whichever thread runs it.

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
