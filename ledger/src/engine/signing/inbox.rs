//! What waits for a lane's signatures, and the bell that wakes the thread that drives its signer.

use std::collections::VecDeque;
use std::time::Instant;

use indelible_core::key::Ed25519Signature;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::super::batch::Batch;
use crate::signer::SignError;

/// Something to sign.
pub(crate) enum Job {
    Batch(Batch),
    Note(Note),
}

/// A text to sign beside the records: a checkpoint of an older size, a manifest.
pub(crate) struct Note {
    pub(crate) text: String,
    pub(crate) answer: oneshot::Sender<Result<Ed25519Signature, SignError>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    rung: bool,
    closed: bool,
    /// Whoever takes jobs knows that it is closed.
    told: bool,
}

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    bell: Condvar,
}

impl Inbox {
    /// Hands a job over; gives it back when nobody signs any more.
    pub(crate) fn push(&self, job: Job) -> Result<(), Job> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// Makes [`Inbox::take`] return.
    pub(crate) fn ring(&self) {
        self.state.lock().rung = true;
        self.bell.notify_one();
    }

    /// Takes no more jobs; those that are there are still worked off.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.bell.notify_one();
    }

    /// Takes no more jobs and drops those that are there: whoever waits for them hears it from that.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
        self.bell.notify_one();
    }

    /// Waits until there are jobs, the bell rings, or it is `until`. Says whether more can come.
    pub(crate) fn take(&self, until: Option<Instant>) -> (VecDeque<Job>, bool) {
        let mut state = self.state.lock();
        while state.jobs.is_empty() && !state.rung && !state.closed {
            match until {
                Some(until) if self.bell.wait_until(&mut state, until).timed_out() => break,
                Some(_) => {}
                None => self.bell.wait(&mut state),
            }
        }
        // That it is closed is told at once, and from then on only what is still asked for is waited for.
        if state.told
            && state.jobs.is_empty()
            && !state.rung
            && let Some(until) = until
        {
            let _ = self.bell.wait_until(&mut state, until);
        }
        state.told = state.closed;
        state.rung = false;
        (std::mem::take(&mut state.jobs), !state.closed)
    }
}
