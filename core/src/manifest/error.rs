//! What can be wrong with a manifest.

use super::TITLE;
use crate::checkpoint::CheckpointError;
use crate::hash::NodeHash;
use crate::json::JsonError;
use crate::limits::{MANIFEST_BYTES_MAX, SEGMENT_RECORDS_MAX};
use crate::merkle::RangeError;
use crate::name::{Origin, Seq};
use crate::note::{NoteError, NoteVerifyError};

/// Why bytes are not a manifest, or one that contradicts itself or is not signed by a trusted key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Longer than a manifest may be.
    #[error(
        "a manifest of {0} bytes; at most {MANIFEST_BYTES_MAX} are allowed, signatures included"
    )]
    TooLarge(usize),
    /// The bytes are no signed note.
    #[error("the manifest is not a signed note: {0}")]
    Note(#[from] NoteError),
    /// It is of a version that this program does not read.
    #[error(
        "the manifest is of version {0}, which a newer program reads; this one reads version 1"
    )]
    Version(u64),
    /// It says who certifies its keys, in a way that a later version defines.
    #[error("the manifest carries certificates; a newer program is needed to judge them")]
    Certificates,
    /// The text is not the title and one line of JSON.
    #[error("the manifest's text is not the line '{TITLE}' and one line of JSON")]
    Lines,
    /// The second line is not canonical JSON.
    #[error("the manifest's JSON is refused: {0}")]
    Json(#[from] JsonError),
    /// A member is missing or is not what it should be.
    #[error("the manifest's member '{0}' is missing or not of its form")]
    Member(&'static str),
    /// A member that follows from the others says something else.
    #[error("the manifest's member '{0}' contradicts the others")]
    Contradiction(&'static str),
    /// There are members that the format does not have.
    #[error("the manifest has members that version 1 does not have")]
    UnknownMember,
    /// The run is empty or crosses a border.
    #[error(
        "records {first} to {last} are no segment: it would be empty or cross a multiple of {SEGMENT_RECORDS_MAX}"
    )]
    Run {
        /// The stated first record.
        first: Seq,
        /// The stated last record.
        last: Seq,
    },
    /// Size of the plain or packed bytes cannot be.
    #[error(
        "{member}.size is {size}, which {count} records cannot have; {min} to {max} are allowed"
    )]
    Size {
        /// `plain` or `packed`.
        member: &'static str,
        /// The stated size in bytes.
        size: u64,
        /// The number of records.
        count: u64,
        /// The least size in bytes.
        min: u64,
        /// The greatest size in bytes.
        max: u64,
    },
    /// Not as many subtrees as the run has.
    #[error("the manifest's subtrees do not fit its records: {0}")]
    Subtrees(RangeError),
    /// The checkpoint inside is unfit.
    #[error("in the manifest: {0}")]
    Checkpoint(CheckpointError),
    /// The checkpoint is of another size.
    #[error("the manifest's checkpoint is of size {found}, its last record makes {expected}")]
    CheckpointSize {
        /// Last record plus one.
        expected: u64,
        /// What the checkpoint says.
        found: u64,
    },
    /// The first segment's subtrees make another root than its checkpoint has.
    #[error("the root of the manifest's subtrees is {found}, its checkpoint says {expected}")]
    Root {
        /// What the checkpoint says.
        expected: NodeHash,
        /// What the subtrees make.
        found: NodeHash,
    },
    /// No trusted signature, or a wrong one.
    #[error("the manifest of {origin} cannot be trusted: {error}")]
    Signature {
        /// The ledger.
        origin: Origin,
        /// What is wrong.
        error: NoteVerifyError,
    },
}
