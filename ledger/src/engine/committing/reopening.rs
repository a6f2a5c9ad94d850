//! Opening the store again after a failure, as often as it takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::lookup;
use super::super::recovery;
use super::Committing;
use crate::error::ReadError;
use crate::metrics::Health;

/// First wait before the store is opened again; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_millis(20);

/// When the store is opened again.
pub(super) struct Reopening {
    next_attempt: Instant,
    backoff: Duration,
}

impl Reopening {
    /// At once.
    pub(super) fn begin() -> Self {
        Self { next_attempt: Instant::now(), backoff: BACKOFF_MIN }
    }
}

impl Committing {
    /// When something is to be done although no lane hands anything over.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.reopening.as_ref().map(|reopening| reopening.next_attempt)
    }

    /// Opens the store again when it is time to. Batches that arrive meanwhile are lost. Returns whether
    /// it is open.
    pub(super) fn reopen_if_due(&mut self) -> bool {
        let Some(reopening) = &self.reopening else { return true };
        if Instant::now() < reopening.next_attempt {
            return false;
        }
        let backoff = reopening.backoff;
        match self.try_reopen() {
            Ok(()) => {
                self.reopening = None;
                true
            }
            Err(_) if self.shared.has_given_up() => {
                self.reopening = None;
                false
            }
            Err(error) => {
                tracing::error!(%error, retry_ms = backoff.as_millis() as u64, "the database does not open");
                *self.shared.health.lock() = Health::Poisoned { reason: error.to_string().into() };
                self.reopening = Some(Reopening {
                    next_attempt: Instant::now() + backoff,
                    backoff: (backoff * 2).min(self.shared.config.limits.reopen_backoff_max),
                });
                false
            }
        }
    }

    fn try_reopen(&mut self) -> Result<(), ReadError> {
        let shared = Arc::clone(&self.shared);
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
            match lookup::load_head(&*store, &entry) {
                Ok(_) => {}
                // Its own groups hear of it when they ask for its head; the other ledgers go on.
                Err(ReadError::Corrupt(what)) => {
                    tracing::error!(ledger = %entry.name, %what, "a ledger cannot be loaded again");
                    entry.forget_head();
                }
                Err(error) => return Err(error),
            }
        }
        self.note_head(&recovered);
        self.state = recovered;
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
