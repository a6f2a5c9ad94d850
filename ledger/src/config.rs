//! What an engine is told when it opens: where, under which name, and how much it may take.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indelible_core::limits::UNSIGNED_RUN_MAX;
use indelible_core::name::ServerName;

use crate::clock::{Clock, SystemClock};
use crate::folder::Access;
use crate::opening::OpeningStep;

/// Where an engine lives, its name, and its limits.
#[derive(Clone)]
pub struct EngineConfig {
    /// The data folder, `docs/STORAGE.md`.
    pub dir: PathBuf,
    /// Who besides the owner may use what is in it.
    pub access: Access,
    /// First part of every ledger's origin. Fixed when the folder is made: it stands in signed records.
    pub server_name: ServerName,
    /// Bounds of memory and of work.
    pub limits: EngineLimits,
    /// Where times come from; tests bring their own.
    pub clock: Arc<dyn Clock>,
    /// Told what opening is doing.
    pub opening: OpeningStep,
}

impl EngineConfig {
    /// A configuration with the default limits and the system's clock.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, server_name: ServerName) -> Self {
        Self {
            dir: dir.into(),
            access: Access::OWNER,
            server_name,
            limits: EngineLimits::default(),
            clock: Arc::new(SystemClock),
            opening: OpeningStep::default(),
        }
    }
}

/// Bounds of an engine. Each is kept whatever clients do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineLimits {
    /// Events that may wait to be sequenced, over all ledgers.
    pub queue_events_max: usize,
    /// Bytes of events that may wait to be sequenced, over all ledgers.
    pub queue_bytes_max: usize,
    /// Events in one commit; also the largest group that can be appended at once.
    pub batch_events_max: usize,
    /// Bytes of events in one commit; also the largest group that can be appended at once.
    pub batch_bytes_max: usize,
    /// In new ledgers that are signed per commit: most records in a row without a signature of their own.
    /// Written into record 0, so it holds for a ledger's whole life.
    pub max_unsigned: u64,
    /// Ledgers whose heads stay in memory. Each takes about a kilobyte, and up to 16 kB more while it is
    /// written to. Others are loaded when they are needed.
    pub ledgers_in_memory_max: usize,
    /// Memory in which RocksDB keeps what it has read, in bytes.
    pub store_cache_bytes: usize,
    /// Tables of the database that are kept open.
    pub store_files_max: u32,
    /// Threads that sign one batch with a signer in this process (1 or 2).
    pub sign_threads: usize,
    /// How long a signer may take for one batch, all attempts included.
    pub sign_deadline: Duration,
    /// Attempts after the first where a signer says that it is not available.
    pub sign_retries_max: u32,
    /// Signatures of one signer's ledgers that may be on their way, from being sequenced until they are
    /// durable. One batch always may.
    pub signatures_in_flight_max: usize,
    /// Bytes of events of one signer's ledgers that may be on their way likewise.
    pub bytes_in_flight_max: usize,
    /// Batches in a row that a signer fails before it is left alone for a while.
    pub sign_failures_max: u32,
    /// First and longest wait before a signer that was left alone is asked whether it works again.
    pub signer_rest: (Duration, Duration),
    /// How often a signer in another process is asked for its health when it has nothing to sign. The
    /// answer may take as long.
    pub signer_health_interval: Duration,
    /// How long closing waits for signatures.
    pub sign_close_deadline: Duration,
    /// Records in one commit of the store, which may hold batches of several signers.
    pub commit_events_max: usize,
    /// Bytes of records in one commit of the store.
    pub commit_bytes_max: usize,
    /// Commits that a store may have at once, where it takes more than one.
    pub commits_in_flight_max: usize,
    /// Their bytes. One commit always may be on its way.
    pub commit_bytes_in_flight_max: usize,
    /// How long one commit of the store may take before the disk counts as hung.
    pub write_deadline: Duration,
    /// How long closing waits for what is on its way; then it leaves a hung disk alone.
    pub close_deadline: Duration,
    /// How often the head file outside of the database is flushed. It is written with every commit; this
    /// long it may be behind after a power cut.
    pub head_interval: Duration,
    /// Longest wait between two attempts to reopen a store that failed.
    pub reopen_backoff_max: Duration,
    /// Appends are refused when the clock says that so much more has passed since the last record than
    /// really has.
    pub clock_jump_max: Duration,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            // About a third of a second of work at full speed: enough to ride out a slow flush, little
            // enough that an answer of "busy" comes before clients time out.
            queue_events_max: 32_768,
            queue_bytes_max: 64 << 20,
            // 2,048 events of 512 bytes take about 20 ms of signing; the flush of a few hundred
            // microseconds is then one or two percent of a commit.
            batch_events_max: 2_048,
            batch_bytes_max: 4 << 20,
            max_unsigned: UNSIGNED_RUN_MAX,
            ledgers_in_memory_max: 10_000,
            store_cache_bytes: 128 << 20,
            store_files_max: 512,
            sign_threads: 2,
            // A KMS answers in tens of milliseconds and shows its own trouble within seconds.
            sign_deadline: Duration::from_secs(10),
            sign_retries_max: 3,
            // Eight full batches: a signer of 50 ms then lets 160 batches a second through.
            signatures_in_flight_max: 16_384,
            bytes_in_flight_max: 32 << 20,
            sign_failures_max: 5,
            signer_rest: (Duration::from_secs(1), Duration::from_secs(30)),
            signer_health_interval: Duration::from_secs(5),
            sign_close_deadline: Duration::from_secs(5),
            commit_events_max: 16_384,
            commit_bytes_max: 16 << 20,
            commits_in_flight_max: 16,
            commit_bytes_in_flight_max: 32 << 20,
            // Disks that fail retry for seconds; one that is silent for so long has usually gone.
            write_deadline: Duration::from_secs(30),
            close_deadline: Duration::from_secs(40),
            head_interval: Duration::from_secs(1),
            reopen_backoff_max: Duration::from_secs(5),
            // More than time servers step a clock by in ordinary life, less than anyone would wish to
            // have wrong in an audit log.
            clock_jump_max: Duration::from_secs(600),
        }
    }
}
