//! Shows how far hashing is.

use std::time::Instant;

use blindllama_attest_tpm::measure::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Does `work`, which hashes `bytes` bytes, with a bar if standard error is a terminal, and a log line before and after.
pub(crate) fn shown<T>(what: &'static str, bytes: u64, work: impl FnOnce(&Progress<'_>) -> T) -> T {
    tracing::info!(what, bytes, "hashing");
    let started = Instant::now();
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    let done = work(&|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    tracing::info!(what, ms = started.elapsed().as_millis(), "hashed");
    done
}
