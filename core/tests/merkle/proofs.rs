//! Proofs against the recursive definition, and what the checks refuse.

use indelible_core::hash::{LeafHash, NodeHash};
use indelible_core::limits::PROOF_HASHES_MAX;
use indelible_core::merkle::{
    BuildError, NodeSource, ProofError, SIZE_MAX, consistency, empty_root, inclusion,
};
use proptest::prelude::*;

use crate::model::{Leaves, entries, mth, path, proof};

const SMALL: usize = 64;

#[test]
fn every_inclusion_proof_up_to_64_leaves_is_the_definition_and_is_accepted() {
    let leaves = entries(SMALL as u64);
    for size in 0..=SMALL {
        let tree = &leaves[..size];
        let root = mth(tree);
        for (index, leaf) in tree.iter().enumerate() {
            let source = Leaves::new(tree);
            let built = inclusion::build(index as u64, size as u64, &source).unwrap();
            assert_eq!(built, path(index, tree), "{index} of {size}");
            let verdict = inclusion::verify(index as u64, size as u64, leaf, &built, &root);
            assert_eq!(verdict, Ok(()), "{index} of {size}");
        }
        let past = inclusion::build(size as u64, size as u64, &Leaves::new(tree));
        assert!(matches!(past, Err(BuildError::OutOfRange { .. })));
    }
}

#[test]
fn every_consistency_proof_up_to_64_leaves_is_the_definition_and_is_accepted() {
    let leaves = entries(SMALL as u64);
    for new in 0..=SMALL {
        let tree = &leaves[..new];
        for old in 0..=new {
            let built = consistency::build(old as u64, new as u64, &Leaves::new(tree)).unwrap();
            if old == 0 || old == new {
                assert!(built.is_empty());
            } else {
                assert_eq!(built, proof(old, tree), "{old} -> {new}");
            }
            let (old_root, new_root) = (mth(&leaves[..old]), mth(tree));
            let verdict = consistency::verify(old as u64, new as u64, &old_root, &new_root, &built);
            assert_eq!(verdict, Ok(()), "{old} -> {new}");
        }
        let shrunk = consistency::build(new as u64 + 1, new as u64, &Leaves::new(tree));
        assert!(matches!(shrunk, Err(BuildError::OutOfRange { .. })));
    }
}

#[test]
fn no_node_is_asked_for_twice_and_none_beyond_the_tree() {
    let leaves = entries(300);
    for size in [1usize, 2, 3, 255, 256, 257, 300] {
        for index in [0, size / 2, size - 1] {
            // The source errs on any node that reaches beyond `size` leaves.
            let source = Leaves::new(&leaves[..size]);
            let built = inclusion::build(index as u64, size as u64, &source).unwrap();
            let mut asked = source.asked.into_inner();
            let count = asked.len();
            asked.sort_unstable();
            asked.dedup();
            assert_eq!(asked.len(), count, "{index} of {size}");
            // Each hash of the proof is one node, but the one that stands for the ragged right edge,
            // which takes one node for each of its perfect subtrees.
            assert!(count <= built.len() + (size as u64).count_ones() as usize);
        }
    }
}

/// Calls `each` with every copy of `bytes` that differs in one bit.
fn one_bit_off(hash: [u8; 32], mut each: impl FnMut([u8; 32])) {
    for bit in 0..256 {
        let mut wrong = hash;
        wrong[bit / 8] ^= 1 << (bit % 8);
        each(wrong);
    }
}

#[test]
fn an_inclusion_proof_is_refused_when_any_one_bit_of_anything_differs() {
    let leaves = entries(21);
    for (size, index) in [(1usize, 0usize), (2, 1), (7, 3), (8, 5), (21, 20), (21, 16), (21, 4)] {
        let root = mth(&leaves[..size]);
        let proof = path(index, &leaves[..size]);
        let leaf = leaves[index];
        let check = |i: u64, n: u64, leaf: &LeafHash, proof: &[NodeHash], root: &NodeHash| {
            inclusion::verify(i, n, leaf, proof, root)
        };
        let (i, n) = (index as u64, size as u64);
        assert_eq!(check(i, n, &leaf, &proof, &root), Ok(()));
        one_bit_off(leaf.0, |wrong| {
            assert_eq!(check(i, n, &LeafHash(wrong), &proof, &root), Err(ProofError::Root));
        });
        one_bit_off(root.0, |wrong| {
            assert_eq!(check(i, n, &leaf, &proof, &NodeHash(wrong)), Err(ProofError::Root));
        });
        for place in 0..proof.len() {
            one_bit_off(proof[place].0, |wrong| {
                let mut proof = proof.clone();
                proof[place] = NodeHash(wrong);
                assert_eq!(check(i, n, &leaf, &proof, &root), Err(ProofError::Root));
            });
        }
        for bit in 0..64 {
            assert!(check(i ^ 1 << bit, n, &leaf, &proof, &root).is_err(), "index bit {bit}");
            // Another size may have a path of the same shape; then the root, which the checkpoint ties
            // to its size, is what tells them apart. Everything of another shape is refused here.
            let other = n ^ 1 << bit;
            let same_shape = other > i && path_shape(i, other) == path_shape(i, n);
            assert_eq!(check(i, other, &leaf, &proof, &root).is_ok(), same_shape, "size {other}");
        }
        for cut in 0..proof.len() {
            assert!(check(i, n, &leaf, &proof[..cut], &root).is_err());
        }
        for extra in [root, NodeHash([0; 32]), leaf.into()] {
            let longer = [&proof[..], &[extra]].concat();
            assert_eq!(
                check(i, n, &leaf, &longer, &root),
                Err(ProofError::Length { given: longer.len() })
            );
            let shifted = [&[extra], &proof[..]].concat();
            assert!(check(i, n, &leaf, &shifted, &root).is_err());
        }
    }
}

/// On which side each sibling stands, from the definition of PATH: two sizes of the same shape accept
/// the same proof for the same root.
fn path_shape(index: u64, size: u64) -> Vec<bool> {
    let (mut index, mut size) = (u128::from(index), u128::from(size));
    let mut sides = Vec::new();
    while size > 1 {
        let split = size.next_power_of_two() / 2;
        if index < split {
            sides.push(true);
            size = split;
        } else {
            sides.push(false);
            index -= split;
            size -= split;
        }
    }
    sides.reverse();
    sides
}

#[test]
fn a_consistency_proof_is_refused_when_any_one_bit_of_a_hash_differs() {
    let leaves = entries(21);
    for (old, new) in [(1usize, 2usize), (3, 7), (4, 7), (8, 21), (6, 8), (20, 21), (16, 17)] {
        let (old_root, new_root) = (mth(&leaves[..old]), mth(&leaves[..new]));
        let proof = proof(old, &leaves[..new]);
        let (m, n) = (old as u64, new as u64);
        one_bit_off(old_root.0, |wrong| {
            assert!(consistency::verify(m, n, &NodeHash(wrong), &new_root, &proof).is_err());
        });
        one_bit_off(new_root.0, |wrong| {
            let verdict = consistency::verify(m, n, &old_root, &NodeHash(wrong), &proof);
            assert_eq!(verdict, Err(ProofError::Root));
        });
        for place in 0..proof.len() {
            one_bit_off(proof[place].0, |wrong| {
                let mut proof = proof.clone();
                proof[place] = NodeHash(wrong);
                assert!(consistency::verify(m, n, &old_root, &new_root, &proof).is_err());
            });
            assert!(consistency::verify(m, n, &old_root, &new_root, &proof[..place]).is_err());
        }
        let longer = [&proof[..], &[new_root]].concat();
        assert!(consistency::verify(m, n, &old_root, &new_root, &longer).is_err());
        assert_eq!(
            consistency::verify(n, m, &new_root, &old_root, &proof),
            Err(ProofError::Shrunk { old: n, new: m })
        );
    }
}

#[test]
fn a_consistency_proof_does_not_serve_a_taller_tree_with_the_same_root() {
    let leaves = entries(7);
    let proof = proof(3, &leaves);
    let verdict = consistency::verify(3, 15, &mth(&leaves[..3]), &mth(&leaves), &proof);
    assert_eq!(verdict, Err(ProofError::Length { given: proof.len() }));
}

#[test]
fn the_empty_tree_precedes_every_tree_but_has_only_its_one_root() {
    let root = mth(&entries(5));
    assert_eq!(consistency::verify(0, 5, &empty_root(), &root, &[]), Ok(()));
    assert_eq!(consistency::verify(0, 0, &empty_root(), &empty_root(), &[]), Ok(()));
    assert_eq!(consistency::verify(0, 5, &root, &root, &[]), Err(ProofError::OldRoot));
    assert_eq!(consistency::verify(0, 0, &root, &root, &[]), Err(ProofError::OldRoot));
    assert_eq!(
        consistency::verify(0, 5, &empty_root(), &root, &[root]),
        Err(ProofError::Length { given: 1 })
    );
    assert_eq!(
        consistency::verify(5, 5, &root, &root, &[root]),
        Err(ProofError::Length { given: 1 })
    );
    assert_eq!(consistency::verify(5, 5, &root, &empty_root(), &[]), Err(ProofError::Root));
}

/// Has every node there can be, so that proofs of the largest trees can be built.
struct Everything;

impl NodeSource for Everything {
    type Error = ();

    fn node(&self, level: u8, index: u64) -> Result<NodeHash, ()> {
        let mut hash = [level; 32];
        hash[..8].copy_from_slice(&index.to_be_bytes());
        Ok(NodeHash(hash))
    }
}

/// Sizes around all powers of two up to the largest that a checkpoint may have.
fn sizes() -> Vec<u64> {
    let around =
        (0..63).flat_map(|power| [-3i64, -2, -1, 0, 1, 2, 3].map(|by| (1i64 << power) + by));
    let mut sizes: Vec<_> = around.filter_map(|size| u64::try_from(size).ok()).collect();
    sizes.extend([SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 3, SIZE_MAX / 3 * 2, SIZE_MAX / 5 * 4 + 1]);
    sizes.retain(|size| (1..=SIZE_MAX).contains(size));
    sizes
}

#[test]
fn no_proof_of_any_tree_has_more_hashes_than_a_proof_may_have() {
    let root = NodeHash([0xff; 32]);
    let (mut longest, mut too_long) = (0, 0);
    for &new in &sizes() {
        for old in sizes().into_iter().filter(|old| *old < new) {
            match consistency::build(old, new, &Everything) {
                Ok(proof) => {
                    longest = longest.max(proof.len());
                    let verdict = consistency::verify(old, new, &root, &root, &proof);
                    // All of it but the hashes is as the sizes demand.
                    let roots = matches!(verdict, Err(ProofError::OldRoot | ProofError::Root));
                    assert!(roots, "{old} -> {new}: {verdict:?}");
                }
                Err(error) => {
                    too_long += 1;
                    assert_eq!(error, BuildError::TooLong { of: old, size: new });
                    assert!(new > 1 << 62, "{old} -> {new}");
                }
            }
            let proof = inclusion::build(old, new, &Everything).unwrap();
            assert!(proof.len() <= PROOF_HASHES_MAX);
            let verdict = inclusion::verify(old, new, &LeafHash([1; 32]), &proof, &root);
            assert_eq!(verdict, Err(ProofError::Root));
        }
    }
    assert_eq!(longest, PROOF_HASHES_MAX);
    assert!(too_long > 0, "no pair of sizes reaches the limit");
    assert_eq!(
        consistency::build(3, SIZE_MAX, &Everything),
        Err(BuildError::TooLong { of: 3, size: SIZE_MAX })
    );
    let given = PROOF_HASHES_MAX + 1;
    assert_eq!(
        consistency::verify(3, SIZE_MAX, &root, &root, &vec![root; given]),
        Err(ProofError::Length { given })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_pairs_up_to_thousands_are_the_definition(size in 1usize..6000, a: prop::sample::Index, b: prop::sample::Index) {
        let leaves = entries(size as u64);
        let root = mth(&leaves);
        let source = Leaves::new(&leaves);
        let index = a.index(size);
        let built = inclusion::build(index as u64, size as u64, &source).unwrap();
        prop_assert_eq!(&built, &path(index, &leaves));
        prop_assert_eq!(inclusion::verify(index as u64, size as u64, &leaves[index], &built, &root), Ok(()));
        let old = 1 + b.index(size);
        let built = consistency::build(old as u64, size as u64, &source).unwrap();
        if old < size {
            prop_assert_eq!(&built, &proof(old, &leaves));
        }
        prop_assert_eq!(consistency::verify(old as u64, size as u64, &mth(&leaves[..old]), &root, &built), Ok(()));
    }

    /// No panic and no acceptance for numbers up to the end of u64.
    #[test]
    fn wild_numbers_are_refused(index: u64, size: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<NodeHash> = hashes.into_iter().map(NodeHash).collect();
        prop_assert!(inclusion::verify(index, size, &LeafHash([1; 32]), &proof, &NodeHash([2; 32])).is_err());
        prop_assert!(consistency::verify(index, size, &NodeHash([1; 32]), &NodeHash([2; 32]), &proof).is_err());
    }
}
