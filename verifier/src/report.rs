//! What a verification is asked for and what it answers.

use indelible_core::code::{Class, EXIT_GOOD, EXIT_TAMPERED, EXIT_UNCHECKED};
use indelible_core::name::LedgerName;
use serde::Serialize;

use crate::findings::{Bounded, Findings, Unchecked};
use crate::heads::HeadFile;

/// Findings that are listed unless told otherwise. All are counted.
pub const FINDINGS_MAX_DEFAULT: usize = 1000;

/// Most findings that can be listed: with texts as long as they may be, some 60 MB.
pub const FINDINGS_MAX_LIMIT: usize = 100_000;

/// What to verify and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Worker threads.
    pub jobs: usize,
    /// Findings to list.
    pub findings_max: usize,
    /// Checkpoints, or receipts, saved earlier.
    pub heads: Vec<HeadFile>,
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

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was checked and is good.
    Good,
    /// Something contradicts a signature, a head or the chain of manifests.
    Tampered,
    /// Something is not what was signed.
    Damaged,
    /// What is there is good, and older than a head.
    Behind,
    /// Nothing wrong was seen, but something could not be checked.
    Unchecked,
}

impl Verdict {
    /// The exit code of a program that ends with this verdict.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Good => EXIT_GOOD,
            Self::Tampered | Self::Damaged => EXIT_TAMPERED,
            Self::Behind | Self::Unchecked => EXIT_UNCHECKED,
        }
    }

    /// The word that stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Tampered => "tampered",
            Self::Damaged => "damaged",
            Self::Behind => "behind",
            Self::Unchecked => "unchecked",
        }
    }

    /// The first that applies, of so many findings of each class and things not checked.
    pub(crate) const fn of(tampering: u64, damage: u64, behind: u64, unchecked: u64) -> Self {
        match (tampering, damage, behind, unchecked) {
            (0, 0, 0, 0) => Self::Good,
            (0, 0, 0, _) => Self::Unchecked,
            (0, 0, _, _) => Self::Behind,
            (0, _, _, _) => Self::Damaged,
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
    /// `off`, `name` or `full`, from record 0: what its records say of who wrote them.
    pub principals: Option<&'static str>,
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
    /// Size of the largest head that was given for it.
    pub expected_size: Option<u64>,
    /// Records that the largest head vouches for that was compared and agrees; absent where none did.
    /// Nothing is known of records that may have been behind.
    pub known_to: Option<u64>,
    /// How many findings.
    pub findings: u64,
    /// How many things could not be checked.
    pub unchecked: u64,
    /// How this ledger fared.
    pub verdict: Verdict,
}

/// Everything a verification has to say.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was verified, in words.
    pub source: String,
    /// Whether of some ledger no head was compared, so that records cut from its end could not be noticed.
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
        let of = |class| self.findings.classes().get(&class).copied().unwrap_or(0);
        let unchecked = self.unchecked.total() + nothing;
        Verdict::of(of(Class::Tampering), of(Class::Damage), of(Class::Behind), unchecked)
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
