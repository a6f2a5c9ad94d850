//! A clock that tests set.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use indelible_core::time::Timestamp;

use crate::clock::Clock;

/// Stands still until it is set; may be set back.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// Begins at `time`.
    #[must_use]
    pub fn new(time: Timestamp) -> Self {
        Self { now: AtomicU64::new(time.micros()), elapsed: AtomicU64::new(0) }
    }

    /// Time goes on to `time`. When that is earlier, the clock was set back.
    pub fn set(&self, time: Timestamp) {
        let before = self.now.swap(time.micros(), SeqCst);
        self.elapsed.fetch_add(time.micros().saturating_sub(before), SeqCst);
    }

    /// Somebody sets the clock to `time`: no time has passed.
    pub fn jump(&self, time: Timestamp) {
        self.now.store(time.micros(), SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        // Only valid times were ever stored.
        Timestamp::from_micros(self.now.load(SeqCst))
            .unwrap_or_else(|_| crate::clock::SystemClock.now())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.elapsed.load(SeqCst))
    }
}
