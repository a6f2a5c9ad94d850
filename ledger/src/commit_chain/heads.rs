//! The heads and trees of the ledgers that a walk went through.

use indelible_core::checkpoint::Checkpoint;
use indelible_core::limits::TILE_WIDTH;
use indelible_core::merkle::{CompactRange, NodeSource, leaf_hash, node_hash};
use indelible_core::note::SignedNote;

use super::walk::{Reached, Walk};
use super::{Checked, damage};
use crate::engine::nodes::StoredNodes;
use crate::error::ReadError;
use crate::rows::head::{self, HeadRow};
use crate::rows::tile::{self, TileRow};
use crate::rows::{CommitNumber, LedgerNumber};
use crate::store::{Read, Space, StoreError};

/// Heads that are read together.
const HEADS_AT_ONCE: usize = 512;

/// Holds every ledger that the walk went through against its head.
pub(super) fn check(
    store: &dyn Read,
    through: CommitNumber,
    mut walk: Walk<'_>,
) -> Result<Checked, StoreError> {
    let mut ledgers: Vec<(u64, Reached)> =
        walk.reached.iter().map(|(number, reached)| (*number, *reached)).collect();
    ledgers.sort_unstable_by_key(|(number, _)| *number);
    walk.checked.ledgers = ledgers.len() as u64;
    for some in ledgers.chunks(HEADS_AT_ONCE) {
        let keys: Vec<_> =
            some.iter().map(|(number, _)| head::key(LedgerNumber(*number))).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 8]>::as_slice).collect();
        let rows = store.get_many(Space::Heads, &keys)?;
        for ((number, reached), row) in some.iter().zip(rows) {
            let wrong = match row.as_deref().map(HeadRow::decode) {
                None => Some("its head is missing".to_owned()),
                Some(Err(error)) => Some(error.to_string()),
                // Later commits have added to it.
                Some(Ok(row)) if row.commit > through => None,
                Some(Ok(row)) => match agrees(reached, &row) {
                    Ok(()) => tree(store, &mut walk, *number, &row)?,
                    Err(what) => Some(what),
                },
            };
            if let Some(what) = wrong {
                walk.damaged(*number, what)?;
            }
        }
    }
    Ok(walk.checked)
}

/// The head is of the last record, its tree ends with that record's leaf, and has the root that the
/// checkpoint signs.
fn agrees(reached: &Reached, row: &HeadRow) -> Result<(), String> {
    if (row.size, row.commit) != (reached.size, reached.commit) {
        return Err(format!(
            "its head is of {} records up to commit {}, but {} records up to commit {} are there",
            row.size, row.commit, reached.size, reached.commit
        ));
    }
    if row.last_digest != reached.last_digest {
        return Err("its head has another last record".into());
    }
    let leaf = leaf_hash(&row.last_digest);
    if row.size % 2 == 1 && row.frontier.last() != Some(&leaf.into()) {
        return Err("the tree of its head does not end with its last record".into());
    }
    let range = CompactRange::from_parts(0, row.size, row.frontier.clone())
        .map_err(|error| error.to_string())?;
    let note = SignedNote::parse(row.note.as_bytes()).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
    if checkpoint.size != row.size || range.root() != Some(checkpoint.root) {
        return Err("its checkpoint is not of its tree".into());
    }
    Ok(())
}

/// The tree of the head is the one that the stored nodes and the last digests make up.
fn tree(
    store: &dyn Read,
    walk: &mut Walk<'_>,
    number: u64,
    row: &HeadRow,
) -> Result<Option<String>, StoreError> {
    // At worst each record of the last tile lies in a block of its own.
    if !walk.budget.take(1 + row.size % TILE_WIDTH) {
        walk.checked.trees_left_out += 1;
        return Ok(None);
    }
    match compare(store, LedgerNumber(number), row) {
        Ok(wrong) => Ok(wrong),
        Err(error) => damage(error).map(Some),
    }
}

fn compare(
    store: &dyn Read,
    ledger: LedgerNumber,
    row: &HeadRow,
) -> Result<Option<String>, ReadError> {
    let nodes = StoredNodes::new(store, ledger, row.size);
    let mut end = 0;
    let mut expected = row.frontier.iter();
    for level in (0..u64::BITS as u8).rev().filter(|level| row.size >> level & 1 == 1) {
        let node = nodes.node(level, end >> level)?;
        if expected.next() != Some(&node) {
            return Ok(Some(format!(
                "its tree differs from its records at leaf {end}, {} leaves wide",
                1u64 << level
            )));
        }
        end += 1 << level;
    }
    last_tile(store, &nodes, ledger, row.size)
}

/// The last full tile has the root that is stored as a node.
fn last_tile(
    store: &dyn Read,
    nodes: &StoredNodes<'_>,
    ledger: LedgerNumber,
    size: u64,
) -> Result<Option<String>, ReadError> {
    let Some(number) = (size / TILE_WIDTH).checked_sub(1) else { return Ok(None) };
    let Some(value) = store.get(Space::Tiles, &tile::key(ledger, number))? else {
        return Ok(Some(format!("tile {number} of its tree is missing")));
    };
    let Ok(tile) = TileRow::decode(&value) else {
        return Ok(Some(format!("tile {number} of its tree is damaged")));
    };
    let mut level: Vec<_> = tile.leaves().map(indelible_core::hash::NodeHash::from).collect();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[l, r]| node_hash(l, r)).collect();
    }
    let root = nodes.node(TILE_WIDTH.trailing_zeros() as u8, number)?;
    let wrong = level.first() != Some(&root);
    Ok(wrong.then(|| format!("tile {number} of its tree is not what its node says")))
}
