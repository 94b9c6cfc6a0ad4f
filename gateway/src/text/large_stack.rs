//! A thread for work that calls itself very often.

use std::thread;

/// Room for as many values within each other as a template's fuel is enough for, each written and dropped by recursion. Memory is only
/// taken where it is used.
const STACK_BYTES: usize = 512 * 1024 * 1024;

/// Does `work` on a thread of its own; `None` if there is none to be had, or it panics.
pub(crate) fn with_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work).ok()?.join().ok())
}
