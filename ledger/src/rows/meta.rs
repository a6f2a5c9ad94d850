//! Space `m`: facts about the engine as a whole. The key is a word.

use indelible_core::hash::Digest;
use indelible_core::name::ServerName;
use indelible_core::time::Timestamp;

use super::{CommitNumber, Cursor, RowError, push_short_text};

const VERSION: u8 = 1;

/// Written once, by the first commit: who this engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// Random bytes that tell this engine from every other, also from one restored beside it.
    pub engine_id: [u8; 16],
    /// When it was created.
    pub created: Timestamp,
    /// The server name that its origins begin with. Origins are signed, so it can never change.
    pub server_name: ServerName,
}

impl IdentityRow {
    /// The key.
    pub const KEY: &'static [u8] = b"identity";

    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.engine_id);
        out.extend_from_slice(&self.created.micros().to_be_bytes());
        push_short_text(&mut out, &self.server_name);
        out
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When it has not exactly the form that [`IdentityRow::encode`] gives.
    pub fn decode(value: &[u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new("identity", value);
        cursor.version(VERSION)?;
        let engine_id = cursor.array()?;
        let created = cursor.time()?;
        let server_name = cursor.short_text()?;
        let server_name = ServerName::new(server_name)
            .map_err(|_| cursor.damaged("it holds no valid server name"))?;
        cursor.finish()?;
        Ok(Self { engine_id, created, server_name })
    }
}

/// Written by every commit: how far the engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRow {
    /// The last commit.
    pub commit: CommitNumber,
    /// The engine's digest after it, the same as in space `c`.
    pub digest: Digest,
    /// Ledgers created so far. Their numbers may have gaps, where a creation failed: the last number is
    /// that of the last row of space `h`.
    pub ledgers: u64,
    /// Records in all ledgers.
    pub records: u64,
}

impl StateRow {
    /// The key.
    pub const KEY: &'static [u8] = b"state";

    /// The value of the row.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(57);
        out.push(VERSION);
        out.extend_from_slice(&self.commit.0.to_be_bytes());
        out.extend_from_slice(&self.digest.0);
        out.extend_from_slice(&self.ledgers.to_be_bytes());
        out.extend_from_slice(&self.records.to_be_bytes());
        out
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When it has not exactly the form that [`StateRow::encode`] gives.
    pub fn decode(value: &[u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new("state", value);
        cursor.version(VERSION)?;
        let row = Self {
            commit: CommitNumber(cursor.u64()?),
            digest: cursor.digest()?,
            ledgers: cursor.u64()?,
            records: cursor.u64()?,
        };
        cursor.finish()?;
        Ok(row)
    }
}
