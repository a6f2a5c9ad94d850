//! The way from a node up to the root: what inclusion and consistency proofs have in common.

use super::{NodeSource, node_hash, perfect_subtrees};
use crate::hash::NodeHash;
use crate::limits::PROOF_HASHES_MAX;

/// Why a proof could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError<E> {
    /// There is no such proof: the leaf is not in the tree, or the older tree is the larger one.
    #[error("no proof from {of} in a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's index or the older tree's size.
        of: u64,
        /// The tree's size.
        size: u64,
    },
    /// The proof would have more hashes than one may have. Only between trees of more than 2^62 leaves,
    /// which no ledger reaches.
    #[error(
        "a proof from {of} in a tree of {size} leaves would have more than {PROOF_HASHES_MAX} hashes"
    )]
    TooLong {
        /// The older tree's size.
        of: u64,
        /// The tree's size.
        size: u64,
    },
    /// The source of nodes failed.
    #[error(transparent)]
    Source(#[from] E),
}

/// One sibling on the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sibling {
    /// The root of a perfect subtree.
    Perfect(u8, u64),
    /// The ragged right edge of the tree: leaves from here to its end, fewer than the level's.
    Edge {
        /// The level at which the edge stands; `1 << level` is more than its leaves.
        level: u8,
        /// Its first leaf.
        begin: u64,
    },
}

/// The siblings from node `(level, index)`, whose first leaf is within `size`, up to the child of the
/// root of a tree of `size` leaves; RFC 6962 section 2.1.1 read from the bottom.
pub(super) fn siblings(level: u8, index: u64, size: u64) -> impl Iterator<Item = Sibling> + Clone {
    let last = size.saturating_sub(1) >> level;
    // Up to the level where the ways of this node and of the last leaf meet, every level has a
    // sibling. Above it only left siblings exist: on the right the tree is over.
    let meeting = u64::BITS - (index ^ last).leading_zeros();
    (0..u64::BITS - last.leading_zeros()).filter_map(move |up| {
        let (here, level) = (index >> up, level + up as u8);
        if up >= meeting {
            return (here & 1 == 1).then(|| Sibling::Perfect(level, here - 1));
        }
        let sibling = here ^ 1;
        let begin = sibling << level;
        // Only the sibling just below the meeting can be ragged: it holds the last leaf.
        let whole = size.checked_sub(begin).is_some_and(|leaves| leaves >> level >= 1);
        Some(if whole { Sibling::Perfect(level, sibling) } else { Sibling::Edge { level, begin } })
    })
}

/// Fetches the siblings' hashes, folding the right edge.
pub(super) fn fetch<S: NodeSource>(
    siblings: impl Iterator<Item = Sibling>,
    size: u64,
    source: &S,
    out: &mut Vec<NodeHash>,
) -> Result<(), S::Error> {
    for sibling in siblings {
        match sibling {
            Sibling::Perfect(level, index) => out.push(source.node(level, index)?),
            Sibling::Edge { begin, .. } => out.extend(fold(begin, size, source)?),
        }
    }
    Ok(())
}

/// The root over leaves `begin` to `end`, where `begin` is aligned to more leaves than there are.
fn fold<S: NodeSource>(begin: u64, end: u64, source: &S) -> Result<Option<NodeHash>, S::Error> {
    let parts = perfect_subtrees(begin, end)
        .map(|(level, index)| source.node(level, index))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(parts.into_iter().rev().reduce(|right, left| node_hash(&left, &right)))
}
