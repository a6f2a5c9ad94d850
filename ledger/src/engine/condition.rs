//! How a lane's signer is: what it did last, how long it is silent, and whether it is left alone.
//!
//! A circuit breaker (Nygard, Release It!): after some failures in a row nothing is sent to the signer for
//! a while; then it is asked for its health, and the next batch is the test. Meanwhile appends are refused
//! at once instead of after their deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::config::EngineLimits;
use crate::metrics::LaneHealth;

/// A signer that is silent for so long shows in the health, before its deadline.
const SILENT_AFTER: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    /// What the last failure was about; `None` after a success.
    failing: Option<Arc<str>>,
    /// The last error there was, also after it was over.
    last_error: Option<Arc<str>>,
    failures_in_row: u32,
    /// Left alone until then.
    open: Option<Open>,
    /// Since when the oldest batch is with the signer.
    waiting_since: Option<Instant>,
    /// A thread of the lane is gone.
    stopped: Option<Arc<str>>,
}

#[derive(Clone, Copy)]
struct Open {
    until: Instant,
    rest: Duration,
}

pub(crate) struct Condition {
    state: Mutex<State>,
    failures_max: u32,
    rest: (Duration, Duration),
}

/// Why nothing of the lane's ledgers is taken.
pub(crate) enum Refusal {
    /// The signer is left alone for a while.
    Resting(LeftAlone),
    /// A thread of the lane is gone.
    Stopped(Arc<str>),
}

/// Why nothing is sent to the signer, and for how long.
pub(crate) struct LeftAlone {
    pub(crate) reason: Arc<str>,
    pub(crate) retry_after: Duration,
}

impl Condition {
    pub(crate) fn new(limits: &EngineLimits) -> Self {
        Self {
            state: Mutex::default(),
            failures_max: limits.sign_failures_max.max(1),
            rest: limits.signer_rest,
        }
    }

    /// Signatures came, and they were good.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock();
        state.failing = None;
        state.failures_in_row = 0;
        state.open = None;
    }

    /// A batch could not be signed.
    pub(crate) fn failed(&self, reason: &str, breaks: bool) {
        let mut state = self.state.lock();
        state.note(reason);
        state.failures_in_row = state.failures_in_row.saturating_add(1);
        if breaks && state.failures_in_row >= self.failures_max {
            state.rest_again(self.rest);
        }
    }

    /// The signer was asked for its health.
    pub(crate) fn probed(&self, outcome: Result<(), &str>) {
        let mut state = self.state.lock();
        match outcome {
            Ok(()) => {
                state.failing = None;
                // Half open: what comes next is the test, and one more failure is enough.
                if state.open.take().is_some() {
                    state.failures_in_row = self.failures_max - 1;
                }
            }
            Err(reason) => {
                state.note(reason);
                if state.open.is_some() {
                    state.rest_again(self.rest);
                }
            }
        }
    }

    /// When the signer may be asked again, while it is left alone.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.state.lock().open.map(|open| open.until)
    }

    /// Why nothing is sent to the signer now.
    pub(crate) fn left_alone(&self) -> Option<LeftAlone> {
        let state = self.state.lock();
        let open = state.open?;
        let reason = state.failing.clone().unwrap_or_else(|| "it failed".into());
        let retry_after = open.until.saturating_duration_since(Instant::now());
        Some(LeftAlone { reason, retry_after: retry_after.max(RETRY_AFTER_MIN) })
    }

    /// Why nothing of the lane's ledgers is taken now.
    pub(crate) fn refuses(&self) -> Option<Refusal> {
        let stopped = self.state.lock().stopped.clone();
        stopped.map(Refusal::Stopped).or_else(|| self.left_alone().map(Refusal::Resting))
    }

    /// Since when the oldest batch is with the signer.
    pub(crate) fn waits_since(&self, since: Option<Instant>) {
        self.state.lock().waiting_since = since;
    }

    /// A thread of the lane is gone.
    pub(crate) fn stop(&self, reason: Arc<str>) {
        let mut state = self.state.lock();
        state.last_error = Some(Arc::clone(&reason));
        state.stopped = Some(reason);
    }

    pub(crate) fn last_error(&self) -> Option<Arc<str>> {
        self.state.lock().last_error.clone()
    }

    pub(crate) fn health(&self) -> LaneHealth {
        let state = self.state.lock();
        if let Some(reason) = &state.stopped {
            return LaneHealth::Stopped { reason: Arc::clone(reason) };
        }
        if let Some(reason) = &state.failing {
            return LaneHealth::Failing { reason: Arc::clone(reason) };
        }
        match state.waiting_since.map(|since| since.elapsed()) {
            Some(silent) if silent >= SILENT_AFTER => LaneHealth::Failing {
                reason: format!("it has not answered for {} s", silent.as_secs()).into(),
            },
            _ => LaneHealth::Ready,
        }
    }
}

/// Less makes clients come back before anything can have changed.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(500);

impl State {
    fn note(&mut self, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.failing = Some(Arc::clone(&reason));
        self.last_error = Some(reason);
    }

    fn rest_again(&mut self, (first, longest): (Duration, Duration)) {
        let rest = self.open.map_or(first, |open| (open.rest * 2).min(longest));
        self.open = Some(Open { until: Instant::now() + rest, rest });
    }
}
