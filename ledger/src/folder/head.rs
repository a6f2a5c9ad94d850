//! The head outside of the database: how far the database must be at least.
//!
//! Whoever puts an old copy of `DIR/db` back, or loses the end of the log, has a database that is sound
//! in itself. Only something outside of it can tell that it was further once.
//!
//! The file has three slots, each in a page of its own. Every durable commit is written into one of them
//! before anybody hears of it; [`HeadWriter`](super::HeadWriter) says which. A reader takes the newest
//! slot that is whole.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use indelible_core::hash::Digest;
use indelible_core::limits::SEQ_MAX;

use super::{FolderError, files};
use crate::rows::CommitNumber;

pub(super) const NAME: &str = "head";

/// One that is on the disk for sure, one on its way there, one being written.
pub(super) const SLOTS: usize = 3;
/// Distance of two slots: a page, so that writing one never touches another on its way to the disk.
pub(super) const SLOT_BYTES: usize = 4096;
/// Bytes of the whole file.
pub(super) const FILE_BYTES: usize = SLOTS * SLOT_BYTES;

const PREFIX: &str = "indelible head 2 ";
const COMMIT_DIGITS: usize = 20;
/// Hex digits of the SHA-256 that tell a whole slot from a torn one.
const CHECK_DIGITS: usize = 16;
const CHECKED_BYTES: usize = PREFIX.len() + COMMIT_DIGITS + 1 + 64;
const LINE_BYTES: usize = CHECKED_BYTES + 1 + CHECK_DIGITS + 1;

/// A commit that the database once held, and the engine's digest after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadFile {
    /// The commit.
    pub commit: CommitNumber,
    /// The engine's digest after it.
    pub digest: Digest,
}

impl HeadFile {
    /// The bytes of a slot: `indelible head 2 <commit, 20 digits> <digest> <check>` and an LF.
    #[must_use]
    pub fn to_slot(&self) -> Vec<u8> {
        let mut line = format!("{PREFIX}{:020} {}", self.commit.0, self.digest);
        let check = check(line.as_bytes());
        line.push(' ');
        line.push_str(&check);
        line.push('\n');
        line.into_bytes()
    }

    /// A whole file in which this is the only slot that was ever written.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut file = self.to_slot();
        file.resize(FILE_BYTES, 0);
        file
    }

    /// Reads what [`HeadFile::to_slot`] writes and nothing else.
    fn from_slot(slot: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(slot.get(..LINE_BYTES)?).ok()?;
        let rest = line.strip_prefix(PREFIX)?;
        let (commit, digest) = rest.get(..COMMIT_DIGITS + 1 + 64)?.split_once(' ')?;
        let commit = CommitNumber(commit.parse().ok()?);
        let head = Self { commit, digest: Digest::from_hex(digest).ok()? };
        // Writing it again checks the check, and catches signs and whatever else a parser lets pass.
        (commit.0 <= SEQ_MAX && head.to_slot() == line.as_bytes()).then_some(head)
    }

    /// The newest head of a file. A slot that is torn does not count: the power went while it was on its
    /// way to the disk, and another one was there before.
    ///
    /// # Errors
    /// What is wrong, when there is no whole slot, or two contradict each other.
    pub fn parse(file: &[u8]) -> Result<Self, &'static str> {
        if file.len() != FILE_BYTES {
            return Err("it does not have 12,288 bytes");
        }
        let slots = file.chunks_exact(SLOT_BYTES).filter_map(Self::from_slot);
        let mut newest: Option<Self> = None;
        for head in slots {
            match newest {
                Some(known) if known.commit == head.commit && known.digest != head.digest => {
                    return Err("it has two digests for one commit");
                }
                Some(known) if known.commit >= head.commit => {}
                _ => newest = Some(head),
            }
        }
        newest.ok_or("none of its three slots is whole")
    }
}

fn check(line: &[u8]) -> String {
    let hash = digest(&SHA256, line);
    let mut text = String::with_capacity(CHECK_DIGITS);
    for byte in hash.as_ref().iter().take(CHECK_DIGITS / 2) {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

pub(super) fn read(dir: &Path) -> Result<Option<HeadFile>, FolderError> {
    let path = dir.join(NAME);
    let bytes = match files::read_small(&path, FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(FolderError::Damaged { path, reason: "it is too large" });
        }
        Err(error) => return Err(FolderError::io(&path, error)),
    };
    HeadFile::parse(&bytes).map(Some).map_err(|reason| FolderError::Damaged { path, reason })
}
