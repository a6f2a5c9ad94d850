//! The bounded queue in front of the sequencer: fair between tenants and then between their ledgers (see
//! [`super::fair`]), first come first served within one, and the place where the sequencer sleeps.

use std::sync::Arc;

use indelible_core::name::LedgerName;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::entry::LedgerEntry;
use super::fair::{EVENT_COST_BYTES, Fair, KNOWN_COST_BYTES, Load};
use super::lookups::Asked;
use super::resolve::Item;
use super::run::Answer;
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

/// What of the pipeline decides whether another batch may be begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pipeline {
    /// Batches that are sealed and not yet completed.
    pub(crate) in_flight: usize,
    /// A batch failed: nothing is begun until all that follow it are through.
    pub(crate) failed: bool,
}

/// Batches on their way at most: one being stored, one being signed, one being sequenced. The third is
/// begun early only when there is work for half a batch; otherwise it is better to let more events
/// gather while the disk is busy.
const IN_FLIGHT_MAX: usize = 3;

#[derive(Default)]
struct State {
    groups: Fair<Group>,
    closed: bool,
    abandoned: bool,
    completions: Vec<Completion>,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    room: Notify,
    limits: EngineLimits,
    metrics: Arc<EngineMetrics>,
}

impl Queue {
    pub(crate) fn new(limits: EngineLimits, metrics: Arc<EngineMetrics>) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), room: Notify::new(), limits, metrics }
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
        drop(state);
        self.wake.notify_one();
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

    /// A batch has come to its end.
    pub(crate) fn complete(&self, completion: Completion) {
        self.state.lock().completions.push(completion);
        self.wake.notify_one();
    }

    /// Sleeps until there is something to do.
    pub(crate) fn next(&self, pipeline: Pipeline) -> Next {
        let mut state = self.state.lock();
        loop {
            if state.abandoned {
                return Next::Closed;
            }
            if !state.completions.is_empty() {
                return Next::Completed(std::mem::take(&mut state.completions));
            }
            if self.may_begin(&state, pipeline) {
                let limits = &self.limits;
                let max = Load { events: limits.batch_events_max, bytes: limits.batch_bytes_max };
                let groups = state.groups.gather(max);
                self.report(&state);
                drop(state);
                self.room.notify_waiters();
                return Next::Batch(groups);
            }
            if state.closed && state.groups.is_empty() && pipeline.in_flight == 0 {
                return Next::Closed;
            }
            self.wake.wait(&mut state);
        }
    }

    fn may_begin(&self, state: &State, pipeline: Pipeline) -> bool {
        let load = state.groups.load();
        let early = load.events >= self.limits.batch_events_max / 2
            || load.bytes >= self.limits.batch_bytes_max / 2;
        let room = if early { IN_FLIGHT_MAX } else { IN_FLIGHT_MAX - 1 };
        !state.groups.is_empty() && !pipeline.failed && pipeline.in_flight < room
    }

    fn report(&self, state: &State) {
        let load = state.groups.load();
        self.metrics.queue_events.set(load.events as u64);
        self.metrics.queue_bytes.set(load.bytes as u64);
    }
}
