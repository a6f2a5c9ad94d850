//! One commit's growth of one tree.

use super::inclusion::hashes_max;
use super::path::{Sibling, siblings};
use super::{CompactRange, RangeError, SIZE_MAX, empty_root, node_hash};
use crate::hash::{LeafHash, NodeHash};

/// A tree before a commit, and the leaves that the commit adds: root, frontier, proofs of the new
/// leaves and all nodes that the new leaves complete, from memory alone.
///
/// New nodes lie in one vector in the order in which they are completed: a leaf, then the parents of
/// which it is the last leaf, from below. So the place of a node follows from its name by arithmetic,
/// growing by one leaf costs two small allocations, and nothing is moved when more leaves follow.
#[derive(Debug, Clone)]
pub struct Growth {
    base: CompactRange,
    size: u64,
    nodes: Vec<NodeHash>,
    /// `edge[i]` is the root over the leaves of the `i + 1` smallest subtrees of the frontier. The last
    /// is the tree's root, the others are what a ragged right edge looks like from a proof. Empty until
    /// the first leaf is in.
    edge: Vec<NodeHash>,
}

/// How many nodes leaves `0..leaves` complete, which is the number of leaves plus a half, a quarter...
/// of it: `2 * leaves - popcount(leaves)`.
fn completed_by(leaves: u64) -> u64 {
    2 * leaves - u64::from(leaves.count_ones())
}

impl Growth {
    /// Begins at a tree's frontier.
    ///
    /// # Errors
    /// [`RangeError::NotAdjacent`] when the range does not begin at leaf 0.
    pub fn new(frontier: CompactRange) -> Result<Self, RangeError> {
        if frontier.begin() != 0 {
            return Err(RangeError::NotAdjacent { end: 0, begin: frontier.begin() });
        }
        Ok(Self { size: frontier.end(), base: frontier, nodes: Vec::new(), edge: Vec::new() })
    }

    /// Appends leaves. One call for all leaves of a commit is cheapest; several are allowed.
    ///
    /// # Errors
    /// [`RangeError::Bounds`] when the tree would exceed [`SIZE_MAX`]; the leaves before that are in.
    pub fn extend(&mut self, leaves: impl IntoIterator<Item = LeafHash>) -> Result<(), RangeError> {
        let mut leaves = leaves.into_iter();
        // Two nodes for each leaf, and the parents on the way up from the first.
        self.nodes.reserve(leaves.size_hint().0 * 2 + self.size.trailing_ones() as usize);
        let pushed = leaves.try_for_each(|leaf| self.push(leaf));
        self.fold_edge();
        pushed
    }

    fn push(&mut self, leaf: LeafHash) -> Result<(), RangeError> {
        if self.size >= SIZE_MAX {
            return Err(RangeError::Bounds { begin: 0, end: self.size });
        }
        let index = self.size;
        let mut hash = NodeHash::from(leaf);
        self.nodes.push(hash);
        for level in 0..index.trailing_ones() {
            let Some(left) = self.node(level as u8, (index >> level) - 1) else { break };
            hash = node_hash(&left, &hash);
            self.nodes.push(hash);
        }
        self.size += 1;
        Ok(())
    }

    fn fold_edge(&mut self) {
        self.edge.clear();
        self.edge.reserve(self.size.count_ones() as usize);
        let mut folded: Option<NodeHash> = None;
        for level in bits(self.size) {
            let Some(node) = self.node(level, (self.size >> level) - 1) else { break };
            let hash = folded.map_or(node, |right| node_hash(&node, &right));
            self.edge.push(hash);
            folded = Some(hash);
        }
    }

    /// The tree's size before the growth, in leaves.
    #[must_use]
    pub const fn base_size(&self) -> u64 {
        self.base.end()
    }

    /// The tree's size with the new leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the grown tree. It was computed when the leaves came in; asking costs nothing.
    #[must_use]
    pub fn root(&self) -> NodeHash {
        self.edge.last().copied().or_else(|| self.base.root()).unwrap_or_else(empty_root)
    }

    /// The frontier of the grown tree.
    #[must_use]
    pub fn frontier(&self) -> CompactRange {
        let size = self.size;
        // From large to small is from left to right.
        let hashes = (0..u64::BITS as u8)
            .rev()
            .filter(|level| size >> level & 1 == 1)
            .map_while(|level| self.node(level, (size >> level) - 1))
            .collect();
        CompactRange::trusted(size, hashes)
    }

    /// A node that the new leaves complete, or one of the old tree's frontier; `None` for all others.
    #[must_use]
    pub fn node(&self, level: u8, index: u64) -> Option<NodeHash> {
        let last_leaf = index.checked_add(1)?.checked_mul(1u64.checked_shl(level.into())?)? - 1;
        let base = self.base.end();
        if last_leaf >= self.size {
            return None;
        }
        if last_leaf < base {
            // Subtrees of the frontier stand for the one bits of the size, the largest first.
            let of_frontier = base >> level & 1 == 1 && index == (base >> level) - 1;
            let place = (base >> level).count_ones() as usize;
            return if of_frontier { self.base.subtrees().get(place - 1).copied() } else { None };
        }
        let place = completed_by(last_leaf) - completed_by(base) + u64::from(level);
        self.nodes.get(usize::try_from(place).ok()?).copied()
    }

    /// The audit path of a new leaf in the grown tree, RFC 6962 section 2.1.1; `None` for a leaf that
    /// is not among the new ones. Hashes nothing.
    #[must_use]
    pub fn inclusion_proof(&self, index: u64) -> Option<Vec<NodeHash>> {
        if index < self.base.end() || index >= self.size {
            return None;
        }
        let mut proof = Vec::with_capacity(hashes_max(self.size));
        for sibling in siblings(0, index, self.size) {
            proof.push(match sibling {
                Sibling::Perfect(level, index) => self.node(level, index)?,
                Sibling::Edge { level, .. } => {
                    let subtrees = (self.size & ((1 << level) - 1)).count_ones() as usize;
                    *self.edge.get(subtrees.checked_sub(1)?)?
                }
            });
        }
        Some(proof)
    }

    /// The nodes of `level` that the new leaves complete, with their indices, ascending. Level 0 are the
    /// new leaves; levels 8, 16, 24... are the rows of C2SP tiles.
    pub fn completed(&self, level: u8) -> impl Iterator<Item = (u64, NodeHash)> + '_ {
        let range = match (
            self.base.end().checked_shr(level.into()),
            self.size.checked_shr(level.into()),
        ) {
            (Some(first), Some(end)) => first..end,
            _ => 0..0,
        };
        range.filter_map(move |index| Some((index, self.node(level, index)?)))
    }
}

/// The places of the one bits, lowest first.
fn bits(number: u64) -> impl Iterator<Item = u8> {
    (0..u64::BITS as u8).filter(move |bit| number >> bit & 1 == 1)
}
