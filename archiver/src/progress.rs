//! Telling somebody how far a run is, and being told to stop.

use indelible_core::name::LedgerName;

/// Follows a run. Called from the thread that archives, once for every thousand records or so.
pub trait Progress: Send + Sync {
    /// A run over `ledger` begins, with `records` to go, or a few more that it appends itself.
    fn begin(&self, ledger: &LedgerName, records: u64);
    /// So many records of the run are packed.
    fn at(&self, records: u64);
    /// A segment of so many records counts from now on, whatever becomes of the run.
    fn shipped(&self, _records: u64) {}
    /// Whether the run should end now. What it has not finished is left for the next run.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _ledger: &LedgerName, _records: u64) {}
    fn at(&self, _records: u64) {}
}
