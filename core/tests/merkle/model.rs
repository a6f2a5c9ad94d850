//! RFC 6962 section 2.1 word for word: slow, recursive, written without a look at the crate's code.

use core::cell::RefCell;

use indelible_core::hash::{LeafHash, NodeHash};
use indelible_core::merkle::NodeSource;
use sha2::{Digest as _, Sha256};

pub(crate) fn leaf(entry: &[u8]) -> LeafHash {
    LeafHash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

pub(crate) fn node(left: NodeHash, right: NodeHash) -> NodeHash {
    NodeHash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// Leaf hashes of the entries `entry-0`, `entry-1`...
pub(crate) fn entries(count: u64) -> Vec<LeafHash> {
    (0..count).map(|i| leaf(format!("entry-{i}").as_bytes())).collect()
}

/// The largest power of two strictly less than `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// MTH(D[n]).
pub(crate) fn mth(leaves: &[LeafHash]) -> NodeHash {
    match leaves {
        [] => NodeHash(Sha256::digest(b"").into()),
        [one] => NodeHash(one.0),
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node(mth(left), mth(right))
        }
    }
}

/// PATH(m, D[n]).
pub(crate) fn path(m: usize, leaves: &[LeafHash]) -> Vec<NodeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) =
        if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
    proof.push(sibling);
    proof
}

/// PROOF(m, D[n]) for 0 < m < n.
pub(crate) fn proof(m: usize, leaves: &[LeafHash]) -> Vec<NodeHash> {
    subproof(m, leaves, true)
}

fn subproof(m: usize, leaves: &[LeafHash], whole: bool) -> Vec<NodeHash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if m <= k {
        (subproof(m, left, whole), mth(right))
    } else {
        (subproof(m - k, right, false), mth(left))
    };
    proof.push(sibling);
    proof
}

/// A source over leaves held in memory that counts what it is asked for and refuses nodes with leaves
/// that do not exist.
pub(crate) struct Leaves<'a> {
    pub(crate) leaves: &'a [LeafHash],
    pub(crate) asked: RefCell<Vec<(u8, u64)>>,
}

impl<'a> Leaves<'a> {
    pub(crate) fn new(leaves: &'a [LeafHash]) -> Self {
        Self { leaves, asked: RefCell::default() }
    }
}

impl NodeSource for Leaves<'_> {
    type Error = String;

    fn node(&self, level: u8, index: u64) -> Result<NodeHash, String> {
        self.asked.borrow_mut().push((level, index));
        let range = (index as usize) << level..((index + 1) as usize) << level;
        self.leaves.get(range).map(mth).ok_or_else(|| format!("no node {level}/{index}"))
    }
}
