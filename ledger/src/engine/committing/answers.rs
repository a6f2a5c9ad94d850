//! What the waiters of a durable commit are told.

use super::super::batch::{Settled, Waiting};
use super::super::originals::Originals;
use super::super::rows_of_commit::RunToPublish;
use super::super::run::Outcome;
use super::super::shared::Shared;
use crate::error::AppendError;
use crate::store::Store;

/// Answers from here on are given by one task within the runtime, which wakes their waiters where they
/// are: woken from outside, each would cost a system call.
const TASK_MIN: usize = 4;

/// Answers all groups of a batch that has become durable.
pub(super) fn answer(
    shared: &Shared,
    waiting: Vec<Waiting>,
    runs: &[RunToPublish],
    store: &dyn Store,
) {
    let originals = Originals::new(shared, store);
    let mut answers = Answers(Vec::with_capacity(waiting.len()));
    for mut one in waiting {
        let outcome = std::mem::replace(&mut one.outcome, Ok(Outcome::Fresh(0..0)));
        let run = one.run.and_then(|run| runs.get(run));
        let record = one.record.take();
        let done = outcome.and_then(|outcome| {
            // What the group says is durable by now, new or sent before: an error that says "nothing"
            // would be untrue.
            originals
                .done(outcome, one.entry.as_ref(), run, record)
                .map_err(|error| AppendError::OutcomeUnknown { reason: error.to_string().into() })
        });
        answers.0.push(one.settle(done));
    }
    match &shared.answering {
        Some(runtime) if answers.0.len() >= TASK_MIN => {
            runtime.spawn(async move { drop(answers) });
        }
        _ => drop(answers),
    }
}

/// Answers that are given when this is dropped: also where the runtime that should have given them ends
/// before it does.
struct Answers(Vec<Settled>);

impl Drop for Answers {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).into_iter().for_each(Settled::send);
    }
}
