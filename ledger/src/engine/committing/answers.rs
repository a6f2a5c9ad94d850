//! What the waiters of a durable commit are told.

use std::sync::Arc;

use super::super::batch::{Settled, Waiting};
use super::super::entry::LedgerEntry;
use super::super::lookup;
use super::super::records::{LoadedBlock, accepted_before, corrupt, load_block};
use super::super::rows_of_commit::RunToPublish;
use super::super::run::{Done, One, Outcome};
use super::super::shared::Shared;
use crate::api::Accepted;
use crate::error::{AppendError, ReadError};
use crate::rows::LedgerNumber;
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
    let mut originals = Originals { shared, store, block: None };
    let mut answers = Answers(Vec::with_capacity(waiting.len()));
    for mut one in waiting {
        let outcome = std::mem::replace(&mut one.outcome, Ok(Outcome::Fresh(0..0)));
        let run = one.run.and_then(|run| runs.get(run));
        let record = one.record.take();
        let done = outcome.and_then(|outcome| {
            let has_new = outcome.has_new();
            originals.done(outcome, one.entry.as_ref(), run, record).map_err(|error| match error {
                // What is new in the group is durable: an error that says "nothing" would be untrue.
                error if has_new => {
                    AppendError::OutcomeUnknown { reason: error.to_string().into() }
                }
                error => AppendError::Read(error),
            })
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

/// Reads what duplicates duplicate, a block at a time: a batch that is sent again is mostly found in one.
struct Originals<'a> {
    shared: &'a Shared,
    store: &'a dyn Store,
    block: Option<(u64, LoadedBlock)>,
}

impl Originals<'_> {
    fn done(
        &mut self,
        outcome: Outcome,
        entry: Option<&Arc<LedgerEntry>>,
        run: Option<&RunToPublish>,
        record: Option<Vec<u8>>,
    ) -> Result<Done, ReadError> {
        // A group without a ledger wanted to create one that is there already; its answer says no more
        // than that.
        let Some(entry) = entry else {
            return Ok(Done { outcome, run: None, record, checkpoint: None });
        };
        let outcome = match outcome {
            Outcome::Fresh(places) => Outcome::Fresh(places),
            Outcome::Mixed(ones) => Outcome::Mixed(
                ones.into_iter().map(|one| self.resolve(one, entry)).collect::<Result<_, _>>()?,
            ),
        };
        let checkpoint = match run {
            Some(run) => Arc::clone(&run.signed.checkpoint),
            None => Arc::clone(&lookup::head(self.shared, entry)?.checkpoint),
        };
        let run = run.map(|run| Arc::clone(&run.signed));
        Ok(Done { outcome, run, record, checkpoint: Some(checkpoint) })
    }

    fn resolve(&mut self, one: One, entry: &LedgerEntry) -> Result<One, ReadError> {
        let One::Before(seq) = one else { return Ok(one) };
        self.shared.metrics.duplicates.add(1);
        let ledger = entry.number;
        let known = self.block.take().filter(|(of, block)| *of == ledger && block.contains(seq));
        let block = match known {
            Some((_, block)) => block,
            None => load_block(self.store, LedgerNumber(ledger), seq)?
                .ok_or_else(|| corrupt(&format!("record {seq} of '{}' is missing", entry.name)))?,
        };
        let accepted = original(&block, seq)?;
        self.block = Some((ledger, block));
        Ok(One::Duplicate(Box::new(accepted)))
    }
}

fn original(block: &LoadedBlock, seq: indelible_core::name::Seq) -> Result<Accepted, ReadError> {
    let decoded = block.decode()?;
    let record = decoded.find(seq).ok_or_else(|| corrupt("a record is missing from its block"))?;
    accepted_before(&block.stored(&record)?)
}
