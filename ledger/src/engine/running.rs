//! Which of an engine's threads still run, so that closing can stop waiting for one that hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Counts threads.
#[derive(Default)]
pub(super) struct Running {
    threads: Mutex<usize>,
    ended: Condvar,
}

/// Counts one thread until it is dropped.
pub(super) struct Runs(Arc<Running>);

impl Running {
    pub(super) fn one_more(running: &Arc<Self>) -> Runs {
        *running.threads.lock() += 1;
        Runs(Arc::clone(running))
    }

    /// Waits until all threads have ended; `false` when some have not within `limit`.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut threads = self.threads.lock();
        while *threads > 0 {
            if self.ended.wait_until(&mut threads, until).timed_out() {
                return *threads == 0;
            }
        }
        true
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        *self.0.threads.lock() -= 1;
        self.0.ended.notify_all();
    }
}
