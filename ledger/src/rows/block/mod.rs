//! Spaces `b` and `r`: blocks, each a run of records of one ledger that were committed together.
//!
//! A block is two rows. The *tables* say everything about its records but what they say themselves:
//! digests, times, signatures, and where each record's bytes are. The *bodies* are those bytes, one record
//! behind the other and nothing else. Proofs, digests and the answers to duplicates need the tables only,
//! so that bodies can be dropped once they are archived.
//!
//! Tables have the key (commit, ordinal), space `b`: keys ascend over the whole engine, whichever ledgers
//! are written, so the database never has to merge old tables with new ones. Bodies have the key (ledger,
//! first sequence number), space `r`: those of one ledger and time stand together.
//!
//! ```text
//! bodies:  records ...
//! tables:  version 1 | ends u32 each | times u32 each | digests 32 each | key of each signature u8 | keys
//!          | signatures | footer
//! footer:  digest before the first 32 | ledger u64 | first seq u64 | first time u64 | count u32 | keys u8
//! ```
//!
//! A block holds about [`BLOCK_BYTES_TARGET`] of records: large enough that a row's overhead vanishes and
//! compression works, small enough that reading one record is cheap. Every position in the tables follows
//! from the footer's numbers, and the parts must fill the value exactly.

mod build;
mod read;

pub use build::{BlockBuilder, BlockError, BlockRows};
pub use read::{Block, BlockRecord, BlockSignature};

use indelible_core::name::Seq;

use super::{CommitNumber, Cursor, LedgerNumber, RowError, index};

const ROW: &str = "block";
const BODIES: &str = "bodies";
const VERSION: u8 = 1;
const FOOTER_BYTES: usize = 32 + 8 + 8 + 8 + 4 + 1;
/// What the tables hold of each record, its signature left aside: end, time, digest, number of the key.
const ENTRY_BYTES: usize = 4 + 4 + 32 + 1;

/// A block is closed once its records have this many bytes. One larger record makes a larger block.
pub const BLOCK_BYTES_TARGET: usize = 32 << 10;

/// Different keys that may sign within one block: what one byte can number, 0 being "not signed".
pub const BLOCK_KEYS_MAX: usize = 255;

/// Largest bodies, and largest tables, of a block. A single record of 1 MiB with a signature is far below;
/// the limit keeps the positions within 32 bits.
pub const BLOCK_VALUE_BYTES_MAX: usize = 64 << 20;

/// Where a block's tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockPlace {
    /// The commit that wrote it.
    pub commit: CommitNumber,
    /// Its number among the blocks of that commit, from 0.
    pub ordinal: u32,
}

/// The key of a block's tables.
#[must_use]
pub fn key(place: BlockPlace) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&place.commit.0.to_be_bytes());
    key[8..].copy_from_slice(&place.ordinal.to_be_bytes());
    key
}

/// Reads a key of tables.
///
/// # Errors
/// When it is not 12 bytes.
pub fn parse_key(key: &[u8]) -> Result<BlockPlace, RowError> {
    let mut cursor = Cursor::new(ROW, key);
    let place = BlockPlace { commit: CommitNumber(cursor.u64()?), ordinal: cursor.u32()? };
    cursor.finish()?;
    Ok(place)
}

/// The key of a block's bodies: the same as that of its row in the index.
#[must_use]
pub fn bodies_key(ledger: LedgerNumber, first_seq: Seq) -> [u8; 16] {
    index::key(ledger, first_seq)
}

/// Reads a key of bodies.
///
/// # Errors
/// When it is not 16 bytes, or the sequence number is too large.
pub fn parse_bodies_key(key: &[u8]) -> Result<(LedgerNumber, Seq), RowError> {
    let mut cursor = Cursor::new(BODIES, key);
    let parsed = (LedgerNumber(cursor.u64()?), cursor.seq()?);
    cursor.finish()?;
    Ok(parsed)
}
