//! A batch on its way through the pipeline: what is written together, and who waits for it.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{Context, SHA256};
use indelible_core::hash::Digest;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::entry::LedgerEntry;
use super::run::{Outcome, Sealed};
use super::session::Turn;
use crate::error::AppendError;
use crate::rows::CommitNumber;

/// A group that waits for its batch.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) answer: oneshot::Sender<Answer>,
    /// The ledger; `None` for a group that wanted to create one that is there already.
    pub(crate) entry: Option<Arc<LedgerEntry>>,
    /// Its run, where the group has new records.
    pub(crate) run: Option<usize>,
    pub(crate) outcome: Result<Outcome, AppendError>,
    /// The record of a group of one.
    pub(crate) record: Option<Vec<u8>>,
    /// The group's place in its session.
    pub(crate) turn: Option<Turn>,
}

impl Waiting {
    pub(crate) fn answer(self, answer: Answer) {
        self.settle(answer).send();
    }

    /// Decides what the client is told. To be done in the order of the batches; telling it may come later.
    pub(crate) fn settle(self, answer: Answer) -> Settled {
        let answer = match &self.turn {
            Some(turn) => turn.settle(answer),
            None => answer,
        };
        Settled { to: self.answer, answer }
    }
}

/// An answer that was decided and not given yet.
pub(crate) struct Settled {
    to: oneshot::Sender<Answer>,
    answer: Answer,
}

impl Settled {
    pub(crate) fn send(self) {
        // Whoever waited may have gone; what was written stays written.
        let _ = self.to.send(self.answer);
    }
}

/// A batch whose records are sealed: everything is decided but the signatures.
pub(crate) struct Batch {
    /// Ascends over all batches of its lane.
    pub(crate) serial: u64,
    /// The run of the lane; see [`super::tip::Tip::epoch`].
    pub(crate) epoch: u64,
    /// One for each ledger that gets records, by ascending number.
    pub(crate) runs: Vec<Sealed>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) started: Instant,
}

impl Batch {
    pub(crate) fn records(&self) -> usize {
        self.runs.iter().map(|run| run.facts.digests.len()).sum()
    }
}

/// Fails all of a batch's groups.
pub(crate) fn fail_all(waiting: impl IntoIterator<Item = Waiting>, error: &AppendError) {
    for one in waiting {
        one.answer(Err(error.clone()));
    }
}

/// The engine's digest after a commit, `docs/STORAGE.md`: SHA-256 over the digest before (32
/// zero bytes before the first commit), the commit's number, and for each ledger that it added to, by
/// ascending number, that number, the ledger's size and its last record's digest. Integers take 8 bytes.
pub(crate) fn engine_digest(
    before: &Digest,
    commit: CommitNumber,
    heads: impl IntoIterator<Item = (u64, u64, Digest)>,
) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(&before.0);
    hash.update(&commit.0.to_be_bytes());
    for (number, size, last) in heads {
        hash.update(&number.to_be_bytes());
        hash.update(&size.to_be_bytes());
        hash.update(&last.0);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Digest(digest)
}
