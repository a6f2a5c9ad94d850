//! Growth, compact range and the recursive definition say the same.

use indelible_core::hash::NodeHash;
use indelible_core::merkle::{CompactRange, Growth, RangeError, inclusion, perfect_subtrees};
use proptest::prelude::*;

use crate::model::{Leaves, entries, mth, path};

/// Grows a tree by commits of the given sizes, checking every claim after each.
fn grow_and_check(commits: &[usize]) {
    let total: usize = commits.iter().sum();
    let leaves = entries(total as u64);
    let mut frontier = CompactRange::new(0);
    let mut ranged = CompactRange::new(0);
    let mut size = 0usize;
    for &count in commits {
        let new = &leaves[size..size + count];
        let mut growth = Growth::new(frontier).unwrap();
        // In two calls, so that growing twice is covered as well.
        let (first, second) = new.split_at(count / 2);
        growth.extend(first.iter().copied()).unwrap();
        growth.extend(second.iter().copied()).unwrap();
        new.iter().for_each(|leaf| ranged.append(*leaf));
        let (before, tree) = (size, &leaves[..size + count]);
        size += count;

        assert_eq!((growth.base_size(), growth.size()), (before as u64, size as u64));
        assert_eq!(growth.root(), mth(tree), "size {size}");
        assert_eq!(growth.frontier(), ranged);
        assert_eq!(ranged.root(), Some(mth(tree)));
        for (index, leaf) in tree.iter().enumerate().skip(before) {
            let proof = growth.inclusion_proof(index as u64).expect("a new leaf");
            assert_eq!(proof, path(index, tree), "{index} of {size}");
            let verdict =
                inclusion::verify(index as u64, size as u64, leaf, &proof, &growth.root());
            assert_eq!(verdict, Ok(()));
        }
        for level in 0..16u8 {
            let expected: Vec<(u64, NodeHash)> = (before >> level..size >> level)
                .map(|index| (index as u64, mth(&leaves[index << level..(index + 1) << level])))
                .collect();
            assert_eq!(growth.completed(level).collect::<Vec<_>>(), expected, "level {level}");
        }
        assert_eq!(growth.inclusion_proof(size as u64), None);
        assert!(before == 0 || growth.inclusion_proof(before as u64 - 1).is_none());
        frontier = growth.frontier();
    }
}

#[test]
fn one_leaf_at_a_time_up_to_130() {
    grow_and_check(&[1; 130]);
}

#[test]
fn a_growth_across_several_tiles_completes_their_rows() {
    grow_and_check(&[0, 255, 1, 1, 1023, 769, 2048, 5]);
}

#[test]
fn a_growth_without_leaves_changes_nothing() {
    let mut range = CompactRange::new(0);
    entries(11).into_iter().for_each(|leaf| range.append(leaf));
    let growth = Growth::new(range.clone()).unwrap();
    assert_eq!((growth.root(), growth.frontier()), (range.root().unwrap(), range));
    assert_eq!(growth.completed(0).count(), 0);
    assert_eq!(growth.completed(200).count(), 0);
}

#[test]
fn a_growth_far_out_knows_its_nodes_by_arithmetic() {
    // 2^52 + 2^20 - 1 leaves nobody hashed: the subtrees are invented, the rules are the same.
    let base = (1u64 << 52) + (1 << 20) - 1;
    let subtrees: Vec<NodeHash> = (0..21u8).map(|i| NodeHash([i; 32])).collect();
    let frontier = CompactRange::from_parts(0, base, subtrees).unwrap();
    let leaves = entries(3);
    let mut by_append = frontier.clone();
    leaves.iter().for_each(|leaf| by_append.append(*leaf));
    let mut growth = Growth::new(frontier).unwrap();
    growth.extend(leaves.iter().copied()).unwrap();
    assert_eq!(growth.frontier(), by_append);
    assert_eq!(Some(growth.root()), by_append.root());
    assert_eq!(growth.completed(20).count(), 1);
    for (offset, leaf) in leaves.iter().enumerate() {
        let index = base + offset as u64;
        let proof = growth.inclusion_proof(index).unwrap();
        assert_eq!(inclusion::verify(index, base + 3, leaf, &proof, &growth.root()), Ok(()));
    }
    assert_eq!(growth.node(3, u64::MAX), None);
    assert_eq!(growth.node(0, u64::MAX - 1), None);
    assert_eq!(growth.node(255, 0), None);
}

#[test]
fn of_the_old_tree_a_growth_knows_its_frontier_and_nothing_else() {
    let leaves = entries(8);
    let mut growth = Growth::new(CompactRange::new(0)).unwrap();
    growth.extend(leaves[..6].iter().copied()).unwrap();
    let mut growth = Growth::new(growth.frontier()).unwrap();
    growth.extend(leaves[6..].iter().copied()).unwrap();
    for level in 0..4u8 {
        for index in 0..8usize >> level {
            let known = match (level, index) {
                // Leaves 0 to 3 and 4 to 5 were the frontier of 6; the rest is new.
                (2, 0) | (1, 2) | (0, 6..) | (1, 3) | (2, 1) | (3, 0) => {
                    Some(mth(&leaves[index << level..(index + 1) << level]))
                }
                _ => None,
            };
            assert_eq!(growth.node(level, index as u64), known, "{level}/{index}");
        }
    }
}

#[test]
fn a_growth_needs_a_frontier_from_leaf_0() {
    assert!(matches!(Growth::new(CompactRange::new(8)), Err(RangeError::NotAdjacent { .. })));
}

#[test]
fn a_range_takes_exactly_the_hashes_that_its_bounds_demand() {
    let hashes = |count: u8| (0..count).map(|i| NodeHash([i; 32])).collect::<Vec<_>>();
    assert!(CompactRange::from_parts(0, 7, hashes(3)).is_ok());
    assert_eq!(
        CompactRange::from_parts(0, 7, hashes(4)),
        Err(RangeError::Count { begin: 0, end: 7, expected: 3, given: 4 })
    );
    assert!(matches!(CompactRange::from_parts(7, 6, hashes(0)), Err(RangeError::Bounds { .. })));
    assert!(matches!(
        CompactRange::from_parts(0, 1 << 63, hashes(1)),
        Err(RangeError::Bounds { .. })
    ));
    // 3..=11: leaf 3, leaves 4 to 7, leaves 8 to 11.
    assert_eq!(perfect_subtrees(3, 12).collect::<Vec<_>>(), [(0, 3), (2, 1), (2, 2)]);
    assert_eq!(perfect_subtrees(65_536, 131_072).collect::<Vec<_>>(), [(16, 1)]);
    assert_eq!(perfect_subtrees(5, 5).count() + perfect_subtrees(6, 5).count(), 0);
}

#[test]
fn ranges_join_only_where_one_ends_and_the_other_begins() {
    let mut range = CompactRange::new(0);
    assert!(range.append_range(&CompactRange::new(1)).is_err());
    let half =
        |begin, hash| CompactRange::from_parts(begin, begin + 16, vec![NodeHash([hash; 32])]);
    range.append_range(&half(0, 1).unwrap()).unwrap();
    assert!(matches!(
        range.append_range(&half(32, 2).unwrap()),
        Err(RangeError::NotAdjacent { end: 16, begin: 32 })
    ));
    range.append_range(&half(16, 2).unwrap()).unwrap();
    assert_eq!((range.end(), range.subtrees().len()), (32, 1));
    assert_eq!(CompactRange::new(4).root(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_commits_agree_with_the_definition(commits in prop::collection::vec(0usize..90, 1..8)) {
        grow_and_check(&commits);
    }

    #[test]
    fn ranges_cut_anywhere_join_to_the_same_tree(size in 0usize..700, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let leaves = entries(size as u64);
        let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(size + 1)).chain([0, size]).collect();
        bounds.sort_unstable();
        let mut whole = CompactRange::new(0);
        for pair in bounds.windows(2) {
            let mut piece = CompactRange::new(pair[0] as u64);
            leaves[pair[0]..pair[1]].iter().for_each(|leaf| piece.append(*leaf));
            let loaded = CompactRange::load(pair[0] as u64, pair[1] as u64, &Leaves::new(&leaves)).unwrap();
            prop_assert_eq!(&loaded, &piece);
            let stored = CompactRange::from_parts(piece.begin(), piece.end(), piece.subtrees().to_vec());
            prop_assert_eq!(stored.as_ref(), Ok(&piece));
            whole.append_range(&piece).unwrap();
        }
        prop_assert_eq!(whole.root(), Some(mth(&leaves)));
    }
}
