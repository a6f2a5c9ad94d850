//! A look at the log files before RocksDB reads them.
//!
//! MANIFEST and write logs are sequences of records in blocks of 32 KiB, each with a head of checksum
//! (4 bytes), length (2) and type (1). Types of records in *recycled* log files are never written here, but
//! a single flipped bit makes one of them, and RocksDB then reads the same place again and again, for
//! ever. Everything else that can be wrong in these files RocksDB reports by itself.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::store::StoreError;

const BLOCK_BYTES: u64 = 32 << 10;
const HEAD_BYTES: u64 = 7;
/// Small, since most of what is read ahead of a large record would be skipped.
const READ_BYTES: usize = 4 << 10;

/// The types that only recycled log files have.
const RECYCLED: [u8; 5] = [5, 6, 7, 8, 11];

/// Refuses a database folder whose log files RocksDB would never finish reading.
///
/// # Errors
/// [`StoreError::Corrupt`] naming file and place.
pub(super) fn refuse_endless(database: &Path) -> Result<(), StoreError> {
    let failed =
        |error: &io::Error, what: &Path| StoreError::from_io(error, &what.display().to_string());
    let entries = fs::read_dir(database).map_err(|error| failed(&error, database))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(&error, database))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with("MANIFEST-") && !name.ends_with(".log") {
            continue;
        }
        match find_recycled(&path) {
            Ok(None) => {}
            Ok(Some(place)) => {
                let text = format!(
                    "{}: a record's type at byte {place} is none that was written",
                    path.display()
                );
                return Err(StoreError::Corrupt(text.into()));
            }
            // A running server deletes files that it no longer needs.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error, &path)),
        }
    }
    Ok(())
}

/// The place of the first type of a recycled log file. Reads the heads of records, little of the rest.
fn find_recycled(path: &Path) -> io::Result<Option<u64>> {
    let mut file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
    let mut place = 0;
    loop {
        // A head never crosses the end of a block; fewer bytes than it has are left empty there.
        let left = BLOCK_BYTES - place % BLOCK_BYTES;
        let skip = if left < HEAD_BYTES { left } else { 0 };
        file.seek_relative(skip as i64)?;
        place += skip;
        let mut head = [0; HEAD_BYTES as usize];
        match file.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            done => done?,
        }
        let [_, _, _, _, low, high, kind] = head;
        if RECYCLED.contains(&kind) {
            return Ok(Some(place + HEAD_BYTES - 1));
        }
        let length = u16::from_le_bytes([low, high]);
        file.seek_relative(i64::from(length))?;
        place += HEAD_BYTES + u64::from(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, bytes: usize) -> Vec<u8> {
        let length = u16::try_from(bytes).unwrap().to_le_bytes();
        let mut record = vec![1, 2, 3, 4, length[0], length[1], kind];
        record.resize(HEAD_BYTES as usize + bytes, 5);
        record
    }

    #[test]
    fn a_type_of_a_recycled_file_is_found_wherever_a_record_begins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000007.log");
        // A block that is filled to its end but for less than a head, and a second one.
        let block = BLOCK_BYTES as usize;
        let first = record(2, block - 2 * HEAD_BYTES as usize - 100 - 3);
        let sound = [record(1, 100), first, vec![0; 3], record(4, 50), record(1, 0)].concat();
        fs::write(&path, &sound).unwrap();
        refuse_endless(dir.path()).unwrap();
        for begin in [0, 107, block, block + 57] {
            let mut damaged = sound.clone();
            damaged[begin + 6] = 5;
            fs::write(&path, &damaged).unwrap();
            let error = refuse_endless(dir.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("byte {}", begin + 6)), "{error}");
        }
    }
}
