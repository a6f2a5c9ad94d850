//! The head outside of the database: how far the database must be at least.
//!
//! Whoever puts an old copy of `DIR/db` back, or loses the end of the log, has a database that is sound
//! in itself. Only something outside of it can tell that it was further once.

use std::io;
use std::path::Path;

use indelible_core::hash::Digest;
use indelible_core::limits::SEQ_MAX;

use super::{FolderError, files};
use crate::rows::CommitNumber;

pub(super) const NAME: &str = "head";
const BYTES_MAX: usize = 256;

/// A commit that the database once held, and the engine's digest after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadFile {
    /// The commit.
    pub commit: CommitNumber,
    /// The engine's digest after it.
    pub digest: Digest,
}

impl HeadFile {
    /// The bytes of the file: `{"commit":n,"digest":"<hex>","v":1}`, canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        format!(r#"{{"commit":{},"digest":"{}","v":1}}"#, self.commit, self.digest).into_bytes()
    }

    /// Reads the bytes that [`HeadFile::to_json`] writes and nothing else.
    ///
    /// # Errors
    /// What is wrong with any other bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let reason = "it is not {\"commit\":<number>,\"digest\":\"<hex>\",\"v\":1}";
        let head = Self::read(bytes).ok_or(reason)?;
        if head.commit.0 > SEQ_MAX {
            return Err("its commit number is too large");
        }
        // Writing it again catches leading zeros, signs and whatever else a parser lets pass.
        if head.to_json() == bytes { Ok(head) } else { Err(reason) }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_prefix("{\"commit\":")?.strip_suffix("\",\"v\":1}")?;
        let (commit, digest) = text.split_once(",\"digest\":\"")?;
        let commit = CommitNumber(commit.parse().ok()?);
        Some(Self { commit, digest: Digest::from_hex(digest).ok()? })
    }
}

pub(super) fn read(dir: &Path) -> Result<Option<HeadFile>, FolderError> {
    let path = dir.join(NAME);
    let bytes = match files::read_small(&path, BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(FolderError::Damaged { path, reason: "it is too large" });
        }
        Err(error) => return Err(FolderError::io(&path, error)),
    };
    HeadFile::parse(&bytes).map(Some).map_err(|reason| FolderError::Damaged { path, reason })
}
