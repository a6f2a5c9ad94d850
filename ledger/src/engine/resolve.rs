//! Which events of a group are new, and which have been there before.

use std::collections::HashMap;

use indelible_core::name::{EventId, Seq};

use super::entry::LedgerEntry;
use super::ids;
use super::lookups::Asked;
use super::tip::{Body, Tip};
use crate::api::Accepted;
use crate::error::{EventError, ReadError};
use crate::rows::LedgerNumber;
use crate::rows::id::{ContentHash, IdHash};
use crate::store::Read;

/// One record to be.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: Option<GivenId>,
    pub(crate) body: Body,
}

/// An id that a client gave, and what the store said about it.
#[derive(Debug)]
pub(crate) struct GivenId {
    pub(crate) id: EventId,
    pub(crate) hash: IdHash,
    pub(crate) content: ContentHash,
    pub(crate) found: Option<InLedger>,
}

/// The durable record with an id.
#[derive(Debug)]
pub(crate) enum InLedger {
    /// It says the same.
    Same(Box<Accepted>),
    /// It says something else.
    Other(Seq),
}

impl Item {
    pub(crate) fn new(id: Option<EventId>, body: Body) -> Self {
        let id = id.map(|id| {
            let (hash, content) = (IdHash::of(&id), body.content());
            GivenId { id, hash, content, found: None }
        });
        Self { id, body }
    }

    /// Whether nothing is left to do but to say so.
    pub(crate) fn is_in_ledger(&self) -> bool {
        self.id.as_ref().is_some_and(|given| given.found.is_some())
    }
}

/// What an id says about an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// Nothing: it is new.
    New,
    /// It is on its way, or was when it was looked for.
    Before(Seq),
    /// It is in the ledger.
    Durable(Box<Accepted>),
    /// It is the same as an earlier item of the group.
    Same(usize),
    /// Its id names something else.
    Conflict(EventError),
}

/// Says of every item of a group what it is: by what its sender found in the store, by what is on its way,
/// and by the earlier items.
pub(crate) fn resolve(
    store: &dyn Read,
    entry: &LedgerEntry,
    tip: &Tip,
    items: &mut [Item],
    asked: &Asked,
) -> Result<Vec<Found>, ReadError> {
    // What has become durable since the group was looked up is not remembered any more: once again. An id
    // that a server made was in the store then, or was never told to anybody.
    let size = entry.head().map_or(0, |head| head.size());
    let stale = (asked.after < tip.forgotten).then_some(());
    let rows = stale.map(|_| ids::rows_of(store, LedgerNumber(entry.number), size, items));
    let mut rows = rows.transpose()?.unwrap_or_default().into_iter();
    let mut found = Vec::with_capacity(items.len());
    let mut first_of: HashMap<IdHash, (usize, ContentHash)> = HashMap::new();
    for (index, item) in items.iter_mut().enumerate() {
        let row = rows.next().flatten();
        let Some(given) = &mut item.id else {
            found.push(Found::New);
            continue;
        };
        let known = match (&given.found, tip.in_flight(given.hash), row) {
            (Some(_), _, _) | (None, None, None) => None,
            (None, Some(there), _) => Some((there.seq, there.content)),
            (None, None, Some(row)) => Some((row.seq, row.content)),
        };
        found.push(match (given.found.take(), known) {
            (Some(InLedger::Same(accepted)), _) => Found::Durable(accepted),
            (Some(InLedger::Other(seq)), _) => conflict(&given.id, Some(seq)),
            (None, Some((seq, content))) if content == given.content => Found::Before(seq),
            (None, Some((seq, _))) => conflict(&given.id, Some(seq)),
            // Of the items with one id that is new, the first one takes it.
            (None, None) => match first_of.get(&given.hash) {
                Some((first, content)) if *content == given.content => Found::Same(*first),
                Some(_) => conflict(&given.id, None),
                None => {
                    first_of.insert(given.hash, (index, given.content));
                    Found::New
                }
            },
        });
    }
    Ok(found)
}

fn conflict(id: &EventId, seq: Option<Seq>) -> Found {
    Found::Conflict(EventError::Conflict { id: id.clone(), seq })
}
