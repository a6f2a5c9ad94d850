//! Space `l`: the ledgers by name. Key: the name. Value: its number, when it was created, and the system
//! object of its record 0, which says what was fixed for ever.

use indelible_core::name::LedgerName;
use indelible_core::time::Timestamp;

use super::{Cursor, LedgerNumber, RowError};

const ROW: &str = "ledger";
const VERSION: u8 = 1;

/// A ledger's entry in the list of ledgers. Written once, in the commit of its record 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its number, for the keys of all other spaces.
    pub number: LedgerNumber,
    /// Time of record 0.
    pub created: Timestamp,
    /// Canonical JSON of the `ledger_created` object in record 0 (`docs/FORMAT.md` section 3.1). A copy,
    /// so that opening needs no look into a block; what counts is the signed record.
    pub creation: Vec<u8>,
}

/// The key of a ledger.
#[must_use]
pub fn key(name: &LedgerName) -> &[u8] {
    name.as_bytes()
}

/// Reads a key.
///
/// # Errors
/// When it is not a ledger name.
pub fn parse_key(key: &[u8]) -> Result<LedgerName, RowError> {
    let name = std::str::from_utf8(key).ok().and_then(|text| LedgerName::new(text).ok());
    name.ok_or(RowError::Damaged { row: ROW, reason: "its key is no ledger name" })
}

impl LedgerRow {
    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17 + self.creation.len());
        out.push(VERSION);
        out.extend_from_slice(&self.number.0.to_be_bytes());
        out.extend_from_slice(&self.created.micros().to_be_bytes());
        out.extend_from_slice(&self.creation);
        out
    }

    /// Reads a value. The creation object is not looked into.
    ///
    /// # Errors
    /// When it is too short, the number is 0, the time beyond the year 9999, or nothing follows.
    pub fn decode(value: &[u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new(ROW, value);
        cursor.version(VERSION)?;
        let number = LedgerNumber(cursor.u64()?);
        let created = cursor.time()?;
        if number.0 == 0 || cursor.rest.is_empty() {
            return Err(cursor.damaged("it names no ledger number or no creation"));
        }
        Ok(Self { number, created, creation: cursor.rest.to_vec() })
    }
}
