//! The bounded queue in front of the sequencer: fair between tenants and then between their ledgers (see
//! [`super::fair`]), first come first served within one, and the place where the sequencer sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use indelible_core::name::LedgerName;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::answer::Answer;
use super::entry::LedgerEntry;
use super::fair::{EVENT_COST_BYTES, Fair, KNOWN_COST_BYTES, Load};
use super::lookups::Asked;
use super::resolve::Item;
use super::session::Turn;
use crate::api::{Atomicity, LedgerSettings};
use crate::config::EngineLimits;
use crate::metrics::EngineMetrics;
use crate::principal::{Principal, Tenant};

/// What a group asks for.
#[derive(Debug)]
pub(crate) enum Work {
    /// Records to be, their ids looked up in the store. `Asked` says when, where there are ids.
    Events(Arc<LedgerEntry>, Vec<Item>, Atomicity, Option<Asked>),
    Create(LedgerName, LedgerSettings),
}

/// A group of events that is sequenced as a whole, and who waits for it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) work: Work,
    /// Who wants it.
    pub(crate) principal: Principal,
    /// Whose share of the engine it is part of.
    pub(crate) tenant: Tenant,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// Of these, what is known to be in the ledger already.
    pub(crate) known: Known,
    /// Its place in its session, if it has one.
    pub(crate) turn: Option<Turn>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Group {
    /// Groups of a tenant with the same key wait in one line.
    fn line(&self) -> u64 {
        match &self.work {
            Work::Events(entry, ..) => entry.number,
            // No ledger has this number.
            Work::Create(..) => u64::MAX,
        }
    }

    fn load(&self) -> Load {
        Load { events: self.events, bytes: self.bytes }
    }

    /// What the group costs the pipeline, in bytes: a signature takes as long as hashing and copying
    /// some kilobytes, while what is in the ledger already is only passed on.
    fn cost(&self) -> usize {
        let new = self.events.saturating_sub(self.known.events);
        self.bytes.saturating_sub(self.known.bytes)
            + new * EVENT_COST_BYTES
            + self.known.events * KNOWN_COST_BYTES
    }
}

/// Events of a group of which nothing is left to do but to say so.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Why the queue does not take a group now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// What became of a batch, as the sequencer must know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) serial: u64,
    pub(crate) durable: bool,
}

/// What the sequencer is to do next.
pub(crate) enum Next {
    /// Make a batch of these.
    Batch(Vec<Group>),
    /// Take note of these first.
    Completed(Vec<Completion>),
    /// Everything is done and nothing more will come.
    Closed,
}

/// What of the lane decides whether another batch may be begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pipeline {
    /// Batches that are sealed and not yet completed.
    pub(crate) in_flight: usize,
    /// Their signatures.
    pub(crate) signatures: usize,
    /// Bytes of their events.
    pub(crate) bytes: usize,
    /// A batch failed: nothing is begun until all that follow it are through.
    pub(crate) failed: bool,
    /// Where signer or store answer slowly: when the next batch may be begun although it is small.
    pub(crate) next_at: Option<Instant>,
    /// The key is in this process: a small batch is better not begun before the one before it is through.
    pub(crate) gathers: bool,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { in_flight: 0, signatures: 0, bytes: 0, failed: true, next_at: None, gathers: false }
    }
}

/// Batches on their way at most where signer and store are as fast as this process: one being stored, one
/// being signed, one being sequenced. The third is begun early only when there is work for half a batch;
/// otherwise it is better to let more events gather while the disk is busy. Where somebody answers slowly
/// there may be more, bounded by signatures and bytes: waiting costs nothing but memory.
const IN_FLIGHT_MAX: usize = 3;

/// Less than this part of a full batch is small. A commit costs as much as some ten events whatever is in
/// it, so what is small gathers while another one is on its way: it waits for the same disk either way.
const SMALL_PART: usize = 8;

/// Whether a batch may be begun.
enum Begin {
    Now,
    /// Not before then, unless more comes or something is through.
    At(Instant),
    /// Not before something comes or is through.
    Later,
}

#[derive(Default)]
struct State {
    groups: Fair<Group>,
    closed: bool,
    abandoned: bool,
    completions: Vec<Completion>,
    /// As the sequencer said when it went to sleep; while it is awake it looks by itself.
    pipeline: Pipeline,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    room: Notify,
    limits: EngineLimits,
    metrics: Arc<EngineMetrics>,
    /// Events and bytes as the metrics have them of this queue.
    reported: (AtomicU64, AtomicU64),
}

impl Queue {
    pub(crate) fn new(limits: EngineLimits, metrics: Arc<EngineMetrics>) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            room: Notify::new(),
            limits,
            metrics,
            reported: Default::default(),
        }
    }

    /// Takes a group, or gives it back.
    pub(crate) fn push(&self, group: Group) -> Result<(), (Box<Group>, Refused)> {
        let mut state = self.state.lock();
        if state.closed {
            return Err((Box::new(group), Refused::Closed));
        }
        let (line, load) = (group.line(), group.load());
        let limits = &self.limits;
        let max = Load { events: limits.queue_events_max, bytes: limits.queue_bytes_max };
        if !state.groups.has_room(&group.tenant, line, load, max) {
            return Err((Box::new(group), Refused::Full));
        }
        let (tenant, cost) = (group.tenant.clone(), group.cost());
        state.groups.push(&tenant, line, load, cost, group);
        self.report(&state);
        // Only when it can do something: it sleeps on while batches are on their way and few events wait.
        let wakes = !matches!(self.may_begin(&state), Begin::Later);
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits until something has left the queue. Call [`Notify::notified`] *before* the push that is to
    /// be tried again, or a wake-up between the two is lost.
    pub(crate) fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.room.notified()
    }

    /// Takes no more groups. What is in the queue is still worked off.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_one();
        self.room.notify_waiters();
    }

    /// Takes no more groups and drops those that wait, for nobody will work them off: a thread of the
    /// engine is gone.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.abandoned = true;
        let groups = std::mem::take(&mut state.groups);
        drop(state);
        // Outside of the lock: dropping a group wakes whoever waits for it.
        drop(groups);
        self.wake.notify_one();
        self.room.notify_waiters();
    }

    /// A batch has come to its end. The sequencer is woken only when it has something to do about it.
    pub(crate) fn complete(&self, completion: Completion) {
        let mut state = self.state.lock();
        state.completions.push(completion);
        // After a failure it waits for the last of what is on its way, whatever becomes of that.
        let wakes = !completion.durable
            || !state.groups.is_empty()
            || state.closed
            || state.pipeline.failed;
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// Batches that are sealed and have not come to their end.
    pub(crate) fn in_flight(&self) -> usize {
        let state = self.state.lock();
        state.pipeline.in_flight.saturating_sub(state.completions.len())
    }

    /// Takes out everything that waits: nothing of it can be sequenced now.
    pub(crate) fn take_all(&self) -> Vec<Group> {
        let mut state = self.state.lock();
        let mut groups = std::mem::take(&mut state.groups);
        self.report(&state);
        drop(state);
        self.room.notify_waiters();
        groups.gather(Load { events: usize::MAX, bytes: usize::MAX })
    }

    /// Sleeps until there is something to do.
    pub(crate) fn next(&self, pipeline: Pipeline) -> Next {
        let mut state = self.state.lock();
        state.pipeline = pipeline;
        loop {
            if state.abandoned {
                return Next::Closed;
            }
            if !state.completions.is_empty() {
                return Next::Completed(std::mem::take(&mut state.completions));
            }
            let begin = self.may_begin(&state);
            if matches!(begin, Begin::Now) {
                let limits = &self.limits;
                let max = Load { events: limits.batch_events_max, bytes: limits.batch_bytes_max };
                let groups = state.groups.gather(max);
                // Awake from here on: nobody needs to wake it.
                state.pipeline.failed = true;
                self.report(&state);
                drop(state);
                self.room.notify_waiters();
                return Next::Batch(groups);
            }
            if state.closed && state.groups.is_empty() && pipeline.in_flight == 0 {
                return Next::Closed;
            }
            match begin {
                Begin::At(at) => drop(self.wake.wait_until(&mut state, at)),
                _ => self.wake.wait(&mut state),
            }
        }
    }

    fn may_begin(&self, state: &State) -> Begin {
        let pipeline = &state.pipeline;
        if state.groups.is_empty() || pipeline.failed {
            return Begin::Later;
        }
        let load = state.groups.load();
        let early = load.events >= self.limits.batch_events_max / 2
            || load.bytes >= self.limits.batch_bytes_max / 2;
        let is_small = load.events < self.limits.batch_events_max / SMALL_PART
            && load.bytes < self.limits.batch_bytes_max / SMALL_PART;
        let room = match (early, is_small && pipeline.gathers) {
            (true, _) => IN_FLIGHT_MAX,
            (false, false) => IN_FLIGHT_MAX - 1,
            (false, true) => 1,
        };
        // What has ended and was not told yet leaves its place to others.
        if pipeline.in_flight.saturating_sub(state.completions.len()) < room {
            return Begin::Now;
        }
        let is_bounded = pipeline.signatures >= self.limits.signatures_in_flight_max
            || pipeline.bytes >= self.limits.bytes_in_flight_max;
        match pipeline.next_at {
            Some(_) if is_bounded => Begin::Later,
            Some(at) if early || at <= Instant::now() => Begin::Now,
            Some(at) => Begin::At(at),
            None => Begin::Later,
        }
    }

    fn report(&self, state: &State) {
        // Every lane has a queue; the numbers are of all.
        let load = state.groups.load();
        let (events, bytes) = (load.events as u64, load.bytes as u64);
        let before = self.reported.0.swap(events, Relaxed);
        self.metrics.queue_events.replace(before, events);
        let before = self.reported.1.swap(bytes, Relaxed);
        self.metrics.queue_bytes.replace(before, bytes);
    }
}

#[cfg(test)]
mod tests {
    use indelible_core::system::SignPer;

    use super::*;

    fn of_one(bytes: usize) -> Group {
        let name = LedgerName::new("a").unwrap();
        let tenant = Tenant::of_ledger(&name);
        Group {
            work: Work::Create(name, SignPer::Record.into()),
            principal: Principal::program(),
            tenant,
            events: 1,
            bytes,
            known: Known::default(),
            turn: None,
            answer: oneshot::channel().0,
        }
    }

    /// Whether a batch is begun with what was pushed, `in_flight` batches being on their way.
    fn begins(in_flight: usize, gathers: bool, groups: usize, bytes: usize) -> bool {
        let queue = Queue::new(EngineLimits::default(), Arc::new(EngineMetrics::new()));
        for _ in 0..groups {
            assert!(queue.push(of_one(bytes)).is_ok());
        }
        let mut state = queue.state.lock();
        state.pipeline = Pipeline { in_flight, failed: false, gathers, ..Pipeline::default() };
        matches!(queue.may_begin(&state), Begin::Now)
    }

    #[test]
    fn what_is_small_gathers_until_the_batch_before_it_is_through() {
        let full = EngineLimits::default();
        let (events, bytes) = (full.batch_events_max, full.batch_bytes_max);
        let small = events / SMALL_PART - 1;
        assert!(begins(0, true, 1, 1) && !begins(1, true, small, 1));
        // With a key elsewhere there is nothing to be won by waiting.
        assert!(begins(1, false, 1, 1) && !begins(2, false, small, 1));
        // What is not small is begun while another is on its way.
        assert!(begins(1, true, small + 1, 1) && !begins(2, true, small + 1, 1));
        assert!(begins(1, true, 1, bytes / SMALL_PART) && !begins(2, true, 1, bytes / SMALL_PART));
        assert!(begins(2, true, events / 2, 1) && !begins(3, true, events / 2, 1));
    }
}
