//! The leaf hashes of a ledger's last, partial tile. A full tile is one row, but these would have to be
//! collected from the tables of up to 255 commits for every proof; so what becomes durable leaves its
//! leaves here, and a proof in the partial tile reads none.

use indelible_core::hash::NodeHash;
use indelible_core::limits::TILE_WIDTH;
use indelible_core::merkle::Growth;
use parking_lot::Mutex;

/// Leaves of one ledger that are durable, and so never change. At most 255 of them: 8 KiB.
#[derive(Debug, Default)]
pub(crate) struct PartialTile(Mutex<Leaves>);

/// Consecutive leaves within one tile.
#[derive(Debug, Default)]
struct Leaves {
    first: u64,
    hashes: Vec<NodeHash>,
}

impl Leaves {
    fn end(&self) -> u64 {
        self.first + self.hashes.len() as u64
    }

    /// The hashes from leaf `from` on.
    fn from(&self, from: u64) -> &[NodeHash] {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.hashes.get(skip..).unwrap_or_default()
    }
}

impl PartialTile {
    /// Takes the leaves of a run that has become durable. Runs come in their order; where one is missed,
    /// what was before it is let go.
    pub(crate) fn grow(&self, growth: &Growth) {
        let tile = growth.size() / TILE_WIDTH * TILE_WIDTH;
        let from = growth.base_size().max(tile);
        let mut leaves = self.0.lock();
        if leaves.end() != from || leaves.first < tile {
            leaves.hashes.clear();
            leaves.first = from;
        }
        leaves.hashes.extend((from..growth.size()).map_while(|index| growth.node(0, index)));
    }

    /// The last of the leaves `first..size` of one tile, as many as are known; none where the last of all
    /// is not.
    pub(crate) fn last_of(&self, first: u64, size: u64) -> Vec<NodeHash> {
        let leaves = self.0.lock();
        let from = leaves.first.max(first);
        match size.checked_sub(from) {
            Some(count) if size <= leaves.end() => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                leaves.from(from).get(..count).unwrap_or_default().to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// Keeps leaves that were read, from the first of their tile on, unless later ones are known that they
    /// do not reach.
    pub(crate) fn keep(&self, first: u64, mut read: Vec<NodeHash>) {
        let end = first + read.len() as u64;
        let mut leaves = self.0.lock();
        if end < leaves.first || leaves.first <= first && end <= leaves.end() {
            return;
        }
        read.extend_from_slice(leaves.from(end));
        *leaves = Leaves { first, hashes: read };
    }
}

#[cfg(test)]
mod tests {
    use indelible_core::hash::LeafHash;
    use indelible_core::merkle::CompactRange;

    use super::*;

    fn leaf(index: u64) -> LeafHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&index.to_be_bytes());
        LeafHash(hash)
    }

    fn leaves(first: u64, end: u64) -> Vec<NodeHash> {
        (first..end).map(|index| leaf(index).into()).collect()
    }

    /// Runs of these lengths, one behind the other.
    fn runs(lengths: &[u64]) -> Vec<Growth> {
        let mut frontier = CompactRange::new(0);
        let grown = lengths.iter().map(|length| {
            let mut growth = Growth::new(frontier.clone()).unwrap();
            let base = growth.base_size();
            growth.extend((base..base + length).map(leaf)).unwrap();
            frontier = growth.frontier();
            growth
        });
        grown.collect()
    }

    #[test]
    fn runs_leave_the_leaves_of_the_last_tile() {
        let tile = PartialTile::default();
        let mut size = 0;
        for run in runs(&[1, 2, 252, 1, 3, 600, 1, 163, 1]) {
            tile.grow(&run);
            size = run.size();
            let first = size / TILE_WIDTH * TILE_WIDTH;
            assert_eq!(tile.last_of(first, size), leaves(first, size), "{size}");
            // Whoever holds an older head.
            let before = size.saturating_sub(1).max(first);
            assert_eq!(tile.last_of(first, before), leaves(first, before), "{size}");
            assert!(tile.0.lock().hashes.len() < TILE_WIDTH as usize);
        }
        assert_eq!(tile.last_of(size, size + 1), []);
        assert_eq!(tile.last_of(0, 256), [], "an older tile");
    }

    #[test]
    fn what_was_missed_is_read_once() {
        let tile = PartialTile::default();
        let grown = runs(&[5, 5, 5, 5]);
        tile.grow(&grown[0]);
        tile.grow(&grown[2]);
        assert_eq!(tile.last_of(0, 15), leaves(10, 15));
        assert_eq!(tile.last_of(0, 10), []);
        tile.keep(0, leaves(0, 9));
        assert_eq!(tile.last_of(0, 15), leaves(10, 15), "there is a hole between");
        tile.keep(0, leaves(0, 12));
        assert_eq!(tile.last_of(0, 15), leaves(0, 15));
        tile.keep(0, leaves(0, 7));
        tile.grow(&grown[3]);
        assert_eq!(tile.last_of(0, 20), leaves(0, 20));
        tile.keep(0, leaves(0, 21));
        assert_eq!(tile.last_of(0, 21), leaves(0, 21));
    }

    #[test]
    fn an_older_tile_does_not_come_back() {
        let tile = PartialTile::default();
        runs(&[200, 60]).iter().for_each(|run| tile.grow(run));
        tile.keep(0, leaves(0, 200));
        assert_eq!(tile.last_of(256, 260), leaves(256, 260));
    }
}
