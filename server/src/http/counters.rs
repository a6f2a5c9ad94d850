//! What the interface counts of its answers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::StatusCode;

/// Answers by the first digit of their status.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    pub(super) by_class: [AtomicU64; 6],
    pub(super) panics: AtomicU64,
}

impl HttpMetrics {
    pub(super) fn count(&self, status: StatusCode) {
        if let Some(class) = self.by_class.get(usize::from(status.as_u16() / 100)) {
            class.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }
}
