//! A run of leaves as the few perfect subtrees that cover it.

use super::{NodeSource, SIZE_MAX, empty_root, node_hash};
use crate::hash::{LeafHash, NodeHash};

/// The roots of the largest perfect subtrees that cover leaves `begin` to `end` (not included), from
/// left to right.
///
/// From 0 on it is the *frontier* of a tree: all that is needed to let it grow and to know its root. A
/// run in the middle, such as a segment of a ledger, can be appended to the run before it without
/// looking at a single leaf again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactRange {
    begin: u64,
    end: u64,
    hashes: Vec<NodeHash>,
}

/// Why hashes do not make a range, or a range does not continue another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The bounds are out of order or beyond the largest tree.
    #[error("leaves {begin} to {end} are not a range within a tree of at most {SIZE_MAX} leaves")]
    Bounds {
        /// First leaf.
        begin: u64,
        /// The leaf after the last.
        end: u64,
    },
    /// A range of these bounds has another number of hashes.
    #[error(
        "leaves {begin} to {end} are covered by {expected} subtrees, {given} hashes were given"
    )]
    Count {
        /// First leaf.
        begin: u64,
        /// The leaf after the last.
        end: u64,
        /// Subtrees that cover the leaves.
        expected: usize,
        /// Hashes that were given.
        given: usize,
    },
    /// What should be appended does not begin where the range ends, or is a subtree that cannot stand
    /// there.
    #[error("the range ends at leaf {end}, what should follow cannot stand at leaf {begin}")]
    NotAdjacent {
        /// Where the range ends.
        end: u64,
        /// Where the appended piece would begin.
        begin: u64,
    },
}

/// The largest perfect subtrees that cover leaves `begin` to `end` (not included) as (level, index),
/// from left to right. Nothing when the range is empty or the bounds are out of order.
pub fn perfect_subtrees(begin: u64, end: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut cursor = begin;
    core::iter::from_fn(move || {
        let room = end.checked_sub(cursor)?.checked_ilog2()?;
        // A subtree begins at a multiple of its own size; 0 is a multiple of all.
        let level = cursor.trailing_zeros().min(room);
        let index = cursor >> level;
        cursor += 1 << level;
        Some((level as u8, index))
    })
}

impl CompactRange {
    /// The empty range that stands before leaf `begin`.
    #[must_use]
    pub const fn new(begin: u64) -> Self {
        Self { begin, end: begin, hashes: Vec::new() }
    }

    /// A range from its stored parts: `hashes` are the roots of [`perfect_subtrees`] of the bounds.
    ///
    /// # Errors
    /// [`RangeError::Bounds`] or [`RangeError::Count`].
    pub fn from_parts(begin: u64, end: u64, hashes: Vec<NodeHash>) -> Result<Self, RangeError> {
        if begin > end || end > SIZE_MAX {
            return Err(RangeError::Bounds { begin, end });
        }
        let (expected, given) = (perfect_subtrees(begin, end).count(), hashes.len());
        if expected != given {
            return Err(RangeError::Count { begin, end, expected, given });
        }
        Ok(Self { begin, end, hashes })
    }

    /// The frontier of a tree of `size` leaves from hashes that this crate has put together itself.
    pub(super) const fn trusted(size: u64, hashes: Vec<NodeHash>) -> Self {
        Self { begin: 0, end: size, hashes }
    }

    /// Reads the range from a source, one node for each subtree.
    ///
    /// # Errors
    /// What the source says. Bounds out of order make the empty range before `begin`.
    pub fn load<S: NodeSource>(begin: u64, end: u64, source: &S) -> Result<Self, S::Error> {
        let hashes = perfect_subtrees(begin, end)
            .map(|(level, index)| source.node(level, index))
            .collect::<Result<_, _>>()?;
        Ok(Self { begin, end: end.max(begin), hashes })
    }

    /// The first leaf.
    #[must_use]
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// The leaf after the last; of a frontier, the tree's size.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The roots of the subtrees, from left to right.
    #[must_use]
    pub fn subtrees(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// The roots of the subtrees, without a copy.
    #[must_use]
    pub fn into_subtrees(self) -> Vec<NodeHash> {
        self.hashes
    }

    /// Appends the leaf numbered [`end`](Self::end).
    pub fn append(&mut self, leaf: LeafHash) {
        self.push(0, leaf.into());
    }

    /// Appends the range that begins where this one ends.
    ///
    /// # Errors
    /// [`RangeError::NotAdjacent`] when it begins elsewhere.
    pub fn append_range(&mut self, other: &Self) -> Result<(), RangeError> {
        if other.begin != self.end {
            return Err(RangeError::NotAdjacent { end: self.end, begin: other.begin });
        }
        for ((level, _), hash) in perfect_subtrees(other.begin, other.end).zip(&other.hashes) {
            self.push(level, *hash);
        }
        Ok(())
    }

    /// The root of the tree, RFC 6962 section 2.1; `None` when the range does not begin at leaf 0.
    #[must_use]
    pub fn root(&self) -> Option<NodeHash> {
        if self.begin != 0 {
            return None;
        }
        // From the right: the smaller subtrees are the right child of the larger one beside them.
        let fold = self.hashes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        Some(fold.unwrap_or_else(empty_root))
    }

    /// Pushes a subtree that begins at `end` and merges it with equal ones to its left. Where the
    /// subtree's index is odd, `end` has no higher alignment, so the subtree to the left is of the same
    /// level unless it would begin before the range.
    fn push(&mut self, level: u8, hash: NodeHash) {
        let mut hash = hash;
        let mut level = u32::from(level);
        let mut index = self.end >> level;
        self.end += 1 << level;
        while index & 1 == 1 && (index - 1) << level >= self.begin {
            let Some(left) = self.hashes.pop() else { break };
            hash = node_hash(&left, &hash);
            index >>= 1;
            level += 1;
        }
        self.hashes.push(hash);
    }
}
