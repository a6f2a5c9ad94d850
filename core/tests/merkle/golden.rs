//! Vectors made with golang.org/x/mod/sumdb and cross-checked with transparency-dev/merkle.

use indelible_core::hash::{Digest, NodeHash};
use indelible_core::merkle::tile::{TileKind, TilePath, content, coordinates, node_in};
use indelible_core::merkle::{
    CompactRange, consistency, empty_root, inclusion, leaf_hash, node_hash,
};
use sha2::{Digest as _, Sha256};

use crate::model::{Leaves, entries};

const ROOTS: &str = include_str!("../vectors/merkle_roots.txt");
const TILES: &str = include_str!("../vectors/merkle_tiles.txt");

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

fn node(base64: &str) -> NodeHash {
    NodeHash::from_base64(base64).unwrap()
}

const SIZE_7: &str = "kTlgHMHKirKnoMLBNMBIRfKxulSag9bIRc/NpDnMWF0=";
const SIZE_3: &str = "pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=";

#[test]
fn roots_are_those_of_the_go_implementation() {
    let leaves = entries(70_000);
    let mut range = CompactRange::new(0);
    let mut checked = 0;
    for row in rows(ROOTS) {
        let size: u64 = row[0].parse().unwrap();
        for leaf in &leaves[range.end() as usize..size as usize] {
            range.append(*leaf);
        }
        assert_eq!(range.root().unwrap().to_hex(), row[1], "size {size}");
        checked += 1;
    }
    assert_eq!(checked, 17);
}

#[test]
fn the_inclusion_proof_of_leaf_3_in_7_is_the_known_one() {
    let leaves = entries(7);
    let proof = inclusion::build(3, 7, &Leaves::new(&leaves)).unwrap();
    let known = [
        "BJ19zbVrz+vTEzBMmDnxlqPUtu873AsIKY+TrIGR8Kg=",
        "LyelCCwdQq+kiKw1Cp/EOQwIT1T3Hs3/hZ6Y24QptHk=",
        "5CnFtcyqlSPDcpfxhGdm+QMTfoIZXFGZ5r5XEw0QBsg=",
    ];
    assert_eq!(proof, known.map(node));
    assert_eq!(inclusion::verify(3, 7, &leaves[3], &proof, &node(SIZE_7)), Ok(()));
}

#[test]
fn the_consistency_proof_from_3_to_7_is_the_known_one() {
    let proof = consistency::build(3, 7, &Leaves::new(&entries(7))).unwrap();
    let known = [
        "BJ19zbVrz+vTEzBMmDnxlqPUtu873AsIKY+TrIGR8Kg=",
        "J0ebarMh0u5HdFL2i6UndI6GPK/o+9HfK/idFXDRtpc=",
        "LyelCCwdQq+kiKw1Cp/EOQwIT1T3Hs3/hZ6Y24QptHk=",
        "5CnFtcyqlSPDcpfxhGdm+QMTfoIZXFGZ5r5XEw0QBsg=",
    ];
    assert_eq!(proof, known.map(node));
    assert_eq!(consistency::verify(3, 7, &node(SIZE_3), &node(SIZE_7), &proof), Ok(()));
}

#[test]
fn tiles_of_a_log_of_70000_entries_are_byte_for_byte_the_known_ones() {
    let leaves = entries(70_000);
    // Each level is made from the tiles of the level below, as a log would do it.
    let mut row: Vec<NodeHash> = leaves.iter().map(|leaf| (*leaf).into()).collect();
    let mut made = Vec::new();
    for level in 0..4 {
        let mut next = Vec::new();
        for path in coordinates(level, 70_000) {
            let start = path.index() as usize * 256;
            let bytes = content(&row[start..start + usize::from(path.width())]);
            next.extend(node_in(&bytes, 8, 0));
            made.push((path.to_string(), bytes));
        }
        row = next;
    }
    assert_eq!(made.len(), 274 + 2 + 1);
    for known in rows(TILES) {
        let (_, bytes) = made.iter().find(|(path, _)| path == known[0]).expect(known[0]);
        assert_eq!(bytes.len().to_string(), known[1], "{}", known[0]);
        assert_eq!(hex::encode(Sha256::digest(bytes)), known[2], "{}", known[0]);
    }
    assert!(matches!(
        "tile/0/273.p/112".parse::<TilePath>().map(|path| (
            path.kind(),
            path.index(),
            path.width()
        )),
        Ok((TileKind::Hashes(0), 273, 112))
    ));
}

#[test]
fn hashes_are_separated_by_their_prefix_bytes() {
    let digest = Digest([7; 32]);
    let both = [[7; 32], [9; 32]].concat();
    assert_eq!(leaf_hash(&digest), crate::model::leaf(&[7; 32]));
    let parent = node_hash(&NodeHash([7; 32]), &NodeHash([9; 32]));
    assert_eq!(parent.0[..], Sha256::digest([&[1], &both[..]].concat())[..]);
    assert_eq!(
        empty_root().to_hex(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}
