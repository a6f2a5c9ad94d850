//! Checkpoints: a signed statement of how many records a ledger has and what they are. C2SP
//! tlog-checkpoint, `docs/FORMAT.md` section 6.
//!
//! A checkpoint's text is exactly three lines: origin, size, root. C2SP allows extension lines after
//! them and advises against it, for nobody can audit them. We never write any, so a checkpoint of our
//! own origin that has some was made by somebody else or by a key that leaked, and is refused.

use crate::code::Code;
use crate::hash::NodeHash;
use crate::key::Trust;
use crate::merkle::{SIZE_MAX, empty_root};
use crate::name::Origin;
use crate::note::{NoteError, NoteVerifyError, SignedNote};

/// What a checkpoint says: the tree of `origin`'s ledger has `size` leaves and the root `root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger.
    pub origin: Origin,
    /// Its number of records.
    pub size: u64,
    /// The root of the tree over them.
    pub root: NodeHash,
}

/// Why a note is not a checkpoint that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are no signed note.
    #[error("the checkpoint is not a signed note: {0}")]
    Note(#[from] NoteError),
    /// The text is not three lines.
    #[error(
        "the checkpoint's text has {0} lines where origin, size and root make three; extension lines \
         are never written here"
    )]
    Lines(usize),
    /// The first line is no origin of a ledger.
    #[error("the checkpoint's first line is not an origin, <server name>/<ledger name>")]
    Origin,
    /// The second line is no size.
    #[error(
        "the checkpoint's second line is not a size: a decimal number from 0 to {SIZE_MAX} without sign \
         or leading zeros"
    )]
    Size,
    /// The third line is no hash.
    #[error("the checkpoint's third line is not the base64 of a 32-byte root")]
    Root,
    /// Size 0 with another root than that of the empty tree.
    #[error("the checkpoint gives an empty ledger a root that no empty tree has")]
    EmptyRoot,
    /// It is about another ledger.
    #[error("the checkpoint is about {found}, not about {expected}")]
    OtherOrigin {
        /// The ledger that was asked about.
        expected: Origin,
        /// The ledger that it is about.
        found: Origin,
    },
    /// No trusted signature, or a wrong one.
    #[error("the checkpoint of {origin} cannot be trusted: {error}")]
    Signature {
        /// The ledger.
        origin: Origin,
        /// What is wrong.
        error: NoteVerifyError,
    },
}

impl CheckpointError {
    /// The verification code: `KEY_UNKNOWN` where only unknown keys signed, else `CHECKPOINT_INVALID`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Signature { error, .. } if error.is_unknown() => Code::KeyUnknown,
            _ => Code::CheckpointInvalid,
        }
    }
}

impl Checkpoint {
    /// The text to sign: three lines, each with its line feed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads a note's text. Says nothing about signatures.
    ///
    /// # Errors
    /// [`CheckpointError`] when the text is not what [`body`](Self::body) writes.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let count = text.matches('\n').count();
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines(count));
        };
        let checkpoint = Self {
            origin: Origin::new(origin).map_err(|_| CheckpointError::Origin)?,
            size: parse_size(size).ok_or(CheckpointError::Size)?,
            root: NodeHash::from_base64(root).map_err(|_| CheckpointError::Root)?,
        };
        if checkpoint.size == 0 && checkpoint.root != empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(checkpoint)
    }

    /// Reads a signed note about `origin` and checks it by the strict rule: a key that `trust` has for
    /// this origin signed it under the origin as its name, and no such key's signature is wrong. Lines
    /// of unknown keys are ignored.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &[u8], origin: &Origin, trust: &Trust) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(note)?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != *origin {
            let (expected, found) = (origin.clone(), checkpoint.origin);
            return Err(CheckpointError::OtherOrigin { expected, found });
        }
        checkpoint.check_signatures(&note, trust)?;
        Ok(checkpoint)
    }

    /// As [`open`](Self::open), for a reader who does not know which ledger to expect: whichever it is,
    /// a key that is trusted for it must have signed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open_any(note: &[u8], trust: &Trust) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(note)?;
        let checkpoint = Self::parse(note.text())?;
        checkpoint.check_signatures(&note, trust)?;
        Ok(checkpoint)
    }

    fn check_signatures(
        &self,
        note: &SignedNote<'_>,
        trust: &Trust,
    ) -> Result<(), CheckpointError> {
        let keys = trust.note_keys(&self.origin).map(|key| (self.origin.as_str(), key));
        match note.verify(keys) {
            Ok(_) => Ok(()),
            Err(error) => {
                let (origin, error) = (self.origin.clone(), error.explained(trust, &self.origin));
                Err(CheckpointError::Signature { origin, error })
            }
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text == "0" || !text.starts_with('0');
    let size: u64 = if digits && shortest { text.parse().ok()? } else { return None };
    (size <= SIZE_MAX).then_some(size)
}
