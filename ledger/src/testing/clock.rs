//! A clock that tests set.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use indelible_core::time::Timestamp;

use crate::clock::Clock;

/// Stands still until it is set; may be set back.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Begins at `time`.
    #[must_use]
    pub fn new(time: Timestamp) -> Self {
        Self(AtomicU64::new(time.micros()))
    }

    /// Sets it.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.micros(), SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        // Only valid times were ever stored.
        Timestamp::from_micros(self.0.load(SeqCst))
            .unwrap_or_else(|_| crate::clock::SystemClock.now())
    }
}
