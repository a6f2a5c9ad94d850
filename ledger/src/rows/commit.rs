//! Space `c`: the chain over commits. Key: commit number. Value: the engine's digest after it.
//!
//! The engine computes the digest over what the commit did to each ledger, so that one hash stands for
//! the whole engine; the head outside of the database holds the latest.

use indelible_core::hash::Digest;

use super::{CommitNumber, Cursor, RowError};

const ROW: &str = "commit";

/// The key of a commit.
#[must_use]
pub fn key(commit: CommitNumber) -> [u8; 8] {
    commit.0.to_be_bytes()
}

/// Reads a key.
///
/// # Errors
/// When it is not 8 bytes.
pub fn parse_key(key: &[u8]) -> Result<CommitNumber, RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let commit = CommitNumber(cursor.u64()?);
    cursor.finish()?;
    Ok(commit)
}

/// The value of a row.
#[must_use]
pub fn encode(digest: &Digest) -> [u8; 32] {
    digest.0
}

/// Reads a value.
///
/// # Errors
/// When it is not 32 bytes.
pub fn decode(value: &[u8]) -> Result<Digest, RowError> {
    let mut cursor = Cursor::new(ROW, value);
    let digest = cursor.digest()?;
    cursor.finish()?;
    Ok(digest)
}
