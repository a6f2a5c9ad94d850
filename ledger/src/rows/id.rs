//! Space `d`: ids that clients gave. Key: ledger number, id bytes. Value: the record's sequence number.
//!
//! Written in the same commit as the record, for ever. Ids that the server made have no row: their time
//! leads to the record.

use indelible_core::name::{EventId, Seq};

use super::{Cursor, LedgerNumber, RowError};

const ROW: &str = "id";

/// The key of an id.
#[must_use]
pub fn key(ledger: LedgerNumber, id: &EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + id.len());
    push_key(&mut key, ledger, id);
    key
}

/// Appends the key of an id: for callers that keep a buffer.
pub fn push_key(out: &mut Vec<u8>, ledger: LedgerNumber, id: &EventId) {
    out.extend_from_slice(&ledger.0.to_be_bytes());
    out.extend_from_slice(id.as_bytes());
}

/// Reads a key.
///
/// # Errors
/// When the rest behind the ledger number is not an event id.
pub fn parse_key(key: &[u8]) -> Result<(LedgerNumber, EventId), RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let ledger = LedgerNumber(cursor.u64()?);
    let id = std::str::from_utf8(cursor.rest).ok().and_then(|text| EventId::new(text).ok());
    id.map(|id| (ledger, id)).ok_or_else(|| cursor.damaged("its key holds no event id"))
}

/// The value of a row.
#[must_use]
pub fn encode(seq: Seq) -> [u8; 8] {
    seq.get().to_be_bytes()
}

/// Reads a value.
///
/// # Errors
/// When it is not 8 bytes or beyond the largest sequence number.
pub fn decode(value: &[u8]) -> Result<Seq, RowError> {
    let mut cursor = Cursor::new(ROW, value);
    let seq = cursor.seq()?;
    cursor.finish()?;
    Ok(seq)
}
