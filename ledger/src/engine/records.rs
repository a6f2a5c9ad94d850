//! Finding and reading records in the store.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use indelible_core::hash::Digest;
use indelible_core::key::{KeyId, RecordSignature, Signature};
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;

use crate::api::{Direction, StoredRecord};
use crate::error::ReadError;
use crate::rows::block::{self, Block, BlockPlace, BlockRecord};
use crate::rows::{LedgerNumber, dropped, index};
use crate::store::{Read, Row, Scan, Space, StoreError};

/// A block's tables in memory, and where its records begin.
pub(crate) struct LoadedBlock {
    pub(crate) first: Seq,
    pub(crate) count: u32,
    pub(crate) place: BlockPlace,
    tables: Vec<u8>,
}

impl LoadedBlock {
    pub(crate) fn contains(&self, seq: Seq) -> bool {
        self.first <= seq && seq.get() - self.first.get() < u64::from(self.count)
    }

    pub(crate) fn decode(&self) -> Result<Block<'_>, ReadError> {
        Block::decode(&self.tables).map_err(|error| corrupt(&error.to_string()))
    }
}

/// The records of a block as they were hashed.
pub(crate) fn load_bodies(store: &dyn Read, block: &Block<'_>) -> Result<Bytes, ReadError> {
    let (ledger, first) = (block.ledger(), block.first_seq());
    let Some(bodies) = store.get(Space::Bodies, &block::bodies_key(ledger, first))? else {
        if is_dropped(store, ledger, first)? {
            return Err(ReadError::BodyDropped { seq: first });
        }
        return Err(corrupt(&format!("the bodies of ledger {ledger} from {first} on are missing")));
    };
    block.check_bodies(&bodies).map_err(|error| corrupt(&error.to_string()))?;
    Ok(Bytes::from(bodies))
}

/// Whether the body of `seq` was dropped.
pub(crate) fn is_dropped(
    store: &dyn Read,
    ledger: LedgerNumber,
    seq: Seq,
) -> Result<bool, ReadError> {
    let (from, to) = (dropped::key(ledger, Seq::ZERO), dropped::key(ledger, seq));
    let row = store.first(&Scan::through(Space::Meta, &from, &to).backward())?;
    let Some((_, value)) = row else { return Ok(false) };
    Ok(seq < dropped::decode(&value).map_err(StoreError::from)?)
}

/// A record of a block with all that belongs to it; its bytes share the memory of the bodies.
pub(crate) fn stored(record: &BlockRecord<'_>, bodies: &Bytes) -> Result<StoredRecord, ReadError> {
    Ok(StoredRecord {
        record: bodies.slice_ref(record.bytes_in(bodies)),
        digest: record.digest,
        prev: record.prev,
        signature: signature(record)?,
        seq: record.seq,
        time: record.time,
    })
}

/// The record's own signature, if it carries one.
pub(crate) fn signature(record: &BlockRecord<'_>) -> Result<Option<RecordSignature>, ReadError> {
    let Some(stored) = record.signature else { return Ok(None) };
    let damaged = || corrupt(&format!("record {} has no proper signature", record.seq));
    let key_id = KeyId::new(stored.key_id).map_err(|_| damaged())?;
    let signature = Signature::new(&key_id, stored.bytes).map_err(|_| damaged())?;
    Ok(Some(RecordSignature { key_id, signature }))
}

pub(crate) fn corrupt(what: &str) -> ReadError {
    ReadError::Corrupt(what.into())
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

/// The tables of the block that holds `seq`.
pub(crate) fn load_block(
    store: &dyn Read,
    ledger: LedgerNumber,
    seq: Seq,
) -> Result<Option<LoadedBlock>, ReadError> {
    let Some((first, row)) = locate(store, ledger, seq)? else { return Ok(None) };
    let Some(value) = store.get(Space::Blocks, &block::key(row.place))? else {
        return Err(corrupt(&format!("the block with record {seq} of ledger {ledger} is missing")));
    };
    let loaded = LoadedBlock { first, count: row.count, place: row.place, tables: value };
    decode_at(&loaded.tables, ledger, first, &row)?;
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
    stored(&record, &load_bodies(store, &block)?).map(Some)
}

/// Records from `from` on (included), in the given direction, up to the durable `size`. Ends after
/// `records_max` records, when `bytes_max` bytes of records are exceeded, or before bodies that were
/// dropped; at least one record is returned where there is one.
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
        let bodies = match load_bodies(store, &block) {
            Err(ReadError::BodyDropped { .. }) if !out.is_empty() => return Ok(out),
            // Named by the record that was asked for, not by the first of its block.
            Err(ReadError::BodyDropped { .. }) => return Err(ReadError::BodyDropped { seq }),
            bodies => bodies?,
        };
        let last = loaded.first.get() + u64::from(loaded.count) - 1;
        let mut records: Vec<_> = match direction {
            Direction::Forward => block.records().skip_while(|record| record.seq < seq).collect(),
            Direction::Backward => block.records().take_while(|record| record.seq <= seq).collect(),
        };
        if direction == Direction::Backward {
            records.reverse();
        }
        for record in records {
            bytes += record.place.len();
            if out.len() >= records_max || (bytes > bytes_max && !out.is_empty()) {
                return Ok(out);
            }
            if record.seq.get() < size {
                out.push(stored(&record, &bodies)?);
            }
        }
        next = match direction {
            Direction::Forward => Seq::new(last + 1).ok(),
            Direction::Backward => loaded.first.get().checked_sub(1).and_then(|n| Seq::new(n).ok()),
        };
    }
    Ok(out)
}

/// The digests of the records `from..to`. One scan over the index and one read of many tables for each
/// [`BLOCKS_AT_ONCE`] blocks, for in a tile of single commits each record has a block of its own.
pub(crate) fn digests(
    store: &dyn Read,
    ledger: LedgerNumber,
    from: u64,
    to: u64,
) -> Result<Vec<Digest>, ReadError> {
    let mut out =
        Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0).min(256));
    let missing = |seq: u64| corrupt(&format!("record {seq} of ledger {ledger} is missing"));
    // From the end, since the block that holds `from` begins at or before it.
    let mut end = to;
    while end > from {
        let places = places_before(store, ledger, from, end)?;
        let begin = places.first().map_or(end, |(first, _)| first.get());
        if begin >= end {
            return Err(missing(end - 1));
        }
        let keys: Vec<_> = places.iter().map(|(_, row)| block::key(row.place)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 12]>::as_slice).collect();
        let mut part = Vec::new();
        let mut next = begin;
        for ((first, row), tables) in places.iter().zip(store.get_many(Space::Blocks, &keys)?) {
            let block = tables.ok_or_else(|| missing(first.get()))?;
            let block = decode_at(&block, ledger, *first, row)?;
            if first.get() != next {
                return Err(missing(next));
            }
            next += u64::from(row.count);
            let skip = from.saturating_sub(first.get()) as usize;
            let take = (next.min(end) - first.get()) as usize;
            part.extend(block.digests().take(take).skip(skip));
        }
        if next < end {
            return Err(missing(next));
        }
        part.append(&mut out);
        (out, end) = (part, begin);
    }
    Ok(out)
}

/// Blocks whose tables are read together: a whole tile of single commits.
const BLOCKS_AT_ONCE: usize = 256;

/// The places of the last blocks that have records of `from..end`, ascending.
fn places_before(
    store: &dyn Read,
    ledger: LedgerNumber,
    from: u64,
    end: u64,
) -> Result<Vec<(Seq, index::IndexRow)>, ReadError> {
    let end = Seq::new(end).map_err(|_| corrupt("a sequence number is too large"))?;
    let (low, high) = (index::key(ledger, Seq::ZERO), index::key(ledger, end));
    let scan = Scan::between(Space::Index, &low, &high).backward().take(BLOCKS_AT_ONCE);
    let mut places = Vec::new();
    let mut damaged = None;
    store.scan(&scan, &mut |key, value| {
        let row = index::parse_key(key)
            .and_then(|(_, first)| Ok((first, index::IndexRow::decode(value)?)));
        match row {
            Ok(row) => places.push(row),
            Err(error) => damaged = Some(error),
        }
        let reached = places.last().is_some_and(|(first, _)| first.get() <= from);
        if reached || damaged.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if let Some(error) = damaged {
        return Err(corrupt(&error.to_string()));
    }
    places.reverse();
    Ok(places)
}

/// Tables that the index leads to, if they are those of the block that it means.
fn decode_at<'a>(
    tables: &'a [u8],
    ledger: LedgerNumber,
    first: Seq,
    row: &index::IndexRow,
) -> Result<Block<'a>, ReadError> {
    let block = Block::decode(tables).map_err(|error| corrupt(&error.to_string()))?;
    if block.ledger() != ledger || block.first_seq() != first || block.len() != row.count as usize {
        return Err(corrupt(&format!(
            "the index of ledger {ledger} leads to a wrong block for {first}"
        )));
    }
    Ok(block)
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
        let place = loaded.decode()?.times().position(|of_record| of_record >= time);
        if let Some(place) = place {
            let seq = Seq::new(loaded.first.get() + place as u64).ok();
            return Ok(seq.filter(|seq| seq.get() < size));
        }
    }
    Ok(Seq::new(low).ok().filter(|seq| seq.get() < size))
}

/// The highest key of a space, for looking from the end.
pub(crate) fn last_row(store: &dyn Read, space: Space) -> Result<Option<Row>, ReadError> {
    let scan = Scan { from: Bound::Unbounded, to: Bound::Unbounded, ..Scan::all(space) };
    Ok(store.first(&scan.backward())?)
}
