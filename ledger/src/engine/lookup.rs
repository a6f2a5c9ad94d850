//! Bringing ledgers into memory, on demand.

use std::sync::Arc;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::merkle::CompactRange;
use indelible_core::name::{LedgerName, Seq};
use indelible_core::note::SignedNote;
use indelible_core::system::Creation;

use super::entry::{Head, LedgerEntry, Settings, Tip};
use super::records::{LoadedBlock, corrupt, load_block};
use super::shared::Shared;
use crate::api::SignedCheckpoint;
use crate::error::ReadError;
use crate::rows::head::HeadRow;
use crate::rows::ledger::LedgerRow;
use crate::rows::{LedgerNumber, head, ledger};
use crate::store::{Read, Space, StoreError};

/// The row of a ledger, if there is such a ledger.
pub(crate) fn ledger_row(
    store: &dyn Read,
    name: &LedgerName,
) -> Result<Option<LedgerRow>, ReadError> {
    let value = store.get(Space::Ledgers, ledger::key(name))?;
    let row = value.map(|value| LedgerRow::decode(&value)).transpose();
    Ok(row.map_err(StoreError::from)?)
}

/// What a ledger's row says about it.
pub(crate) fn settings(name: &LedgerName, row: &LedgerRow) -> Result<Settings, ReadError> {
    let creation = Creation::parse(&row.creation)
        .map_err(|error| corrupt(&format!("the creation of ledger '{name}': {error}")))?;
    if creation.origin.ledger() != &**name {
        return Err(corrupt(&format!("ledger '{name}' has the creation of {}", creation.origin)));
    }
    Ok(Settings {
        number: row.number.0,
        name: name.clone(),
        origin: creation.origin,
        sign_per: creation.sign_per,
        max_unsigned: creation.max_unsigned,
        numbers: creation.numbers,
        principals: creation.principals,
        keys: creation.keys,
        created: row.created,
    })
}

/// The ledger of that name, from memory or from the store.
pub(crate) fn entry(shared: &Shared, name: &LedgerName) -> Result<Arc<LedgerEntry>, ReadError> {
    if let Some(entry) = shared.ledgers.get(name) {
        return Ok(entry);
    }
    let store = shared.store.reading()?;
    let row = ledger_row(&*store, name)?.ok_or_else(|| ReadError::NotFound(name.clone()))?;
    let entry = Arc::new(LedgerEntry::new(settings(name, &row)?));
    let entry = shared.ledgers.insert(entry);
    shared.metrics.ledgers_in_memory.set(shared.ledgers.len() as u64);
    Ok(entry)
}

/// The durable head of a ledger, from memory or from the store.
///
/// The entry is in the map before its head is read: a commit that becomes durable meanwhile finds it
/// there, and [`LedgerEntry::advance`] keeps the newer of the two.
pub(crate) fn head(shared: &Shared, entry: &LedgerEntry) -> Result<Arc<Head>, ReadError> {
    match entry.head() {
        Some(head) => Ok(head),
        None => load_head(&*shared.store.reading()?, entry),
    }
}

/// Reads the durable head and takes it into memory.
pub(crate) fn load_head(store: &dyn Read, entry: &LedgerEntry) -> Result<Arc<Head>, ReadError> {
    let value = store.get(Space::Heads, &head::key(LedgerNumber(entry.number)))?;
    let Some(value) = value else {
        return Err(corrupt(&format!("the head of ledger '{}' is missing", entry.name)));
    };
    let row = HeadRow::decode(&value).map_err(StoreError::from)?;
    ends_with_its_last_record(store, entry, &row)?;
    let head = Arc::new(head_from_row(entry, row)?);
    entry.advance(Arc::clone(&head));
    Ok(entry.head().unwrap_or(head))
}

/// Opening looks at the ledgers that were written to last; the others are looked at when they are first
/// used, so that nothing is ever appended to a head that its records do not lead to.
fn ends_with_its_last_record(
    store: &dyn Read,
    entry: &LedgerEntry,
    row: &HeadRow,
) -> Result<(), ReadError> {
    let last = row.size.checked_sub(1).and_then(|last| Seq::new(last).ok());
    let block = match last {
        Some(last) => load_block(store, LedgerNumber(entry.number), last)?,
        None => None,
    };
    let ends = |block: &LoadedBlock| block.first.get() + u64::from(block.count) == row.size;
    let digest = match block.filter(ends) {
        Some(block) => block.decode()?.digests().next_back(),
        None => None,
    };
    if digest == Some(row.last_digest) {
        return Ok(());
    }
    let (name, size) = (&entry.name, row.size);
    Err(corrupt(&format!(
        "the head of ledger '{name}' is of {size} records, but they do not end with its last record"
    )))
}

/// A head as memory holds it, from what the store holds. Commits come through here too: what is
/// published after a commit is what a restart would read.
pub(crate) fn head_from_row(entry: &LedgerEntry, row: HeadRow) -> Result<Head, ReadError> {
    let damaged = |what: &str| corrupt(&format!("the head of ledger '{}': {what}", entry.name));
    let frontier = CompactRange::from_parts(0, row.size, row.frontier)
        .map_err(|error| damaged(&error.to_string()))?;
    let checkpoint = SignedNote::parse(row.note.as_bytes())
        .map_err(|error| damaged(&error.to_string()))
        .and_then(|note| {
            Checkpoint::parse(note.text()).map_err(|error| damaged(&error.to_string()))
        })?;
    if checkpoint.size != row.size || checkpoint.origin != entry.origin {
        return Err(damaged("its checkpoint is not its own"));
    }
    if frontier.root() != Some(checkpoint.root) {
        return Err(damaged("its tree has another root than its checkpoint"));
    }
    let checkpoint = Arc::new(SignedCheckpoint { checkpoint, note: row.note });
    Ok(Head { last_digest: row.last_digest, last_time: row.last_time, frontier, checkpoint })
}

/// The sequencer's place in a ledger: as it left it, or the durable head when something failed since.
pub(crate) fn tip<'a>(
    slot: &'a mut Option<Box<Tip>>,
    entry: &LedgerEntry,
    store: &dyn Read,
    epoch: u64,
) -> Result<&'a mut Tip, ReadError> {
    if slot.as_ref().is_none_or(|tip| tip.epoch != epoch) {
        let head = entry.head().map_or_else(|| load_head(store, entry), Ok)?;
        *slot = Some(Box::new(Tip::at(&head, epoch)));
    }
    match slot {
        Some(tip) => Ok(tip),
        None => Err(corrupt("a tip that was just set is gone")),
    }
}
