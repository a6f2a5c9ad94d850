//! What a verification is asked for and what it answers.

use indelible_core::checkpoint::{Checkpoint, CheckpointError};
use indelible_core::code::{Code, EXIT_GOOD, EXIT_TAMPERED, EXIT_UNCHECKED};
use indelible_core::hash::NodeHash;
use indelible_core::key::Trust;
use indelible_core::name::{LedgerName, Origin};
use indelible_core::note::NoteVerifyError;
use serde::Serialize;

use crate::findings::{Bounded, Finding, Findings, Unchecked};

/// Findings that are listed unless told otherwise. All are counted.
pub const FINDINGS_MAX_DEFAULT: usize = 1000;

/// Most findings that can be listed: each worker may hold as many.
pub const FINDINGS_MAX_LIMIT: usize = 100_000;

/// What to verify and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Worker threads.
    pub jobs: usize,
    /// Findings to list.
    pub findings_max: usize,
    /// Checkpoints saved earlier, with the name under which each is spoken of.
    pub heads: Vec<(String, Vec<u8>)>,
    /// The ledgers expected; empty for whatever is there.
    pub ledgers: Vec<LedgerName>,
}

impl Default for Options {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let findings_max = FINDINGS_MAX_DEFAULT;
        Self { jobs, findings_max, heads: Vec::new(), ledgers: Vec::new() }
    }
}

/// A checkpoint that the auditor saved earlier and that is signed by a key he trusts.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedHead {
    pub(crate) origin: Origin,
    pub(crate) size: u64,
    pub(crate) root: NodeHash,
    pub(crate) source: String,
    pub(crate) compared: bool,
}

impl ExpectedHead {
    /// Opens a saved checkpoint.
    ///
    /// # Errors
    /// A finding when it is not signed by a trusted key or is no checkpoint.
    pub(crate) fn open(source: &str, note: &[u8], trust: &Trust) -> Result<Self, Finding> {
        match Checkpoint::open_any(note, trust) {
            Ok(Checkpoint { origin, size, root }) => {
                Ok(Self { origin, size, root, source: source.to_owned(), compared: false })
            }
            Err(error) => {
                let what = format!("the expected head cannot be used: {error}");
                Err(Finding::new(checkpoint_code(&error), what).file(source))
            }
        }
    }
}

/// `KEY_UNKNOWN` where only unknown keys signed, else `CHECKPOINT_INVALID`.
pub(crate) fn checkpoint_code(error: &CheckpointError) -> Code {
    match error {
        CheckpointError::Signature { error: NoteVerifyError::UnknownKeys(_), .. } => {
            Code::KeyUnknown
        }
        _ => Code::CheckpointInvalid,
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was checked and is good.
    Good,
    /// Something is wrong.
    Tampered,
    /// Nothing wrong was seen, but something could not be checked.
    Unchecked,
}

impl Verdict {
    /// The exit code of a program that ends with this verdict.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Good => EXIT_GOOD,
            Self::Tampered => EXIT_TAMPERED,
            Self::Unchecked => EXIT_UNCHECKED,
        }
    }

    pub(crate) const fn of(findings: u64, unchecked: u64) -> Self {
        match (findings, unchecked) {
            (0, 0) => Self::Good,
            (0, _) => Self::Unchecked,
            _ => Self::Tampered,
        }
    }
}

/// One ledger's summary.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerReport {
    /// Its name.
    pub name: String,
    /// Its origin, where anything named one.
    pub origin: Option<String>,
    /// `record` or `commit`, from record 0.
    pub sign_per: Option<&'static str>,
    /// Records seen.
    pub records: u64,
    /// Signatures of records found good.
    pub signatures: u64,
    /// Segments seen; 0 where the source has none.
    pub segments: u64,
    /// The number after the last record.
    pub size: u64,
    /// Base64 of the root over all records, recomputed; absent where a gap made that impossible.
    pub root: Option<String>,
    /// Time of the last record.
    pub last_time: Option<String>,
    /// Size of the largest head that was expected; absent when none was given, and then records cut
    /// from the end could not be noticed.
    pub expected_size: Option<u64>,
    /// How many findings.
    pub findings: u64,
    /// How many things could not be checked.
    pub unchecked: u64,
}

impl LedgerReport {
    /// How this ledger fared.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        Verdict::of(self.findings, self.unchecked)
    }
}

/// Everything a verification has to say.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was verified, in words.
    pub source: String,
    /// Whether records cut from the end of some ledger could not be noticed, for want of a head.
    pub tail_unknown: bool,
    /// The ledgers, in order of their names.
    pub ledgers: Vec<LedgerReport>,
    /// What is wrong.
    pub findings: Findings,
    /// What could not be checked.
    pub unchecked: Bounded<Unchecked>,
    /// What an auditor should know beside.
    pub notes: Bounded<String>,
    /// Plain bytes of lines read.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: std::time::Duration,
}

impl Report {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self {
            source: String::new(),
            tail_unknown: false,
            ledgers: Vec::new(),
            findings: Findings::new(kept_max),
            unchecked: Bounded::new(kept_max),
            notes: Bounded::new(kept_max),
            bytes: 0,
            elapsed: std::time::Duration::ZERO,
        }
    }

    /// How it ended. Never [`Verdict::Good`] when nothing was verified.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let nothing = u64::from(self.ledgers.is_empty());
        Verdict::of(self.findings.total(), self.unchecked.total() + nothing)
    }

    /// Records seen in all ledgers.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.records).sum()
    }

    /// Good signatures of records in all ledgers.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.signatures).sum()
    }

    /// Records a second.
    #[must_use]
    pub fn records_per_second(&self) -> f64 {
        self.records() as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }
}
