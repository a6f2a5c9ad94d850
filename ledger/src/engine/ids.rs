//! Finding records by their ids, in what is durable.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use indelible_core::name::{EventId, Seq};
use indelible_core::record::RecordView;
use indelible_core::time::Timestamp;

use super::records::{LoadedBlock, corrupt, first_at_or_after, load_block, load_bodies, signature};
use super::resolve::{InLedger, Item};
use super::tip::Body;
use crate::api::Accepted;
use crate::error::ReadError;
use crate::rows::LedgerNumber;
use crate::rows::block::BlockPlace;
use crate::rows::id::{self, ContentHash, IdHash, IdRow};
use crate::server_id::ServerId;
use crate::store::{Read, Space, StoreError};

/// Looks the ids of a group up among the `size` durable records, and notes what is found.
pub(crate) fn look_up(
    store: &dyn Read,
    ledger: LedgerNumber,
    size: u64,
    items: &mut [Item],
) -> Result<(), ReadError> {
    let rows = rows_of(store, ledger, size, items)?;
    let mut originals = Tables::new(store, ledger);
    let mut made = Vec::new();
    for ((item, row), place) in items.iter_mut().zip(rows).zip(0..) {
        let Some(given) = &mut item.id else { continue };
        let row = match row {
            Some(row) => row,
            // Somebody sends an id that the engine made: look where its time points. One that is still
            // on its way cannot be found, but nobody has been told of it either, nor can guess it.
            None => {
                made.extend(ServerId::parse(&given.id).map(|id| (id, place)));
                continue;
            }
        };
        given.found = Some(if row.content == given.content {
            InLedger::Same(Box::new(originals.accepted(row.seq, given.id.clone())?))
        } else {
            InLedger::Other(row.seq)
        });
    }
    let ids: Vec<ServerId> = made.iter().map(|(id, _)| *id).collect();
    for (found, (_, place)) in find_made(store, ledger, size, &ids)?.into_iter().zip(made) {
        let Some(given) = items.get_mut(place).and_then(|item| item.id.as_mut()) else { continue };
        let Some((seq, content)) = found else { continue };
        given.found = Some(if content == given.content {
            InLedger::Same(Box::new(originals.accepted(seq, given.id.clone())?))
        } else {
            InLedger::Other(seq)
        });
    }
    Ok(())
}

/// The rows of a group's ids, one for each item.
pub(crate) fn rows_of(
    store: &dyn Read,
    ledger: LedgerNumber,
    size: u64,
    items: &[Item],
) -> Result<Vec<Option<IdRow>>, ReadError> {
    let with_id = || items.iter().filter_map(|item| item.id.as_ref());
    let keys: Vec<_> = with_id().map(|given| id::key(ledger, given.hash)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(<[u8; 24]>::as_slice).collect();
    let mut rows = if keys.is_empty() { Vec::new() } else { store.get_many(Space::Ids, &keys)? };
    let mut rows = rows.drain(..);
    let mut row = |item: &Item| {
        item.id.as_ref()?;
        let row = IdRow::decode(&rows.next()??).map_err(StoreError::from);
        // What is written and not published yet is on its way, as far as anybody has heard.
        Some(row.map(|row| Some(row).filter(|row| row.seq.get() < size)))
    };
    items.iter().map(|item| Ok(row(item).transpose()?.flatten())).collect()
}

/// Reads what was answered when records were appended, a block at a time: a group that is sent again is
/// mostly found in one.
pub(crate) struct Tables<'a> {
    store: &'a dyn Read,
    ledger: LedgerNumber,
    block: Option<LoadedBlock>,
}

impl<'a> Tables<'a> {
    pub(crate) fn new(store: &'a dyn Read, ledger: LedgerNumber) -> Self {
        Self { store, ledger, block: None }
    }

    /// What the client heard when the record was appended. Its body is not needed for that.
    pub(crate) fn accepted(&mut self, seq: Seq, id: EventId) -> Result<Accepted, ReadError> {
        let ledger = self.ledger;
        let block = match self.block.take().filter(|block| block.contains(seq)) {
            Some(block) => block,
            None => load_block(self.store, ledger, seq)?
                .ok_or_else(|| corrupt(&format!("record {seq} of ledger {ledger} is missing")))?,
        };
        let tables = block.decode()?;
        let record = tables.find(seq).ok_or_else(|| corrupt("a record is not in its block"))?;
        let (time, digest, signature) = (record.time, record.digest, signature(&record)?);
        self.block = Some(block);
        Ok(Accepted { seq, id, time, digest, signature, duplicate: true })
    }
}

/// Where the record with the id is, whoever made it.
pub(crate) fn find_id(
    store: &dyn Read,
    ledger: LedgerNumber,
    id: &EventId,
    size: u64,
) -> Result<Option<Seq>, ReadError> {
    if let Some(row) = store.get(Space::Ids, &id::key(ledger, IdHash::of(id)))? {
        let seq = IdRow::decode(&row).map_err(StoreError::from)?.seq;
        return Ok(Some(seq).filter(|seq| seq.get() < size));
    }
    let Some(id) = ServerId::parse(id) else { return Ok(None) };
    let found = find_made(store, ledger, size, &[id])?;
    Ok(found.into_iter().next().flatten().map(|(seq, _)| seq))
}

/// Where the records are whose ids the engine made, and what they say; one answer for each id.
///
/// An id without a row names the millisecond of its record, and the record was written by the first commit
/// with its time: later ones with the same time, which there are as long as the clock is behind, give rows
/// to the ids that they make. So for each time within the millisecond one commit is looked through, however
/// many follow it.
fn find_made(
    store: &dyn Read,
    ledger: LedgerNumber,
    size: u64,
    ids: &[ServerId],
) -> Result<Vec<Option<(Seq, ContentHash)>>, ReadError> {
    let mut found = vec![None; ids.len()];
    let mut by_time: BTreeMap<(Timestamp, Timestamp), HashMap<[u8; 36], usize>> = BTreeMap::new();
    for (place, id) in ids.iter().enumerate() {
        if let Some(times) = id.times() {
            by_time.entry(times).or_default().insert(id.to_text(), place);
        }
    }
    for ((first, last), mut wanted) in by_time {
        let mut next = first_at_or_after(store, ledger, first, size)?;
        while let Some(seq) = next.filter(|_| !wanted.is_empty()) {
            let Some(time) = search_commit(store, ledger, seq, last, &mut wanted, &mut found)?
            else {
                break;
            };
            let behind = Timestamp::from_micros(time.micros() + 1).ok();
            next = match behind.filter(|behind| *behind <= last) {
                Some(behind) => first_at_or_after(store, ledger, behind, size)?,
                None => None,
            };
        }
    }
    // The same id twice in a group: the map has kept one of its places.
    let known: HashMap<ServerId, (Seq, ContentHash)> =
        ids.iter().copied().zip(&found).filter_map(|(id, found)| Some((id, (*found)?))).collect();
    Ok(ids.iter().map(|id| known.get(id).copied()).collect())
}

/// Looks through the records from `seq` on that are of one time and one commit. Returns their time, or
/// `None` when that is behind `last`.
fn search_commit(
    store: &dyn Read,
    ledger: LedgerNumber,
    seq: Seq,
    last: Timestamp,
    wanted: &mut HashMap<[u8; 36], usize>,
    found: &mut [Option<(Seq, ContentHash)>],
) -> Result<Option<Timestamp>, ReadError> {
    let mut of: Option<(Timestamp, BlockPlace)> = None;
    let mut next = Some(seq);
    while let Some(loaded) = match next {
        Some(next) => load_block(store, ledger, next)?,
        None => None,
    } {
        let block = loaded.decode()?;
        let mut records = block.records().skip_while(|record| record.seq < seq).peekable();
        let Some(first) = records.peek() else { break };
        let (time, place) = *of.get_or_insert((first.time, loaded.place));
        if time > last {
            return Ok(None);
        }
        if loaded.place.commit != place.commit || first.time != time {
            break;
        }
        let mut bodies: Option<Bytes> = None;
        for record in records.take_while(|record| record.time == time) {
            let bodies = match &bodies {
                Some(bodies) => bodies,
                None => bodies.insert(load_bodies(store, &block, record.seq)?),
            };
            let bytes = record.bytes_in(bodies);
            let Some(place) = text_of_id(bytes).and_then(|id| wanted.remove(id)) else { continue };
            let view = RecordView::parse(bytes).map_err(|error| corrupt(&error.to_string()))?;
            if let Some(found) = found.get_mut(place) {
                *found = Some((record.seq, ContentHash::of_record(&view)));
            }
        }
        next = Seq::new(loaded.first.get() + u64::from(loaded.count)).ok();
        if wanted.is_empty() {
            break;
        }
    }
    Ok(of.map(|(time, _)| time))
}

/// The id in a stored record, if it is as long as those that the engine makes. In front of it stands the
/// event, and behind it nothing that could hold these characters, for quotes within texts are escaped.
fn text_of_id(record: &[u8]) -> Option<&[u8; 36]> {
    const NAME: &[u8] = b"\"id\":\"";
    let at = if record.starts_with(b"{\"id\"") {
        1
    } else {
        record.windows(NAME.len()).rposition(|bytes| bytes == NAME)?
    };
    let (id, rest) = record.get(at + NAME.len()..)?.split_first_chunk()?;
    rest.starts_with(b"\"").then_some(id)
}

impl Body {
    /// Bytes of the event or object.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Event(event) => event.len(),
            Self::System(system) => system.len(),
        }
    }

    /// What a second submission of its id is compared by.
    pub(crate) fn content(&self) -> ContentHash {
        match self {
            Self::Event(event) => ContentHash::of_event(event),
            Self::System(system) => ContentHash::of_system(system),
        }
    }
}
