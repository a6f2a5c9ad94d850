//! Space `b`: blocks. Key: commit number, ordinal within the commit. Value: a run of records of one
//! ledger that were committed together, with their digests and signatures.
//!
//! Keys ascend over the whole engine, whichever ledgers are written, so the database never has to merge
//! old blocks with new ones. A block holds about [`BLOCK_BYTES_TARGET`] of records: large enough that a
//! row's overhead vanishes and compression works, small enough that reading one record is cheap.
//!
//! ```text
//! version 1 | records ... | tables | footer
//! tables:  end of each record u32 | digests 32 each | key of each signature u8 | keys | signatures
//! footer:  digest before the first 32 | ledger u64 | first seq u64 | tables' start u32 | count u32 | keys u8
//! ```
//!
//! Records come first and everything that is known only later (signatures above all) after them, so
//! that the sequencer seals records straight into the value and nothing is copied again. Every position
//! in the tables follows from the footer's numbers, and the parts must fill the value exactly.

mod build;
mod read;

pub use build::{BlockBuilder, BlockError};
pub use read::{Block, BlockRecord, BlockSignature};

use super::{CommitNumber, Cursor, RowError};

const ROW: &str = "block";
const VERSION: u8 = 1;
const FOOTER_BYTES: usize = 32 + 8 + 8 + 4 + 4 + 1;

/// A block is closed once its records have this many bytes. One larger record makes a larger block.
pub const BLOCK_BYTES_TARGET: usize = 32 << 10;

/// Different keys that may sign within one block: what one byte can number, 0 being "not signed".
pub const BLOCK_KEYS_MAX: usize = 255;

/// Largest value of a block. A single record of 1 MiB with a signature is far below; the limit keeps the
/// positions within 32 bits.
pub const BLOCK_VALUE_BYTES_MAX: usize = 64 << 20;

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockPlace {
    /// The commit that wrote it.
    pub commit: CommitNumber,
    /// Its number among the blocks of that commit, from 0.
    pub ordinal: u32,
}

/// The key of a block.
#[must_use]
pub fn key(place: BlockPlace) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&place.commit.0.to_be_bytes());
    key[8..].copy_from_slice(&place.ordinal.to_be_bytes());
    key
}

/// Reads a key.
///
/// # Errors
/// When it is not 12 bytes.
pub fn parse_key(key: &[u8]) -> Result<BlockPlace, RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let place = BlockPlace { commit: CommitNumber(cursor.u64()?), ordinal: cursor.u32()? };
    cursor.finish()?;
    Ok(place)
}
