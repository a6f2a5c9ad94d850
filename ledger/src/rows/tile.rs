//! Space `t`: full tiles of leaf hashes. Key: ledger number, tile number. Value: 256 leaf hashes of 32
//! bytes, of the records `256 n` to `256 n + 255`.
//!
//! Written in the commit that brings the tile's last record. The leaf hashes of the tile that is not yet
//! full are computed from the digests in the blocks.

use indelible_core::hash::LeafHash;
use indelible_core::limits::TILE_WIDTH;

use super::{Cursor, LedgerNumber, RowError};

const ROW: &str = "tile";

/// Length of a value in bytes.
pub const TILE_BYTES: usize = TILE_WIDTH as usize * 32;

/// The key of a tile.
#[must_use]
pub fn key(ledger: LedgerNumber, tile: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&ledger.0.to_be_bytes());
    key[8..].copy_from_slice(&tile.to_be_bytes());
    key
}

/// Reads a key: ledger number, tile number.
///
/// # Errors
/// When it is not 16 bytes.
pub fn parse_key(key: &[u8]) -> Result<(LedgerNumber, u64), RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let parsed = (LedgerNumber(cursor.u64()?), cursor.u64()?);
    cursor.finish()?;
    Ok(parsed)
}

/// The value of a row.
///
/// # Errors
/// When there are not exactly 256 leaves.
pub fn encode(leaves: &[LeafHash]) -> Result<Vec<u8>, RowError> {
    if leaves.len() as u64 != TILE_WIDTH {
        return Err(RowError::Damaged { row: ROW, reason: "a full tile has 256 leaf hashes" });
    }
    Ok(leaves.iter().flat_map(|leaf| leaf.0).collect())
}

/// A tile as it was stored.
#[derive(Debug, Clone, Copy)]
pub struct TileRow<'a>(&'a [[u8; 32]]);

impl<'a> TileRow<'a> {
    /// Reads a value.
    ///
    /// # Errors
    /// When it is not 8192 bytes.
    pub fn decode(value: &'a [u8]) -> Result<Self, RowError> {
        let (hashes, rest) = value.as_chunks();
        if hashes.len() as u64 != TILE_WIDTH || !rest.is_empty() {
            return Err(RowError::Damaged { row: ROW, reason: "it is not 8192 bytes" });
        }
        Ok(Self(hashes))
    }

    /// The leaf hashes, 256 of them.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = LeafHash> + 'a {
        self.0.iter().map(|hash| LeafHash(*hash))
    }

    /// The leaf hash at `index`, below 256.
    #[must_use]
    pub fn leaf(&self, index: usize) -> Option<LeafHash> {
        self.0.get(index).map(|hash| LeafHash(*hash))
    }
}
