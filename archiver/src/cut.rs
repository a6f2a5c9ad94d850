//! Where segments end: on multiples of 65,536 records, and where the end of a ledger is sealed.

use std::time::Duration;

use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;
use indelible_ledger::Direction;

use crate::archiver::Task;
use crate::error::ArchiveError;
use crate::news;
use crate::resume::Archived;

/// Records that are looked at first for one that waits: mostly the first or second is one.
const LOOK_RECORDS: usize = 8;
/// Records, and bytes of records, that are looked at together after that.
const LOOK_RECORDS_MAX: usize = 1024;
const LOOK_BYTES_MAX: usize = 1 << 20;

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

/// Where the segment behind `last` ends (exclusive), or `None` when there is none to cut.
pub(crate) fn next(
    task: &Task<'_>,
    last: Option<&Archived>,
    seal: Seal,
) -> Result<Option<u64>, ArchiveError> {
    let (start, size) = (last.map_or(0, Archived::end), task.info.size);
    let whole = (start / SEGMENT_RECORDS_MAX + 1) * SEGMENT_RECORDS_MAX;
    if whole <= size {
        return Ok(Some(whole));
    }
    let waits = match seal {
        Seal::Whole => false,
        Seal::Now => first_waiting(task, start)?.is_some(),
        Seal::OlderThan(age, now) => first_waiting(task, start)?.is_some_and(|since| {
            u128::from(now.micros().saturating_sub(since.micros())) >= age.as_micros()
        }),
    };
    Ok(waits.then_some(size))
}

/// The time of the first record from `start` on that is more than the news of an archived segment.
fn first_waiting(task: &Task<'_>, start: u64) -> Result<Option<Timestamp>, ArchiveError> {
    let mut next = start;
    let mut records_max = LOOK_RECORDS;
    while next < task.info.size {
        let Ok(from) = Seq::new(next) else { break };
        let (forward, ledger) = (Direction::Forward, task.ledger());
        let records = task.engine().range(ledger, from, forward, records_max, LOOK_BYTES_MAX)?;
        let Some(last) = records.last() else { break };
        next = last.seq.get() + 1;
        records_max = LOOK_RECORDS_MAX;
        let waiting = records.iter().take_while(|record| record.seq.get() < task.info.size);
        if let Some(found) = waiting.into_iter().find(|record| !news::is_news(&record.record)) {
            return Ok(Some(found.time));
        }
    }
    Ok(None)
}
