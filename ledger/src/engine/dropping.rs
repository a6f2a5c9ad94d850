//! Dropping bodies that were archived.

use std::ops::Range;

use indelible_core::name::{LedgerName, Seq};

use super::Engine;
use super::lookup;
use super::records::{corrupt, load_block};
use crate::error::ReadError;
use crate::rows::{LedgerNumber, dropped};
use crate::store::{Batch, Read, Space};

/// Says that whoever made it has read the bodies back from an archive and checked them there. Nothing else
/// keeps them.
#[derive(Debug)]
pub struct Archived(());

impl Archived {
    /// To be called by nobody who has not checked.
    #[must_use]
    pub const fn and_checked() -> Self {
        Self(())
    }
}

impl Engine {
    /// Drops the bodies of those blocks that lie within `range` as a whole, for good: digests, signatures,
    /// times and proofs stay. Record 0 and its block stay, since receipts carry it. Returns the records
    /// whose bodies were dropped.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] beyond the durable size. After any other error some, none or all of them
    /// may be dropped; call again.
    pub fn drop_bodies(
        &self,
        ledger: &LedgerName,
        range: Range<u64>,
        _: &Archived,
    ) -> Result<Range<u64>, ReadError> {
        let shared = &self.inner.shared;
        let entry = lookup::entry(shared, ledger)?;
        let head = lookup::head(shared, &entry)?;
        if range.end > head.size() {
            return Err(ReadError::OutOfRange { asked: range.end, size: head.size() });
        }
        let (store, number) = (shared.store.get()?, LedgerNumber(entry.number));
        let begin = block_around(&*store, number, range.start)?;
        let begin =
            if begin.start == range.start && begin.start > 0 { begin.start } else { begin.end };
        let end = match range.end.checked_sub(1) {
            Some(last) => block_around(&*store, number, last)?,
            None => return Ok(0..0),
        };
        let end = if end.end == range.end { end.end } else { end.start };
        if begin >= end {
            return Ok(begin..begin);
        }
        let seq = |n| Seq::new(n).map_err(|_| corrupt("a sequence number is too large"));
        let mut note = Batch::new();
        note.put(Space::Meta, &dropped::key(number, seq(begin)?), &dropped::encode(seq(end)?));
        let key = |n| seq(n).map(|n| crate::rows::block::bodies_key(number, n));
        store.drop_bodies(&key(begin)?, &key(end)?, &note)?;
        Ok(begin..end)
    }
}

/// First and end of the block that holds a record.
fn block_around(store: &dyn Read, ledger: LedgerNumber, seq: u64) -> Result<Range<u64>, ReadError> {
    let seq = Seq::new(seq).map_err(|_| corrupt("a sequence number is too large"))?;
    let block = load_block(store, ledger, seq)?;
    let block = block.ok_or(ReadError::OutOfRange { asked: seq.get(), size: seq.get() })?;
    Ok(block.first.get()..block.first.get() + u64::from(block.count))
}
