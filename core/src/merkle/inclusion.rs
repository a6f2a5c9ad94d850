//! Inclusion proofs: a leaf is in a tree. RFC 6962 section 2.1.1, RFC 9162 section 2.1.3.

use super::path::{fetch, siblings};
use super::{BuildError, NodeSource, ProofError, node_hash};
use crate::hash::{LeafHash, NodeHash};

/// The audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling up.
///
/// # Errors
/// [`BuildError::OutOfRange`] when the leaf is not in the tree, [`BuildError::Source`] when a node is
/// not to be had.
pub fn build<S: NodeSource>(
    index: u64,
    size: u64,
    source: &S,
) -> Result<Vec<NodeHash>, BuildError<S::Error>> {
    if index >= size {
        return Err(BuildError::OutOfRange { of: index, size });
    }
    let mut proof = Vec::with_capacity(hashes_max(size));
    fetch(siblings(0, index, size), size, source, &mut proof)?;
    Ok(proof)
}

/// Most hashes an inclusion proof in a tree of `size` leaves can have: the tree's height.
pub(super) fn hashes_max(size: u64) -> usize {
    (u64::BITS - size.saturating_sub(1).leading_zeros()) as usize
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves whose root is `root`, exactly as
/// RFC 9162 section 2.1.3.2 describes: no hash too few, none too many.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify(
    index: u64,
    size: u64,
    leaf: &LeafHash,
    proof: &[NodeHash],
    root: &NodeHash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let length = ProofError::Length { given: proof.len() };
    let (mut first, mut last) = (index, size - 1);
    let mut hash = NodeHash::from(*leaf);
    for sibling in proof {
        if last == 0 {
            return Err(length);
        }
        if first & 1 == 1 || first == last {
            hash = node_hash(sibling, &hash);
            // The last node of a level without a right sibling is its own parent: climb to where it
            // is a right child.
            while first & 1 == 0 && first != 0 {
                first >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        first >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}
