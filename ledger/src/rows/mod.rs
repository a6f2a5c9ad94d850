//! The rows of the database: every byte of their keys and values (`docs/STORAGE.md`).
//!
//! One file for each key space, with the key, the value, and both directions of each. Nothing here
//! reads or writes a store. Values come from a disk, so decoding trusts nothing: wrong bytes are a
//! [`RowError`], never a panic and never a huge allocation.
//!
//! Rows that may grow new fields begin with a version byte; rows of one fixed size have none, their
//! size and the version of the data folder say everything.

pub mod block;
pub mod commit;
pub mod dropped;
pub mod head;
pub mod id;
pub mod index;
pub mod kind;
pub mod ledger;
pub mod meta;
pub mod node;
pub mod tile;

use std::fmt;

use indelible_core::hash::Digest;
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;

use crate::store::StoreError;

/// The number of a ledger within its engine, counted from 1 in the order of creation. Keys carry it
/// instead of the name: it is short, and all rows of a ledger stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerNumber(pub u64);

/// The number of a commit within its engine, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber(pub u64);

impl fmt::Display for LedgerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CommitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stored row is not of the form that `docs/STORAGE.md` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Damage, or a fault in the program that wrote it.
    #[error("a {row} row is damaged: {reason}")]
    Damaged {
        /// Which kind of row.
        row: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Written by a later version of this program.
    #[error("a {row} row is of version {found}; this program knows versions up to {known}")]
    Newer {
        /// Which kind of row.
        row: &'static str,
        /// The version it names.
        found: u8,
        /// The newest version that is known.
        known: u8,
    },
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Damaged { .. } => Self::Corrupt(error.to_string().into()),
            RowError::Newer { .. } => Self::NewerFormat(error.to_string().into()),
        }
    }
}

/// Takes a row apart from the front. Knows the row's kind, so that every error names it.
struct Cursor<'a> {
    row: &'static str,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(row: &'static str, rest: &'a [u8]) -> Self {
        Self { row, rest }
    }

    fn damaged(&self, reason: &'static str) -> RowError {
        RowError::Damaged { row: self.row, reason }
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], RowError> {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else {
            return Err(self.damaged("it is too short"));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RowError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(self.damaged("it is too short"));
        };
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, RowError> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, RowError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, RowError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, RowError> {
        self.array().map(u64::from_be_bytes)
    }

    fn version(&mut self, known: u8) -> Result<(), RowError> {
        match self.u8()? {
            0 => Err(self.damaged("its version is 0")),
            found if found > known => Err(RowError::Newer { row: self.row, found, known }),
            _ => Ok(()),
        }
    }

    fn seq(&mut self) -> Result<Seq, RowError> {
        let number = self.u64()?;
        Seq::new(number).map_err(|_| self.damaged("a sequence number is too large"))
    }

    fn time(&mut self) -> Result<Timestamp, RowError> {
        let micros = self.u64()?;
        Timestamp::from_micros(micros).map_err(|_| self.damaged("a time lies beyond the year 9999"))
    }

    fn digest(&mut self) -> Result<Digest, RowError> {
        self.array().map(Digest)
    }

    /// A text behind one byte with its length.
    fn short_text(&mut self) -> Result<&'a str, RowError> {
        let length = self.u8()?;
        let bytes = self.take(usize::from(length))?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("a text is not UTF-8"))
    }

    fn finish(self) -> Result<(), RowError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged("it is too long")) }
    }
}

/// Appends `text` behind one byte with its length. Names, origins and key ids are at most 255 bytes by
/// their types; a longer text would be cut, so callers pass nothing else.
fn push_short_text(out: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_later_version_is_not_called_damaged() {
        let error = head::HeadRow::decode(&[9, 0, 0]).unwrap_err();
        assert_eq!(error, RowError::Newer { row: "head", found: 9, known: 1 });
        assert!(matches!(StoreError::from(error), StoreError::NewerFormat(_)));
        let error = head::HeadRow::decode(&[]).unwrap_err();
        assert!(matches!(StoreError::from(error), StoreError::Corrupt(_)));
    }
}
