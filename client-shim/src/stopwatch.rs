//! Elapsed time that does not stop while the machine sleeps.

use std::time::{Duration, Instant, SystemTime};

/// Measures from its creation.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    monotonic: Instant,
    wall: SystemTime,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// The longer of what the monotonic and the wall clock saw.
    ///
    /// A monotonic clock may stand still while a laptop is suspended, and a wall clock may be set back: the longer of both can
    /// only make evidence look older than it is, which is the safe side.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_clock_counts() {
        let now = Stopwatch::start();
        let slept = Stopwatch { wall: now.wall - Duration::from_secs(60), ..now };
        assert!(slept.elapsed() >= Duration::from_secs(60));
        let set_back = Stopwatch { wall: now.wall + Duration::from_secs(60), ..now };
        assert!(set_back.elapsed() < Duration::from_secs(60));
    }
}
