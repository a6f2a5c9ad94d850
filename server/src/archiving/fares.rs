//! Numbers about archiving, for `/metrics` and `/readyz`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use indelible_core::time::Timestamp;

/// How archiving fares: what requests and the schedule have shipped, and whether the schedule works.
#[derive(Debug, Default)]
pub(crate) struct Archived {
    records: AtomicU64,
    segments: AtomicU64,
    failures: AtomicU64,
    /// Unix seconds of the end of the last round of the schedule in which every ledger was brought up
    /// to date; 0 before the first.
    last_success: AtomicU64,
    is_failing: AtomicBool,
}

impl Archived {
    /// Counts a segment that was shipped.
    pub(crate) fn count(&self, records: u64) {
        self.records.fetch_add(records, Relaxed);
        self.segments.fetch_add(1, Relaxed);
    }

    pub(super) fn end_round(&self, has_failed: bool, now: Option<Timestamp>) {
        self.is_failing.store(has_failed, Relaxed);
        if let (false, Some(now)) = (has_failed, now) {
            self.last_success.store(now.micros() / 1_000_000, Relaxed);
        }
    }

    /// Counts a ledger that the schedule could not archive.
    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Whether the schedule's last round failed for some ledger.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }

    /// Name, meaning and value of each counter.
    pub(crate) fn counters(&self) -> [(&'static str, &'static str, u64); 3] {
        [
            (
                "indelible_archived_records_total",
                "Records shipped into vaults.",
                self.records.load(Relaxed),
            ),
            (
                "indelible_archived_segments_total",
                "Segments shipped into vaults.",
                self.segments.load(Relaxed),
            ),
            (
                "indelible_archive_failures_total",
                "Ledgers that the schedule could not archive.",
                self.failures.load(Relaxed),
            ),
        ]
    }

    /// Name, meaning and value of each gauge.
    pub(crate) fn gauges(&self) -> [(&'static str, &'static str, u64); 2] {
        [
            (
                "indelible_archive_last_success_seconds",
                "Unix time of the schedule's last round without a failure.",
                self.last_success.load(Relaxed),
            ),
            (
                "indelible_archive_failing",
                "1 when the schedule's last round failed for some ledger.",
                u64::from(self.is_failing()),
            ),
        ]
    }
}
