//! What a verification can say: the codes of findings and of things not checked, the classes of findings
//! and the exit codes of the programs (`docs/FORMAT.md` section 8). They are part of the interface:
//! scripts and auditors' procedures depend on them, so none is ever renamed.

use core::fmt;

/// What a verifier found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// A digest is not that of its record and the digest before.
    HashMismatch,
    /// A record does not follow the one before it, or belongs to another ledger.
    ChainBroken,
    /// A record's signature does not fit.
    SigInvalid,
    /// A signature that the ledger's rules demand is not there.
    Unsigned,
    /// A sequence number is missing, doubled or out of order.
    SeqGap,
    /// No manifest speaks of some records, or a segment's file is missing.
    SegmentMissing,
    /// The last records are missing from a file that should have them.
    TailMissing,
    /// A manifest is none, or contradicts itself, its place, its neighbour or its segment.
    ManifestInvalid,
    /// Records lead to another root than a signed one.
    RootMismatch,
    /// A checkpoint is none, or contradicts what it closes.
    CheckpointInvalid,
    /// The ledger ends before a head that was given.
    HeadBehind,
    /// A signature is by a key that the auditor did not give, or record 0 names one.
    KeyUnknown,
    /// Bytes are not in canonical form or not of the shape that `docs/FORMAT.md` demands.
    NotCanonical,
    /// A record's time lies before the one of its predecessor.
    TimeBackwards,
    /// Record 0 is not the ledger's creation, or another record is one.
    CreationInvalid,
}

impl Code {
    /// All of them, in the order of `docs/FORMAT.md`.
    pub const ALL: [Self; 15] = [
        Self::HashMismatch,
        Self::ChainBroken,
        Self::SigInvalid,
        Self::Unsigned,
        Self::SeqGap,
        Self::SegmentMissing,
        Self::TailMissing,
        Self::ManifestInvalid,
        Self::RootMismatch,
        Self::CheckpointInvalid,
        Self::HeadBehind,
        Self::KeyUnknown,
        Self::NotCanonical,
        Self::TimeBackwards,
        Self::CreationInvalid,
    ];

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

/// What a finding says about whoever had the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It contradicts a signature of a trusted key, a trusted head or the chain of manifests.
    Tampering,
    /// It is not what a trusted key signed; rot, malice and a wrong key file look the same.
    Damage,
    /// All that is there is good, and older than a head that was given.
    Behind,
}

impl Class {
    /// The stable text of the class.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tampering => "tampering",
            Self::Damage => "damage",
            Self::Behind => "behind",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something was not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UncheckedCode {
    /// The system refused to give it.
    Unreadable,
    /// A system record of a kind that this program does not know.
    KindUnknown,
    /// It is of a version that a newer verifier reads.
    VersionUnknown,
    /// Record 0 was not seen, which says by what rules the others are checked.
    RulesUnknown,
    /// So much was wrong before that it was not looked at any more.
    TooMuchDamage,
    /// It is beyond a limit.
    Limit,
    /// It is a link, which is not followed.
    Link,
    /// Its name is almost that of evidence.
    AlmostNamed,
    /// There is nothing to check.
    NothingThere,
    /// What was asked for is not there.
    NotFound,
    /// A head that was given could not be compared.
    HeadNotCompared,
}

impl UncheckedCode {
    /// All of them, in the order of `docs/FORMAT.md`.
    pub const ALL: [Self; 11] = [
        Self::Unreadable,
        Self::KindUnknown,
        Self::VersionUnknown,
        Self::RulesUnknown,
        Self::TooMuchDamage,
        Self::Limit,
        Self::Link,
        Self::AlmostNamed,
        Self::NothingThere,
        Self::NotFound,
        Self::HeadNotCompared,
    ];

    /// The stable text of the code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "UNREADABLE",
            Self::KindUnknown => "KIND_UNKNOWN",
            Self::VersionUnknown => "VERSION_UNKNOWN",
            Self::RulesUnknown => "RULES_UNKNOWN",
            Self::TooMuchDamage => "TOO_MUCH_DAMAGE",
            Self::Limit => "LIMIT",
            Self::Link => "LINK",
            Self::AlmostNamed => "ALMOST_NAMED",
            Self::NothingThere => "NOTHING_THERE",
            Self::NotFound => "NOT_FOUND",
            Self::HeadNotCompared => "HEAD_NOT_COMPARED",
        }
    }
}

impl fmt::Display for UncheckedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Exit code: everything was checked and is good.
pub const EXIT_GOOD: u8 = 0;
/// Exit code: tampering or damage was found.
pub const EXIT_TAMPERED: u8 = 1;
/// Exit code: good as far as it was seen, but older than a head, or something was not checked.
pub const EXIT_UNCHECKED: u8 = 2;
/// Exit code: the program was used wrongly.
pub const EXIT_USAGE: u8 = 64;
