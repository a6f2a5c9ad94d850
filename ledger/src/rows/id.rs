//! Space `d`: ids that clients gave. Key: ledger number, hash of the id. Value: the record's sequence
//! number, hash of its body.
//!
//! Written in the same commit as the record, for ever. Ids that the server made have no row where their
//! time leads to the record (`docs/STORAGE.md` section 3).
//!
//! Keys are hashes so that all have one length, however long ids are. Both hashes are the first 16 bytes of
//! a SHA-256: nobody finds another id, or another event, with the hash of a given one.

use aws_lc_rs::digest::{SHA256, digest};
use indelible_core::name::{EventId, Seq};
use indelible_core::record::{Body, PreparedEvent, RecordView, body_hash};

use super::{Cursor, LedgerNumber, RowError};

const ROW: &str = "id";
const HASH_BYTES: usize = 16;

/// What stands for an id in a key: the first 16 bytes of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdHash([u8; HASH_BYTES]);

impl IdHash {
    /// The hash of an id.
    #[must_use]
    pub fn of(id: &EventId) -> Self {
        Self(first_bytes(digest(&SHA256, id.as_bytes()).as_ref()))
    }
}

/// What a second submission of an id is compared by: the first 16 bytes of
/// [`indelible_core::record::body_hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; HASH_BYTES]);

impl ContentHash {
    /// Of an event that is being submitted.
    #[must_use]
    pub fn of_event(event: &PreparedEvent) -> Self {
        Self(first_bytes(&event.body_hash()))
    }

    /// Of the canonical bytes of a system object.
    #[must_use]
    pub fn of_system(system: &[u8]) -> Self {
        Self(first_bytes(&body_hash(Body::System(system), None)))
    }

    /// Of a record.
    #[must_use]
    pub fn of_record(record: &RecordView<'_>) -> Self {
        Self(first_bytes(&body_hash(record.body, record.numbers_as_text)))
    }
}

fn first_bytes(hash: &[u8]) -> [u8; HASH_BYTES] {
    hash.first_chunk().copied().unwrap_or_default()
}

/// Where the record with an id is, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRow {
    /// Its place.
    pub seq: Seq,
    /// What it says.
    pub content: ContentHash,
}

/// The key of an id.
#[must_use]
pub fn key(ledger: LedgerNumber, id: IdHash) -> [u8; 8 + HASH_BYTES] {
    let mut key = [0; 8 + HASH_BYTES];
    key[..8].copy_from_slice(&ledger.0.to_be_bytes());
    key[8..].copy_from_slice(&id.0);
    key
}

/// Reads a key.
///
/// # Errors
/// When it is not 24 bytes.
pub fn parse_key(key: &[u8]) -> Result<(LedgerNumber, IdHash), RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let parsed = (LedgerNumber(cursor.u64()?), IdHash(cursor.array()?));
    cursor.finish()?;
    Ok(parsed)
}

impl IdRow {
    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> [u8; 8 + HASH_BYTES] {
        let mut value = [0; 8 + HASH_BYTES];
        value[..8].copy_from_slice(&self.seq.get().to_be_bytes());
        value[8..].copy_from_slice(&self.content.0);
        value
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When it is not 24 bytes, or the sequence number is beyond the largest.
    pub fn decode(value: &[u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new(ROW, value);
        let row = Self { seq: cursor.seq()?, content: ContentHash(cursor.array()?) };
        cursor.finish()?;
        Ok(row)
    }
}
