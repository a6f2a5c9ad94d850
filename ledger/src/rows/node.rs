//! Space `n`: nodes of the Merkle trees. Key: ledger number, level, index. Value: the hash of a perfect
//! subtree, `MTH(D[index << level .. (index + 1) << level])` (RFC 6962 section 2.1).
//!
//! Only the levels 8, 16, 24 and so on are stored: the tops of full tiles. What lies between is computed
//! from at most 255 of them; below level 8 are the tiles of leaf hashes.

use indelible_core::hash::NodeHash;

use super::{Cursor, LedgerNumber, RowError};

const ROW: &str = "node";

/// The key of a node.
#[must_use]
pub fn key(ledger: LedgerNumber, level: u8, index: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&ledger.0.to_be_bytes());
    key[8] = level;
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

/// Reads a key: ledger number, level, index.
///
/// # Errors
/// When it is not 17 bytes, or the level is none that is stored.
pub fn parse_key(key: &[u8]) -> Result<(LedgerNumber, u8, u64), RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let parsed = (LedgerNumber(cursor.u64()?), cursor.u8()?, cursor.u64()?);
    if !(8..64).contains(&parsed.1) || parsed.1 % 8 != 0 {
        return Err(cursor.damaged("its level is none that is stored"));
    }
    cursor.finish()?;
    Ok(parsed)
}

/// The value of a row.
#[must_use]
pub fn encode(hash: &NodeHash) -> [u8; 32] {
    hash.0
}

/// Reads a value.
///
/// # Errors
/// When it is not 32 bytes.
pub fn decode(value: &[u8]) -> Result<NodeHash, RowError> {
    let mut cursor = Cursor::new(ROW, value);
    let hash = NodeHash(cursor.array()?);
    cursor.finish()?;
    Ok(hash)
}
