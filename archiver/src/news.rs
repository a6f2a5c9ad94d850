//! What the ledger itself says about archived segments.
//!
//! A segment's news are appended when the next segment is about to be cut, never after the end of what is
//! archived: see [`Archiver`](crate::Archiver)'s run. Which news are missing is read back from the vault
//! and from the ledger, so an interrupted run leaves nothing to be remembered.

use indelible_core::hash::Sha256Hash;
use indelible_core::name::{EventId, Seq};
use indelible_core::record::{Body, RecordView};
use indelible_core::system::{SegmentArchived, System};
use indelible_ledger::{AppendError, Direction, EventError};
use sha2::{Digest as _, Sha256};

use crate::error::ArchiveError;
use crate::resume::Held;
use crate::stored::{self, Archived};
use crate::task::Task;

/// Ids that are tried for one record. They are known as soon as the segment is in the vault, so a client
/// may have taken some, even all of them, to keep the ledger from saying what was archived.
const ID_TRIES: u32 = 8;

/// Segments that are looked at, from the last one backwards, for one that the ledger has recorded. Mostly
/// the second is. A long run under load can leave as many as were appended meanwhile, and 256 whole ones
/// are 16 million records; more are missing only where a vault was moved. Then it is not worth a record
/// each: manifests are chained, so the record of a later segment vouches for those before it.
const LOOK_BACK_SEGMENTS: usize = 256;

/// Records that are looked at first for one that is more than news: mostly the first or second is one.
const LOOK_RECORDS: usize = 8;
/// Records, and bytes of records, that are looked at together after that.
const LOOK_RECORDS_MAX: usize = 1024;
const LOOK_BYTES_MAX: usize = 1 << 20;

/// What the ledger has to say about a segment.
pub(crate) fn of(task: &Task<'_>, archived: &Archived) -> SegmentArchived {
    let manifest = &archived.manifest;
    SegmentArchived {
        first_seq: manifest.run.first(),
        last_seq: manifest.run.last(),
        manifest_sha256: manifest.text_sha256(),
        segment_sha256: manifest.packed.sha256,
        vault: task.vault.name(),
    }
}

/// The news about the last segments in the vault that the ledger has not recorded, in order.
pub(crate) fn unsaid(task: &Task<'_>, held: &Held) -> Result<Vec<SegmentArchived>, ArchiveError> {
    let mut unsaid = Vec::new();
    for run in held.runs.iter().rev().take(LOOK_BACK_SEGMENTS) {
        let news = match &held.last {
            Some(last) if last.manifest.run == *run => of(task, last),
            _ => of(task, &stored::open_manifest(task, *run)?),
        };
        if is_said(task, &news)? {
            break;
        }
        unsaid.push(news);
    }
    unsaid.reverse();
    Ok(unsaid)
}

/// Whether the ledger has recorded a segment.
fn is_said(task: &Task<'_>, news: &SegmentArchived) -> Result<bool, ArchiveError> {
    for id in ids(news) {
        let Some(seq) = task.engine().find_id(task.ledger(), &id)? else { return Ok(false) };
        let record = task.engine().get(task.ledger(), seq)?;
        if record.and_then(|record| read(&record.record)).is_some_and(|said| said == *news) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lets the ledger record segments, oldest first, and takes those that it has recorded out of `unsaid`.
/// Idempotent: the ids follow from segment and vault.
pub(crate) async fn say(
    task: &Task<'_>,
    unsaid: &mut Vec<SegmentArchived>,
) -> Result<(), ArchiveError> {
    while let Some(news) = unsaid.first() {
        say_one(task, news).await?;
        unsaid.remove(0);
    }
    Ok(())
}

async fn say_one(task: &Task<'_>, news: &SegmentArchived) -> Result<(), ArchiveError> {
    for id in ids(news) {
        let system = System::SegmentArchived(news.clone());
        match task.engine().append_system(task.ledger(), system, id).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Event { error: EventError::Conflict { id, seq }, .. }) => {
                tracing::warn!(ledger = %task.ledger(), %id, ?seq, "another event has the id of an archive record");
            }
            Err(error) => return Err(ArchiveError::Record(error)),
        }
    }
    // Not worth holding up evidence for: the record of the next segment vouches for this one.
    tracing::warn!(
        ledger = %task.ledger(), first = %news.first_seq, last = %news.last_seq,
        "other events have all ids of an archive record; it is left out"
    );
    Ok(())
}

/// The ids that the record about a segment may have, in the order in which they are tried: the same for
/// the same segment in the same vault.
fn ids(news: &SegmentArchived) -> impl Iterator<Item = EventId> + use<> {
    let vault = Sha256Hash(Sha256::digest(news.vault.as_bytes()).into()).to_hex();
    let stem = format!("segment-archived-{:.32}-{vault:.16}", news.manifest_sha256.to_hex());
    (0..ID_TRIES).filter_map(move |attempt| match attempt {
        0 => EventId::new(&stem).ok(),
        attempt => EventId::new(&format!("{stem}-{attempt}")).ok(),
    })
}

/// Whether one of the records from `start` to `end` (exclusive) is more than the news of a segment.
pub(crate) fn more_waits(task: &Task<'_>, start: u64, end: u64) -> Result<bool, ArchiveError> {
    let mut next = start;
    let mut records_max = LOOK_RECORDS;
    while next < end {
        let Ok(from) = Seq::new(next) else { break };
        let (forward, ledger) = (Direction::Forward, task.ledger());
        let records = task.engine().range(ledger, from, forward, records_max, LOOK_BYTES_MAX)?;
        let Some(last) = records.last() else { break };
        next = last.seq.get() + 1;
        records_max = LOOK_RECORDS_MAX;
        let mut waiting = records.iter().take_while(|record| record.seq.get() < end);
        if waiting.any(|record| read(&record.record).is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The news that a record consists of, if it does.
fn read(record: &[u8]) -> Option<SegmentArchived> {
    let Body::System(system) = RecordView::parse(record).ok()?.body else { return None };
    match System::parse(system).ok()? {
        System::SegmentArchived(news) => Some(news),
        _ => None,
    }
}
