//! What a growing database costs: blocks are written once and then only moved, and opening takes no
//! longer for it.

use std::time::{Duration, Instant};

use indelible_ledger::store::rocks::{RocksConfig, RocksOpener};
use indelible_ledger::store::{Batch, Space, Store, StoreOpener};
use tempfile::TempDir;

/// An opening takes well under a second on an idle machine; this leaves room for a busy one, and still
/// shows one that goes through all of the data.
const OPENING_MAX: Duration = Duration::from_secs(5);

/// Bytes that LZ4 finds nothing in, so that sizes on disk are what was written.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
}

/// One commit as the engine makes it: a block and its place, a tile, nodes, heads. Two ledgers take turns.
fn commit(store: &dyn Store, number: u64) {
    let ledger = number % 2 + 1;
    let [ledger, counter] = [ledger.to_be_bytes(), number.to_be_bytes()];
    let mut batch = Batch::new();
    let place = [&counter[..], &[0; 4]].concat();
    batch.put_owned(Space::Blocks, &place, noise(256 << 10, number + 1));
    batch.put(Space::Index, &[ledger, counter].concat(), &[1; 24]);
    batch.put_owned(Space::Tiles, &[ledger, counter].concat(), noise(8192, number + 7));
    batch.put(Space::Heads, &ledger, &[number as u8; 700]);
    batch.put(Space::Commits, &counter, &[2; 32]);
    store.commit(&batch).unwrap();
}

#[test]
fn blocks_are_never_written_again_and_opening_stays_quick() {
    const COMMITS: u64 = 1200;
    let dir = TempDir::new().unwrap();
    let mut config = RocksConfig::new(dir.path().join("db"));
    // A small budget makes many files of few bytes: what a large database would have.
    config.write_buffer_bytes = 16 << 20;
    let opener = RocksOpener::new(config.clone());
    let store = opener.open_rocks().unwrap();
    for number in 0..COMMITS {
        commit(&store, number);
    }
    let written = store.write_stats().unwrap();
    let stats = store.stats().unwrap();
    // Dropped, not closed with care: the log is as long as it may be.
    drop(store);

    let start = Instant::now();
    let store = opener.open().unwrap();
    let opening = start.elapsed();
    eprintln!("{written:?}; {stats:?}; opened in {opening:?}");
    let blocks = COMMITS * (256 << 10);
    assert!(written.flushed_bytes > blocks * 9 / 10, "nothing was flushed: {written:?}");
    // The tiles of two ledgers do not ascend and are merged; rewriting blocks once would be all of it.
    assert!(written.compacted_bytes < blocks / 5, "blocks were rewritten: {written:?}");
    assert!(stats.disk_bytes < blocks * 13 / 10, "{stats:?}");
    let budget = (config.write_buffer_bytes * 2 + config.block_cache_bytes) as u64;
    assert!(stats.memory_bytes < budget, "{stats:?}");
    assert!(opening < OPENING_MAX, "opening took {opening:?}");
    let last = [&(COMMITS - 1).to_be_bytes()[..], &[0; 4]].concat();
    assert_eq!(store.get(Space::Blocks, &last).unwrap().unwrap(), noise(256 << 10, COMMITS));
}

/// The longest log there can be with the default settings, which is what a crash leaves at worst.
#[test]
fn opening_replays_the_longest_log_in_bounded_time() {
    let dir = TempDir::new().unwrap();
    let config = RocksConfig::new(dir.path().join("db"));
    let opener = RocksOpener::new(config.clone());
    let store = opener.open_rocks().unwrap();
    // Small rows in the slowest space (its filter is built on the way), just below the budget.
    let rows = config.write_buffer_bytes / 10 / 512;
    for chunk in 0..rows / 100 {
        let mut batch = Batch::new();
        for row in 0..100 {
            let n = (chunk * 100 + row) as u64;
            let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            batch.put(Space::Ids, &key, &n.to_be_bytes());
        }
        batch.put_owned(
            Space::Blocks,
            &(chunk as u64).to_be_bytes(),
            noise(400 << 10, chunk as u64),
        );
        store.commit(&batch).unwrap();
    }
    let log_bytes = store.write_stats().unwrap().log_bytes;
    drop(store);
    let start = Instant::now();
    let store = opener.open().unwrap();
    let opening = start.elapsed();
    eprintln!("{log_bytes} bytes were logged; opened in {opening:?}");
    assert!(opening < OPENING_MAX, "opening took {opening:?}");
    store.close().unwrap();
}
