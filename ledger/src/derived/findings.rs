//! What is wrong with a database: each finding named by space, ledger and records, their number bounded.

use std::fmt;

use crate::store::Space;

/// Whether a finding can be mended from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nature {
    /// A row that follows from the records is wrong, missing or too many: it can be built anew.
    Derived,
    /// Records, heads or the engine's state are wrong or missing. Nothing here can bring them back.
    Log,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key space.
    pub space: Space,
    /// The ledger, by name where that is known, else by number; empty when it is about none.
    pub ledger: String,
    /// First and last sequence number of the records that it is about.
    pub records: Option<(u64, u64)>,
    /// What is wrong, in words.
    pub what: String,
    /// Whether it can be mended from the log.
    pub nature: Nature,
    /// The row could not be read, which is less than to know that it is wrong.
    pub unreadable: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ledger.is_empty() {
            write!(f, "ledger {}", self.ledger)?;
            match self.records {
                Some((first, last)) if first == last => write!(f, ", record {first}")?,
                Some((first, last)) => write!(f, ", records {first} to {last}")?,
                None => {}
            }
            f.write_str(": ")?;
        }
        write!(f, "{} (space {})", self.what, self.space.name())
    }
}

/// Findings in the order in which they were made. All are counted, the first ones kept.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    max: usize,
    derived: u64,
    log: u64,
    readable: u64,
}

impl Findings {
    /// Keeps at most `max`.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        match finding.nature {
            Nature::Derived => self.derived += 1,
            Nature::Log => self.log += 1,
        }
        self.readable += u64::from(!finding.unreadable);
        if self.kept.len() < self.max {
            self.kept.push(finding);
        }
    }

    /// The first findings.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many there are of a nature.
    #[must_use]
    pub const fn count(&self, nature: Nature) -> u64 {
        match nature {
            Nature::Derived => self.derived,
            Nature::Log => self.log,
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.derived + self.log
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Whether all that was found is that something could not be read.
    #[must_use]
    pub const fn is_only_unreadable(&self) -> bool {
        self.readable == 0 && self.total() > 0
    }
}
