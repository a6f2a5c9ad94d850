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
    let mut earlier: HashMap<&EventId, usize> = HashMap::new();
    let mut unknown = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(id) = &item.id else { continue };
        let answer = if let Some(&first) = earlier.get(id) {
            let same = items.get(first).is_some_and(|first| first.body == item.body);
            if same { Found::Same(first) } else { conflict(id, None) }
        } else if let Some(there) = tip.in_flight(id) {
            let same = there.body == item.body;
            if same { Found::Before(there.seq) } else { conflict(id, Some(there.seq)) }
        } else {
            earlier.insert(id, index);
            unknown.push((index, id, &item.body));
            continue;
        };
        if let Some(place) = found.get_mut(index) {
            *place = answer;
        }
    }
    if !unknown.is_empty() {
        look_up(store, entry, &unknown, &mut found)?;
        follow(&mut found);
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

/// What is the same as an earlier item that has been there before, has been there before too. What is
/// the same as one that conflicts, conflicts.
fn follow(found: &mut [Found]) {
    for index in 0..found.len() {
        if let Some(Found::Same(first)) = found.get(index)
            && let Some(of_first @ (Found::Before(_) | Found::Conflict(_))) = found.get(*first)
        {
            found[index] = of_first.clone();
        }
    }
}
