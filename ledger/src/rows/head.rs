//! Space `h`: the head of each ledger, written anew by every commit that adds to it. Key: ledger number.
//!
//! It holds everything that is needed to go on: opening reads one row for each ledger and nothing else,
//! however large the ledger is.

use indelible_core::hash::{Digest, NodeHash};
use indelible_core::limits::{NOTE_BYTES_MAX, SEQ_MAX};
use indelible_core::time::Timestamp;

use super::{CommitNumber, Cursor, LedgerNumber, RowError};

const ROW: &str = "head";
const VERSION: u8 = 1;

/// The head of a ledger after its last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// Number of records, at least 1.
    pub size: u64,
    /// The last commit that added to this ledger.
    pub commit: CommitNumber,
    /// Digest of the last record.
    pub last_digest: Digest,
    /// Time of the last record.
    pub last_time: Timestamp,
    /// Roots of the perfect subtrees that make up the tree, from left to right: one for each bit that is
    /// set in `size`.
    pub frontier: Vec<NodeHash>,
    /// The signed checkpoint of exactly `size` leaves: the whole note, text and signatures.
    pub note: String,
}

/// The key of a head.
#[must_use]
pub fn key(ledger: LedgerNumber) -> [u8; 8] {
    ledger.0.to_be_bytes()
}

/// Reads a key.
///
/// # Errors
/// When it is not 8 bytes.
pub fn parse_key(key: &[u8]) -> Result<LedgerNumber, RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let ledger = LedgerNumber(cursor.u64()?);
    cursor.finish()?;
    Ok(ledger)
}

impl HeadRow {
    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.frontier.len() * 32 + self.note.len());
        out.push(VERSION);
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.commit.0.to_be_bytes());
        out.extend_from_slice(&self.last_digest.0);
        out.extend_from_slice(&self.last_time.micros().to_be_bytes());
        for node in &self.frontier {
            out.extend_from_slice(&node.0);
        }
        out.extend_from_slice(self.note.as_bytes());
        out
    }

    /// Reads a value. How many frontier hashes there are follows from the size; the note is the rest.
    ///
    /// # Errors
    /// When it is too short, the size is 0 or too large, the time beyond the year 9999, or the note
    /// empty, too long or not UTF-8.
    pub fn decode(value: &[u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new(ROW, value);
        cursor.version(VERSION)?;
        let size = cursor.u64()?;
        if size == 0 || size > SEQ_MAX + 1 {
            return Err(cursor.damaged("its size is out of range"));
        }
        let commit = CommitNumber(cursor.u64()?);
        let last_digest = cursor.digest()?;
        let last_time = cursor.time()?;
        let frontier = (0..size.count_ones())
            .map(|_| cursor.array().map(NodeHash))
            .collect::<Result<_, _>>()?;
        let note = cursor.take(cursor.rest.len())?;
        if note.is_empty() || note.len() > NOTE_BYTES_MAX {
            return Err(cursor.damaged("its checkpoint is empty or too long"));
        }
        let note =
            std::str::from_utf8(note).map_err(|_| cursor.damaged("its checkpoint is not UTF-8"))?;
        Ok(Self { size, commit, last_digest, last_time, frontier, note: note.into() })
    }
}
