//! The chain over commits (`docs/STORAGE.md` section 4), recomputed from the blocks.
//!
//! Every commit has a digest over the one before and over what it did to each ledger. So a run of
//! commits that was lost, wherever it stood, is a hole that cannot be explained away: [`check`] walks
//! over commits, recomputes each digest from the blocks, and holds blocks against index, and heads
//! against what the blocks end with. It hashes no record: that those are what was signed is for whoever
//! replays them.
//!
//! Opening an engine checks the commits that came out of a log; a verifier checks them all.

mod faults;
mod heads;
mod walk;

pub use faults::{Fault, Faults};

use crate::error::ReadError;
use crate::rows::CommitNumber;
use crate::store::{Read, StoreError};

/// How much may be read beside the commits themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Rows of records before the first commit, and of the last tile of each tree. Where it is used up, a
    /// ledger is held against its blocks and its signed checkpoint, but not against what was there
    /// before.
    lookups_max: u64,
}

impl Effort {
    /// For opening: what can be looked up in about a tenth of a second. Thousands of small ledgers
    /// written to in the last seconds would otherwise hold up a start for as long.
    pub const OPENING: Self = Self { lookups_max: 20_000 };

    /// For verifying: everything.
    pub const WHOLE: Self = Self { lookups_max: u64::MAX };
}

/// What [`check`] went over, and what it found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Commits that are there.
    pub commits: u64,
    /// Their blocks.
    pub blocks: u64,
    /// Their records.
    pub records: u64,
    /// Ledgers that they added to.
    pub ledgers: u64,
    /// Ledgers whose trees were held against their checkpoints only, since the effort was used up.
    pub trees_left_out: u64,
    /// What is missing, or contradicts itself.
    pub faults: Faults,
}

/// Checks the commits after `after` up to and with `through`, which must be there. `after` itself is
/// believed; 0 begins at the beginning. Heads are looked at where none of the ledger's commits comes
/// later.
///
/// # Errors
/// When the store cannot be read. What the rows lack or contradict is no error, but among the faults.
pub fn check(
    store: &dyn Read,
    after: CommitNumber,
    through: CommitNumber,
    effort: Effort,
) -> Result<Checked, StoreError> {
    let mut walk = walk::Walk::new(store, after, effort)?;
    walk.go_through(through)?;
    heads::check(store, through, walk)
}

/// Work that is left.
#[derive(Debug)]
struct Budget(u64);

impl Budget {
    /// Whether there is enough left, which is then used up.
    fn take(&mut self, lookups: u64) -> bool {
        let left = self.0.checked_sub(lookups);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// What a row says that cannot be used; `Err` when that is not the row's fault.
fn damage(error: ReadError) -> Result<String, StoreError> {
    match error {
        ReadError::Corrupt(what) => Ok(what.to_string()),
        ReadError::Unavailable { .. } => Err(StoreError::Closed),
        other => Err(StoreError::Io(other.to_string().into())),
    }
}
