//! The codes of verification findings and the exit codes of the programs. They are part of the
//! interface: scripts and auditors' procedures depend on them, so none is ever renamed.

use core::fmt;

/// What a verifier found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// A record's digest is not `SHA-256(record || prev)`.
    HashMismatch,
    /// A digest does not follow from the one before it: a record was inserted, dropped or moved.
    ChainBroken,
    /// A signature does not fit the digest and the key.
    SigInvalid,
    /// A record that must carry a signature has none.
    Unsigned,
    /// A sequence number is missing, doubled or out of order.
    SeqGap,
    /// A segment between two others is missing.
    SegmentMissing,
    /// The end of the ledger is missing.
    TailMissing,
    /// A manifest contradicts its signature, its segment or its neighbours.
    ManifestInvalid,
    /// The Merkle root is not the one that was signed.
    RootMismatch,
    /// A checkpoint cannot be parsed, has no valid signature or names another ledger.
    CheckpointInvalid,
    /// The ledger is older than a head that is already known.
    HeadBehind,
    /// A signature names a key that the auditor did not give.
    KeyUnknown,
    /// A key was used outside of its validity.
    KeyExpired,
    /// Bytes are not in canonical form or not of the shape that `docs/FORMAT.md` demands.
    NotCanonical,
    /// A record's time lies before the one of its predecessor.
    TimeBackwards,
    /// Record 0 is not the ledger's creation, or contradicts what follows.
    CreationInvalid,
}

impl Code {
    /// The stable text of the code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HashMismatch => "HASH_MISMATCH",
            Self::ChainBroken => "CHAIN_BROKEN",
            Self::SigInvalid => "SIG_INVALID",
            Self::Unsigned => "UNSIGNED",
            Self::SeqGap => "SEQ_GAP",
            Self::SegmentMissing => "SEGMENT_MISSING",
            Self::TailMissing => "TAIL_MISSING",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::RootMismatch => "ROOT_MISMATCH",
            Self::CheckpointInvalid => "CHECKPOINT_INVALID",
            Self::HeadBehind => "HEAD_BEHIND",
            Self::KeyUnknown => "KEY_UNKNOWN",
            Self::KeyExpired => "KEY_EXPIRED",
            Self::NotCanonical => "NOT_CANONICAL",
            Self::TimeBackwards => "TIME_BACKWARDS",
            Self::CreationInvalid => "CREATION_INVALID",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Exit code: everything was checked and is good.
pub const EXIT_GOOD: u8 = 0;
/// Exit code: tampering was found.
pub const EXIT_TAMPERED: u8 = 1;
/// Exit code: something could not be checked (missing input, unreadable, network).
pub const EXIT_UNCHECKED: u8 = 2;
/// Exit code: the program was used wrongly.
pub const EXIT_USAGE: u8 = 64;
