//! The sequencer: the one thread of a lane that decides. It gives every record its place, its time and its
//! id, seals it, and hands whole batches on to be signed.
//!
//! It runs ahead of the disk: a batch is chained to the one before while that one is still being signed
//! or stored. What is on its way is kept in each ledger's [`Tip`]. When a batch fails, everything chained
//! to it fails too; once all of it is out of the lane the sequencer begins a new epoch, in which every tip
//! starts again from the durable head. A ledger that cannot be read fails its own groups only: its tip is
//! set aside until what is on its way of it has ended, and is loaded anew then.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_core::key::LedgerKeys;
use indelible_core::limits::UNSIGNED_RUN_MAX;
use indelible_core::name::{LedgerName, Origin, Seq};
use indelible_core::system::Creation;
use indelible_core::time::Timestamp;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::batch::{Batch, Waiting};
use super::entry::{LedgerEntry, Settings};
use super::lane::Lane;
use super::lookup;
use super::lookups::Asked;
use super::queue::{Completion, Group, Next, Pipeline, Work};
use super::records::corrupt;
use super::refusing::{refuse, refuse_conflicts, refuse_overflow, refused, unavailable};
use super::registry::Claim;
use super::resolve::{Found, GivenId, Item, resolve};
use super::run::{One, Outcome, RunId, Sealed};
use super::sealing::Sealing;
use super::session::{Turn, earlier_failed};
use super::shared::Shared;
use super::signing::{Job, Stage};
use super::tip::{Body, InFlight, Tip};
use crate::api::{Atomicity, LedgerSettings};
use crate::error::{AppendError, EventError, ReadError};
use crate::rows::id::IdHash;
use crate::server_id::ServerIds;
use crate::store::Read;

/// When a client should try again after a failure that the engine recovers from by itself.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A batch of so few signatures is signed by the sequencer itself when nothing of its lane is on its way:
/// handing it over costs some tens of microseconds, a handful of signatures.
const INLINE_SIGNATURES_MAX: usize = 16;

/// A batch of so few records that was signed so is also committed by the sequencer, where nobody else
/// commits. With more of them it is better to sequence the next while the disk is busy.
const INLINE_RECORDS_MAX: usize = 64;

/// A signer and a store that together answer within this count as fast: waiting for them is no reason to
/// have more than a few batches on their way.
const SLOW_FROM: Duration = Duration::from_millis(5);

/// Batches that are begun within one latency of a slow signer or store: an event then waits an eighth of
/// it for its batch.
const BATCHES_PER_LATENCY: u32 = 8;

/// Ids of durable batches that are remembered for groups that were looked up before: some 20 MB.
const SETTLED_IDS_MAX: usize = 1 << 18;

/// A batch that was handed on, as far as the sequencer must remember it.
struct Departed {
    serial: u64,
    signatures: usize,
    bytes: usize,
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
    lane: Arc<Lane>,
    signing: Stage,
    epoch: u64,
    serial: u64,
    /// Something of this epoch failed: nothing new until all of it is through.
    failed: bool,
    departed: VecDeque<Departed>,
    /// Signatures and bytes of what has departed.
    signatures: usize,
    bytes: usize,
    begun: Instant,
    /// Batches that are durable, and whose ids are still remembered.
    settled: VecDeque<Departed>,
    settled_ids: usize,
    ids: ServerIds,
    /// Ledgers whose records could not be sealed, and the last batch that has some of them.
    set_aside: HashMap<u64, (Arc<LedgerEntry>, u64)>,
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
    clock_was_behind: bool,
}

impl Sequencer {
    pub(crate) fn new(signing: Stage) -> Self {
        Self {
            shared: Arc::clone(&signing.shared),
            lane: Arc::clone(&signing.lane),
            signing,
            epoch: 0,
            serial: 0,
            failed: false,
            departed: VecDeque::new(),
            signatures: 0,
            bytes: 0,
            begun: Instant::now(),
            settled: VecDeque::new(),
            settled_ids: 0,
            ids: ServerIds::default(),
            set_aside: HashMap::new(),
            clock_is_behind: false,
        }
    }

    /// Works until the queue is closed and empty and everything is through.
    pub(crate) fn run(mut self) {
        loop {
            match self.lane.queue.next(self.pipeline()) {
                Next::Batch(groups) => self.batch(groups),
                Next::Completed(completions) => {
                    completions.into_iter().for_each(|completion| self.completed(completion));
                }
                Next::Closed => return,
            }
        }
    }

    fn pipeline(&self) -> Pipeline {
        let latency = self.lane.sign_latency.get() + self.shared.store_latency.get();
        Pipeline {
            in_flight: self.departed.len(),
            signatures: self.signatures,
            bytes: self.bytes,
            failed: self.failed,
            next_at: (latency >= SLOW_FROM).then(|| self.begun + latency / BATCHES_PER_LATENCY),
            gathers: self.lane.local.is_some(),
        }
    }

    fn completed(&mut self, completion: Completion) {
        let place = self.departed.iter().position(|batch| batch.serial == completion.serial);
        let Some(batch) = place.and_then(|place| self.departed.remove(place)) else { return };
        self.signatures -= batch.signatures;
        self.bytes -= batch.bytes;
        if !completion.durable {
            self.failed = true;
            batch.turns.iter().for_each(Turn::fail);
        }
        for name in &batch.creating {
            self.shared.registry.release(name);
        }
        if completion.durable {
            self.lane.lookups.durable(batch.serial);
            self.settled_ids += batch.given_ids;
        }
        self.settled.push_back(batch);
        self.forget_settled();
        self.take_back();
        if self.failed && self.departed.is_empty() {
            self.begin_epoch();
        }
    }

    /// Ledgers of which nothing is on its way any more start again from their durable heads.
    fn take_back(&mut self) {
        let oldest = self.departed.front().map_or(u64::MAX, |batch| batch.serial);
        for (_, (entry, _)) in self.set_aside.extract_if(|_, (_, last)| *last < oldest) {
            *entry.tip.lock() = None;
        }
    }

    /// Forgets the ids of batches that every group has in the store that was, or will be, looked up; and
    /// the oldest of them in any case where they are too many.
    fn forget_settled(&mut self) {
        let known_to_all = self.lane.lookups.known_to_all();
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
    }

    fn batch(&mut self, groups: Vec<Group>) {
        let started = Instant::now();
        if self.lane.closes_at().is_some_and(|closes| closes <= started) {
            return refuse(groups, &AppendError::Closed);
        }
        // A write that hangs leaves the store readable; nothing is begun on it.
        if let Some(reason) = self.shared.poisoned() {
            return refuse(groups, &AppendError::Unavailable { reason, retry_after: RETRY_AFTER });
        }
        let store = match self.shared.store.get() {
            Ok(store) => store,
            Err(error) => return refuse(groups, &unavailable(error)),
        };
        let now = match self.shared.time.for_records() {
            Ok(now) => now,
            Err(jump) => return refuse(groups, &jump.into()),
        };
        self.serial += 1;
        self.begun = started;
        let mut forming = Forming {
            store: &*store,
            now,
            runs: Vec::new(),
            by_ledger: HashMap::new(),
            waiting: Vec::with_capacity(groups.len()),
            creating: Vec::new(),
            clock_was_behind: false,
        };
        for group in groups {
            let waiting = self.group(&mut forming, group);
            forming.waiting.push(waiting);
        }
        self.report_clock(&forming);
        let batch = self.seal(forming, started);
        self.hand_on(batch);
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
        match self.shared.registry.claim(&name, self.lane.index) {
            Claim::Granted => {}
            Claim::Mine => return Ok(None),
            Claim::Others => {
                let reason = "the ledger is being created with another signer".into();
                return Err(AppendError::Unavailable { reason, retry_after: RETRY_AFTER });
            }
        }
        let created = self.create_claimed(forming, &name, settings);
        if !matches!(created, Ok(Some(_))) {
            self.shared.registry.release(&name);
        }
        created
    }

    fn create_claimed(
        &mut self,
        forming: &mut Forming<'_>,
        name: &LedgerName,
        settings: LedgerSettings,
    ) -> Result<Option<Arc<LedgerEntry>>, AppendError> {
        if lookup::ledger_row(forming.store, name)?.is_some() {
            return Ok(None);
        }
        let shared = &self.shared;
        let origin = Origin::of(&shared.config.server_name, name);
        let keys = vec![self.lane.key_id.clone()];
        let max_unsigned = shared.config.limits.max_unsigned.min(UNSIGNED_RUN_MAX);
        let LedgerSettings { sign_per, numbers, principals, .. } = settings;
        let creation =
            Creation { origin: origin.clone(), sign_per, keys, max_unsigned, numbers, principals };
        let number = shared.registry.next_number();
        let created = forming.now;
        let settings = Settings {
            number,
            name: name.clone(),
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
        forming.by_ledger.insert(number, forming.runs.len());
        forming.runs.push(run);
        forming.creating.push(name.clone());
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
        if self.set_aside.contains_key(&entry.number) {
            let reason = format!("the ledger '{}' is being loaded again", entry.name).into();
            waiting.outcome = Err(AppendError::Unavailable { reason, retry_after: RETRY_AFTER });
            waiting.entry = Some(entry);
            return waiting;
        }
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
        // Without ids everything is new.
        let found =
            asked.map(|asked| resolve(forming.store, entry, tip, &mut items, asked)).transpose()?;
        let all_or_nothing = atomicity == Atomicity::AllOrNothing;
        if all_or_nothing && let Some(found) = &found {
            refuse_conflicts(&self.shared, found)?;
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
        let is_new = |found: &&Found| matches!(found, Found::New);
        let new = found.as_ref().map_or(items.len(), |found| found.iter().filter(is_new).count());
        if all_or_nothing {
            refuse_overflow(sealing, new)?;
        }
        // Of a group that is not new as a whole only records are known, not which bytes are theirs.
        let bytes = items.iter().map(|item| item.body.len()).sum::<usize>();
        sealing.expect(new, if new == items.len() { bytes } else { 0 });
        waiting.run = Some(run);
        let all_new = new == items.len();
        let items = items.into_iter();
        waiting.outcome = Ok(match found {
            Some(found) => self.seal_items(sealing, tip, items.zip(found), all_new, time),
            None => {
                let items = items.map(|item| (item, Found::New));
                self.seal_items(sealing, tip, items, all_new, time)
            }
        });
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
        items: impl Iterator<Item = (Item, Found)>,
        all_new: bool,
        time: Timestamp,
    ) -> Outcome {
        let first = sealing.len() as u32;
        // Most groups are new as a whole, and need no list of outcomes.
        let mut mixed = (!all_new).then(Vec::new);
        let mut seqs: Vec<Option<Seq>> = Vec::new();
        for (item, found) in items {
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

    /// Finishes the runs. One that cannot be finished fails its own groups.
    fn seal(&mut self, forming: Forming<'_>, started: Instant) -> (Batch, Vec<LedgerName>) {
        let Forming { store, runs, mut waiting, creating, .. } = forming;
        // A group of duplicates leaves an empty run behind, which nothing is written of.
        let mut places = vec![None; runs.len()];
        let mut sealed = Vec::with_capacity(runs.len());
        for (place, run) in runs.into_iter().enumerate() {
            if run.len() == 0 {
                continue;
            }
            let entry = Arc::clone(&run.entry);
            let finished = match &mut *entry.tip.lock() {
                Some(tip) => run.finish(tip, store),
                None => Err(corrupt(&format!("ledger '{}' was set aside", entry.name))),
            };
            match finished {
                Ok(run) => sealed.push((place, run)),
                Err(error) => self.set_aside(&entry, place, &mut waiting, &error),
            }
        }
        sealed.sort_unstable_by_key(|(_, run)| run.entry.number);
        for (now, (place, _)) in sealed.iter().enumerate() {
            if let Some(new) = places.get_mut(*place) {
                *new = Some(now);
            }
        }
        for one in &mut waiting {
            one.run = one.run.and_then(|run| places.get(run).copied().flatten());
        }
        let runs = sealed.into_iter().map(|(_, run)| run).collect();
        let (serial, epoch) = (self.serial, self.epoch);
        (Batch { serial, epoch, runs, waiting, started }, creating)
    }

    /// The tip has moved over records that will never be. Nobody is sequenced behind it until it was
    /// loaded anew, which needs everything to have ended that is on its way.
    fn set_aside(
        &mut self,
        entry: &Arc<LedgerEntry>,
        place: usize,
        waiting: &mut [Waiting],
        error: &ReadError,
    ) {
        tracing::error!(ledger = %entry.name, %error, "nothing can be appended to the ledger");
        for one in waiting.iter_mut().filter(|one| one.run == Some(place)) {
            one.outcome = Err(AppendError::Read(error.clone()));
            one.turn.iter().for_each(Turn::fail);
        }
        let has = |batch: &&Departed| batch.ledgers.iter().any(|one| one.number == entry.number);
        match self.departed.iter().rev().find(has) {
            Some(last) => {
                self.set_aside.insert(entry.number, (Arc::clone(entry), last.serial));
            }
            None => *entry.tip.lock() = None,
        }
    }

    /// Hands the batch on to be signed.
    fn hand_on(&mut self, (batch, creating): (Batch, Vec<LedgerName>)) {
        let signatures = batch.runs.iter().map(Sealed::signatures).sum();
        let given_ids = batch.runs.iter().map(Sealed::given_ids).sum();
        let bytes = batch.runs.iter().map(Sealed::record_bytes).sum();
        let is_alone = self.departed.is_empty();
        self.signatures += signatures;
        self.bytes += bytes;
        self.departed.push_back(Departed {
            serial: self.serial,
            signatures,
            bytes,
            ledgers: batch.runs.iter().map(|run| Arc::clone(&run.entry)).collect(),
            creating,
            given_ids,
            turns: batch.waiting.iter().filter_map(|one| one.turn.clone()).collect(),
        });
        if is_alone && signatures <= INLINE_SIGNATURES_MAX && self.lane.local.is_some() {
            let commits = batch.records() <= INLINE_RECORDS_MAX;
            return self.signing.sign_here(batch, commits);
        }
        // Refused only when the signing thread is gone; the waiters hear it from their dropped answers.
        drop(self.lane.inbox.push(Job::Batch(batch)));
    }
}

fn seq_before(seq: Seq) -> Option<Seq> {
    Seq::new(seq.get().checked_sub(1)?).ok()
}
