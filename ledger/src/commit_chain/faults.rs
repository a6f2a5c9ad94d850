//! What is wrong with a run of commits, in words that name the ledger, the range and the commit.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::rows::{CommitNumber, LedgerNumber, ledger};
use crate::store::{Read, Scan, Space, StoreError};

/// Faults that are kept; all are counted. One lost log can touch every ledger of the engine.
const FAULTS_MAX: usize = 100;
/// Faults that an error names.
const NAMED_MAX: usize = 8;

/// Something that is missing, or contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Commits of which nothing is left.
    #[error("{} missing", commits(*first, *last))]
    CommitsMissing {
        /// The first of them.
        first: CommitNumber,
        /// The last of them.
        last: CommitNumber,
    },
    /// A commit whose records are there and whose row in the chain is not.
    #[error("commit {commit} is missing in the chain over commits")]
    RowMissing {
        /// The commit.
        commit: CommitNumber,
    },
    /// A commit that has a row in the chain and no records.
    #[error("the records of commit {commit} are missing")]
    BlocksMissing {
        /// The commit.
        commit: CommitNumber,
    },
    /// A ledger's records do not follow one another.
    #[error("{ledger} lacks the records {first} to {last}, which stood before commit {commit}")]
    RecordsMissing {
        /// The ledger.
        ledger: String,
        /// The first record that is missing.
        first: u64,
        /// The last.
        last: u64,
        /// The commit whose records come after them.
        commit: CommitNumber,
    },
    /// A commit is not what its digest was computed over.
    #[error("commit {commit} is not what was committed: its digest is another")]
    CommitDiffers {
        /// The commit.
        commit: CommitNumber,
    },
    /// A row cannot be used, or contradicts another.
    #[error("{place}: {what}")]
    Damaged {
        /// Where: the commit, or the ledger.
        place: String,
        /// What is wrong.
        what: String,
    },
}

fn commits(first: CommitNumber, last: CommitNumber) -> String {
    if first == last {
        format!("commit {first} is")
    } else {
        format!("the commits {first} to {last} are")
    }
}

/// The faults that were found, the first of them in full.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    total: u64,
}

impl Faults {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many there are, those included that were not kept.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first of them, in the order in which they were found.
    #[must_use]
    pub fn kept(&self) -> &[Fault] {
        &self.kept
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.total += 1;
        if self.kept.len() < FAULTS_MAX {
            self.kept.push(fault);
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was lost explains what contradicts itself.
        let (lost, other): (Vec<_>, Vec<_>) =
            self.kept.iter().partition(|fault| matches!(fault, Fault::CommitsMissing { .. }));
        for (place, fault) in lost.into_iter().chain(other).take(NAMED_MAX).enumerate() {
            let between = if place == 0 { "" } else { "; " };
            write!(f, "{between}{fault}")?;
        }
        match self.total.saturating_sub(NAMED_MAX as u64) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// The names of ledgers, read when the first fault needs one.
#[derive(Debug, Default)]
pub(super) struct Names(Option<HashMap<u64, String>>);

impl Names {
    pub(super) fn of(&mut self, store: &dyn Read, number: u64) -> Result<String, StoreError> {
        let names = match &mut self.0 {
            Some(names) => names,
            empty => empty.insert(read_names(store)?),
        };
        Ok(match names.get(&number) {
            Some(name) => format!("ledger '{name}'"),
            // Its creation may be among what is missing.
            None => format!("the ledger with number {number}"),
        })
    }
}

fn read_names(store: &dyn Read) -> Result<HashMap<u64, String>, StoreError> {
    let mut names = HashMap::new();
    store.scan(&Scan::all(Space::Ledgers), &mut |key, value| {
        let name = ledger::parse_key(key);
        if let (Ok(name), Ok(row)) = (name, ledger::LedgerRow::decode(value)) {
            let LedgerNumber(number) = row.number;
            names.insert(number, name.to_string());
        }
        ControlFlow::Continue(())
    })?;
    Ok(names)
}
