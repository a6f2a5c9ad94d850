//! Reading a database while another process writes it.
//!
//! RocksDB opens a database for reading without a lock and without writing a byte: it replays the log
//! into memory and sees what was there at that moment, for ever. Two things can get in the way, both
//! because the writer deletes files that it no longer needs. While opening, a file can vanish between
//! the list of files being read and the file being opened; then opening is tried again. Later nothing
//! can vanish, since every file is held open (a deleted file lives until it is closed).
//!
//! A "secondary" instance, the other way that RocksDB offers, follows the writer, but it cannot check the
//! log against the manifest, needs a folder of its own to write into, and what it shows changes under
//! the reader. For a verifier a fixed state is the better one.

use std::fs;
use std::thread;
use std::time::Duration;

use rocksdb::{Cache, DB};

use super::error::classify;
use super::options::{self, RocksConfig};
use super::view::View;
use super::{LISTING, OPENING, blobs, log_files, refuse_unknown_families};
use crate::store::{Preview, Read, Scan, Space, StoreError, Visitor};

/// Tries to open beside a writer that keeps deleting files. It deletes some every few seconds at most,
/// and a try takes well under one.
pub(super) const TRIES_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// One state of a database that another process may be writing.
pub struct RocksBeside {
    db: DB,
}

impl RocksBeside {
    /// Opens the state that is there now. Needs as many file descriptors as the database has files, and
    /// memory for the log that the writer has not yet turned into files
    /// ([`RocksConfig::write_buffer_bytes`] of the writer).
    ///
    /// # Errors
    /// [`StoreError::Io`] when there is no database, or too few file descriptors;
    /// [`StoreError::Permission`], [`StoreError::NewerFormat`], [`StoreError::Corrupt`].
    pub fn open(config: &RocksConfig) -> Result<Self, StoreError> {
        Self::open_spaces(config, &Space::ALL)
    }

    /// As [`RocksBeside::open`], but only these spaces. The files of the others are not touched, and may
    /// be damaged.
    ///
    /// # Errors
    /// As [`RocksBeside::open`].
    pub fn open_spaces(config: &RocksConfig, spaces: &[Space]) -> Result<Self, StoreError> {
        // RocksDB would create the folder, even for reading.
        let current = config.path.join("CURRENT");
        fs::metadata(&current)
            .map_err(|error| StoreError::from_io(&error, &current.display().to_string()))?;
        let mut tries = 1;
        loop {
            // Every file is held open, for the writer may delete it at any moment.
            match Self::try_open(config, spaces, -1) {
                // Damage and a file that has just been deleted look alike, so both are tried again.
                Err(StoreError::Io(_) | StoreError::Corrupt(_)) if tries < config.tries_max => {
                    tries += 1;
                    thread::sleep(PAUSE);
                }
                done => return done,
            }
        }
    }

    fn try_open(
        config: &RocksConfig,
        spaces: &[Space],
        open_files_max: i32,
    ) -> Result<Self, StoreError> {
        let mut options = options::database(config)?;
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        options.set_max_open_files(open_files_max);
        refuse_unknown_families(&options, config)?;
        let cache = Cache::new_lru_cache(config.block_cache_bytes);
        let families = options::families(config, &cache, spaces)?;
        config.opening.set(OPENING);
        let error_if_log_exists = false;
        let db = DB::open_cf_descriptors_read_only(
            &options,
            &config.path,
            families,
            error_if_log_exists,
        );
        db.map(|db| Self { db }).map_err(|error| classify(&error))
    }

    /// What is there, for the one who is about to open it: nobody writes, so nothing is tried again.
    /// `None` where there is no database, or one whose making was broken off before anything could be
    /// committed.
    pub(super) fn before_opening(config: &RocksConfig) -> Result<Option<Self>, StoreError> {
        let current = config.path.join("CURRENT");
        match fs::metadata(&current) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(StoreError::from_io(&error, &current.display().to_string()));
            }
        }
        config.opening.set(LISTING);
        log_files::refuse_endless(&config.path)?;
        let names = DB::list_cf(&options::database(config)?, &config.path);
        let names = names.map_err(|error| classify(&error))?;
        if !Space::ALL.iter().all(|space| names.iter().any(|name| name == space.name())) {
            return Ok(None);
        }
        // Nobody deletes files now: they can be opened as they are needed, however many there are.
        let open_files_max = i32::try_from(config.open_files_max).unwrap_or(i32::MAX);
        let found = Self::try_open(config, &Space::ALL, open_files_max)?;
        blobs::refuse_missing(&found.db)?;
        Ok(Some(found))
    }

    fn view(&self) -> View<'_> {
        View { db: &self.db, snapshot: None }
    }
}

impl Preview for RocksBeside {
    /// Nothing is written here, so that a table file is one that the writer had made, flushed and entered
    /// into its manifest. It does that for all spaces at once (`atomic_flush`), so that the commits of
    /// all of them end with the same one.
    fn settled(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let files = self.db.live_files().map_err(|error| classify(&error))?;
        let of_commits =
            |file: &rocksdb::LiveFile| file.column_family_name == Space::Commits.name();
        Ok(files.into_iter().filter(of_commits).filter_map(|file| file.end_key).max())
    }
}

impl Read for RocksBeside {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view().get(space, key)
    }

    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.view().get_many(space, keys)
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.view().scan(scan, visit)
    }
}
