//! Order across failures: what one client sends one after the other.
//!
//! The sequencer keeps the order of what waits in its queue, but a queue outlives a failure: a group that
//! waits behind one that could not be stored would be taken once the store is back, and the ledger would
//! hold the end of what a client sent without its middle. A [`Session`] numbers its groups and remembers
//! the first that failed; nothing with a later number is appended, however the store recovers meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use indelible_core::name::LedgerName;

use super::Engine;
use super::answer::{Answer, Pending};
use super::sequencer::RETRY_AFTER;
use crate::api::{Atomicity, Submission};
use crate::error::AppendError;

/// Groups that belong one behind the other, as those of a stream do. Once one of them has failed, or its
/// outcome is unknown, those behind it fail with [`AppendError::EarlierFailed`]. A session that has failed
/// stays so: whoever was told of the failure begins a new one, with what failed first.
///
/// An event that is refused for its own sake (its id is taken, say) is no failure: what stands behind it
/// is appended. Nor is a group that was not taken at all, for its sender is told before it sends another.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    order: Arc<Order>,
    /// The number of the next group.
    next: u64,
}

impl Session {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, order: Arc::default(), next: 0 }
    }

    /// As [`Engine::submit`], behind everything that was submitted before.
    ///
    /// # Errors
    /// As [`Engine::submit`]; [`AppendError::EarlierFailed`] when it is already known that an earlier
    /// group has failed.
    pub fn submit(
        &mut self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
    ) -> Result<Pending, AppendError> {
        let turn = self.turn()?;
        self.engine.submit_in(ledger, events, atomicity, Some(turn))
    }

    /// As [`Engine::submit_wait`], behind everything that was submitted before.
    ///
    /// # Errors
    /// As [`Session::submit`], without [`AppendError::Busy`].
    pub async fn submit_wait(
        &mut self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
    ) -> Result<Pending, AppendError> {
        let turn = self.turn()?;
        self.engine.submit_wait_in(ledger, events, atomicity, Some(turn)).await
    }

    fn turn(&mut self) -> Result<Turn, AppendError> {
        let turn = Turn { order: Arc::clone(&self.order), place: self.next };
        if turn.is_behind_failure() {
            return Err(earlier_failed());
        }
        self.next += 1;
        Ok(turn)
    }
}

/// The place of the first group of a session that failed.
#[derive(Debug)]
struct Order {
    failed_at: AtomicU64,
}

impl Default for Order {
    fn default() -> Self {
        Self { failed_at: AtomicU64::new(u64::MAX) }
    }
}

/// The place of a group in its session.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    order: Arc<Order>,
    place: u64,
}

impl Turn {
    /// The group has failed. To be said before anything that was submitted behind it can be sequenced.
    pub(crate) fn fail(&self) {
        self.order.failed_at.fetch_min(self.place, SeqCst);
    }

    /// Whether a group of an earlier turn has failed.
    pub(crate) fn is_behind_failure(&self) -> bool {
        self.place > self.order.failed_at.load(SeqCst)
    }

    /// What the client is told. A group that is durable although one before it got an error (its commit
    /// took place, but what it duplicates could not be read) is not called appended: a client would take
    /// the earlier one for lost and what it sends again for out of order.
    pub(crate) fn settle(&self, answer: Answer) -> Answer {
        match answer {
            Err(error) => {
                if error.breaks_order() {
                    self.fail();
                }
                Err(error)
            }
            Ok(_) if self.is_behind_failure() => Err(AppendError::OutcomeUnknown {
                reason: "what was sent before it has no certain outcome".into(),
            }),
            done => done,
        }
    }
}

/// The answer to a group behind one that failed.
pub(crate) fn earlier_failed() -> AppendError {
    AppendError::EarlierFailed { retry_after: RETRY_AFTER }
}
