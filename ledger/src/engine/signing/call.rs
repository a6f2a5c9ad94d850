//! One call of a signer outside of this process: driven by polling, with a deadline and retries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use indelible_core::key::Signature;

use super::super::lane::Lane;
use super::messages::{Messages, check_all};
use crate::signer::{SignError, Signer};

/// First wait before a signer that was not available is asked again; doubled each time, up to the second.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

type Running<T> = Pin<Box<dyn Future<Output = Result<T, SignError>> + Send>>;

/// Remembers that a future wants to be polled, and rings the lane's bell.
struct Bell {
    lane: Arc<Lane>,
    woken: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.lane.inbox.ring();
    }
}

/// A future that is polled when it asks for it.
pub(super) struct Driven<T> {
    future: Running<T>,
    bell: Arc<Bell>,
}

impl<T> Driven<T> {
    pub(super) fn new(lane: &Arc<Lane>, future: Running<T>) -> Self {
        let bell = Bell { lane: Arc::clone(lane), woken: AtomicBool::new(true) };
        Self { future, bell: Arc::new(bell) }
    }

    pub(super) fn step(&mut self) -> Option<Result<T, SignError>> {
        if !self.bell.woken.swap(false, SeqCst) {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.bell));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

enum Attempt {
    Running(Driven<Vec<Signature>>),
    /// The signer was not available; asked again then.
    Resting(Instant),
    Done,
}

/// The signatures of one batch, or of one note, as they are asked for.
pub(super) struct Call {
    messages: Arc<Messages>,
    attempt: Attempt,
    attempts: u32,
    pub(super) begun: Instant,
    deadline: Instant,
    last_error: Option<SignError>,
    outcome: Option<Result<Vec<Signature>, SignError>>,
}

impl Call {
    pub(super) fn new(lane: &Arc<Lane>, messages: Arc<Messages>, allowed: Duration) -> Self {
        let begun = Instant::now();
        let empty = messages.len() == 0;
        let attempt = if empty { Attempt::Done } else { Attempt::Running(ask(lane, &messages)) };
        Self {
            messages,
            attempt,
            attempts: 1,
            begun,
            deadline: begun + allowed,
            last_error: None,
            outcome: empty.then(|| Ok(Vec::new())),
        }
    }

    /// Whether it has come to its end.
    pub(super) fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    pub(super) fn into_outcome(self) -> Result<Vec<Signature>, SignError> {
        self.outcome.unwrap_or_else(|| Err(SignError::Unavailable("it was not asked".into())))
    }

    pub(super) fn messages(&self) -> Arc<Messages> {
        Arc::clone(&self.messages)
    }

    /// When something is to be done although the signer says nothing.
    pub(super) fn next_time(&self, lane: &Lane) -> Option<Instant> {
        let end = self.end(lane);
        match &self.attempt {
            Attempt::Running(_) => Some(end),
            Attempt::Resting(until) => Some(end.min(*until)),
            Attempt::Done => None,
        }
    }

    fn end(&self, lane: &Lane) -> Instant {
        lane.closes_at().map_or(self.deadline, |closes| closes.min(self.deadline))
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn step(&mut self, lane: &Arc<Lane>, retries_max: u32) {
        let now = Instant::now();
        match &mut self.attempt {
            Attempt::Done => return,
            Attempt::Resting(until) if now >= *until => {
                self.attempts += 1;
                self.attempt = Attempt::Running(ask(lane, &self.messages));
            }
            _ => {}
        }
        if let Attempt::Running(driven) = &mut self.attempt
            && let Some(answer) = driven.step()
        {
            let checked = answer.and_then(|signatures| {
                check_all(&lane.keys, &self.messages, &signatures)?;
                Ok(signatures)
            });
            self.answered(checked, lane, retries_max);
        }
        if self.outcome.is_none() && now >= self.end(lane) {
            self.finish(Err(self.too_late(lane, now)));
        }
    }

    fn answered(
        &mut self,
        answer: Result<Vec<Signature>, SignError>,
        lane: &Lane,
        retries_max: u32,
    ) {
        match answer {
            Err(SignError::Unavailable(reason)) if self.attempts <= retries_max => {
                let rest = rest(self.attempts);
                tracing::warn!(signer = %lane.name, %reason, retry_ms = rest.as_millis() as u64, "the signer is not available");
                self.last_error = Some(SignError::Unavailable(reason));
                self.attempt = Attempt::Resting(Instant::now() + rest);
            }
            other => self.finish(other),
        }
    }

    fn too_late(&self, lane: &Lane, now: Instant) -> SignError {
        if let Some(error) = &self.last_error {
            return error.clone();
        }
        let waited = now.saturating_duration_since(self.begun).as_secs_f32();
        let text = if lane.closes_at().is_some_and(|closes| closes < self.deadline) {
            format!("the server is shutting down, and after {waited:.1} s there was no answer")
        } else {
            format!("it did not answer within {waited:.1} s (sign_deadline)")
        };
        SignError::Unavailable(text.into())
    }

    fn finish(&mut self, outcome: Result<Vec<Signature>, SignError>) {
        // Drops what still runs.
        self.attempt = Attempt::Done;
        self.outcome = Some(outcome);
    }
}

fn ask(lane: &Arc<Lane>, messages: &Arc<Messages>) -> Driven<Vec<Signature>> {
    let (signer, messages) = (Arc::clone(&lane.signer), Arc::clone(messages));
    let call = async move { signer.sign(&messages.requests(0, messages.len())).await };
    Driven::new(lane, Box::pin(call))
}

/// Half of it by chance, so that several servers do not come back to one signer together.
fn rest(attempts: u32) -> Duration {
    let (first, longest) = RETRY_AFTER;
    let whole = (first * 2u32.saturating_pow(attempts.saturating_sub(1).min(8))).min(longest);
    let mut random = [0; 2];
    let share = getrandom::fill(&mut random).map_or(u16::MAX, |()| u16::from_le_bytes(random));
    whole / 2 + whole.mul_f64(f64::from(share) / f64::from(u16::MAX)) / 2
}

/// Asks a signer for its health.
pub(super) fn probe(lane: &Arc<Lane>) -> Driven<()> {
    let signer: Arc<dyn Signer> = Arc::clone(&lane.signer);
    Driven::new(lane, Box::pin(async move { signer.health().await }))
}
