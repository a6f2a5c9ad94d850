//! Telling somebody how far a run is.

use indelible_core::name::LedgerName;

/// Is told how far a run is. Called from the thread that archives, a few times a second.
pub trait Progress: Send + Sync {
    /// A run over `ledger` begins, with at most `records` to go.
    fn begin(&self, ledger: &LedgerName, records: u64);
    /// So many records of the current segment are packed.
    fn at(&self, records_of_segment: u64);
    /// The run is over.
    fn end(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _ledger: &LedgerName, _records: u64) {}
    fn at(&self, _records_of_segment: u64) {}
    fn end(&self) {}
}
