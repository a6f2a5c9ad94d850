//! Two independent crates agree. Of rs_merkle only roots and proofs are used: its `verify` ignores
//! surplus hashes and accepts some forged multi-proofs.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use indelible_core::hash::NodeHash;
use indelible_core::merkle::{CompactRange, consistency, inclusion};
use rs_merkle::{Hasher, MerkleTree};
use sha2::Sha256;

use crate::model::{self, Leaves};

#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        model::leaf(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| model::node(NodeHash(*left), NodeHash(*right)).0)
    }
}

const SIZES: [usize; 12] = [1, 2, 3, 5, 8, 13, 64, 65, 100, 255, 257, 1000];

#[test]
fn rs_merkle_has_the_same_roots_and_inclusion_proofs() {
    for size in SIZES {
        let leaves = model::entries(size as u64);
        let plain: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
        let tree = MerkleTree::<Rfc6962>::from_leaves(&plain);
        let source = Leaves::new(&leaves);
        let ours = CompactRange::load(0, size as u64, &source).unwrap();
        assert_eq!(ours.root().map(|root| root.0), tree.root(), "{size}");
        for index in (0..size).step_by(1 + size / 40) {
            let proof = inclusion::build(index as u64, size as u64, &source).unwrap();
            let ours: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
            assert_eq!(ours, tree.proof(&[index]).proof_hashes(), "{index} of {size}");
        }
    }
}

#[test]
fn ct_merkle_accepts_our_proofs_and_we_accept_its() {
    for size in SIZES {
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        (0..size).for_each(|i| tree.push(format!("entry-{i}").into_bytes()));
        let leaves = model::entries(size as u64);
        let source = Leaves::new(&leaves);
        let root: RootHash<Sha256> = tree.root();
        let ours = NodeHash(root.as_bytes().as_slice().try_into().unwrap());
        assert_eq!(model::mth(&leaves), ours);
        for index in (0..size).step_by(1 + size / 40) {
            let proof = inclusion::build(index as u64, size as u64, &source).unwrap();
            let theirs = tree.prove_inclusion(index);
            assert_eq!(theirs.as_bytes(), flat(&proof), "{index} of {size}");
            let carried = InclusionProof::<Sha256>::try_from_bytes(flat(&proof)).unwrap();
            root.verify_inclusion(&format!("entry-{index}").into_bytes(), index as u64, &carried)
                .unwrap();
        }
        for old in (1..size).step_by(1 + size / 40) {
            let proof = consistency::build(old as u64, size as u64, &source).unwrap();
            let theirs = tree.prove_consistency(size - old);
            assert_eq!(theirs.as_bytes(), flat(&proof), "{old} -> {size}");
            let old_root = model::mth(&leaves[..old]);
            let carried = ConsistencyProof::<Sha256>::try_from_bytes(flat(&proof)).unwrap();
            let carried_root = RootHash::<Sha256>::new(old_root.0.into(), old as u64);
            root.verify_consistency(&carried_root, &carried).unwrap();
            assert_eq!(
                consistency::verify(old as u64, size as u64, &old_root, &ours, &proof),
                Ok(())
            );
        }
    }
}

fn flat(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
