//! Numbers about a running engine: counters and histograms of fixed buckets, all atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use indelible_core::key::KeyId;

use crate::api::ClockJump;
use crate::signer::SignerName;

/// Buckets of commit and signing latency in microseconds: upper bounds, about 1, 2, 5 a decade.
const LATENCY_US: [u64; 18] = [
    100, 200, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 35_000, 50_000,
    100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// Buckets of events per commit: powers of two.
const BATCH_EVENTS: [u64; 15] =
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];

/// Counts of values in fixed buckets, as Prometheus has them.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is larger.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// (upper bound, included; number of values up to it), cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// Number of all values.
    pub count: u64,
    /// Sum of all values.
    pub sum: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// The upper bounds of the buckets, included, without the last one, which has none.
    #[must_use]
    pub const fn bounds(&self) -> &'static [u64] {
        self.bounds
    }

    /// The counts so far.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut count = 0;
        let mut cumulative = self.counts.iter().map(|bucket| {
            count += bucket.load(Relaxed);
            count
        });
        let buckets = self.bounds.iter().copied().zip(cumulative.by_ref()).collect();
        cumulative.for_each(drop);
        HistogramSnapshot { buckets, count, sum: self.sum.load(Relaxed) }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub(crate) fn set(&self, to: u64) {
        self.0.store(to, Relaxed);
    }

    /// Takes one share of the number out and another in, where several add up to it.
    pub(crate) fn replace(&self, before: u64, after: u64) {
        self.0.fetch_add(after.wrapping_sub(before), Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What an engine counts, from its opening on.
#[derive(Debug)]
pub struct EngineMetrics {
    /// From the moment a batch is gathered until it is durable and answered, in microseconds.
    pub commit_latency_us: Histogram,
    /// Time in the store's own commit (with its flush), in microseconds.
    pub store_latency_us: Histogram,
    /// Time in the signer for one batch, in microseconds.
    pub sign_latency_us: Histogram,
    /// Records in a commit.
    pub batch_events: Histogram,
    /// Commits that became durable.
    pub commits: Counter,
    /// Records that became durable.
    pub events: Counter,
    /// Bytes of records that became durable.
    pub bytes: Counter,
    /// Events whose id was already there with the same content.
    pub duplicates: Counter,
    /// Events whose id was already there with another content.
    pub conflicts: Counter,
    /// Groups refused because the queue was full.
    pub refused_busy: Counter,
    /// Signatures made.
    pub signatures: Counter,
    /// Batches that failed because of the signer.
    pub sign_failures: Counter,
    /// Batches that failed because of the store.
    pub store_failures: Counter,
    /// Times the store was reopened after a failure.
    pub reopens: Counter,
    /// Batches in which the clock was behind a ledger's last time.
    pub clock_backwards: Counter,
    /// Failed attempts to write the head file.
    pub head_file_failures: Counter,
    /// Events waiting to be sequenced.
    pub queue_events: Gauge,
    /// Their bytes.
    pub queue_bytes: Gauge,
    /// Ledgers in memory.
    pub ledgers_in_memory: Gauge,
    /// Ledgers in the engine.
    pub ledgers: Gauge,
    /// Number of the last durable commit.
    pub durable_commit: Gauge,
}

impl EngineMetrics {
    pub(crate) fn new() -> Self {
        Self {
            commit_latency_us: Histogram::new(&LATENCY_US),
            store_latency_us: Histogram::new(&LATENCY_US),
            sign_latency_us: Histogram::new(&LATENCY_US),
            batch_events: Histogram::new(&BATCH_EVENTS),
            commits: Counter::default(),
            events: Counter::default(),
            bytes: Counter::default(),
            duplicates: Counter::default(),
            conflicts: Counter::default(),
            refused_busy: Counter::default(),
            signatures: Counter::default(),
            sign_failures: Counter::default(),
            store_failures: Counter::default(),
            reopens: Counter::default(),
            clock_backwards: Counter::default(),
            head_file_failures: Counter::default(),
            queue_events: Gauge::default(),
            queue_bytes: Gauge::default(),
            ledgers_in_memory: Gauge::default(),
            ledgers: Gauge::default(),
            durable_commit: Gauge::default(),
        }
    }
}

/// Whether the signer of one lane can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaneHealth {
    /// It signs, or has had nothing to sign.
    Ready,
    /// The last batch could not be signed, or its answer is overdue; the next may.
    Failing {
        /// What the signer said, or that it says nothing.
        reason: Arc<str>,
    },
    /// A thread of the lane is gone; nothing of its ledgers is appended by this process any more.
    Stopped {
        /// What happened.
        reason: Arc<str>,
    },
}

/// One signer and what is on its way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneInfo {
    /// The signer's name.
    pub name: SignerName,
    /// Its key.
    pub key_id: KeyId,
    /// How it is.
    pub health: LaneHealth,
    /// Batches of its ledgers that are sequenced and not durable yet.
    pub batches_in_flight: u64,
    /// Signatures that it made.
    pub signatures: u64,
    /// Batches that it did not sign.
    pub sign_failures: u64,
    /// The last thing that went wrong, also when it is over.
    pub last_error: Option<Arc<str>>,
}

/// Whether an engine can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Appends and reads work.
    Ready,
    /// The last batch could not be signed; the next may.
    SignerFailing {
        /// What the signer said.
        reason: Arc<str>,
    },
    /// Some of several signers fail; the ledgers of the others are appended to.
    SomeSignersFailing {
        /// Which, and what they said.
        reason: Arc<str>,
    },
    /// The store failed and is being reopened; appends are refused until then.
    Poisoned {
        /// What the store said.
        reason: Arc<str>,
    },
    /// The folder is no longer the one that was opened. Nothing more is taken by this process.
    FolderGone {
        /// What is gone.
        reason: Arc<str>,
    },
    /// The clock has jumped ahead; appends are refused.
    ClockJumped(ClockJump),
    /// The head file could not be written for so long that it does not protect any more. Appends work.
    HeadFileFailing {
        /// What the system said.
        reason: Arc<str>,
    },
    /// The engine is closing or closed.
    Closed,
}

impl Health {
    /// Whether appends can be expected to work.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_every_bucket_from_its_own_on() {
        let histogram = Histogram::new(&BATCH_EVENTS);
        for value in [1, 2, 3, 1_000_000] {
            histogram.record(value);
        }
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.count, snapshot.sum), (4, 1_000_006));
        assert_eq!(snapshot.buckets[..3], [(1, 1), (2, 2), (4, 3)]);
        assert_eq!(snapshot.buckets.last(), Some(&(16_384, 3)));
    }
}
