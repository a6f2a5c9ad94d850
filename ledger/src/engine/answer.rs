//! What a group's sender gets: now a promise, later the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use indelible_core::receipt::Receipt;
use tokio::sync::oneshot;

use super::run::{Outcome, SignedRun};
use crate::api::{Accepted, SignedCheckpoint};
use crate::error::{AppendError, EventError};

/// The answer to a group: durable, signed, and covered by `checkpoint`.
#[derive(Debug, Clone)]
pub struct Appended {
    /// One for each event, in the order of submission. All `Ok` after [`Atomicity::AllOrNothing`](crate::Atomicity::AllOrNothing).
    pub results: Vec<Result<Accepted, EventError>>,
    /// A checkpoint that includes every event of the results.
    pub checkpoint: Arc<SignedCheckpoint>,
    run: Option<Arc<SignedRun>>,
    record: Option<Vec<u8>>,
}

impl Appended {
    /// The receipt of the event at `index` of the results, from memory: there for the new event of a
    /// group of one. `None` in larger groups, for an event that was refused, for a duplicate, and where
    /// record 0 belongs into the receipt and has not been read yet: [`crate::Engine::receipt`] reads
    /// these from the store.
    #[must_use]
    pub fn receipt(&self, index: usize) -> Option<Receipt> {
        let accepted = self.results.get(index)?.as_ref().ok().filter(|one| !one.duplicate)?;
        let run = self.run.as_ref()?;
        let place = u32::try_from(accepted.seq.get().checked_sub(run.first.get())?).ok()?;
        run.receipt(place, self.record.clone()?)
    }
}

/// A group that has been taken. Resolves when it is durable, or has failed.
///
/// Dropping it does not take the group back.
#[derive(Debug)]
#[must_use = "the group's outcome is only known when this resolves"]
pub struct Pending(pub(crate) oneshot::Receiver<Answer>);

impl Pending {
    /// Waits on this thread, for callers without an async runtime.
    ///
    /// # Errors
    /// As the future itself.
    pub fn wait(self) -> Result<Appended, AppendError> {
        crate::signer::block_on(self)
    }
}

impl Future for Pending {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| match answer {
            Ok(Ok(done)) => {
                // Built here, on the caller's thread: the pipeline's threads do as little as possible.
                let run = done.run;
                let results = match done.outcome {
                    Outcome::Fresh(indices) => {
                        let accept =
                            |index| run.as_ref().and_then(|run| run.accepted(index)).map(Ok);
                        indices.filter_map(accept).collect()
                    }
                    Outcome::Mixed(results) => results
                        .into_iter()
                        .filter_map(|one| one.into_result(run.as_deref()))
                        .collect(),
                };
                let checkpoint = done.checkpoint.ok_or(AppendError::Empty)?;
                Ok(Appended { results, checkpoint, run, record: done.record })
            }
            Ok(Err(error)) => Err(error),
            // The engine's threads are gone without an answer, which only a panic of theirs can do.
            Err(_) => Err(AppendError::OutcomeUnknown { reason: "the engine has stopped".into() }),
        })
    }
}

/// What a group's waiter gets.
pub(crate) type Answer = Result<Done, AppendError>;

/// A group's outcome with what it refers to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) run: Option<Arc<SignedRun>>,
    /// The record of a group of one event, for its receipt.
    pub(crate) record: Option<Vec<u8>>,
    /// `None` only for the creation of a ledger that is there already.
    pub(crate) checkpoint: Option<Arc<SignedCheckpoint>>,
}
