//! The tree of one ledger while its leaves go by: full tiles, the nodes above them, the frontier.

use indelible_core::hash::{LeafHash, NodeHash};
use indelible_core::limits::TILE_WIDTH;
use indelible_core::merkle::{CompactRange, node_hash};

/// Levels of the tree from one row of stored nodes to the next.
const LEVELS: u8 = 8;

/// What a new leaf completes.
#[derive(Debug)]
pub(super) enum Grown {
    /// A tile, its number and its leaves.
    Tile(u64, Vec<LeafHash>),
    /// A node of a stored level: level, index, hash.
    Node(u8, u64, NodeHash),
}

/// Needs 8 kB for the tile that is not full, and as much for each stored level above.
#[derive(Debug, Default)]
pub(super) struct Tree {
    size: u64,
    leaves: Vec<LeafHash>,
    /// The nodes of the levels 8, 16 and so on that are not yet below a node of the next.
    levels: Vec<Vec<NodeHash>>,
}

impl Tree {
    /// Appends a leaf. Whatever it completes is added to `grown`.
    pub(super) fn append(&mut self, leaf: LeafHash, grown: &mut Vec<Grown>) {
        self.leaves.push(leaf);
        self.size += 1;
        if self.leaves.len() as u64 != TILE_WIDTH {
            return;
        }
        let leaves = std::mem::take(&mut self.leaves);
        let mut hash = top(leaves.iter().map(|leaf| NodeHash::from(*leaf)).collect());
        grown.push(Grown::Tile(self.size / TILE_WIDTH - 1, leaves));
        let mut level = LEVELS;
        for place in 0.. {
            grown.push(Grown::Node(level, (self.size >> level) - 1, hash));
            if self.levels.len() == place {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(place) else { return };
            row.push(hash);
            if row.len() as u64 != TILE_WIDTH {
                return;
            }
            hash = top(std::mem::take(row));
            level += LEVELS;
        }
    }

    /// The perfect subtrees that make up the tree.
    pub(super) fn frontier(&self) -> CompactRange {
        let mut range = CompactRange::new(0);
        for (place, row) in self.levels.iter().enumerate().rev() {
            let level = LEVELS * (place as u8 + 1);
            for hash in row {
                // The rows above are full, so each subtree stands on a multiple of its size.
                let (begin, end) = (range.end(), range.end() + (1 << level));
                let subtree = CompactRange::from_parts(begin, end, vec![*hash]);
                let _ = subtree.and_then(|subtree| range.append_range(&subtree));
            }
        }
        self.leaves.iter().for_each(|leaf| range.append(*leaf));
        range
    }
}

/// The root over a power of two of hashes.
fn top(mut row: Vec<NodeHash>) -> NodeHash {
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied().unwrap_or(NodeHash([0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frontier_tiles_and_nodes_are_those_of_the_plain_tree() {
        let (mut tree, mut plain) = (Tree::default(), CompactRange::new(0));
        let mut nodes = Vec::new();
        for number in 0..66_000u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            plain.append(LeafHash(hash));
            let mut grown = Vec::new();
            tree.append(LeafHash(hash), &mut grown);
            let full = (number + 1).is_multiple_of(256);
            assert_eq!(
                grown.iter().filter(|one| matches!(one, Grown::Tile(..))).count() == 1,
                full
            );
            for one in grown {
                if let Grown::Node(level, index, hash) = one {
                    nodes.push((level, index));
                    if index == 0 {
                        // The left-most subtree is the first of the frontier at that moment.
                        assert_eq!(plain.subtrees().first(), Some(&hash), "{level}");
                    }
                }
            }
            if number % 997 == 0 || full {
                assert_eq!(tree.frontier().subtrees(), plain.subtrees(), "{number}");
            }
        }
        assert_eq!(nodes.len(), 257 + 1);
        assert_eq!(nodes.last(), Some(&(8, 256)));
        assert!(nodes.contains(&(16, 0)));
    }
}
