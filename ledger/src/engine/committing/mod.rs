//! The third stage, shared by all lanes: one atomic, synced write for everything that is signed; then,
//! and only then, the new heads become visible and the waiters hear of it. Here commits get their number,
//! blocks their places, and the engine its digest.
//!
//! A store may have several commits at once; they become durable in order. A write that fails leaves open
//! whether it took place. The engine does not guess: the store is taken away from everybody, whoever
//! waits is told that the outcome is unknown, and the store is opened again until that works. What is
//! found then is the truth, and is published as a commit's heads are.

mod answers;
mod desk;
mod reopening;

use std::sync::Arc;
use std::time::Instant;

use super::batch::fail_all;
use super::rows_of_commit::{self, Commit, Part, SignedBatch};
use super::sequencer::RETRY_AFTER;
use super::shared::Shared;
use crate::error::AppendError;
use crate::folder::{FolderGone, HeadFile, HeadWriter};
use crate::metrics::Health;
use crate::rows::meta::StateRow;
use crate::store::{CommitTicket, StoreError, StoreOpener};

pub(crate) use self::desk::Desk;
use self::desk::{InFlight, Next, lose};
use self::reopening::Reopening;

pub(crate) struct Committing {
    shared: Arc<Shared>,
    opener: Arc<dyn StoreOpener>,
    /// The head outside of the database.
    head: Arc<HeadWriter>,
    /// The engine's state after the last commit that was given to the store.
    state: StateRow,
    tickets: u64,
    /// The store has failed and is to be opened again.
    reopening: Option<Reopening>,
}

impl Committing {
    pub(crate) fn new(
        shared: Arc<Shared>,
        opener: Arc<dyn StoreOpener>,
        head: Arc<HeadWriter>,
    ) -> Self {
        let state = *shared.state.lock();
        Self { shared, opener, head, state, tickets: 0, reopening: None }
    }

    /// Works until the lanes are done.
    pub(crate) fn run(desk: &Arc<Desk>) {
        loop {
            let until = desk.committing.lock().next_attempt();
            if !desk.wait(until) {
                return;
            }
            desk.committing.lock().work(desk, true);
        }
    }

    /// Commits what is ready and answers what is done. With `all` until nothing is left to do, and the
    /// store is opened again if it has to be; without, one commit, by a thread that has other work.
    pub(super) fn work(&mut self, desk: &Arc<Desk>, all: bool) {
        let _panic = Step::begin(&self.shared, desk);
        let mut begun = false;
        loop {
            if self.reopening.is_some() {
                desk.take_ready().into_iter().for_each(|batch| lose(&self.shared, batch));
                if !all || !self.reopen_if_due() {
                    return;
                }
            }
            match desk.next(all || !begun) {
                Next::Retire(commit) => self.retire(desk, commit),
                Next::Begin(batches) => {
                    begun = true;
                    self.begin(desk, batches);
                }
                Next::Nothing => return,
            }
        }
    }

    /// Gives the store one commit with everything in `batches`.
    fn begin(&mut self, desk: &Arc<Desk>, batches: Vec<SignedBatch>) {
        let shared = Arc::clone(&self.shared);
        let (lost, batches): (Vec<_>, Vec<_>) = batches
            .into_iter()
            .partition(|batch| batch.lane.failed_committing.contain(batch.epoch));
        lost.into_iter().for_each(|batch| lose(&shared, batch));
        if batches.is_empty() {
            return;
        }
        let store = match shared.store.get() {
            Ok(store) => store,
            // The store went away after the sequencer had looked; nothing was tried.
            Err(_) => return batches.into_iter().for_each(|batch| lose(&shared, batch)),
        };
        let Commit { state, rows, parts, records, bytes } =
            rows_of_commit::encode(&self.state, batches);
        self.state = state;
        self.tickets += 1;
        let ticket = self.tickets;
        // Only duplicates: nothing to write, but what they duplicate must be durable first.
        let outcome = rows.is_empty().then_some(Ok(()));
        let row_bytes = rows.payload_bytes();
        let submitted = Instant::now();
        desk.submit(InFlight {
            ticket,
            state,
            parts,
            records,
            bytes,
            row_bytes,
            submitted,
            overlaps: false,
            outcome,
        });
        if !rows.is_empty() {
            let told = Arc::clone(desk);
            store.submit(rows, CommitTicket::new(move |outcome| told.settle(ticket, outcome)));
            desk.is_submitted(ticket);
        }
    }

    /// A commit has come to its end, the oldest one first.
    fn retire(&mut self, desk: &Arc<Desk>, mut commit: InFlight) {
        let outcome = commit.outcome.take().unwrap_or(Err(StoreError::Closed));
        if let Some(reason) = desk.take_hung() {
            // Its waiters were told long ago that nobody knows: whatever the store says now, what is
            // there is read anew.
            return self.poison(desk, commit, &StoreError::Io(reason));
        }
        if let Err(error) = outcome {
            return self.poison(desk, commit, &error);
        }
        let store = match self.shared.store.get() {
            Ok(store) => store,
            Err(error) => {
                return self.poison(desk, commit, &StoreError::Io(error.to_string().into()));
            }
        };
        if commit.row_bytes > 0 {
            // What was written counts only where a restart finds it.
            if let Err(gone) = self.shared.guard.after_commit() {
                drop(store);
                return self.give_up(desk, commit, &gone);
            }
            self.count(&commit);
            self.note_head(&commit.state);
            self.publish(&commit);
        }
        // First all sequencers, then the answers: what they begin meanwhile costs nobody time.
        commit.parts.iter().for_each(Part::is_durable);
        for Part { runs, waiting, started, .. } in commit.parts {
            answers::answer(&self.shared, waiting, &runs, &*store);
            let latency = started.elapsed().as_micros() as u64;
            self.shared.metrics.commit_latency_us.record(latency);
        }
    }

    /// Says outside of the database that it came this far, before anybody hears of the commit: if the
    /// database ever lacks it, the next start notices, unless the power went within the last
    /// `head_interval`.
    fn note_head(&self, state: &StateRow) {
        let head = HeadFile { commit: state.commit, digest: state.digest };
        if self.head.write(&head).is_err() {
            // The commit is durable all the same; flushing the file tries again, and says what failed.
            self.shared.metrics.head_file_failures.add(1);
        }
    }

    fn count(&self, commit: &InFlight) {
        let metrics = &self.shared.metrics;
        let took = commit.submitted.elapsed();
        if commit.overlaps {
            self.shared.store_latency.record(took);
        }
        metrics.store_latency_us.record(took.as_micros() as u64);
        metrics.batch_events.record(commit.records);
        metrics.commits.add(1);
        metrics.events.add(commit.records);
        metrics.bytes.add(commit.bytes);
        metrics.ledgers.set(commit.state.ledgers);
        metrics.durable_commit.set(commit.state.commit.0);
    }

    /// The commit is durable: its heads become what everybody sees.
    fn publish(&self, commit: &InFlight) {
        *self.shared.state.lock() = commit.state;
        for run in commit.parts.iter().flat_map(|part| &part.runs) {
            let entry = if run.creates {
                self.shared.ledgers.insert(Arc::clone(&run.entry))
            } else {
                Arc::clone(&run.entry)
            };
            // Before the head, so that whoever sees that finds the leaves.
            entry.partial_tile.grow(&run.signed.growth);
            entry.advance(Arc::clone(&run.head));
        }
        self.shared.metrics.ledgers_in_memory.set(self.shared.ledgers.len() as u64);
    }

    /// The folder is not the one that was opened: whether the commit is in it, nobody can tell. Nothing
    /// is opened again, which could make an empty database in the place of the lost one.
    fn give_up(&mut self, desk: &Arc<Desk>, commit: InFlight, gone: &FolderGone) {
        let old = self.shared.give_up(gone);
        self.shared.metrics.store_failures.add(1);
        self.fail(desk, commit, &AppendError::OutcomeUnknown { reason: gone.to_string().into() });
        if let Some(old) = old {
            let _ = old.close();
        }
    }

    /// The write failed: nobody may rely on the store until it was opened again and read.
    fn poison(&mut self, desk: &Arc<Desk>, commit: InFlight, error: &StoreError) {
        tracing::error!(%error, commit = commit.state.commit.0, "a commit failed; reopening the database");
        // A folder that is gone is the commonest reason why writing fails, and is never opened again.
        if let Err(gone) = self.shared.guard.look() {
            return self.give_up(desk, commit, &gone);
        }
        let shared = Arc::clone(&self.shared);
        shared.metrics.store_failures.add(1);
        let reason: Arc<str> = error.cause().to_string().into();
        *shared.health.lock() = Health::Poisoned { reason: Arc::clone(&reason) };
        // Before a sequencer hears of the failure, so that it begins nothing on the old handle.
        let old = shared.store.take(Arc::clone(&reason));
        let answer = if error.outcome_is_unknown() {
            AppendError::OutcomeUnknown { reason }
        } else {
            AppendError::Unavailable { reason, retry_after: RETRY_AFTER }
        };
        self.fail(desk, commit, &answer);
        if let Some(old) = old {
            // What could not be written back is what the failure was about; reopening reads the truth.
            let _ = old.close();
        }
        self.reopening = Some(Reopening::begin());
    }

    /// Fails a commit and everything that was given to the store or to the desk after it.
    fn fail(&self, desk: &Arc<Desk>, commit: InFlight, error: &AppendError) {
        let (later, ready) = desk.take_all();
        for part in commit.parts {
            let (lane, completion, waiting) = part.failed();
            lane.queue.complete(completion);
            fail_all(waiting, error);
        }
        // The store refuses what comes after a failure; that it did is certain only once it was read.
        let unknown = AppendError::OutcomeUnknown { reason: "an earlier commit failed".into() };
        for part in later.into_iter().flat_map(|commit| commit.parts) {
            let (lane, completion, waiting) = part.failed();
            lane.queue.complete(completion);
            fail_all(waiting, &unknown);
        }
        ready.into_iter().for_each(|batch| lose(&self.shared, batch));
    }
}

/// Notices a panic while a commit is made: then nobody can go on, whichever thread it was.
struct Step {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
}

impl Step {
    fn begin(shared: &Arc<Shared>, desk: &Arc<Desk>) -> Self {
        Self { shared: Arc::clone(shared), desk: Arc::clone(desk) }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = std::thread::current().name().unwrap_or("of a lane").to_owned();
            self.shared.has_panicked(&name);
            self.desk.abandon();
        }
    }
}
