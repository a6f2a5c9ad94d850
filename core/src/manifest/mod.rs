//! Manifests: a signed statement of what one segment holds and where it stands (`docs/FORMAT.md`
//! section 7.3).
//!
//! The text has one form for each manifest. What follows from other members (count, ledger, the
//! segment's file name) is not kept but derived, so it cannot contradict them; a text that states
//! something else is refused. [`Manifest::check`] holds the members against each other,
//! [`Manifest::open`] asks who signed.

mod error;
mod read;

pub use error::ManifestError;

use core::fmt::Write as _;
use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Digest, NodeHash, Sha256Hash};
use crate::json::push_string;
use crate::key::{KeyId, Trust};
use crate::limits::{LINE_BYTES_MAX, MANIFEST_BYTES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use crate::merkle::CompactRange;
use crate::name::{Origin, Seq};
use crate::note::SignedNote;
use crate::segment::{PLAIN_OVERHEAD, Run, SEGMENT_PACKED_BYTES_MAX, manifest_name, object_name};

/// The first line of a manifest's text.
pub const TITLE: &str = "indelible segment manifest v1";

/// What the first line of every version begins with; the number follows.
const TITLE_OF_ANY_VERSION: &str = "indelible segment manifest v";

/// What is kept free of a manifest's bytes for its signature lines: a line is at most 355 bytes.
const SIGNATURES_ROOM: usize = 1024;

/// Size and hash of a run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// SHA-256 of the bytes.
    pub sha256: Sha256Hash,
    /// How many bytes.
    pub size: u64,
}

impl Content {
    /// Hashes and counts `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Sha256Hash(Sha256::digest(bytes).into()), size: bytes.len() as u64 }
    }
}

/// What one segment holds and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The ledger.
    pub origin: Origin,
    /// The records.
    pub run: Run,
    /// The digest of the record before the first; none before record 0.
    pub first_prev: Option<Digest>,
    /// The digest of the last record.
    pub last_digest: Digest,
    /// The keys that occur in the lines.
    pub keys: BTreeSet<KeyId>,
    /// The segment's file.
    pub packed: Content,
    /// The lines in it.
    pub plain: Content,
    /// [`Manifest::text_sha256`] of the segment before; none for the first.
    pub previous: Option<Sha256Hash>,
    /// Roots of the largest perfect subtrees that cover the run's leaves, from left to right.
    pub subtrees: Vec<NodeHash>,
    /// The whole note of a checkpoint of exactly as many leaves as there are records up to the last.
    pub checkpoint: String,
}

impl Manifest {
    /// The number of records.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.run.count()
    }

    /// The name of the segment's file.
    #[must_use]
    pub fn object_name(&self) -> String {
        object_name(self.run.first(), self.run.last(), &self.packed.sha256)
    }

    /// The name of the manifest's own file.
    #[must_use]
    pub fn file_name(&self) -> String {
        manifest_name(self.run.first(), self.run.last())
    }

    /// The text that is signed: two lines, each with its LF. Use [`signed_text`](Self::signed_text) to
    /// have a manifest checked before it is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut checkpoint = Vec::new();
        push_string(&mut checkpoint, &self.checkpoint);
        let mut text =
            format!("{TITLE}\n{{\"checkpoint\":{}", String::from_utf8_lossy(&checkpoint));
        let quoted = |hash: Option<String>| match hash {
            Some(hash) => format!("\"{hash}\""),
            None => "null".to_owned(),
        };
        let list = |items: Vec<String>| match items.as_slice() {
            [] => "[]".to_owned(),
            items => format!("[\"{}\"]", items.join("\",\"")),
        };
        let content = |c: &Content| format!("{{\"sha256\":\"{}\",\"size\":{}}}", c.sha256, c.size);
        // Only the checkpoint has characters that JSON escapes. Writing to a string cannot fail.
        let _ = write!(text, ",\"count\":{}", self.count());
        let _ = write!(text, ",\"first_prev\":{}", quoted(self.first_prev.map(|d| d.to_hex())));
        let _ = write!(text, ",\"first_seq\":{}", self.run.first());
        let keys = self.keys.iter().map(ToString::to_string).collect();
        let _ = write!(text, ",\"keys\":{}", list(keys));
        let _ = write!(text, ",\"last_digest\":\"{}\"", self.last_digest);
        let _ = write!(text, ",\"last_seq\":{}", self.run.last());
        let _ = write!(text, ",\"ledger\":\"{}\"", self.origin.ledger());
        let _ = write!(text, ",\"object\":\"{}\"", self.object_name());
        let _ = write!(text, ",\"origin\":\"{}\"", self.origin);
        let _ = write!(text, ",\"packed\":{}", content(&self.packed));
        let _ = write!(text, ",\"plain\":{}", content(&self.plain));
        let _ = write!(text, ",\"previous\":{}", quoted(self.previous.map(|h| h.to_hex())));
        let subtrees = self.subtrees.iter().map(NodeHash::to_base64).collect();
        let _ = writeln!(text, ",\"subtrees\":{},\"v\":1}}", list(subtrees));
        text
    }

    /// SHA-256 of the text, by which the next manifest names this one.
    #[must_use]
    pub fn text_sha256(&self) -> Sha256Hash {
        Sha256Hash(Sha256::digest(self.text()).into())
    }

    /// The text for a signer, of a manifest that contradicts itself nowhere.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn signed_text(&self) -> Result<String, ManifestError> {
        self.check()?;
        Ok(self.text())
    }

    /// Reads exactly what [`text`](Self::text) writes, and [`check`](Self::check)s it. Says nothing
    /// about signatures.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse_text(text: &str) -> Result<Self, ManifestError> {
        let manifest = read::text(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads a signed manifest and checks, by the strict rule, that a key which `trust` has for its
    /// origin signed it under the origin as its name, and likewise the checkpoint inside. Which ledger
    /// it is about is for the caller to compare.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn open(note: &[u8], trust: &Trust) -> Result<Self, ManifestError> {
        if note.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge(note.len()));
        }
        let note = SignedNote::parse(note)?;
        let manifest = Self::parse_text(note.text())?;
        let origin = &manifest.origin;
        note.verify(trust.note_keys(origin).map(|key| (origin.as_str(), key))).map_err(
            |error| {
                let (origin, error) = (origin.clone(), error.explained(trust, origin));
                ManifestError::Signature { origin, error }
            },
        )?;
        Checkpoint::open(manifest.checkpoint.as_bytes(), origin, trust)
            .map_err(ManifestError::Checkpoint)?;
        Ok(manifest)
    }

    /// What the checkpoint inside says. Its signature is checked by [`open`](Self::open).
    ///
    /// # Errors
    /// [`ManifestError::Checkpoint`] when it is no checkpoint or one of another ledger.
    pub fn stated_checkpoint(&self) -> Result<Checkpoint, ManifestError> {
        let read = |note: &str| -> Result<Checkpoint, CheckpointError> {
            let stated = Checkpoint::parse(SignedNote::parse(note.as_bytes())?.text())?;
            if stated.origin == self.origin {
                Ok(stated)
            } else {
                let (expected, found) = (self.origin.clone(), stated.origin);
                Err(CheckpointError::OtherOrigin { expected, found })
            }
        };
        read(&self.checkpoint).map_err(ManifestError::Checkpoint)
    }

    /// The run's part of the Merkle tree. Appending it to the range of all leaves before it makes the
    /// tree whose root the checkpoint states.
    ///
    /// # Errors
    /// [`ManifestError::Subtrees`] when there are not as many hashes as the run has subtrees.
    pub fn range(&self) -> Result<CompactRange, ManifestError> {
        let (begin, end) = (self.run.first().get(), self.run.last().get() + 1);
        CompactRange::from_parts(begin, end, self.subtrees.clone()).map_err(ManifestError::Subtrees)
    }

    /// Holds the members against each other.
    ///
    /// # Errors
    /// [`ManifestError`], for the first contradiction.
    pub fn check(&self) -> Result<(), ManifestError> {
        let text_bytes = self.text().len();
        if text_bytes > MANIFEST_BYTES_MAX - SIGNATURES_ROOM {
            return Err(ManifestError::TooLarge(text_bytes + SIGNATURES_ROOM));
        }
        let is_first = self.run.first() == Seq::ZERO;
        if self.first_prev.is_none() != is_first {
            return Err(ManifestError::Contradiction("first_prev"));
        }
        if self.previous.is_none() != is_first {
            return Err(ManifestError::Contradiction("previous"));
        }
        self.check_sizes()?;
        let range = self.range()?;
        let stated = self.stated_checkpoint()?;
        if stated.size != range.end() {
            let (expected, found) = (range.end(), stated.size);
            return Err(ManifestError::CheckpointSize { expected, found });
        }
        match range.root() {
            // Only a range from leaf 0 has a root of its own.
            Some(found) if is_first && found != stated.root => {
                Err(ManifestError::Root { expected: stated.root, found })
            }
            _ => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<(), ManifestError> {
        let count = self.count();
        // The least record is an object, `{}`.
        let plain_min = count * (PLAIN_OVERHEAD as u64 + 2);
        let plain_max = SEGMENT_PLAIN_BYTES_MAX.min(count * LINE_BYTES_MAX as u64);
        for (member, size, min, max) in [
            ("plain", self.plain.size, plain_min, plain_max),
            ("packed", self.packed.size, 0, SEGMENT_PACKED_BYTES_MAX),
        ] {
            if !(min..=max).contains(&size) {
                return Err(ManifestError::Size { member, size, count, min, max });
            }
        }
        Ok(())
    }
}
