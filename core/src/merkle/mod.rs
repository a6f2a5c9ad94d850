//! The Merkle tree over a ledger's digests: RFC 6962 section 2.1 with SHA-256, `docs/FORMAT.md`
//! section 6.
//!
//! Leaf `i` is record `i`. A tree is never held as a whole: a [`CompactRange`] keeps the few perfect
//! subtrees that cover a run of leaves, [`Growth`] carries one commit's new leaves and everything that
//! a receipt or a tile needs of them, and proofs of old leaves are built over a [`NodeSource`] that
//! knows the roots of perfect subtrees, nothing else. Checking a proof ([`inclusion::verify`],
//! [`consistency::verify`]) needs no tree at all.
//!
//! Words: a node is named by its *level* (0 is a leaf) and its *index* within the level; node
//! `(level, index)` is the root of the perfect subtree over leaves `index << level` up to, not
//! including, `(index + 1) << level`. The *size* of a tree counts its leaves.

pub mod consistency;
mod growth;
pub mod inclusion;
mod path;
mod range;
pub mod tile;

use sha2::{Digest as _, Sha256};

pub use growth::Growth;
pub use path::BuildError;
pub use range::{CompactRange, RangeError, perfect_subtrees};

use crate::hash::{Digest, LeafHash, NodeHash};
use crate::sha256;

/// Largest size of a tree in leaves. Several implementations of C2SP tlog-checkpoint keep sizes in
/// signed 64-bit integers; a ledger ends at 2^53 records anyway.
pub const SIZE_MAX: u64 = i64::MAX as u64;

const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// The hash of the leaf whose entry is `digest`: `SHA-256(0x00 || digest)`, RFC 6962 section 2.1.
#[must_use]
pub fn leaf_hash(digest: &Digest) -> LeafHash {
    let mut input = [LEAF_PREFIX; 33];
    input[1..].copy_from_slice(&digest.0);
    LeafHash(sha256::of_short(&input))
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`, RFC 6962 section 2.1.
#[must_use]
pub fn node_hash(left: &NodeHash, right: &NodeHash) -> NodeHash {
    let mut input = [NODE_PREFIX; 65];
    input[1..33].copy_from_slice(&left.0);
    input[33..].copy_from_slice(&right.0);
    NodeHash(sha256::of_short(&input))
}

/// The root of the tree without leaves: `SHA-256("")`, RFC 6962 section 2.1.
#[must_use]
pub fn empty_root() -> NodeHash {
    NodeHash(Sha256::digest([]).into())
}

/// Something that knows the roots of perfect subtrees, such as a store with tiles.
///
/// Proofs are built over it with the fewest nodes: each node is asked for once, and only nodes whose
/// leaves all exist in the tree in question are asked for. The ragged right edge is folded by the
/// caller of this trait, so a source never stores a hash that a later leaf would change.
pub trait NodeSource {
    /// Why a node could not be had.
    type Error;

    /// The root of the perfect subtree over leaves `index << level .. (index + 1) << level`.
    ///
    /// # Errors
    /// When the source cannot read the node or does not have it.
    fn node(&self, level: u8, index: u64) -> Result<NodeHash, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, level: u8, index: u64) -> Result<NodeHash, Self::Error> {
        (**self).node(level, index)
    }
}

/// Why a proof does not prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf does not exist in a tree of this size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    NoSuchLeaf {
        /// The leaf.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("the older tree has {old} leaves, more than the newer one's {new}")]
    Shrunk {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer tree.
        new: u64,
    },
    /// The proof has too few or too many hashes for the sizes given.
    #[error("a proof of {given} hashes is not of the length that the sizes demand")]
    Length {
        /// Hashes in the proof.
        given: usize,
    },
    /// The proof leads to another root than the one given for the tree (the newer tree, where there
    /// are two).
    #[error("the proof leads to another root")]
    Root,
    /// The proof leads to another root than the one given for the older tree.
    #[error("the proof leads to another root of the older tree")]
    OldRoot,
}
