//! The rows of one commit: what signed batches of all lanes become in the store.
//!
//! A lane finishes what concerns its ledgers alone: blocks with their signatures, and heads. What depends
//! on the commit (its number, the places of blocks, the engine's digest) is decided here, when everything
//! that goes into it is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use indelible_core::name::Seq;
use indelible_core::system::Creation;
use indelible_core::time::Timestamp;

use super::batch::{Batch, Waiting, engine_digest};
use super::entry::{Head, LedgerEntry};
use super::lane::Lane;
use super::queue::Completion;
use super::records::corrupt;
use super::run::SignedRun;
use crate::error::ReadError;
use crate::rows::block::{self, BlockBuilder, BlockPlace, BlockRows};
use crate::rows::head::HeadRow;
use crate::rows::id::IdRow;
use crate::rows::index::IndexRow;
use crate::rows::kind::KindRow;
use crate::rows::ledger::LedgerRow;
use crate::rows::meta::StateRow;
use crate::rows::{CommitNumber, LedgerNumber, commit, head, id, index, ledger, node, tile};
use crate::store::{self, Space};

/// Lowest level of stored nodes, and the distance between two.
const NODE_LEVELS: u8 = 8;

/// A block with its signatures, as it will be stored.
struct FinishedBlock {
    first: Seq,
    count: usize,
    first_time: Timestamp,
    record_bytes: usize,
    value: BlockRows,
}

/// A signed run that has no place in a commit yet.
pub(crate) struct RunToStore {
    creation: Option<Creation>,
    blocks: Vec<FinishedBlock>,
    tiles: Vec<(u64, Vec<u8>)>,
    publish: RunToPublish,
}

impl RunToStore {
    /// Finishes the blocks of a run.
    ///
    /// # Errors
    /// When a block does not take its signatures, which is a fault of this program.
    pub(crate) fn new(
        entry: Arc<LedgerEntry>,
        creation: Option<Creation>,
        mut blocks: Vec<(BlockBuilder, Timestamp)>,
        tiles: Vec<(u64, Vec<u8>)>,
        signed: SignedRun,
    ) -> Result<Self, ReadError> {
        sign_blocks(&mut blocks, &signed)?;
        let blocks = blocks.into_iter().map(|(builder, first_time)| {
            Ok(FinishedBlock {
                first: builder.first_seq(),
                count: builder.len(),
                first_time,
                record_bytes: builder.record_bytes(),
                value: builder.finish().map_err(|error| corrupt(&error.to_string()))?,
            })
        });
        let blocks = blocks.collect::<Result<_, ReadError>>()?;
        let head = Arc::new(head_after(&signed)?);
        let publish =
            RunToPublish { entry, head, creates: creation.is_some(), signed: Arc::new(signed) };
        Ok(Self { creation, blocks, tiles, publish })
    }
}

/// A run as it is published once its commit is durable.
pub(crate) struct RunToPublish {
    pub(crate) entry: Arc<LedgerEntry>,
    pub(crate) head: Arc<Head>,
    pub(crate) signed: Arc<SignedRun>,
    /// Whether it begins the ledger, which is not in memory then, or a reader has brought it there.
    pub(crate) creates: bool,
}

/// A batch of one lane with its signatures, ready for any commit.
pub(crate) struct SignedBatch {
    pub(crate) lane: Arc<Lane>,
    pub(crate) epoch: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    serial: u64,
    runs: Vec<RunToStore>,
    waiting: Vec<Waiting>,
    started: Instant,
}

impl SignedBatch {
    pub(crate) fn new(lane: Arc<Lane>, batch: Batch, runs: Vec<RunToStore>) -> Self {
        let Batch { serial, epoch, waiting, started, .. } = batch;
        let blocks = || runs.iter().flat_map(|run| &run.blocks);
        let records = blocks().map(|block| block.count as u64).sum();
        let bytes = blocks().map(|block| block.record_bytes as u64).sum();
        Self { lane, epoch, records, bytes, serial, runs, waiting, started }
    }

    /// Takes the batch for lost, and everything that is chained to it with it.
    pub(crate) fn failed(self) -> (Arc<Lane>, Completion, Vec<Waiting>) {
        self.lane.failed_committing.note(self.epoch);
        (self.lane, Completion { serial: self.serial, durable: false }, self.waiting)
    }
}

/// What one batch has in a commit that is on its way.
pub(crate) struct Part {
    lane: Arc<Lane>,
    serial: u64,
    epoch: u64,
    pub(crate) runs: Vec<RunToPublish>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) started: Instant,
}

impl Part {
    /// Tells the lane that the batch is durable.
    pub(crate) fn is_durable(&self) {
        self.lane.queue.complete(Completion { serial: self.serial, durable: true });
    }

    /// As [`SignedBatch::failed`].
    pub(crate) fn failed(self) -> (Arc<Lane>, Completion, Vec<Waiting>) {
        self.lane.failed_committing.note(self.epoch);
        (self.lane, Completion { serial: self.serial, durable: false }, self.waiting)
    }
}

/// One commit with its rows, ready to be written.
pub(crate) struct Commit {
    /// The engine's state after it. Unchanged when there are no records.
    pub(crate) state: StateRow,
    /// No rows when there are only duplicates.
    pub(crate) rows: store::Batch,
    pub(crate) parts: Vec<Part>,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Encodes one commit behind the state `before`. Several batches may have runs of one ledger; each
/// lane's batches come in their order.
pub(crate) fn encode(before: &StateRow, batches: Vec<SignedBatch>) -> Commit {
    let mut rows = store::Batch::new();
    let records = batches.iter().map(|batch| batch.records).sum();
    let bytes = batches.iter().map(|batch| batch.bytes).sum();
    let state = state_after(before, &batches, records);
    // The last run of each ledger has its head.
    let mut heads: BTreeMap<u64, Arc<Head>> = BTreeMap::new();
    let mut by_ledger: Vec<RunToPut> = Vec::new();
    let mut parts = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut publish = Vec::with_capacity(batch.runs.len());
        for RunToStore { creation, blocks, tiles, publish: run } in batch.runs {
            heads.insert(run.entry.number, Arc::clone(&run.head));
            let (entry, signed) = (Arc::clone(&run.entry), Arc::clone(&run.signed));
            by_ledger.push(RunToPut { entry, creation, blocks, tiles, signed });
            publish.push(run);
        }
        parts.push(Part {
            lane: batch.lane,
            serial: batch.serial,
            epoch: batch.epoch,
            runs: publish,
            waiting: batch.waiting,
            started: batch.started,
        });
    }
    // Stable, so that a ledger's blocks stand in their order.
    by_ledger.sort_by_key(|run| run.entry.number);
    let mut ordinal = 0;
    for run in by_ledger {
        put_run(&mut rows, state.commit, run, &mut ordinal);
    }
    for (number, head) in &heads {
        put_head(&mut rows, state.commit, LedgerNumber(*number), head);
    }
    if !heads.is_empty() {
        rows.put(Space::Commits, &commit::key(state.commit), &commit::encode(&state.digest));
        rows.put(Space::Meta, StateRow::KEY, &state.encode());
    }
    Commit { state, rows, parts, records, bytes }
}

/// The engine's state after a commit with these batches.
fn state_after(before: &StateRow, batches: &[SignedBatch], records: u64) -> StateRow {
    let mut heads: BTreeMap<u64, &Head> = BTreeMap::new();
    let mut created = 0;
    for run in batches.iter().flat_map(|batch| &batch.runs) {
        heads.insert(run.publish.entry.number, &run.publish.head);
        created += u64::from(run.publish.creates);
    }
    if heads.is_empty() {
        return *before;
    }
    let commit = CommitNumber(before.commit.0 + 1);
    let heads = heads.iter().map(|(number, head)| (*number, head.size(), head.last_digest));
    StateRow {
        commit,
        digest: engine_digest(&before.digest, commit, heads),
        ledgers: before.ledgers + created,
        records: before.records + records,
    }
}

struct RunToPut {
    entry: Arc<LedgerEntry>,
    creation: Option<Creation>,
    blocks: Vec<FinishedBlock>,
    tiles: Vec<(u64, Vec<u8>)>,
    signed: Arc<SignedRun>,
}

fn put_run(rows: &mut store::Batch, commit: CommitNumber, run: RunToPut, ordinal: &mut u32) {
    let RunToPut { entry, creation, blocks, tiles, signed } = run;
    let number = LedgerNumber(entry.number);
    if let Some(creation) = creation {
        let row = LedgerRow { number, created: entry.created, creation: creation.to_canonical() };
        rows.put(Space::Ledgers, ledger::key(&entry.name), &row.encode());
    }
    for block in blocks {
        let place = BlockPlace { commit, ordinal: *ordinal };
        *ordinal += 1;
        rows.put_owned(Space::Blocks, &block::key(place), block.value.tables);
        let bodies = block::bodies_key(number, block.first);
        rows.put_owned(Space::Bodies, &bodies, block.value.bodies);
        let count = u32::try_from(block.count).unwrap_or(u32::MAX);
        let row = IndexRow { place, count, first_time: block.first_time };
        rows.put(Space::Index, &index::key(number, block.first), &row.encode());
    }
    for kind in &signed.facts.kinds {
        rows.put(Space::Meta, &kind.key(), KindRow::VALUE);
    }
    put_ids(rows, number, &signed);
    for (tile, value) in tiles {
        rows.put_owned(Space::Tiles, &tile::key(number, tile), value);
    }
    put_nodes(rows, number, &signed);
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
    let ids = signed.facts.ids.iter().enumerate().filter_map(|(place, one)| {
        let ((hash, content), seq) = one.row.zip(signed.seq(place))?;
        Some((id::key(number, hash), IdRow { seq, content }.encode()))
    });
    let mut ids: Vec<_> = ids.collect();
    // Hashes come in no order; in theirs the store puts them beside each other at less cost.
    ids.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in ids {
        rows.put(Space::Ids, &key, &value);
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

/// The head of a ledger after a run.
fn head_after(signed: &SignedRun) -> Result<Head, ReadError> {
    let facts = &signed.facts;
    let (Some(&last_digest), Some(&last_time)) = (facts.digests.last(), facts.times.last()) else {
        return Err(corrupt("a run without records"));
    };
    let checkpoint = Arc::clone(&signed.checkpoint);
    Ok(Head { last_digest, last_time, frontier: signed.growth.frontier(), checkpoint })
}

fn put_head(rows: &mut store::Batch, commit: CommitNumber, number: LedgerNumber, of: &Head) {
    let row = HeadRow {
        size: of.size(),
        commit,
        last_digest: of.last_digest,
        last_time: of.last_time,
        frontier: of.frontier.subtrees().to_vec(),
        note: of.checkpoint.note.clone(),
    };
    rows.put(Space::Heads, &head::key(number), &row.encode());
}
