//! Which events of a group are new, and which have been there before.

use std::collections::HashMap;

use indelible_core::name::{EventId, Seq};

use super::entry::{Body, LedgerEntry, Tip};
use super::records::{find_made, get, same_body};
use crate::error::{EventError, ReadError};
use crate::rows::{LedgerNumber, id};
use crate::server_id::ServerId;
use crate::store::{Read, Space};

/// One record to be.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: Option<EventId>,
    pub(crate) body: Body,
}

/// What an id says about an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// Nothing: it is new.
    New,
    /// It is in the ledger, or on its way.
    Before(Seq),
    /// It is the same as an earlier item of the group.
    Same(usize),
    /// Its id names something else.
    Conflict(EventError),
}

/// Looks up every id of a group: among the earlier items, among what is on its way, and in the store.
pub(crate) fn resolve(
    store: &dyn Read,
    entry: &LedgerEntry,
    tip: &Tip,
    items: &[Item],
) -> Result<Vec<Found>, ReadError> {
    let mut found = vec![Found::New; items.len()];
    let mut unknown = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(id) = &item.id else { continue };
        match (tip.in_flight(id), found.get_mut(index)) {
            (Some(there), Some(place)) => {
                let same = there.body == item.body;
                *place =
                    if same { Found::Before(there.seq) } else { conflict(id, Some(there.seq)) };
            }
            _ => unknown.push((index, id, &item.body)),
        }
    }
    if !unknown.is_empty() {
        look_up(store, entry, &unknown, &mut found)?;
        compare_within(&unknown, &mut found);
    }
    Ok(found)
}

fn conflict(id: &EventId, seq: Option<Seq>) -> Found {
    Found::Conflict(EventError::Conflict { id: id.clone(), seq })
}

/// Asks the store for ids that nothing in memory knows.
fn look_up(
    store: &dyn Read,
    entry: &LedgerEntry,
    unknown: &[(usize, &EventId, &Body)],
    found: &mut [Found],
) -> Result<(), ReadError> {
    let ledger = LedgerNumber(entry.number);
    let keys: Vec<Vec<u8>> = unknown.iter().map(|(_, id, _)| id::key(ledger, id)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let rows = store.get_many(Space::Ids, &keys)?;
    for (&(index, id, body), row) in unknown.iter().zip(rows) {
        let seq = match row {
            Some(value) => Some(id::decode(&value).map_err(crate::store::StoreError::from)?),
            // Somebody sends an id that the engine made: look where its time points. One that is still
            // on its way cannot be found, but nobody has been told of it either, nor can guess it.
            None if ServerId::parse(id).is_some() => {
                let size = entry.head().map_or(0, |head| head.size());
                find_made(store, ledger, id, size)?
            }
            None => None,
        };
        let Some(seq) = seq else { continue };
        let Some(record) = get(store, ledger, seq)? else {
            return Err(super::records::corrupt(&format!(
                "id '{id}' leads to record {seq}, which is missing"
            )));
        };
        if let Some(place) = found.get_mut(index) {
            let same = same_body(&record.record, body);
            *place = if same { Found::Before(seq) } else { conflict(id, Some(seq)) };
        }
    }
    Ok(())
}

/// Of the items with one id that is new, the first one takes it; the others are the same or conflict.
fn compare_within(unknown: &[(usize, &EventId, &Body)], found: &mut [Found]) {
    let mut first_of: HashMap<&EventId, (usize, &Body)> = HashMap::new();
    for &(index, id, body) in unknown {
        let Some(place) = found.get_mut(index).filter(|place| **place == Found::New) else {
            continue;
        };
        match first_of.get(id) {
            Some((first, of_first)) if *of_first == body => *place = Found::Same(*first),
            Some(_) => *place = conflict(id, None),
            None => {
                first_of.insert(id, (index, body));
            }
        }
    }
}
