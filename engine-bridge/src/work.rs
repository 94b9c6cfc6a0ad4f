//! How much an engine has done: whoever knows it twice knows how busy the engine was in between.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What an engine has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkDone {
    /// Steps in which the model ran.
    pub steps: u64,
    /// Time inside steps, those in which the model did not run included: scheduling, computing, sampling.
    pub stepping: Duration,
}

/// Counts what an engine does; written by the engine's thread, read by any.
#[derive(Debug, Default)]
pub struct Work {
    steps: AtomicU64,
    stepping_ns: AtomicU64,
}

impl Work {
    /// Counts a step.
    pub fn stepped(&self, executed: bool, took: Duration) {
        self.steps.fetch_add(u64::from(executed), Ordering::Relaxed);
        self.stepping_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn done(&self) -> WorkDone {
        let stepping = Duration::from_nanos(self.stepping_ns.load(Ordering::Relaxed));
        WorkDone { steps: self.steps.load(Ordering::Relaxed), stepping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up() {
        let work = Work::default();
        assert_eq!(work.done(), WorkDone::default());
        work.stepped(true, Duration::from_millis(3));
        work.stepped(false, Duration::from_millis(1));
        assert_eq!(work.done(), WorkDone { steps: 1, stepping: Duration::from_millis(4) });
    }
}
