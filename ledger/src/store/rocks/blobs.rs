//! The files of bodies. RocksDB counts them, but its list of files leaves them out, and it opens a database
//! in whose folder some are missing: they are looked for here.

use std::collections::BTreeSet;
use std::fs;

use parking_lot::Mutex;
use rocksdb::DB;

use super::error::classify;
use super::view::family;
use crate::store::{Space, StoreError};

/// How often the folder is listed anew because the database changed meanwhile.
const TRIES_MAX: u32 = 5;

/// Files of the current state, and the bytes they have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needed {
    files: u64,
    bytes: u64,
}

/// What lies in the folder.
struct Listed {
    names: BTreeSet<String>,
    bytes: u64,
}

/// Remembers the names, to tell which is missing.
#[derive(Debug, Default)]
pub(super) struct BlobFiles(Mutex<BTreeSet<String>>);

impl BlobFiles {
    /// The names of the files of bodies that the database needs now. Where some are not in the folder,
    /// their names are among them.
    pub(super) fn live(&self, db: &DB) -> Result<Vec<String>, StoreError> {
        let mut known = self.0.lock();
        for _ in 0..TRIES_MAX {
            let before = needed(db)?;
            let listed = list(db)?;
            // A new file lies in the folder before the database counts it, and an old one after.
            if listed.names.len() as u64 >= before.files {
                *known = listed.names;
                return Ok(known.iter().cloned().collect());
            }
            if needed(db)? == before {
                break;
            }
        }
        let missing = "one of its .blob files".to_owned();
        Ok(if known.is_empty() { vec![missing] } else { known.iter().cloned().collect() })
    }
}

/// Before anything is read: the files of bodies are there, and as long as they were written.
pub(super) fn refuse_missing(db: &DB) -> Result<(), StoreError> {
    let (needed, listed) = (needed(db)?, list(db)?);
    let files = listed.names.len() as u64;
    if files < needed.files || listed.bytes < needed.bytes {
        let text = format!(
            "{} files of bodies (*.blob) with {} bytes belong to it, and {files} with {} bytes are there",
            needed.files, needed.bytes, listed.bytes
        );
        return Err(StoreError::Corrupt(text.into()));
    }
    Ok(())
}

fn needed(db: &DB) -> Result<Needed, StoreError> {
    let family = family(db, Space::Bodies)?;
    let number = |name: &str| {
        let value = db.property_int_value_cf(family, name).map_err(|error| classify(&error))?;
        // A property that is not known must not pass for nothing.
        value.ok_or_else(|| StoreError::Io(format!("RocksDB does not tell {name}").into()))
    };
    Ok(Needed {
        files: number("rocksdb.num-blob-files")?,
        bytes: number("rocksdb.live-blob-file-size")?,
    })
}

fn list(db: &DB) -> Result<Listed, StoreError> {
    let path = db.path();
    let failed = |error: std::io::Error| StoreError::from_io(&error, &path.display().to_string());
    let mut listed = Listed { names: BTreeSet::new(), bytes: 0 };
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".blob")) else { continue };
        listed.names.insert(name.to_owned());
        listed.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(listed)
}
