//! What duplicates duplicate, as the clients of the originals heard it: those whose originals were on their
//! way when they were sequenced, and are durable now.

use std::sync::Arc;

use super::answer::Done;
use super::entry::LedgerEntry;
use super::ids::Tables;
use super::lookup;
use super::rows_of_commit::RunToPublish;
use super::run::{One, Outcome};
use super::shared::Shared;
use crate::error::ReadError;
use crate::rows::LedgerNumber;
use crate::store::Store;

pub(crate) struct Originals<'a> {
    shared: &'a Shared,
    store: &'a dyn Store,
}

impl<'a> Originals<'a> {
    pub(crate) fn new(shared: &'a Shared, store: &'a dyn Store) -> Self {
        Self { shared, store }
    }

    pub(crate) fn done(
        &self,
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
            Outcome::Mixed(ones) => {
                let mut tables = Tables::new(self.store, LedgerNumber(entry.number));
                let ones = ones.into_iter().map(|one| self.resolve(one, &mut tables));
                Outcome::Mixed(ones.collect::<Result<_, _>>()?)
            }
        };
        let checkpoint = match run {
            Some(run) => Arc::clone(&run.signed.checkpoint),
            None => Arc::clone(&lookup::head(self.shared, entry)?.checkpoint),
        };
        let run = run.map(|run| Arc::clone(&run.signed));
        Ok(Done { outcome, run, record, checkpoint: Some(checkpoint) })
    }

    fn resolve(&self, one: One, tables: &mut Tables<'_>) -> Result<One, ReadError> {
        let One::Before(seq, id) = one else { return Ok(one) };
        self.shared.metrics.duplicates.add(1);
        Ok(One::Duplicate(Box::new(tables.accepted(seq, id)?)))
    }
}
