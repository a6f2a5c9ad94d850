//! What an opening is doing, for whoever waits for it.
//!
//! Opening a database cannot be cancelled: damaged files can keep RocksDB busy for ever. Whoever opens
//! one in a thread of its own and stops waiting can at least say how far it got.

use std::sync::Arc;

use parking_lot::Mutex;

/// The step that an opening has reached. Clones share it.
#[derive(Debug, Clone)]
pub struct OpeningStep(Arc<Mutex<&'static str>>);

impl Default for OpeningStep {
    fn default() -> Self {
        Self(Arc::new(Mutex::new("about to begin")))
    }
}

impl OpeningStep {
    /// Says what is done from now on: continues "it was ...".
    pub(crate) fn set(&self, step: &'static str) {
        *self.0.lock() = step;
    }

    /// What is being done.
    #[must_use]
    pub fn get(&self) -> &'static str {
        *self.0.lock()
    }
}
