//! The rows of one commit: what a signed batch becomes in the store.

use std::sync::Arc;
use std::time::Instant;

use indelible_core::system::Creation;
use indelible_core::time::Timestamp;

use super::batch::{Batch, Waiting};
use super::entry::{Head, LedgerEntry};
use super::records::corrupt;
use super::run::SignedRun;
use crate::error::ReadError;
use crate::rows::block::{self, BlockBuilder, BlockPlace};
use crate::rows::head::HeadRow;
use crate::rows::id::IdRow;
use crate::rows::index::IndexRow;
use crate::rows::kind::KindRow;
use crate::rows::ledger::LedgerRow;
use crate::rows::meta::StateRow;
use crate::rows::{LedgerNumber, commit, head, id, index, ledger, node, tile};
use crate::store::{self, Space};

/// Lowest level of stored nodes, and the distance between two.
const NODE_LEVELS: u8 = 8;

/// A signed run that is not encoded yet.
pub(crate) struct RunToStore {
    pub(crate) entry: Arc<LedgerEntry>,
    pub(crate) creation: Option<Creation>,
    pub(crate) blocks: Vec<(BlockBuilder, Timestamp)>,
    pub(crate) tiles: Vec<(u64, Vec<u8>)>,
    pub(crate) signed: SignedRun,
}

/// A run as it is published once its commit is durable.
pub(crate) struct RunToPublish {
    pub(crate) entry: Arc<LedgerEntry>,
    pub(crate) head: Arc<Head>,
    pub(crate) signed: Arc<SignedRun>,
}

/// A signed batch with its rows, ready to be written.
pub(crate) struct Commit {
    pub(crate) serial: u64,
    pub(crate) epoch: u64,
    pub(crate) state: StateRow,
    /// No rows when the batch has only duplicates.
    pub(crate) rows: store::Batch,
    pub(crate) runs: Vec<RunToPublish>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) started: Instant,
}

/// Encodes a signed batch.
///
/// # Errors
/// When a block does not take its signatures, which is a fault of this program; the batch is given back.
pub(crate) fn encode(
    batch: Batch,
    runs: Vec<RunToStore>,
) -> Result<Commit, Box<(Batch, ReadError)>> {
    let mut rows = store::Batch::new();
    let mut to_publish = Vec::with_capacity(runs.len());
    let mut totals = Totals { ordinal: 0, records: 0, bytes: 0 };
    for run in runs {
        match put_run(&mut rows, &batch.state, run, &mut totals) {
            Ok(run) => to_publish.push(run),
            Err(error) => return Err(Box::new((batch, error))),
        }
    }
    if !to_publish.is_empty() {
        let state = &batch.state;
        rows.put(Space::Commits, &commit::key(state.commit), &commit::encode(&state.digest));
        rows.put(Space::Meta, StateRow::KEY, &state.encode());
    }
    Ok(Commit {
        serial: batch.serial,
        epoch: batch.epoch,
        state: batch.state,
        rows,
        runs: to_publish,
        waiting: batch.waiting,
        records: totals.records,
        bytes: totals.bytes,
        started: batch.started,
    })
}

struct Totals {
    ordinal: u32,
    records: u64,
    bytes: u64,
}

fn put_run(
    rows: &mut store::Batch,
    state: &StateRow,
    run: RunToStore,
    totals: &mut Totals,
) -> Result<RunToPublish, ReadError> {
    let RunToStore { entry, creation, mut blocks, tiles, signed } = run;
    let number = LedgerNumber(entry.number);
    sign_blocks(&mut blocks, &signed)?;
    if let Some(creation) = creation {
        let row = LedgerRow { number, created: entry.created, creation: creation.to_canonical() };
        rows.put(Space::Ledgers, ledger::key(&entry.name), &row.encode());
    }
    for (builder, first_time) in blocks {
        let place = BlockPlace { commit: state.commit, ordinal: totals.ordinal };
        let (first, count) = (builder.first_seq(), builder.len());
        totals.ordinal += 1;
        totals.records += count as u64;
        totals.bytes += builder.record_bytes() as u64;
        let block = builder.finish().map_err(|error| corrupt(&error.to_string()))?;
        rows.put_owned(Space::Blocks, &block::key(place), block.tables);
        rows.put_owned(Space::Bodies, &block::bodies_key(number, first), block.bodies);
        let row = IndexRow { place, count: u32::try_from(count).unwrap_or(u32::MAX), first_time };
        rows.put(Space::Index, &index::key(number, first), &row.encode());
    }
    for kind in &signed.facts.kinds {
        rows.put(Space::Meta, &kind.key(), KindRow::VALUE);
    }
    put_ids(rows, number, &signed);
    for (tile, value) in tiles {
        rows.put_owned(Space::Tiles, &tile::key(number, tile), value);
    }
    put_nodes(rows, number, &signed);
    let head = put_head(rows, state, number, &signed)?;
    Ok(RunToPublish { entry, head: Arc::new(head), signed: Arc::new(signed) })
}

/// Gives the records in the blocks their signatures.
fn sign_blocks(
    blocks: &mut [(BlockBuilder, Timestamp)],
    signed: &SignedRun,
) -> Result<(), ReadError> {
    let key_id = signed.key_id.as_str();
    let mut signatures = signed.signed_places().zip(&signed.signatures).peekable();
    let mut begin = 0;
    for (block, _) in blocks {
        let end = begin + block.len();
        while let Some((place, signature)) = signatures.next_if(|(place, _)| *place < end) {
            block
                .sign(place - begin, key_id, signature.as_bytes())
                .map_err(|error| corrupt(&error.to_string()))?;
        }
        begin = end;
    }
    Ok(())
}

fn put_ids(rows: &mut store::Batch, number: LedgerNumber, signed: &SignedRun) {
    for (place, one) in signed.facts.ids.iter().enumerate() {
        if let (Some((hash, content)), Some(seq)) = (one.row, signed.seq(place)) {
            let row = IdRow { seq, content };
            rows.put(Space::Ids, &id::key(number, hash), &row.encode());
        }
    }
}

fn put_nodes(rows: &mut store::Batch, number: LedgerNumber, signed: &SignedRun) {
    let growth = &signed.growth;
    let mut level = NODE_LEVELS;
    while level < u64::BITS as u8 && growth.size() >> level > 0 {
        for (index, hash) in growth.completed(level) {
            rows.put(Space::Nodes, &node::key(number, level, index), &node::encode(&hash));
        }
        level += NODE_LEVELS;
    }
}

fn put_head(
    rows: &mut store::Batch,
    state: &StateRow,
    number: LedgerNumber,
    signed: &SignedRun,
) -> Result<Head, ReadError> {
    let facts = &signed.facts;
    let (Some(&last_digest), Some(&last_time)) = (facts.digests.last(), facts.times.last()) else {
        return Err(corrupt("a run without records"));
    };
    let frontier = signed.growth.frontier();
    let row = HeadRow {
        size: frontier.end(),
        commit: state.commit,
        last_digest,
        last_time,
        frontier: frontier.subtrees().to_vec(),
        note: signed.checkpoint.note.clone(),
    };
    rows.put(Space::Heads, &head::key(number), &row.encode());
    Ok(Head { last_digest, last_time, frontier, checkpoint: Arc::clone(&signed.checkpoint) })
}
