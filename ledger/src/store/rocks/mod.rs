//! RocksDB, the store of a single machine.
//!
//! One column family for each space, one `WriteBatch` and one synced append to the log for each commit;
//! the log is one for all column families, which makes a commit atomic over all of them. [`options`]
//! says how the database is set up, [`beside`] how to read it while another process writes.

pub mod beside;
mod blobs;
mod error;
mod log_files;
pub mod options;
mod view;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rocksdb::properties::{
    CUR_SIZE_ALL_MEM_TABLES, ESTIMATE_TABLE_READERS_MEM, NUM_ENTRIES_ACTIVE_MEM_TABLE,
    NUM_ENTRIES_IMM_MEM_TABLES,
};
use rocksdb::statistics::Ticker;
use rocksdb::{Cache, DB, FlushOptions, Options, WriteBatch, WriteOptions};

pub use beside::RocksBeside;
pub use options::RocksConfig;

use self::blobs::BlobFiles;
use self::error::classify;
use self::view::{View, family};
use super::poison::Poison;
use super::{
    Batch, Preview, Read, Scan, SnapshotTask, Space, Store, StoreError, StoreOpener, StoreStats,
    Visitor,
};

/// What a `WriteBatch` adds to each row: type, column family, two lengths. Only a guess for the first
/// allocation.
const ROW_OVERHEAD_BYTES: usize = 16;

/// What it does before that.
const LISTING: &str = "listing the database's key spaces (reading its MANIFEST)";

/// What RocksDB does while it opens.
const OPENING: &str = "opening the database (reading its MANIFEST, replaying its write logs)";

/// Opens a [`RocksStore`].
#[derive(Debug, Clone)]
pub struct RocksOpener {
    config: RocksConfig,
}

impl RocksOpener {
    /// Opens the database that `config` describes.
    #[must_use]
    pub fn new(config: RocksConfig) -> Self {
        Self { config }
    }

    /// As [`StoreOpener::open`], with the type.
    ///
    /// # Errors
    /// As [`StoreOpener::open`].
    pub fn open_rocks(&self) -> Result<RocksStore, StoreError> {
        let config = &self.config;
        let options = options::database(config)?;
        refuse_unknown_families(&options, config)?;
        let cache = Cache::new_lru_cache(config.block_cache_bytes);
        let families = options::families(config, &cache, &Space::ALL)?;
        config.opening.set(OPENING);
        let db = DB::open_cf_descriptors(&options, &config.path, families);
        let db = db.map_err(|error| classify(&error))?;
        blobs::refuse_missing(&db)?;
        settle(&db)?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(RocksStore {
            open: RwLock::new(Some(Open { db, cache, options, synced })),
            commits: Mutex::new(()),
            poison: Poison::default(),
            blobs: BlobFiles::default(),
        })
    }
}

/// Sees to it that nothing of what was read is in memory and in an old log only: RocksDB has written it
/// into new table files while it opened, flushed those, and begun a new manifest and a new log.
fn settle(db: &DB) -> Result<(), StoreError> {
    if unsettled_rows(db)? == 0 {
        return Ok(());
    }
    let families = Space::ALL.map(|space| family(db, space));
    let families = families.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut wait = FlushOptions::default();
    wait.set_wait(true);
    db.flush_cfs_opt(&families, &wait).map_err(|error| classify(&error))?;
    match unsettled_rows(db)? {
        0 => Ok(()),
        rows => {
            Err(StoreError::Io(format!("{rows} rows of its log are not in table files").into()))
        }
    }
}

/// Rows that are in memory and not in a table file.
fn unsettled_rows(db: &DB) -> Result<u64, StoreError> {
    let mut rows = 0;
    for space in Space::ALL {
        let family = family(db, space)?;
        for name in [NUM_ENTRIES_ACTIVE_MEM_TABLE, NUM_ENTRIES_IMM_MEM_TABLES] {
            let value = db.property_int_value_cf(family, name);
            // A property that is not known must not pass for nothing.
            rows += value.map_err(|error| classify(&error))?.unwrap_or(1);
        }
    }
    Ok(rows)
}

/// A later version may have added key spaces. Opening without them would write a database that this
/// later version takes for whole.
fn refuse_unknown_families(options: &Options, config: &RocksConfig) -> Result<(), StoreError> {
    let path = &config.path;
    config.opening.set(LISTING);
    match fs::metadata(path.join("CURRENT")) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::from_io(&error, &format!("{}", path.display()))),
    }
    log_files::refuse_endless(path)?;
    let names = DB::list_cf(options, path).map_err(|error| classify(&error))?;
    let known = |name: &str| name == "default" || Space::ALL.iter().any(|s| s.name() == name);
    match names.iter().find(|name| !known(name)) {
        Some(name) => Err(StoreError::NewerFormat(format!("it has a key space '{name}'").into())),
        None => Ok(()),
    }
}

impl StoreOpener for RocksOpener {
    fn preview(&self) -> Result<Option<Box<dyn Preview>>, StoreError> {
        let found = RocksBeside::before_opening(&self.config)?;
        Ok(found.map(|found| Box::new(found) as Box<dyn Preview>))
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.open_rocks()?))
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.config.path)
    }

    fn describe(&self) -> String {
        self.config.path.display().to_string()
    }
}

struct Open {
    db: DB,
    cache: Cache,
    /// Kept for the counters that hang on it.
    options: Options,
    synced: WriteOptions,
}

/// An open RocksDB database.
pub struct RocksStore {
    /// Read-locked during every operation, so that closing waits for them.
    open: RwLock<Option<Open>>,
    commits: Mutex<()>,
    poison: Poison,
    blobs: BlobFiles,
}

/// What the database wrote since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of files written from tables in memory.
    pub flushed_bytes: u64,
    /// Bytes of files that were merged from other files: the cost of keys that do not ascend.
    pub compacted_bytes: u64,
}

impl RocksStore {
    fn with_open<T>(
        &self,
        run: impl FnOnce(&Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Recursive, because a visitor may well read further while somebody waits to close.
        self.open.read_recursive().as_ref().map_or(Err(StoreError::Closed), run)
    }

    fn reading<T>(
        &self,
        run: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_open(|open| run(&View { db: &open.db, snapshot: None }))
    }

    /// What was written since opening.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub fn write_stats(&self) -> Result<WriteStats, StoreError> {
        self.with_open(|open| {
            Ok(WriteStats {
                log_bytes: open.options.get_ticker_count(Ticker::WalFileBytes),
                flushed_bytes: open.options.get_ticker_count(Ticker::FlushWriteBytes),
                compacted_bytes: open.options.get_ticker_count(Ticker::CompactWriteBytes),
            })
        })
    }
}

impl Open {
    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let rows = self.rows(batch)?;
        self.db.write_opt(rows, &self.synced).map_err(|error| classify(&error))
    }

    fn rows(&self, batch: &Batch) -> Result<WriteBatch, StoreError> {
        let bytes = batch.payload_bytes() + batch.len() * ROW_OVERHEAD_BYTES;
        let mut rows = WriteBatch::with_capacity_bytes(bytes);
        let mut families = [None; Space::ALL.len()];
        for (space, found) in Space::ALL.into_iter().zip(&mut families) {
            *found = Some(family(&self.db, space)?);
        }
        for put in batch.puts() {
            if let Some(Some(family)) = families.get(put.space.index()) {
                rows.put_cf(*family, put.key, put.value);
            }
        }
        Ok(rows)
    }

    fn memory_bytes(&self) -> u64 {
        let property = |space, name| {
            let family = family(&self.db, space).ok()?;
            self.db.property_int_value_cf(family, name).ok().flatten()
        };
        let of_space = |space| {
            property(space, CUR_SIZE_ALL_MEM_TABLES).unwrap_or(0)
                + property(space, ESTIMATE_TABLE_READERS_MEM).unwrap_or(0)
        };
        Space::ALL.into_iter().map(of_space).sum::<u64>() + self.cache.get_usage() as u64
    }
}

impl Read for RocksStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|view| view.get(space, key))
    }

    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.reading(|view| view.get_many(space, keys))
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.reading(|view| view.scan(scan, visit))
    }
}

impl Store for RocksStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.with_open(|open| {
            let _turn = self.commits.lock();
            self.poison.check()?;
            open.write(batch).map_err(|error| self.poison.note(error))
        })
    }

    /// One range is marked as deleted. Merging the keys of this range then lets go of every file of bodies
    /// of which nothing is left; no body is written anew.
    fn drop_bodies(&self, from: &[u8], to: &[u8], note: &Batch) -> Result<(), StoreError> {
        self.with_open(|open| {
            let family = family(&open.db, Space::Bodies)?;
            let turn = self.commits.lock();
            self.poison.check()?;
            let mut rows = open.rows(note)?;
            rows.delete_range_cf(family, from, to);
            let written = open.db.write_opt(rows, &open.synced);
            written.map_err(|error| self.poison.note(classify(&error)))?;
            drop(turn);
            open.db.compact_range_cf(family, Some(from), Some(to));
            Ok(())
        })
    }

    fn snapshot(&self, task: &mut SnapshotTask<'_>) -> Result<(), StoreError> {
        self.with_open(|open| {
            let snapshot = open.db.snapshot();
            task(&View { db: &open.db, snapshot: Some(&snapshot) })
        })
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.with_open(|open| {
            let disk_bytes = folder_bytes(open.db.path())?;
            Ok(StoreStats { disk_bytes, memory_bytes: open.memory_bytes() })
        })
    }

    fn live_files(&self) -> Result<Vec<String>, StoreError> {
        self.with_open(|open| {
            let files = open.db.live_files().map_err(|error| classify(&error))?;
            let mut names: Vec<_> = files.into_iter().map(|file| file.name).collect();
            names.extend(self.blobs.live(&open.db)?);
            Ok(names)
        })
    }

    fn close(&self) -> Result<(), StoreError> {
        if let Some(open) = self.open.write().take() {
            open.db.cancel_all_background_work(true);
        }
        Ok(())
    }
}

fn folder_bytes(path: &Path) -> Result<u64, StoreError> {
    let failed =
        |error: std::io::Error| StoreError::from_io(&error, &format!("{}", path.display()));
    let mut bytes = 0;
    for entry in fs::read_dir(path).map_err(failed)? {
        // Files come and go while we look.
        bytes += entry.map_err(failed)?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}
