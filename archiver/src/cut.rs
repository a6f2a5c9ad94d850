//! Where segments end: on multiples of 65,536 records, and where the end of a ledger is sealed.

use std::time::Duration;

use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;
use indelible_ledger::{Engine, LedgerInfo};

use crate::error::ArchiveError;

/// When the end of a ledger that does not fill a segment is archived too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Never: only whole segments of 65,536 records.
    Whole,
    /// When the first record that waits is at least this old at the time given.
    OlderThan(Duration, Timestamp),
    /// Now.
    Now,
}

/// Where the segment that begins at `start` ends (exclusive), or `None` when there is none to cut.
pub(crate) fn next(
    engine: &Engine,
    info: &LedgerInfo,
    start: u64,
    seal: Seal,
) -> Result<Option<u64>, ArchiveError> {
    let size = info.size;
    let whole = (start / SEGMENT_RECORDS_MAX + 1) * SEGMENT_RECORDS_MAX;
    if whole <= size {
        return Ok(Some(whole));
    }
    let is_sealed = match seal {
        Seal::Whole => false,
        Seal::Now => start < size,
        Seal::OlderThan(age, now) => waits_since(engine, info, start)?.is_some_and(|since| {
            u128::from(now.micros().saturating_sub(since.micros())) >= age.as_micros()
        }),
    };
    Ok(is_sealed.then_some(size))
}

/// The time of the record at `start`, the first that is not in the vault; `None` at the end.
fn waits_since(
    engine: &Engine,
    info: &LedgerInfo,
    start: u64,
) -> Result<Option<Timestamp>, ArchiveError> {
    let Some(seq) = Seq::new(start).ok().filter(|seq| seq.get() < info.size) else {
        return Ok(None);
    };
    Ok(engine.get(&info.name, seq)?.map(|record| record.time))
}
