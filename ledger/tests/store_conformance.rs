//! One suite over every store.

mod store_suite;

use indelible_ledger::store::memory::MemoryDisk;
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

store_suite!(rocks, Rocks::new());
store_suite!(memory, MemoryDisk::new());
