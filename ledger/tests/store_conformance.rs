//! One suite over every store.

mod store_suite;

use indelible_ledger::store::memory::{MemoryDisk, MemoryOpener};
use indelible_ledger::store::rocks::{RocksConfig, RocksOpener};
use tempfile::TempDir;

struct Rocks(TempDir);

impl Rocks {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn opener(&self) -> RocksOpener {
        RocksOpener::new(RocksConfig::new(self.0.path().join("db")))
    }
}

/// A store whose commits take their time on their way.
struct FarAway(MemoryDisk);

impl FarAway {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        disk.faults().set_commit_latency(std::time::Duration::from_millis(2));
        Self(disk)
    }

    fn opener(&self) -> MemoryOpener {
        self.0.opener()
    }
}

store_suite!(rocks, Rocks::new());
store_suite!(memory, MemoryDisk::new());
store_suite!(far_away, FarAway::new());
