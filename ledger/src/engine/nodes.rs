//! The Merkle tree of a ledger as proofs need it: nodes out of tiles, stored nodes, and the digests of
//! the last, partial tile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use indelible_core::hash::NodeHash;
use indelible_core::limits::TILE_WIDTH;
use indelible_core::merkle::{NodeSource, leaf_hash, node_hash};

use super::partial_tile::PartialTile;
use super::records::{corrupt, digests};
use crate::error::ReadError;
use crate::rows::tile::TileRow;
use crate::rows::{LedgerNumber, node, tile};
use crate::store::{Read, Scan, Space};

const LEVELS_PER_TILE: u8 = 8;

/// Nodes of one ledger's tree of `size` durable leaves. What it has read it keeps, so that the up to
/// eight nodes that a proof takes from one tile cost one read; make a new one for each request.
pub(crate) struct StoredNodes<'a> {
    store: &'a dyn Read,
    ledger: LedgerNumber,
    size: u64,
    /// What memory holds of the last tile.
    partial: Option<&'a PartialTile>,
    /// By tile level and tile number. No hash map: the first one of a thread asks the system for random
    /// bytes, and panics when there are none.
    pyramids: RefCell<BTreeMap<(u8, u64), Pyramid>>,
}

/// The nodes of a tile from its bottom row up; a partial tile has only the perfect subtrees.
struct Pyramid(Vec<Vec<NodeHash>>);

impl Pyramid {
    fn over(bottom: Vec<NodeHash>) -> Self {
        let mut rows = vec![bottom];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let above = row.as_chunks::<2>().0.iter().map(|[l, r]| node_hash(l, r)).collect();
            rows.push(above);
        }
        Self(rows)
    }

    fn node(&self, height: u8, index: u64) -> Option<NodeHash> {
        self.0.get(usize::from(height))?.get(usize::try_from(index).ok()?).copied()
    }
}

impl<'a> StoredNodes<'a> {
    pub(crate) fn new(store: &'a dyn Read, ledger: LedgerNumber, size: u64) -> Self {
        Self { store, ledger, size, partial: None, pyramids: RefCell::default() }
    }

    /// Takes leaves of the last tile from memory.
    pub(crate) fn with_partial_tile(self, partial: &'a PartialTile) -> Self {
        Self { partial: Some(partial), ..self }
    }

    fn bottom(&self, level: u8, tile: u64) -> Result<Vec<NodeHash>, ReadError> {
        if level == 0 { self.leaves(tile) } else { self.stored(level * LEVELS_PER_TILE, tile) }
    }

    /// The leaf hashes of a tile: its row when it is full, else from memory or the digests of its records.
    fn leaves(&self, number: u64) -> Result<Vec<NodeHash>, ReadError> {
        let (first, end) = (number * TILE_WIDTH, (number + 1) * TILE_WIDTH);
        if end > self.size {
            return self.leaves_of_partial(first);
        }
        let Some(value) = self.store.get(Space::Tiles, &tile::key(self.ledger, number))? else {
            return Err(corrupt(&format!("tile {number} of ledger {} is missing", self.ledger)));
        };
        let row = TileRow::decode(&value).map_err(|error| corrupt(&error.to_string()))?;
        Ok(row.leaves().map(NodeHash::from).collect())
    }

    fn leaves_of_partial(&self, first: u64) -> Result<Vec<NodeHash>, ReadError> {
        let known = self.partial.map(|partial| partial.last_of(first, self.size));
        let known = known.unwrap_or_default();
        let read_to = self.size - known.len() as u64;
        if read_to == first {
            return Ok(known);
        }
        let read = digests(self.store, self.ledger, first, read_to)?;
        let mut leaves: Vec<NodeHash> =
            read.iter().map(|digest| leaf_hash(digest).into()).collect();
        leaves.extend(known);
        if let Some(partial) = self.partial {
            partial.keep(first, leaves.clone());
        }
        Ok(leaves)
    }

    /// The stored nodes of a level that lie in one tile.
    fn stored(&self, level: u8, tile: u64) -> Result<Vec<NodeHash>, ReadError> {
        let first = tile * TILE_WIDTH;
        let end = ((tile + 1) * TILE_WIDTH).min(self.size >> level);
        let (from, to) = (node::key(self.ledger, level, first), node::key(self.ledger, level, end));
        let mut hashes = Vec::with_capacity((end.saturating_sub(first)) as usize);
        let mut damage = None;
        self.store.scan(&Scan::between(Space::Nodes, &from, &to), &mut |_, value| {
            match node::decode(value) {
                Ok(hash) => hashes.push(hash),
                Err(error) => damage = Some(error),
            }
            std::ops::ControlFlow::Continue(())
        })?;
        match damage {
            Some(error) => Err(corrupt(&error.to_string())),
            None if hashes.len() as u64 != end - first => Err(corrupt(&format!(
                "nodes of level {level} of ledger {} are missing",
                self.ledger
            ))),
            None => Ok(hashes),
        }
    }
}

impl NodeSource for StoredNodes<'_> {
    type Error = ReadError;

    fn node(&self, level: u8, index: u64) -> Result<NodeHash, ReadError> {
        let (tile_level, height) = (level / LEVELS_PER_TILE, level % LEVELS_PER_TILE);
        let per_tile = TILE_WIDTH >> height;
        let (tile, within) = (index / per_tile, index % per_tile);
        let mut pyramids = self.pyramids.borrow_mut();
        let pyramid = match pyramids.entry((tile_level, tile)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(empty) => empty.insert(Pyramid::over(self.bottom(tile_level, tile)?)),
        };
        pyramid.node(height, within).ok_or_else(|| {
            corrupt(&format!(
                "node {index} of level {level} is not in a tree of {} leaves",
                self.size
            ))
        })
    }
}
