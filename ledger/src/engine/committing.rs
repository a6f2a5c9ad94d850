//! The third stage: one atomic, synced write for everything in the batch; then, and only then, the new
//! heads become visible and the waiters hear of it.
//!
//! A write that fails leaves open whether it took place. The engine does not guess: the store is taken
//! away from everybody, whoever waits is told that the outcome is unknown, and the store is opened again
//! until that works. What is found then is the truth, and is published as a commit's heads are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::batch::{Waiting, fail_all};
use super::lookup;
use super::originals::Originals;
use super::queue::Completion;
use super::recovery;
use super::rows_of_commit::{Commit, RunToPublish};
use super::run::Outcome;
use super::sequencer::RETRY_AFTER;
use super::shared::Shared;
use crate::error::{AppendError, ReadError};
use crate::folder::{FolderGone, HeadFile, HeadWriter};
use crate::metrics::Health;
use crate::rows::meta::StateRow;
use crate::store::{Store, StoreError, StoreOpener};

/// First wait before the store is opened again; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_millis(20);

pub(crate) struct Committing {
    shared: Arc<Shared>,
    opener: Arc<dyn StoreOpener>,
    /// The head outside of the database.
    head: Arc<HeadWriter>,
    /// The last epoch of which a batch failed here.
    failed_epoch: Option<u64>,
}

impl Committing {
    pub(crate) fn new(
        shared: Arc<Shared>,
        opener: Arc<dyn StoreOpener>,
        head: Arc<HeadWriter>,
    ) -> Self {
        Self { shared, opener, head, failed_epoch: None }
    }

    /// Works until the stages before are done.
    pub(crate) fn run(mut self, commits: &Receiver<Commit>) {
        while let Ok(commit) = commits.recv() {
            if self.is_lost(&commit) {
                self.lose(commit);
            } else {
                self.commit(commit, commits);
            }
        }
    }

    /// Whether the batch is chained to one that failed.
    fn is_lost(&self, commit: &Commit) -> bool {
        self.failed_epoch.is_some_and(|failed| commit.epoch <= failed)
    }

    fn lose(&self, commit: Commit) {
        let error = AppendError::Unavailable {
            reason: "an earlier batch could not be stored".into(),
            retry_after: RETRY_AFTER,
        };
        self.shared.queue.complete(Completion { serial: commit.serial, durable: false });
        fail_all(commit.waiting, &error);
    }

    fn commit(&mut self, commit: Commit, commits: &Receiver<Commit>) {
        let store = match self.shared.store.get() {
            Ok(store) => store,
            // The store went away after the sequencer had looked; nothing was tried.
            Err(_) => return self.lose(commit),
        };
        if commit.rows.is_empty() {
            // Only duplicates: what they duplicate is durable by now.
            self.shared.queue.complete(Completion { serial: commit.serial, durable: true });
            return self.answer(commit.waiting, &[], &*store);
        }
        let begun = Instant::now();
        if let Err(error) = store.commit(&commit.rows) {
            drop(store);
            return self.poison(commit, &error, commits);
        }
        // What was written counts only where a restart finds it.
        if let Err(gone) = self.shared.guard.after_commit() {
            drop(store);
            return self.give_up(commit, &gone);
        }
        self.count(&commit, begun);
        self.note_head(&commit.state);
        self.publish(&commit);
        self.shared.queue.complete(Completion { serial: commit.serial, durable: true });
        self.answer(commit.waiting, &commit.runs, &*store);
        self.shared.metrics.commit_latency_us.record(commit.started.elapsed().as_micros() as u64);
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

    fn count(&self, commit: &Commit, begun: Instant) {
        let metrics = &self.shared.metrics;
        metrics.store_latency_us.record(begun.elapsed().as_micros() as u64);
        metrics.batch_events.record(commit.records);
        metrics.commits.add(1);
        metrics.events.add(commit.records);
        metrics.bytes.add(commit.bytes);
        metrics.ledgers.set(commit.state.ledgers);
        metrics.durable_commit.set(commit.state.commit.0);
    }

    /// The commit is durable: its heads become what everybody sees.
    fn publish(&self, commit: &Commit) {
        *self.shared.state.lock() = commit.state;
        for run in &commit.runs {
            // A ledger that was just created is not in memory yet, or a reader has brought it there.
            let entry = if run.signed.first.get() == 0 {
                self.shared.ledgers.insert(Arc::clone(&run.entry))
            } else {
                Arc::clone(&run.entry)
            };
            entry.advance(Arc::clone(&run.head));
        }
        self.shared.metrics.ledgers_in_memory.set(self.shared.ledgers.len() as u64);
    }

    fn answer(&self, waiting: Vec<Waiting>, runs: &[RunToPublish], store: &dyn Store) {
        let originals = Originals::new(&self.shared, store);
        for mut one in waiting {
            let outcome = std::mem::replace(&mut one.outcome, Ok(Outcome::Fresh(0..0)));
            let run = one.run.and_then(|run| runs.get(run));
            let record = one.record.take();
            let done = outcome.and_then(|outcome| {
                // What the group says is durable by now, new or sent before: an error that says "nothing"
                // would be untrue.
                originals.done(outcome, one.entry.as_ref(), run, record).map_err(|error| {
                    AppendError::OutcomeUnknown { reason: error.to_string().into() }
                })
            });
            one.answer(done);
        }
    }

    /// The folder is not the one that was opened: whether the commit is in it, nobody can tell. Nothing
    /// is opened again, which could make an empty database in the place of the lost one.
    fn give_up(&mut self, commit: Commit, gone: &FolderGone) {
        let shared = Arc::clone(&self.shared);
        self.failed_epoch = Some(commit.epoch);
        let old = shared.give_up(gone);
        shared.metrics.store_failures.add(1);
        drop(commit.runs);
        shared.queue.complete(Completion { serial: commit.serial, durable: false });
        let answer = AppendError::OutcomeUnknown { reason: gone.to_string().into() };
        fail_all(commit.waiting, &answer);
        if let Some(old) = old {
            let _ = old.close();
        }
    }

    /// The write failed: nobody may rely on the store until it was opened again and read.
    fn poison(&mut self, commit: Commit, error: &StoreError, commits: &Receiver<Commit>) {
        tracing::error!(%error, commit = commit.state.commit.0, "a commit failed; reopening the database");
        // A folder that is gone is the commonest reason why writing fails, and is never opened again.
        if let Err(gone) = self.shared.guard.look() {
            return self.give_up(commit, &gone);
        }
        let shared = Arc::clone(&self.shared);
        shared.metrics.store_failures.add(1);
        let reason: Arc<str> = error.cause().to_string().into();
        *shared.health.lock() = Health::Poisoned { reason: Arc::clone(&reason) };
        self.failed_epoch = Some(commit.epoch);
        // Before the sequencer hears of the failure, so that it begins nothing on the old handle.
        let old = shared.store.take(Arc::clone(&reason));
        let answer = if error.outcome_is_unknown() {
            AppendError::OutcomeUnknown { reason }
        } else {
            AppendError::Unavailable { reason, retry_after: RETRY_AFTER }
        };
        drop(commit.runs);
        shared.queue.complete(Completion { serial: commit.serial, durable: false });
        fail_all(commit.waiting, &answer);
        if let Some(old) = old {
            // What could not be written back is what the failure was about; reopening reads the truth.
            let _ = old.close();
        }
        self.reopen(commits);
    }

    /// Opens the store again, as often as it takes. Batches that arrive meanwhile are lost.
    fn reopen(&mut self, commits: &Receiver<Commit>) {
        let mut backoff = BACKOFF_MIN;
        let mut next_attempt = Instant::now();
        loop {
            match commits.recv_deadline(next_attempt) {
                Ok(commit) => self.lose(commit),
                // Closing: what is on the disk will be read by the next start.
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => match self.try_reopen() {
                    Ok(()) => return,
                    Err(_) if self.shared.has_given_up() => return,
                    Err(error) => {
                        tracing::error!(%error, retry_ms = backoff.as_millis() as u64, "the database does not open");
                        *self.shared.health.lock() =
                            Health::Poisoned { reason: error.to_string().into() };
                        next_attempt = Instant::now() + backoff;
                        backoff = (backoff * 2).min(self.shared.config.limits.reopen_backoff_max);
                    }
                },
            }
        }
    }

    fn try_reopen(&self) -> Result<(), ReadError> {
        let shared = &self.shared;
        if let Err(gone) = shared.guard.look() {
            let reason = gone.to_string().into();
            shared.give_up(&gone);
            return Err(ReadError::Unavailable { reason });
        }
        let known = *shared.state.lock();
        let forget = || shared.guard.forget_files();
        let (recovered, store) =
            recovery::open_again(&*self.opener, &known, &shared.store, forget)?;
        for entry in shared.ledgers.all() {
            lookup::load_head(&*store, &entry)?;
        }
        self.note_head(&recovered);
        *shared.state.lock() = recovered;
        shared.metrics.ledgers.set(recovered.ledgers);
        shared.metrics.durable_commit.set(recovered.commit.0);
        shared.metrics.reopens.add(1);
        shared.store.put(store);
        *shared.health.lock() = Health::Ready;
        tracing::info!(commit = recovered.commit.0, "the database is open again");
        Ok(())
    }
}
