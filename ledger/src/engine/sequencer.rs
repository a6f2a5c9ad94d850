//! The sequencer: the one thread that decides. It gives every record its place, its time and its id,
//! seals it, and hands whole batches on to be signed.
//!
//! It runs ahead of the disk: a batch is chained to the one before while that one is still being signed
//! or stored. What is on its way is kept in each ledger's [`Tip`]. When a batch fails, everything chained
//! to it fails too; once all of it is out of the pipeline the sequencer begins a new epoch, in which
//! every tip starts again from the durable head.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use indelible_core::key::LedgerKeys;
use indelible_core::limits::UNSIGNED_RUN_MAX;
use indelible_core::name::{LedgerName, Origin, Seq};
use indelible_core::system::Creation;
use indelible_core::time::Timestamp;
use tokio::sync::oneshot;

use super::batch::{Batch, Waiting, engine_digest, fail_all};
use super::entry::{Body, InFlight, LedgerEntry, Settings, Tip};
use super::lookup;
use super::lookups::Asked;
use super::queue::{Completion, Group, Next, Pipeline, Work};
use super::refusing::{refuse, refuse_conflicts, refuse_overflow, refused, unavailable};
use super::resolve::{Found, GivenId, Item, resolve};
use super::run::{Answer, One, Outcome, RunId, Sealed};
use super::sealing::Sealing;
use super::session::{Turn, earlier_failed};
use super::shared::Shared;
use crate::api::{Atomicity, LedgerSettings};
use crate::error::{AppendError, EventError, ReadError};
use crate::rows::CommitNumber;
use crate::rows::id::IdHash;
use crate::rows::meta::StateRow;
use crate::server_id::ServerIds;
use crate::store::Read;

/// When a client should try again after a failure that the engine recovers from by itself.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Ids of durable batches that are remembered for groups that were looked up before: some 20 MB.
const SETTLED_IDS_MAX: usize = 1 << 18;

/// A batch that was handed on, as far as the sequencer must remember it.
struct Departed {
    serial: u64,
    ledgers: Vec<Arc<LedgerEntry>>,
    creating: Vec<LedgerName>,
    /// How many of its records have ids that clients gave.
    given_ids: usize,
    /// The turns of its groups. Should it fail, they are told here, by the thread that would otherwise
    /// sequence what waits behind them.
    turns: Vec<Turn>,
}

pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    next_stage: Sender<Batch>,
    epoch: u64,
    serial: u64,
    /// Something of this epoch failed: nothing new until all of it is through.
    failed: bool,
    departed: VecDeque<Departed>,
    /// Batches that are durable, and whose ids are still remembered.
    settled: VecDeque<Departed>,
    settled_ids: usize,
    /// The engine's state after the last batch that was handed on.
    state: StateRow,
    ids: ServerIds,
    /// Ledgers whose creation is on its way.
    creating: HashSet<LedgerName>,
    clock_is_behind: bool,
}

/// A batch in the making.
struct Forming<'a> {
    store: &'a dyn Read,
    now: Timestamp,
    runs: Vec<Sealing>,
    by_ledger: HashMap<u64, usize>,
    waiting: Vec<Waiting>,
    creating: Vec<LedgerName>,
    ledgers: u64,
    clock_was_behind: bool,
}

impl Sequencer {
    pub(crate) fn new(shared: Arc<Shared>, next_stage: Sender<Batch>) -> Self {
        let state = *shared.state.lock();
        Self {
            shared,
            next_stage,
            epoch: 0,
            serial: 0,
            failed: false,
            departed: VecDeque::new(),
            settled: VecDeque::new(),
            settled_ids: 0,
            state,
            ids: ServerIds::default(),
            creating: HashSet::new(),
            clock_is_behind: false,
        }
    }

    /// Works until the queue is closed and empty and everything is through.
    pub(crate) fn run(mut self) {
        loop {
            let pipeline = Pipeline { in_flight: self.departed.len(), failed: self.failed };
            match self.shared.queue.next(pipeline) {
                Next::Batch(groups) => self.batch(groups),
                Next::Completed(completions) => {
                    completions.into_iter().for_each(|completion| self.completed(completion));
                }
                Next::Closed => return,
            }
        }
    }

    fn completed(&mut self, completion: Completion) {
        let place = self.departed.iter().position(|batch| batch.serial == completion.serial);
        let Some(batch) = place.and_then(|place| self.departed.remove(place)) else { return };
        if !completion.durable {
            self.failed = true;
            batch.turns.iter().for_each(Turn::fail);
        }
        for name in &batch.creating {
            self.creating.remove(name);
        }
        if completion.durable {
            self.shared.lookups.durable(batch.serial);
            self.settled_ids += batch.given_ids;
        }
        self.settled.push_back(batch);
        self.forget_settled();
        if self.failed && self.departed.is_empty() {
            self.begin_epoch();
        }
    }

    /// Forgets the ids of batches that every group has in the store that was, or will be, looked up; and
    /// the oldest of them in any case where they are too many.
    fn forget_settled(&mut self) {
        let known_to_all = self.shared.lookups.known_to_all();
        while let Some(batch) = self.settled.pop_front_if(|batch| {
            batch.serial <= known_to_all || self.settled_ids > SETTLED_IDS_MAX
        }) {
            self.settled_ids = self.settled_ids.saturating_sub(batch.given_ids);
            for entry in &batch.ledgers {
                if let Some(tip) = &mut *entry.tip.lock() {
                    tip.forget_in_flight(batch.serial);
                }
            }
        }
    }

    /// Everything that was in the pipeline is through, durable or failed: go on from the durable state.
    fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.failed = false;
        // The tips that remember these ids count for nothing any more.
        self.settled.clear();
        self.settled_ids = 0;
        self.creating.clear();
        self.state = *self.shared.state.lock();
    }

    fn batch(&mut self, groups: Vec<Group>) {
        let started = Instant::now();
        let store = match self.shared.store.get() {
            Ok(store) => store,
            Err(error) => return refuse(groups, &unavailable(error)),
        };
        let now = match self.shared.time.for_records() {
            Ok(now) => now,
            Err(jump) => return refuse(groups, &jump.into()),
        };
        // A store that failed while nothing was in the pipeline has come back with another state.
        if self.departed.is_empty() {
            self.state = *self.shared.state.lock();
        }
        self.serial += 1;
        let mut forming = Forming {
            store: &*store,
            now,
            runs: Vec::new(),
            by_ledger: HashMap::new(),
            waiting: Vec::with_capacity(groups.len()),
            creating: Vec::new(),
            ledgers: self.state.ledgers,
            clock_was_behind: false,
        };
        for group in groups {
            let waiting = self.group(&mut forming, group);
            forming.waiting.push(waiting);
        }
        self.report_clock(&forming);
        if let Err((waiting, error)) = self.seal(forming, started) {
            // Tips have moved over records that will never be: start again from what is durable.
            waiting.iter().filter_map(|one| one.turn.as_ref()).for_each(Turn::fail);
            fail_all(waiting, &AppendError::Read(error));
            self.failed = true;
            if self.departed.is_empty() {
                self.begin_epoch();
            }
        }
    }

    fn report_clock(&mut self, forming: &Forming<'_>) {
        if forming.clock_was_behind {
            self.shared.metrics.clock_backwards.add(1);
            if !self.clock_is_behind {
                tracing::warn!(now = %forming.now, "the clock has gone back; ledgers keep their last time");
            }
        }
        self.clock_is_behind = forming.clock_was_behind;
    }

    /// Sequences one group. Whatever keeps it out of the ledger becomes its outcome.
    fn group(&mut self, forming: &mut Forming<'_>, group: Group) -> Waiting {
        let Group { work, principal, answer, turn, .. } = group;
        let mut waiting = match &turn {
            Some(turn) if turn.is_behind_failure() => refused(answer, earlier_failed()),
            _ => self.work(forming, work, answer),
        };
        if let Err(error) = &waiting.outcome {
            tracing::debug!(%principal, %error, "a group was refused");
        }
        if let (Some(turn), Err(error)) = (&turn, &waiting.outcome)
            && error.breaks_order()
        {
            turn.fail();
        }
        waiting.turn = turn;
        waiting
    }

    fn work(
        &mut self,
        forming: &mut Forming<'_>,
        work: Work,
        answer: oneshot::Sender<Answer>,
    ) -> Waiting {
        match work {
            Work::Create(name, settings) => {
                let (entry, run, outcome) = match self.create(forming, name, settings) {
                    Ok(Some(entry)) => {
                        (Some(entry), Some(forming.runs.len() - 1), Ok(Outcome::Fresh(0..1)))
                    }
                    Ok(None) => (None, None, Ok(Outcome::Mixed(Vec::new()))),
                    Err(error) => (None, None, Err(error)),
                };
                Waiting { answer, entry, run, outcome, record: None, turn: None }
            }
            Work::Events(entry, items, atomicity, asked) => {
                self.append(forming, entry, items, atomicity, asked, answer)
            }
        }
    }

    /// Seals record 0 of a new ledger. `None` when the ledger is there, or will be once what is on its
    /// way is durable.
    fn create(
        &mut self,
        forming: &mut Forming<'_>,
        name: LedgerName,
        settings: LedgerSettings,
    ) -> Result<Option<Arc<LedgerEntry>>, AppendError> {
        if self.creating.contains(&name) || lookup::ledger_row(forming.store, &name)?.is_some() {
            return Ok(None);
        }
        let shared = &self.shared;
        let origin = Origin::of(&shared.config.server_name, &name);
        let keys = vec![shared.key_id.clone()];
        let max_unsigned = shared.config.limits.max_unsigned.min(UNSIGNED_RUN_MAX);
        let LedgerSettings { sign_per, numbers, principals } = settings;
        let creation =
            Creation { origin: origin.clone(), sign_per, keys, max_unsigned, numbers, principals };
        let number = forming.ledgers + 1;
        let created = forming.now;
        let name_of = name.clone();
        let settings = Settings {
            number,
            name: name_of,
            origin,
            sign_per,
            max_unsigned,
            numbers,
            principals,
            keys: LedgerKeys::created_with(&creation.keys),
            created,
        };
        let entry = Arc::new(LedgerEntry::new(settings));
        let mut tip = Box::new(Tip::empty(self.epoch, created));
        let system = Body::System(creation.to_canonical());
        let full = || AppendError::System("a ledger cannot begin behind its end");
        let mut run = Sealing::new(Arc::clone(&entry), Some(creation), &tip).ok_or_else(full)?;
        self.reserve_ids(1)?;
        let id = self.make_id(created);
        run.seal(&mut tip, Seq::ZERO, id, created, &system)
            .map_err(|_| AppendError::System("the creation does not make a record"))?;
        *entry.tip.lock() = Some(tip);
        forming.ledgers = number;
        forming.by_ledger.insert(number, forming.runs.len());
        forming.runs.push(run);
        self.creating.insert(name.clone());
        forming.creating.push(name);
        Ok(Some(entry))
    }

    /// Makes sure that ids can be made, before anything of a group is sealed.
    fn reserve_ids(&mut self, count: usize) -> Result<(), AppendError> {
        self.ids.reserve(count).map_err(|error| AppendError::Unavailable {
            reason: format!("the system has no random bytes: {error}").into(),
            retry_after: RETRY_AFTER,
        })
    }

    fn make_id(&mut self, time: Timestamp) -> RunId {
        RunId { id: self.ids.next(time).to_event_id(), row: None }
    }

    fn append(
        &mut self,
        forming: &mut Forming<'_>,
        entry: Arc<LedgerEntry>,
        items: Vec<Item>,
        atomicity: Atomicity,
        asked: Option<Asked>,
        answer: oneshot::Sender<Answer>,
    ) -> Waiting {
        let mut waiting = Waiting {
            answer,
            entry: None,
            run: None,
            outcome: Ok(Outcome::Fresh(0..0)),
            record: None,
            turn: None,
        };
        let mut slot = entry.tip.lock();
        let appended = lookup::tip(&mut slot, &entry, forming.store, self.epoch, self.serial - 1)
            .map_err(AppendError::Read)
            .and_then(|tip| {
                let group = (items, asked.as_ref());
                self.append_to(forming, &entry, tip, group, atomicity, &mut waiting)
            });
        drop(slot);
        waiting.entry = Some(entry);
        if let Err(error) = appended {
            waiting.outcome = Err(error);
        }
        waiting
    }

    fn append_to(
        &mut self,
        forming: &mut Forming<'_>,
        entry: &Arc<LedgerEntry>,
        tip: &mut Tip,
        (mut items, asked): (Vec<Item>, Option<&Asked>),
        atomicity: Atomicity,
        waiting: &mut Waiting,
    ) -> Result<(), AppendError> {
        let single = items.len() == 1;
        let found = resolve(forming.store, entry, tip, &mut items, asked)?;
        if atomicity == Atomicity::AllOrNothing {
            refuse_conflicts(&self.shared, &found)?;
        }
        self.reserve_ids(items.len())?;
        if forming.now < tip.last_time {
            forming.clock_was_behind = true;
        }
        let time = forming.now.max(tip.last_time);
        let run = match forming.by_ledger.get(&entry.number) {
            Some(&run) => run,
            None => {
                let full = AppendError::Event { index: 0, error: EventError::Full };
                let mut sealing = Sealing::new(Arc::clone(entry), None, tip).ok_or(full)?;
                sealing.shares_its_time = forming.now <= tip.last_time;
                forming.runs.push(sealing);
                forming.by_ledger.insert(entry.number, forming.runs.len() - 1);
                forming.runs.len() - 1
            }
        };
        let Some(sealing) = forming.runs.get_mut(run) else { return Ok(()) };
        if atomicity == Atomicity::AllOrNothing {
            refuse_overflow(sealing, &found)?;
        }
        waiting.run = Some(run);
        waiting.outcome = Ok(self.seal_items(sealing, tip, items, found, time));
        if single && matches!(waiting.outcome, Ok(Outcome::Fresh(_))) {
            waiting.record = sealing.last_record().map(<[u8]>::to_vec);
        }
        Ok(())
    }

    /// Seals what is new and says of everything else what it is.
    fn seal_items(
        &mut self,
        sealing: &mut Sealing,
        tip: &mut Tip,
        items: Vec<Item>,
        found: Vec<Found>,
        time: Timestamp,
    ) -> Outcome {
        let first = sealing.len() as u32;
        // Most groups are new as a whole, and need no list of outcomes.
        let mut mixed = found.iter().any(|found| !matches!(found, Found::New)).then(Vec::new);
        let mut seqs: Vec<Option<Seq>> = Vec::new();
        for (item, found) in items.into_iter().zip(found) {
            let before = |seq| match &item.id {
                Some(given) => One::Before(seq, given.id.clone()),
                // Only an id can say that something was there before.
                None => One::Refused(EventError::Full),
            };
            let one = match found {
                Found::New => match self.seal_one(sealing, tip, item, time) {
                    Ok(index) => One::Fresh(index),
                    Err(error) => One::Refused(error),
                },
                Found::Before(seq) => before(seq),
                Found::Durable(accepted) => {
                    self.shared.metrics.duplicates.add(1);
                    One::Duplicate(accepted)
                }
                Found::Same(earlier) => match seqs.get(earlier).copied().flatten() {
                    Some(seq) => before(seq),
                    None => One::Refused(EventError::Full),
                },
                Found::Conflict(error) => {
                    self.shared.metrics.conflicts.add(1);
                    One::Refused(error)
                }
            };
            if let Some(outcomes) = &mut mixed {
                // Only a mixed group can refer to an earlier event of its own.
                seqs.push(match &one {
                    One::Fresh(_) => sealing.next_seq().and_then(seq_before),
                    One::Before(seq, _) => Some(*seq),
                    _ => None,
                });
                outcomes.push(one);
            } else if let One::Refused(error) = one {
                let earlier = (first..sealing.len() as u32).map(One::Fresh);
                mixed = Some(earlier.chain([One::Refused(error)]).collect());
            }
        }
        mixed.map_or(Outcome::Fresh(first..sealing.len() as u32), Outcome::Mixed)
    }

    fn seal_one(
        &mut self,
        sealing: &mut Sealing,
        tip: &mut Tip,
        item: Item,
        time: Timestamp,
    ) -> Result<u32, EventError> {
        let seq = sealing.next_seq().ok_or(EventError::Full)?;
        let (id, given) = match item.id {
            Some(GivenId { id, hash, content, .. }) => {
                (RunId { id, row: Some((hash, content)) }, Some((hash, content)))
            }
            None => {
                let mut made = self.make_id(time);
                if sealing.shares_its_time {
                    made.row = Some((IdHash::of(&made.id), item.body.content()));
                }
                (made, None)
            }
        };
        let index = sealing
            .seal(tip, seq, id, time, &item.body)
            .map_err(|error| EventError::Record(error.to_string().into()))?;
        if let Some((hash, content)) = given {
            tip.add_in_flight(self.serial, hash, InFlight { seq, content });
        }
        Ok(index)
    }

    /// Finishes the runs and hands the batch on.
    fn seal(
        &mut self,
        forming: Forming<'_>,
        started: Instant,
    ) -> Result<(), (Vec<Waiting>, ReadError)> {
        let Forming { store, runs, mut waiting, creating, ledgers, .. } = forming;
        // A group of duplicates leaves an empty run behind, which nothing is written of.
        let mut places = vec![None; runs.len()];
        let mut sealed = Vec::with_capacity(runs.len());
        for (place, run) in runs.into_iter().enumerate() {
            if run.len() == 0 {
                continue;
            }
            let entry = Arc::clone(&run.entry);
            let mut slot = entry.tip.lock();
            let Some(tip) = &mut *slot else { continue };
            match run.finish(tip, store) {
                Ok(run) => sealed.push((place, run)),
                Err(error) => return Err((waiting, error)),
            }
        }
        sealed.sort_unstable_by_key(|(_, run)| run.entry.number);
        for (now, (place, _)) in sealed.iter().enumerate() {
            places[*place] = Some(now);
        }
        for one in &mut waiting {
            one.run = one.run.and_then(|run| places.get(run).copied().flatten());
        }
        let runs: Vec<_> = sealed.into_iter().map(|(_, run)| run).collect();
        let given_ids = runs.iter().map(Sealed::given_ids).sum();
        let ledgers_touched = runs.iter().map(|run| Arc::clone(&run.entry)).collect();
        self.departed.push_back(Departed {
            serial: self.serial,
            ledgers: ledgers_touched,
            creating,
            given_ids,
            turns: waiting.iter().filter_map(|one| one.turn.clone()).collect(),
        });
        let mut batch = Batch {
            serial: self.serial,
            epoch: self.epoch,
            state: self.state,
            runs,
            waiting,
            started,
        };
        if !batch.runs.is_empty() {
            batch.state = next_state(&self.state, ledgers, &batch);
            self.state = batch.state;
        }
        if self.next_stage.send(batch).is_err() {
            // The next stage ends only after this one, so this cannot happen; the waiters hear of it
            // because their answers are dropped.
            self.failed = true;
        }
        Ok(())
    }
}

fn seq_before(seq: Seq) -> Option<Seq> {
    Seq::new(seq.get().checked_sub(1)?).ok()
}

fn next_state(before: &StateRow, ledgers: u64, batch: &Batch) -> StateRow {
    let commit = CommitNumber(before.commit.0 + 1);
    let heads = batch
        .runs
        .iter()
        .filter_map(|run| Some((run.entry.number, run.size(), *run.facts.digests.last()?)));
    StateRow {
        commit,
        digest: engine_digest(&before.digest, commit, heads),
        ledgers,
        records: before.records + batch.records() as u64,
    }
}
