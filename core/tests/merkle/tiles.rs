//! Tile paths and coordinates, C2SP tlog-tiles.

use indelible_core::hash::NodeHash;
use indelible_core::merkle::tile::{TileKind, TilePath, content, coordinates, locate, node_in};
use proptest::prelude::*;

use crate::model::{entries, mth};

fn path(kind: TileKind, index: u64, width: u16) -> String {
    TilePath::new(kind, index, width).unwrap().to_string()
}

#[test]
fn indices_are_written_in_groups_of_three() {
    let hashes = TileKind::Hashes(0);
    for (index, text) in [
        (0, "tile/0/000"),
        (999, "tile/0/999"),
        (1000, "tile/0/x001/000"),
        (1_234_067, "tile/0/x001/x234/067"),
        (u64::MAX, "tile/0/x018/x446/x744/x073/x709/x551/615"),
    ] {
        assert_eq!(path(hashes, index, 256), text);
        assert_eq!(text.parse(), TilePath::new(hashes, index, 256));
    }
    assert_eq!(path(hashes, 1234, 17), "tile/0/x001/234.p/17");
    assert_eq!(path(TileKind::Entries, 273, 112), "tile/entries/273.p/112");
    assert_eq!(path(TileKind::Hashes(63), 0, 1), "tile/63/000.p/1");
}

#[test]
fn a_tile_has_one_path_and_nothing_else_is_read() {
    for bad in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/x000",
        "tile/0/001/000",
        "tile/0/x000/001",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/+1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "/tile/0/000",
        "tile/0/000/",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/٠٠٠",
        "tile/0/0 0",
        "tile/0/000\n",
    ] {
        assert!(bad.parse::<TilePath>().is_err(), "{bad:?}");
    }
    assert!(TilePath::new(TileKind::Hashes(64), 0, 1).is_err());
    assert!(TilePath::new(TileKind::Hashes(0), 0, 0).is_err());
    assert!(TilePath::new(TileKind::Entries, 0, 257).is_err());
}

#[test]
fn a_size_has_full_tiles_and_at_most_one_partial_a_level() {
    let paths =
        |level, size| coordinates(level, size).map(|path| path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(0, 70_000).len(), 274);
    assert_eq!(paths(0, 70_000)[273], "tile/0/273.p/112");
    assert_eq!(paths(1, 70_000), ["tile/1/000", "tile/1/001.p/17"]);
    assert_eq!(paths(2, 70_000), ["tile/2/000.p/1"]);
    assert_eq!(paths(0, 256), ["tile/0/000"]);
    assert_eq!(paths(1, 256), ["tile/1/000.p/1"]);
    assert!(paths(0, 0).is_empty() && paths(1, 255).is_empty() && paths(63, u64::MAX).is_empty());
}

#[test]
fn a_tile_exists_when_all_of_its_hashes_do() {
    let exists = |text: &str, size| text.parse::<TilePath>().unwrap().exists_in(size);
    assert!(exists("tile/0/273.p/112", 70_000) && exists("tile/0/273.p/5", 70_000));
    assert!(!exists("tile/0/273.p/113", 70_000) && !exists("tile/0/273", 70_000));
    assert!(exists("tile/0/000.p/3", 70_000) && exists("tile/entries/272", 70_000));
    assert!(exists("tile/1/000.p/1", 256) && !exists("tile/1/000.p/1", 255));
    assert!(!exists("tile/0/x018/x446/x744/x073/x709/x551/615", u64::MAX));
    assert!(!exists("tile/63/000.p/1", u64::MAX));
}

#[test]
fn nodes_are_found_within_their_tile() {
    let leaves = entries(256);
    let row: Vec<NodeHash> = leaves.iter().map(|leaf| (*leaf).into()).collect();
    let bytes = content(&row);
    for level in 0..=8u8 {
        for index in 0..256usize >> level {
            let expected = mth(&leaves[index << level..(index + 1) << level]);
            assert_eq!(node_in(&bytes, level, index as u64), Some(expected), "{level}/{index}");
        }
        assert_eq!(node_in(&bytes, level, 256 >> level), None);
    }
    assert_eq!(node_in(&bytes[..8191], 8, 0), None);
    assert_eq!(node_in(&bytes, 9, 0), None);
    assert_eq!(node_in(&bytes, 0, u64::MAX), None);
    assert_eq!(node_in(&[], 0, 0), None);
}

#[test]
fn a_node_lies_in_the_tile_whose_bottom_row_is_nearest_below() {
    let place = |level, index| {
        let at = locate(level, index);
        (at.tile_level, at.tile_index, at.level, at.index)
    };
    assert_eq!(place(0, 70_000), (0, 273, 0, 112));
    assert_eq!(place(7, 3), (0, 1, 7, 1));
    assert_eq!(place(8, 257), (1, 1, 0, 1));
    assert_eq!(place(17, 5), (2, 0, 1, 5));
}

proptest! {
    #[test]
    fn paths_are_read_as_they_are_written(level in 0u8..=63, index: u64, width in 1u16..=256, entries: bool) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let path = TilePath::new(kind, index, width).unwrap();
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn whatever_is_read_is_written_the_same(text in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}
