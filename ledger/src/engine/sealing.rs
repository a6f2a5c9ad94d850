//! One ledger's part of a batch in the making: numbers records, seals them into blocks, grows the tree.

use std::sync::Arc;

use indelible_core::hash::{Digest, LeafHash};
use indelible_core::limits::TILE_WIDTH;
use indelible_core::merkle::{Growth, leaf_hash};
use indelible_core::name::Seq;
use indelible_core::record::{Place, RecordError, seal_system};
use indelible_core::system::{Creation, SignPer};
use indelible_core::time::Timestamp;

use super::entry::LedgerEntry;
use super::records::{corrupt, digests};
use super::run::{Facts, RunId, Sealed, ToSign};
use super::tip::{Body, Tip};
use crate::derived::kind_of;
use crate::error::ReadError;
use crate::rows::LedgerNumber;
use crate::rows::block::{BLOCK_BYTES_TARGET, BlockBuilder};
use crate::rows::tile;
use crate::store::Read;

/// A run that still grows.
pub(crate) struct Sealing {
    pub(crate) entry: Arc<LedgerEntry>,
    creation: Option<Creation>,
    first: Seq,
    prev: Option<Digest>,
    blocks: Vec<(BlockBuilder, Timestamp)>,
    facts: Facts,
    /// An earlier commit has records of the same time as this one's: ids made here cannot be found by it.
    pub(crate) shares_its_time: bool,
    /// Records and bytes that are still to come, as far as that is known.
    expected: (usize, usize),
}

/// What a record has beside its event, in bytes; for reserving.
const AROUND_BYTES: usize = 192;

impl Sealing {
    /// Begins at the tip. `None` when the ledger has its last sequence number.
    pub(crate) fn new(
        entry: Arc<LedgerEntry>,
        creation: Option<Creation>,
        tip: &Tip,
    ) -> Option<Self> {
        let first = Seq::new(tip.frontier.end()).ok()?;
        Some(Self {
            entry,
            creation,
            first,
            prev: tip.last_digest,
            blocks: Vec::new(),
            facts: Facts::default(),
            shares_its_time: false,
            expected: (0, 0),
        })
    }

    /// Number of records so far.
    pub(crate) fn len(&self) -> usize {
        self.facts.digests.len()
    }

    /// The sequence number of the next record, if there is one.
    pub(crate) fn next_seq(&self) -> Option<Seq> {
        Seq::new(self.first.get() + self.len() as u64).ok()
    }

    /// Makes room for so many records more, whose events have so many bytes.
    pub(crate) fn expect(&mut self, records: usize, bytes: usize) {
        self.facts.digests.reserve(records);
        self.facts.times.reserve(records);
        self.facts.ids.reserve(records);
        self.expected.0 += records;
        self.expected.1 += bytes + records * AROUND_BYTES;
    }

    fn begin_block(&mut self, seq: Seq, prev: Option<Digest>, time: Timestamp) {
        let mut block = BlockBuilder::new(LedgerNumber(self.entry.number), seq, prev, time);
        let (records, bytes) = self.expected;
        // The last record goes beyond the target. One that is larger than a block takes its own memory.
        let each = (bytes / records.max(1)).clamp(1, BLOCK_BYTES_TARGET);
        let bytes = bytes.min(BLOCK_BYTES_TARGET + each);
        block.reserve(bytes / each, bytes);
        self.blocks.push((block, time));
    }

    /// Seals a record at the end. Returns its place in the run.
    pub(crate) fn seal(
        &mut self,
        tip: &mut Tip,
        seq: Seq,
        id: RunId,
        time: Timestamp,
        body: &Body,
    ) -> Result<u32, RecordError> {
        let index = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let prev = tip.last_digest;
        if self.blocks.last().is_none_or(|(block, _)| block.is_full() || !block.takes(time)) {
            self.begin_block(seq, prev, time);
        }
        let place = Place { ledger: &self.entry.name, id: &id.id, seq, time };
        let Some((block, _)) = self.blocks.last_mut() else { return Ok(index) };
        let before = block.record_bytes();
        let at = block.append_with(time, |out| match body {
            Body::Event(event) => Ok(event.seal(&place, prev.as_ref(), out)),
            Body::System(system) => seal_system(system, &place, prev.as_ref(), out),
        });
        let digest = match at {
            Ok(at) => block.digests().get(at).copied(),
            Err(error) => {
                if block.is_empty() {
                    self.blocks.pop();
                }
                return Err(error);
            }
        };
        let bytes = block.record_bytes() - before;
        let (records, left) = self.expected;
        self.expected = match records.saturating_sub(1) {
            0 => (0, 0),
            records => (records, left.saturating_sub(bytes)),
        };
        if let Some(digest) = digest {
            self.facts.digests.push(digest);
            self.facts.times.push(time);
            self.facts.ids.push(id);
            if let Body::System(system) = body {
                // An object without a kind has made no record just now.
                self.facts.kinds.extend(kind_of(system).ok());
            }
            tip.last_digest = Some(digest);
            tip.last_time = time;
        }
        Ok(index)
    }

    /// The bytes of the last record.
    pub(crate) fn last_record(&self) -> Option<&[u8]> {
        let (block, _) = self.blocks.last()?;
        block.record(block.len().checked_sub(1)?)
    }

    /// Grows the tree by the run, and moves the tip behind it.
    ///
    /// # Errors
    /// When the leaves of a tile that is now full cannot be read.
    pub(crate) fn finish(self, tip: &mut Tip, store: &dyn Read) -> Result<Sealed, ReadError> {
        let damage = |error| corrupt(&format!("the tree of ledger {}: {error}", self.entry.name));
        let mut growth = Growth::new(tip.frontier.clone()).map_err(damage)?;
        growth.extend(self.facts.digests.iter().map(leaf_hash)).map_err(damage)?;
        let tiles = fill_tiles(tip, &growth, LedgerNumber(self.entry.number), store)?;
        tip.frontier = growth.frontier();
        let to_sign = match self.entry.sign_per {
            SignPer::Record => ToSign::All,
            SignPer::Commit => {
                let mut places = signed_places(self.len(), self.entry.max_unsigned);
                // Record 0 says how the ledger is signed, so it always carries a signature itself:
                // receipts of records without one show it.
                if self.creation.is_some() && places.first() != Some(&0) {
                    places.insert(0, 0);
                }
                ToSign::These(places)
            }
        };
        let Self { entry, creation, first, prev, blocks, facts, .. } = self;
        Ok(Sealed { entry, creation, first, prev, blocks, facts, growth, tiles, to_sign })
    }
}

/// Which records of a run of `len` are signed where signing is per commit: the last, and before it so
/// many that never more than `max_unsigned` in a row are not. The record before the run is signed.
fn signed_places(len: usize, max_unsigned: u64) -> Vec<u32> {
    let step = usize::try_from(max_unsigned).unwrap_or(usize::MAX).saturating_add(1);
    let last = len.saturating_sub(1);
    let mut places: Vec<u32> = (0..last)
        .skip(step - 1)
        .step_by(step)
        .filter_map(|place| u32::try_from(place).ok())
        .collect();
    places.extend(u32::try_from(last));
    places
}

/// The tiles that the growth fills. The tip keeps the leaves of the last, partial tile, so that a tile
/// is read again only where a ledger was loaded in its middle.
fn fill_tiles(
    tip: &mut Tip,
    growth: &Growth,
    ledger: LedgerNumber,
    store: &dyn Read,
) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let new_leaves = growth.completed(0).map(|(_, node)| LeafHash(node.0));
    let (first, end) = (growth.base_size() / TILE_WIDTH, growth.size() / TILE_WIDTH);
    if first == end {
        tip.leaves.extend(new_leaves);
        return Ok(Vec::new());
    }
    // What lies before `leaves_from` was durable when the tip was made.
    let missing = digests(store, ledger, first * TILE_WIDTH, tip.leaves_from)?;
    let mut leaves: Vec<LeafHash> = missing.iter().map(leaf_hash).collect();
    leaves.append(&mut tip.leaves);
    leaves.extend(new_leaves);
    let (full, rest) = leaves.as_chunks::<{ TILE_WIDTH as usize }>();
    let tiles = (first..end).zip(full).map(|(number, leaves)| Ok((number, tile::encode(leaves)?)));
    let tiles = tiles.collect::<Result<Vec<_>, crate::rows::RowError>>();
    let tiles = tiles.map_err(|error| corrupt(&error.to_string()))?;
    if tiles.len() as u64 != end - first {
        return Err(corrupt(&format!("leaves of ledger {ledger} are missing")));
    }
    tip.leaves = rest.to_vec();
    tip.leaves_from = end * TILE_WIDTH;
    Ok(tiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_without_signature_is_longer_than_allowed_and_the_last_is_signed() {
        for max_unsigned in 0..6u64 {
            for len in 1..40usize {
                let places = signed_places(len, max_unsigned);
                assert_eq!(places.last().copied(), Some(len as u32 - 1));
                let mut before = -1i64;
                for &place in &places {
                    assert!(
                        i64::from(place) - before - 1 <= max_unsigned as i64,
                        "{len} {places:?}"
                    );
                    assert!(i64::from(place) > before);
                    before = i64::from(place);
                }
            }
        }
        assert_eq!(signed_places(10, 65_536), [9]);
    }
}
