//! Reading, either the newest state or a snapshot.

use std::ops::{Bound, ControlFlow};

use rocksdb::{ColumnFamily, DB, ReadOptions, Snapshot};

use super::error::classify;
use crate::store::{Direction, Read, Scan, Space, StoreError, Visitor};

/// Scans that may visit more rows than this leave the cache as it is: an export of a whole ledger would
/// otherwise throw out what everybody else needs.
const CACHED_SCAN_ROWS_MAX: usize = 1024;

/// A state of a database.
pub(super) struct View<'a> {
    pub(super) db: &'a DB,
    pub(super) snapshot: Option<&'a Snapshot<'a>>,
}

/// The column family of a space.
pub(super) fn family(db: &DB, space: Space) -> Result<&ColumnFamily, StoreError> {
    db.cf_handle(space.name()).ok_or_else(|| {
        StoreError::Corrupt(format!("it has no key space '{}'", space.name()).into())
    })
}

impl View<'_> {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = self.snapshot {
            options.set_snapshot(snapshot);
        }
        options
    }
}

impl Read for View<'_> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let family = family(self.db, space)?;
        self.db.get_cf_opt(family, key, &self.options()).map_err(|error| classify(&error))
    }

    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let family = family(self.db, space)?;
        let sorted = false;
        let values = self.db.batched_multi_get_cf_opt(family, keys, sorted, &self.options());
        let value = |value: Result<Option<rocksdb::DBPinnableSlice<'_>>, rocksdb::Error>| {
            value.map(|value| value.map(|value| value.to_vec())).map_err(|error| classify(&error))
        };
        values.into_iter().map(value).collect()
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        if scan.is_empty() || scan.rows_max == 0 {
            return Ok(()); // RocksDB gives no meaning to bounds that cross.
        }
        let mut options = self.options();
        options.fill_cache(scan.rows_max <= CACHED_SCAN_ROWS_MAX);
        if let Some(key) = lower(scan.from) {
            options.set_iterate_lower_bound(key);
        }
        if let Some(key) = upper(scan.to) {
            options.set_iterate_upper_bound(key);
        }
        let mut rows = self.db.raw_iterator_cf_opt(family(self.db, scan.space)?, options);
        match scan.direction {
            Direction::Forward => rows.seek_to_first(),
            Direction::Backward => rows.seek_to_last(),
        }
        let mut left = scan.rows_max;
        while left > 0
            && let Some((key, value)) = rows.item()
        {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
            left -= 1;
            if left > 0 {
                match scan.direction {
                    Direction::Forward => rows.next(),
                    Direction::Backward => rows.prev(),
                }
            }
        }
        rows.status().map_err(|error| classify(&error))
    }
}

/// The smallest key that is inside, as RocksDB wants it.
fn lower(from: Bound<&[u8]>) -> Option<Vec<u8>> {
    match from {
        Bound::Included(key) => Some(key.to_vec()),
        Bound::Excluded(key) => Some(successor(key)),
        Bound::Unbounded => None,
    }
}

/// The smallest key that is outside.
fn upper(to: Bound<&[u8]>) -> Option<Vec<u8>> {
    match to {
        Bound::Included(key) => Some(successor(key)),
        Bound::Excluded(key) => Some(key.to_vec()),
        Bound::Unbounded => None,
    }
}

/// The key right behind `key` in the order of bytes.
fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
