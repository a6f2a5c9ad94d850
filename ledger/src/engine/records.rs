//! Finding and reading records in the store.

use std::ops::Bound;

use bytes::Bytes;
use indelible_core::hash::Digest;
use indelible_core::key::{KeyId, RecordSignature, Signature};
use indelible_core::name::{EventId, Seq};
use indelible_core::record::RecordView;
use indelible_core::time::Timestamp;

use super::entry::Body;
use crate::api::{Accepted, Direction, StoredRecord};
use crate::error::ReadError;
use crate::rows::block::{self, Block, BlockRecord};
use crate::rows::{LedgerNumber, id, index};
use crate::server_id::ServerId;
use crate::store::{Read, Row, Scan, Space};

/// A block in memory, and where its records begin.
pub(crate) struct LoadedBlock {
    pub(crate) first: Seq,
    pub(crate) count: u32,
    value: Bytes,
}

impl LoadedBlock {
    pub(crate) fn contains(&self, seq: Seq) -> bool {
        self.first <= seq && seq.get() - self.first.get() < u64::from(self.count)
    }

    pub(crate) fn decode(&self) -> Result<Block<'_>, ReadError> {
        Block::decode(&self.value).map_err(|error| corrupt(&error.to_string()))
    }

    /// A record of this block with all that belongs to it; its bytes share the block's memory.
    pub(crate) fn stored(&self, record: &BlockRecord<'_>) -> Result<StoredRecord, ReadError> {
        let signature = record.signature.map(|signature| {
            let key_id = KeyId::new(signature.key_id).ok()?;
            let signature = Signature::new(&key_id, signature.bytes).ok()?;
            Some(RecordSignature { key_id, signature })
        });
        let signature = match signature {
            Some(None) => {
                return Err(corrupt(&format!("record {} has no proper signature", record.seq)));
            }
            Some(signature) => signature,
            None => None,
        };
        let time = record_time(record.bytes)
            .ok_or_else(|| corrupt(&format!("record {} has no time", record.seq)))?;
        Ok(StoredRecord {
            record: self.value.slice_ref(record.bytes),
            digest: record.digest,
            prev: record.prev,
            signature,
            seq: record.seq,
            time,
        })
    }
}

pub(crate) fn corrupt(what: &str) -> ReadError {
    ReadError::Corrupt(what.into())
}

/// The time of a record, which stands at a fixed distance from its end: `"time":"...","v":1}`.
pub(crate) fn record_time(record: &[u8]) -> Option<Timestamp> {
    const TAIL: &[u8] = b"\",\"v\":1}";
    let text = record.strip_suffix(TAIL)?;
    Timestamp::parse(text.get(text.len().checked_sub(Timestamp::TEXT_LEN)?..)?).ok()
}

/// The index row of the block that holds `seq`, if the ledger reaches that far.
fn locate(
    store: &dyn Read,
    ledger: LedgerNumber,
    seq: Seq,
) -> Result<Option<(Seq, index::IndexRow)>, ReadError> {
    let (from, to) = (index::key(ledger, Seq::ZERO), index::key(ledger, seq));
    let row = store.first(&Scan::through(Space::Index, &from, &to).backward())?;
    let Some((key, value)) = row else { return Ok(None) };
    let parsed = index::parse_key(&key)
        .and_then(|(_, first)| Ok((first, index::IndexRow::decode(&value)?)))
        .map_err(|error| corrupt(&error.to_string()))?;
    let (first, row) = parsed;
    Ok((seq.get() - first.get() < u64::from(row.count)).then_some((first, row)))
}

/// The block that holds `seq`.
pub(crate) fn load_block(
    store: &dyn Read,
    ledger: LedgerNumber,
    seq: Seq,
) -> Result<Option<LoadedBlock>, ReadError> {
    let Some((first, row)) = locate(store, ledger, seq)? else { return Ok(None) };
    let Some(value) = store.get(Space::Blocks, &block::key(row.place))? else {
        return Err(corrupt(&format!("the block with record {seq} of ledger {ledger} is missing")));
    };
    let loaded = LoadedBlock { first, count: row.count, value: Bytes::from(value) };
    let block = loaded.decode()?;
    if block.ledger() != ledger || block.first_seq() != first || block.len() != row.count as usize {
        return Err(corrupt(&format!(
            "the index of ledger {ledger} leads to a wrong block for {seq}"
        )));
    }
    Ok(Some(loaded))
}

/// The record `seq`.
pub(crate) fn get(
    store: &dyn Read,
    ledger: LedgerNumber,
    seq: Seq,
) -> Result<Option<StoredRecord>, ReadError> {
    let Some(loaded) = load_block(store, ledger, seq)? else { return Ok(None) };
    let block = loaded.decode()?;
    let record = block.find(seq).ok_or_else(|| corrupt("a record is missing from its block"))?;
    loaded.stored(&record).map(Some)
}

/// Records from `from` on (included), in the given direction, up to the durable `size`. Ends after
/// `records_max` records, or when `bytes_max` bytes of records are exceeded; at least one record is
/// returned where there is one.
pub(crate) fn range(
    store: &dyn Read,
    ledger: LedgerNumber,
    from: Seq,
    direction: Direction,
    limits: (usize, usize),
    size: u64,
) -> Result<Vec<StoredRecord>, ReadError> {
    let (records_max, bytes_max) = limits;
    let mut out = Vec::new();
    let mut bytes = 0;
    let mut next = Some(from);
    while let Some(seq) = next.filter(|seq| seq.get() < size && out.len() < records_max) {
        let Some(loaded) = load_block(store, ledger, seq)? else {
            return Err(corrupt(&format!("record {seq} of ledger {ledger} is missing")));
        };
        let block = loaded.decode()?;
        let last = loaded.first.get() + u64::from(loaded.count) - 1;
        let mut records: Vec<_> = match direction {
            Direction::Forward => block.records().skip_while(|record| record.seq < seq).collect(),
            Direction::Backward => block.records().take_while(|record| record.seq <= seq).collect(),
        };
        if direction == Direction::Backward {
            records.reverse();
        }
        for record in records {
            bytes += record.bytes.len();
            if out.len() >= records_max || (bytes > bytes_max && !out.is_empty()) {
                return Ok(out);
            }
            if record.seq.get() < size {
                out.push(loaded.stored(&record)?);
            }
        }
        next = match direction {
            Direction::Forward => Seq::new(last + 1).ok(),
            Direction::Backward => loaded.first.get().checked_sub(1).and_then(|n| Seq::new(n).ok()),
        };
    }
    Ok(out)
}

/// The digests of the records `from..to`.
pub(crate) fn digests(
    store: &dyn Read,
    ledger: LedgerNumber,
    from: u64,
    to: u64,
) -> Result<Vec<Digest>, ReadError> {
    let mut out =
        Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0).min(256));
    let mut next = from;
    while next < to {
        let seq = Seq::new(next).map_err(|_| corrupt("a sequence number is too large"))?;
        let Some(loaded) = load_block(store, ledger, seq)? else {
            return Err(corrupt(&format!("record {seq} of ledger {ledger} is missing")));
        };
        let end = (loaded.first.get() + u64::from(loaded.count)).min(to);
        let skip = (next - loaded.first.get()) as usize;
        out.extend(loaded.decode()?.digests().skip(skip).take((end - next) as usize));
        next = end;
    }
    Ok(out)
}

/// Where the record with a client's id is.
pub(crate) fn find_given(
    store: &dyn Read,
    ledger: LedgerNumber,
    id: &EventId,
) -> Result<Option<Seq>, ReadError> {
    let row = store.get(Space::Ids, &id::key(ledger, id))?;
    row.map(|value| id::decode(&value)).transpose().map_err(|error| corrupt(&error.to_string()))
}

/// Where the record is whose id the engine made: somewhere within the millisecond that the id names.
pub(crate) fn find_made(
    store: &dyn Read,
    ledger: LedgerNumber,
    id: &EventId,
    size: u64,
) -> Result<Option<Seq>, ReadError> {
    let Some((first, last)) = ServerId::parse(id).and_then(ServerId::times) else {
        return Ok(None);
    };
    let mut next = first_at_or_after(store, ledger, first, size)?;
    while let Some(seq) = next.filter(|seq| seq.get() < size) {
        let Some(loaded) = load_block(store, ledger, seq)? else { return Ok(None) };
        for record in loaded.decode()?.records().skip_while(|record| record.seq < seq) {
            if record_time(record.bytes).is_none_or(|time| time > last) {
                return Ok(None);
            }
            let view =
                RecordView::parse(record.bytes).map_err(|error| corrupt(&error.to_string()))?;
            if *view.id == **id {
                return Ok(Some(record.seq));
            }
        }
        next = Seq::new(loaded.first.get() + u64::from(loaded.count)).ok();
    }
    Ok(None)
}

/// The record with the id, whoever made it.
pub(crate) fn find_id(
    store: &dyn Read,
    ledger: LedgerNumber,
    id: &EventId,
    size: u64,
) -> Result<Option<Seq>, ReadError> {
    match find_given(store, ledger, id)? {
        Some(seq) => Ok(Some(seq).filter(|seq| seq.get() < size)),
        None => find_made(store, ledger, id, size),
    }
}

/// The first record whose time is not before `time`. Bisects the index: times never go backwards.
pub(crate) fn first_at_or_after(
    store: &dyn Read,
    ledger: LedgerNumber,
    time: Timestamp,
    size: u64,
) -> Result<Option<Seq>, ReadError> {
    // The last block whose first record lies before `time` begins within `low..high`.
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle =
            Seq::new(low + (high - low) / 2).map_err(|_| corrupt("a size is too large"))?;
        let Some((first, row)) = locate(store, ledger, middle)? else {
            return Err(corrupt(&format!("record {middle} of ledger {ledger} is missing")));
        };
        if row.first_time < time {
            low = first.get() + u64::from(row.count);
        } else {
            high = first.get();
        }
    }
    // All blocks that begin before `low` begin before `time`; the answer is in the last of them, or is
    // the next one's first record.
    if let Some(before) = low.checked_sub(1).and_then(|seq| Seq::new(seq).ok())
        && let Some(loaded) = load_block(store, ledger, before)?
    {
        let mut records = loaded.decode()?.records().collect::<Vec<_>>().into_iter();
        let found = records.find(|record| record_time(record.bytes).is_some_and(|t| t >= time));
        if let Some(record) = found {
            return Ok(Some(record.seq).filter(|seq| seq.get() < size));
        }
    }
    Ok(Seq::new(low).ok().filter(|seq| seq.get() < size))
}

/// Whether a stored record is about the same thing as one that is being submitted.
pub(crate) fn same_body(record: &[u8], body: &Body) -> bool {
    let Ok(view) = RecordView::parse(record) else { return false };
    match body {
        Body::Event(event) => event.is_of(&view),
        Body::System(system) => view.body == indelible_core::record::Body::System(system),
    }
}

/// What the client heard when the record was appended.
pub(crate) fn accepted_before(record: &StoredRecord) -> Result<Accepted, ReadError> {
    let view = RecordView::parse(&record.record).map_err(|error| corrupt(&error.to_string()))?;
    let id = EventId::new(&view.id).map_err(|_| corrupt("a record has no proper id"))?;
    Ok(Accepted {
        seq: record.seq,
        id,
        time: record.time,
        digest: record.digest,
        signature: record.signature.clone(),
        duplicate: true,
    })
}

/// The highest key of a space, for looking from the end.
pub(crate) fn last_row(store: &dyn Read, space: Space) -> Result<Option<Row>, ReadError> {
    let scan = Scan { from: Bound::Unbounded, to: Bound::Unbounded, ..Scan::all(space) };
    Ok(store.first(&scan.backward())?)
}
