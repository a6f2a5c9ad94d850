//! Space `m`: which bodies were dropped. Key: `dropped:`, ledger number, first sequence number. Value: the
//! sequence number behind the last.
//!
//! Written in the commit that drops them, so that bodies that are missing without such a row are damage.

use indelible_core::name::Seq;

use super::{Cursor, LedgerNumber, RowError, index};

const ROW: &str = "dropped";
const VERSION: u8 = 1;
const PREFIX: &[u8] = b"dropped:";

/// The key of a range of dropped bodies.
#[must_use]
pub fn key(ledger: LedgerNumber, first: Seq) -> Vec<u8> {
    [PREFIX, &index::key(ledger, first)].concat()
}

/// Whether a key of space `m` is one of these.
#[must_use]
pub fn is_key(key: &[u8]) -> bool {
    parse_key(key).is_ok()
}

/// Reads a key.
///
/// # Errors
/// When it is of another row, or the sequence number is too large.
pub fn parse_key(key: &[u8]) -> Result<(LedgerNumber, Seq), RowError> {
    let rest = key.strip_prefix(PREFIX);
    let rest = rest.ok_or(RowError::Damaged { row: ROW, reason: "its key is of another row" })?;
    let mut cursor = Cursor::new(ROW, rest);
    let parsed = (LedgerNumber(cursor.u64()?), cursor.seq()?);
    cursor.finish()?;
    Ok(parsed)
}

/// The value of a row: `end` is behind the last record.
#[must_use]
pub fn encode(end: Seq) -> [u8; 9] {
    let mut value = [VERSION; 9];
    value[1..].copy_from_slice(&end.get().to_be_bytes());
    value
}

/// Reads a value.
///
/// # Errors
/// When it is not 9 bytes of a known version.
pub fn decode(value: &[u8]) -> Result<Seq, RowError> {
    let mut cursor = Cursor::new(ROW, value);
    cursor.version(VERSION)?;
    let end = cursor.seq()?;
    cursor.finish()?;
    Ok(end)
}
