//! Consistency proofs: one tree is a prefix of another. RFC 6962 section 2.1.2, RFC 9162 section 2.1.4.

use super::path::{Sibling, fetch, siblings};
use super::{BuildError, NodeSource, ProofError, empty_root, node_hash};
use crate::hash::NodeHash;
use crate::limits::PROOF_HASHES_MAX;

/// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves. It is empty when
/// `old` is 0 or equal to `new`.
///
/// # Errors
/// [`BuildError::OutOfRange`] when `old` is more than `new`, [`BuildError::TooLong`] when it would take
/// more than [`PROOF_HASHES_MAX`] hashes, which readers refuse (C2SP tlog-witness), and
/// [`BuildError::Source`] when a node is not to be had.
pub fn build<S: NodeSource>(
    old: u64,
    new: u64,
    source: &S,
) -> Result<Vec<NodeHash>, BuildError<S::Error>> {
    if old > new {
        return Err(BuildError::OutOfRange { of: old, size: new });
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(proof);
    }
    // The way up from the last perfect subtree of the old tree. When the old tree is nothing but that
    // subtree, the reader has its root already.
    let level = old.trailing_zeros() as u8;
    let index = (old - 1) >> level;
    let itself = (index != 0).then_some(Sibling::Perfect(level, index));
    let way = itself.into_iter().chain(siblings(level, index, new));
    // The way up a tree of 2^63 leaves has 63 siblings; with the start itself there may be one more.
    if way.clone().count() > PROOF_HASHES_MAX {
        return Err(BuildError::TooLong { of: old, size: new });
    }
    fetch(way, new, source, &mut proof)?;
    Ok(proof)
}

/// Checks that the tree of `old` leaves with root `old_root` is a prefix of the tree of `new` leaves
/// with root `new_root`, exactly as RFC 9162 section 2.1.4.2 describes.
///
/// RFC 9162 leaves `old == 0` open. Here it follows C2SP tlog-witness: every tree extends the empty
/// one, the proof is empty; and since the empty tree has only one root, any other `old_root` is
/// refused.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify(
    old: u64,
    new: u64,
    old_root: &NodeHash,
    new_root: &NodeHash,
    proof: &[NodeHash],
) -> Result<(), ProofError> {
    let length = ProofError::Length { given: proof.len() };
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    if old == 0 && *old_root != empty_root() {
        return Err(ProofError::OldRoot);
    }
    if old == new && old_root != new_root {
        return Err(ProofError::Root);
    }
    if old == 0 || old == new {
        return if proof.is_empty() { Ok(()) } else { Err(length) };
    }
    let (start, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(length)?
    };
    climb(old, new, start, rest, length).and_then(|(old_found, new_found)| {
        if old_found != *old_root {
            Err(ProofError::OldRoot)
        } else if new_found != *new_root {
            Err(ProofError::Root)
        } else {
            Ok(())
        }
    })
}

/// Both roots that `start`, the last perfect subtree of the old tree, and `rest` lead to.
fn climb(
    old: u64,
    new: u64,
    start: &NodeHash,
    rest: &[NodeHash],
    length: ProofError,
) -> Result<(NodeHash, NodeHash), ProofError> {
    let perfect = old.trailing_zeros();
    let (mut first, mut last) = ((old - 1) >> perfect, (new - 1) >> perfect);
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if first & 1 == 1 || first == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while first & 1 == 0 && first != 0 {
                first >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        first >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok((old_hash, new_hash)) } else { Err(length) }
}
