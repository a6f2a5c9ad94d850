//! The desk at which lanes hand over what is signed, and where commits that are on their way lie open: to
//! whoever commits, and to the watch that looks for a disk that does not answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::batch::{Waiting, fail_all};
use super::super::lane::Lane;
use super::super::queue::Completion;
use super::super::rows_of_commit::{Part, SignedBatch};
use super::super::sequencer::RETRY_AFTER;
use super::super::shared::Shared;
use super::Committing;
use crate::config::EngineLimits;
use crate::error::AppendError;
use crate::folder::HeadWriter;
use crate::rows::meta::StateRow;
use crate::store::StoreError;

/// A commit that the store has.
pub(super) struct InFlight {
    /// Ascends over all commits of this process.
    pub(super) ticket: u64,
    pub(super) state: StateRow,
    pub(super) parts: Vec<Part>,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Bytes of its rows; 0 when it has none and nothing was submitted.
    pub(super) row_bytes: usize,
    pub(super) submitted: Instant,
    /// Whether the store lets others begin meanwhile. Where it does not, beginning more batches would
    /// only make them smaller.
    pub(super) overlaps: bool,
    pub(super) outcome: Option<Result<(), StoreError>>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<SignedBatch>,
    in_flight: VecDeque<InFlight>,
    /// Why nothing is taken: a write does not come back.
    hung: Option<Arc<str>>,
    /// A lane has met something that the thread made for committing has to go on with.
    attend: bool,
    /// No lane hands anything over any more.
    closed: bool,
    lanes_open: usize,
}

pub(crate) struct Desk {
    state: Mutex<State>,
    wake: Condvar,
    /// Whoever holds it commits: the thread made for it, or a lane that has nothing else to do.
    pub(super) committing: Mutex<Committing>,
    head: Arc<HeadWriter>,
    limits: EngineLimits,
}

/// What whoever commits does next.
pub(super) enum Next {
    /// The oldest commit on its way has come to its end.
    Retire(InFlight),
    /// One commit's worth of batches.
    Begin(Vec<SignedBatch>),
    Nothing,
}

impl Desk {
    pub(crate) fn new(committing: Committing, lanes: usize, limits: EngineLimits) -> Self {
        let state = State { lanes_open: lanes, ..State::default() };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            head: Arc::clone(&committing.head),
            committing: Mutex::new(committing),
            limits,
        }
    }

    /// The head outside of the database.
    pub(crate) fn head(&self) -> Arc<HeadWriter> {
        Arc::clone(&self.head)
    }

    /// Takes a signed batch. With `inline` the calling thread commits it where nobody else is committing:
    /// a lone event then changes threads nowhere.
    pub(crate) fn hand_over(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        batch: SignedBatch,
        inline: bool,
    ) {
        let mut state = self.state.lock();
        if state.hung.is_some() {
            drop(state);
            return lose(shared, batch);
        }
        state.ready.push_back(batch);
        drop(state);
        if inline && let Some(mut committing) = self.committing.try_lock() {
            committing.work(self, false);
            let reopens = committing.next_attempt().is_some();
            drop(committing);
            let mut state = self.state.lock();
            state.attend |= reopens;
            if !reopens && state.ready.is_empty() && state.in_flight.is_empty() {
                return;
            }
        }
        self.wake.notify_one();
    }

    /// A lane has ended.
    pub(crate) fn lane_has_ended(&self) {
        let mut state = self.state.lock();
        state.lanes_open = state.lanes_open.saturating_sub(1);
        state.closed = state.lanes_open == 0;
        drop(state);
        self.wake.notify_one();
    }

    /// Sleeps until there is something to commit or to retire, or it is `until`. `false` when nothing
    /// will come any more.
    pub(super) fn wait(&self, until: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        loop {
            let done = state.in_flight.front().is_some_and(|front| front.outcome.is_some());
            if done || state.attend || (!state.ready.is_empty() && self.has_room(&state)) {
                state.attend = false;
                return true;
            }
            if state.closed && state.ready.is_empty() && state.in_flight.is_empty() {
                return false;
            }
            match until {
                Some(until) if self.wake.wait_until(&mut state, until).timed_out() => return true,
                Some(_) => {}
                None => self.wake.wait(&mut state),
            }
        }
    }

    fn has_room(&self, state: &State) -> bool {
        let bytes: usize = state.in_flight.iter().map(|one| one.row_bytes).sum();
        state.in_flight.is_empty()
            || (state.in_flight.len() < self.limits.commits_in_flight_max
                && bytes < self.limits.commit_bytes_in_flight_max)
    }

    pub(super) fn next(&self, may_begin: bool) -> Next {
        let mut state = self.state.lock();
        if let Some(done) = state.in_flight.pop_front_if(|front| front.outcome.is_some()) {
            return Next::Retire(done);
        }
        if !may_begin || state.ready.is_empty() || !self.has_room(&state) {
            return Next::Nothing;
        }
        let (mut records, mut bytes) = (0, 0);
        let mut taken = Vec::new();
        while let Some(next) = state.ready.front() {
            let (more, more_bytes) = (next.records as usize, next.bytes as usize);
            let fits = records + more <= self.limits.commit_events_max
                && bytes + more_bytes <= self.limits.commit_bytes_max;
            if !fits && !taken.is_empty() {
                break;
            }
            records += more;
            bytes += more_bytes;
            taken.extend(state.ready.pop_front());
        }
        Next::Begin(taken)
    }

    /// A commit is about to be given to the store. From now on the watch sees it.
    pub(super) fn submit(&self, commit: InFlight) {
        self.state.lock().in_flight.push_back(commit);
    }

    /// The store has taken a commit. What is not settled by now is on its way while others begin.
    pub(super) fn is_submitted(&self, ticket: u64) {
        let mut state = self.state.lock();
        if let Some(one) = state.in_flight.iter_mut().find(|one| one.ticket == ticket) {
            one.overlaps = one.outcome.is_none();
        }
    }

    /// The store has said what became of a commit.
    pub(super) fn settle(&self, ticket: u64, outcome: Result<(), StoreError>) {
        let mut state = self.state.lock();
        // Those that were given up meanwhile are not there any more.
        if let Some(one) = state.in_flight.iter_mut().find(|one| one.ticket == ticket) {
            one.outcome = Some(outcome);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Everything that is on its way or waits for it: after a failure none of it is gone on with.
    pub(super) fn take_all(&self) -> (VecDeque<InFlight>, VecDeque<SignedBatch>) {
        let mut state = self.state.lock();
        (std::mem::take(&mut state.in_flight), std::mem::take(&mut state.ready))
    }

    /// What waits to be committed.
    pub(super) fn take_ready(&self) -> VecDeque<SignedBatch> {
        std::mem::take(&mut self.state.lock().ready)
    }

    /// Why a write that came back late counts for nothing; asked once.
    pub(super) fn take_hung(&self) -> Option<Arc<str>> {
        self.state.lock().hung.take()
    }

    /// Whether a write does not come back.
    pub(crate) fn is_hung(&self) -> bool {
        self.state.lock().hung.is_some()
    }

    /// For how long the oldest write has been on its way.
    pub(crate) fn writes_for(&self) -> Option<Duration> {
        let state = self.state.lock();
        let waiting = state.in_flight.iter().filter(|one| one.outcome.is_none());
        waiting.map(|one| one.submitted.elapsed()).max()
    }

    /// A write does not come back: whoever waits for it, or behind it, is told; what is handed over from
    /// now on is lost. The commits stay on the desk until the store lets go of them.
    pub(crate) fn give_up_writes(&self, shared: &Arc<Shared>, reason: &Arc<str>) {
        let mut state = self.state.lock();
        if state.hung.is_some() || state.in_flight.is_empty() {
            return;
        }
        state.hung = Some(Arc::clone(reason));
        let mut unknown: Vec<(Arc<Lane>, Completion, Vec<Waiting>)> = Vec::new();
        for commit in &mut state.in_flight {
            for part in std::mem::take(&mut commit.parts) {
                unknown.push(part.failed());
            }
        }
        let lost = std::mem::take(&mut state.ready);
        drop(state);
        let error = AppendError::OutcomeUnknown { reason: Arc::clone(reason) };
        for (lane, completion, waiting) in unknown {
            lane.queue.complete(completion);
            fail_all(waiting, &error);
        }
        lost.into_iter().for_each(|batch| lose(shared, batch));
    }

    /// Nobody commits any more: a thread has panicked. Whoever waits hears it from that.
    pub(crate) fn abandon(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.hung.get_or_insert_with(|| "a thread of the engine has panicked".into());
            (std::mem::take(&mut state.in_flight), std::mem::take(&mut state.ready))
        };
        drop(dropped);
        self.wake.notify_one();
    }
}

/// A batch that is chained to one that was not stored, or came while nothing can be.
pub(super) fn lose(_shared: &Shared, batch: SignedBatch) {
    let error = AppendError::Unavailable {
        reason: "an earlier batch could not be stored".into(),
        retry_after: RETRY_AFTER,
    };
    let (lane, completion, waiting) = batch.failed();
    lane.queue.complete(completion);
    fail_all(waiting, &error);
}
