//! Space `i`: where the records of a ledger are. Key: ledger number, sequence number of the first record
//! of a block. Value: the block's place, how many records it has, the time of the first.
//!
//! The block of record `s` is that of the last row whose key is not beyond `s`. Times never go backwards
//! in a ledger, so the rows are sorted by time as well and a time is found by bisection.

use indelible_core::name::Seq;
use indelible_core::time::Timestamp;

use super::block::BlockPlace;
use super::{CommitNumber, Cursor, LedgerNumber, RowError};

const ROW: &str = "index";

/// One block as the index shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRow {
    /// Where the block is.
    pub place: BlockPlace,
    /// Number of its records, at least 1.
    pub count: u32,
    /// Time of its first record.
    pub first_time: Timestamp,
}

/// The key of the block that begins with `first_seq`.
#[must_use]
pub fn key(ledger: LedgerNumber, first_seq: Seq) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&ledger.0.to_be_bytes());
    key[8..].copy_from_slice(&first_seq.get().to_be_bytes());
    key
}

/// Reads a key.
///
/// # Errors
/// When it is not 16 bytes, or the sequence number is too large.
pub fn parse_key(key: &[u8]) -> Result<(LedgerNumber, Seq), RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let parsed = (LedgerNumber(cursor.u64()?), cursor.seq()?);
    cursor.finish()?;
    Ok(parsed)
}

impl IndexRow {
    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> [u8; 24] {
        let mut value = [0; 24];
        value[..8].copy_from_slice(&self.place.commit.0.to_be_bytes());
        value[8..12].copy_from_slice(&self.place.ordinal.to_be_bytes());
        value[12..16].copy_from_slice(&self.count.to_be_bytes());
        value[16..].copy_from_slice(&self.first_time.micros().to_be_bytes());
        value
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When it is not 24 bytes, the count is 0 or the time beyond the year 9999.
    pub fn decode(value: &[u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new(ROW, value);
        let place = BlockPlace { commit: CommitNumber(cursor.u64()?), ordinal: cursor.u32()? };
        let row = Self { place, count: cursor.u32()?, first_time: cursor.time()? };
        if row.count == 0 {
            return Err(cursor.damaged("it counts no records"));
        }
        cursor.finish()?;
        Ok(row)
    }
}
