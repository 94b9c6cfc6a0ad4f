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
    /// Time inside steps, those in which the model did not run included: scheduling, computing, sampling. `None` where the engine
    /// steps in another process.
    pub stepping: Option<Duration>,
}

/// Counts what an engine does; written by the engine's thread, read by any.
#[derive(Debug)]
pub struct Work {
    steps: AtomicU64,
    stepping_ns: Option<AtomicU64>,
}

impl Work {
    /// Of an engine whose steps are made here, or elsewhere.
    #[must_use]
    pub fn new(steps_here: bool) -> Self {
        Self { steps: AtomicU64::default(), stepping_ns: steps_here.then(AtomicU64::default) }
    }

    /// Counts a step, and the time that it took if it was made here.
    pub fn stepped(&self, executed: bool, took: Duration) {
        self.steps.fetch_add(u64::from(executed), Ordering::Relaxed);
        if let Some(stepping_ns) = &self.stepping_ns {
            stepping_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn done(&self) -> WorkDone {
        let stepping = self.stepping_ns.as_ref().map(|nanos| Duration::from_nanos(nanos.load(Ordering::Relaxed)));
        WorkDone { steps: self.steps.load(Ordering::Relaxed), stepping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up() {
        for (here, stepping) in [(true, Some(Duration::from_millis(4))), (false, None)] {
            let work = Work::new(here);
            assert_eq!(work.done(), WorkDone { steps: 0, stepping: stepping.map(|_| Duration::ZERO) });
            work.stepped(true, Duration::from_millis(3));
            work.stepped(false, Duration::from_millis(1));
            assert_eq!(work.done(), WorkDone { steps: 1, stepping });
        }
    }
}
