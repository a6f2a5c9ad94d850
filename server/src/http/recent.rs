//! Recent records of the ledgers that somebody follows, read and rendered once for all who follow.
//!
//! A task for each followed ledger, and only it, hears of commits. It reads what is new, renders it as
//! events, keeps that in a ring of bounded bytes and wakes the followers, some at a time: were a thousand
//! woken at once, whoever appends would wait behind them all. While many follow it gathers for a while
//! between two rounds, since a round costs the same however many records are in it. A follower that is
//! behind the ring reads the store by itself.
//!
//! It reads through the store as every reader does, so the engine's commits carry nothing for it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use indelible_core::json::push_u64;
use indelible_core::name::{LedgerName, Seq};
use indelible_ledger::Direction;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::app::App;
use super::errors::{Code, Problem};
use crate::budget::{Account, Kind};

/// Records, and bytes of them, that are read and sent at once.
const CHUNK: (usize, usize) = (256, 64 << 10);
/// Bytes kept for one ledger: what followers miss while they wait for their sockets. All of them together
/// are bounded by the budget.
const RING_BYTES_MAX: usize = 1 << 20;
/// Groups in which followers are woken.
const GROUPS: usize = 64;
/// Followers that are woken at once.
const AT_ONCE_MAX: usize = 32;
/// Pause between two rounds for each follower, and at most: waking one and writing to its socket takes
/// about 20 us, so the followers of a ledger take a tenth of a core until they are more than a thousand.
const PAUSE: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(250));
/// The shortest pause that is worth a timer.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// The rings of all followed ledgers.
pub struct Recent {
    account: Account,
    tails: Mutex<HashMap<LedgerName, Weak<Tail>>>,
}

impl Recent {
    /// No ledger is followed yet. What is kept counts against `account`.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account, tails: Mutex::default() }
    }

    /// Begins to follow a ledger.
    pub(super) fn follow(app: &Arc<App>, ledger: &LedgerName) -> Result<Following, Problem> {
        let durable = app.engine.watch(ledger)?;
        let mut tails = app.recent.tails.lock();
        let known = tails.get(ledger).and_then(Weak::upgrade).filter(|tail| !tail.has_ended());
        let tail = match known {
            Some(tail) => tail,
            None => {
                let tail = Tail::begin(app, ledger, durable);
                tails.retain(|_, tail| tail.strong_count() > 0);
                tails.insert(ledger.clone(), Arc::downgrade(&tail));
                tail
            }
        };
        let group = tail.followers.fetch_add(1, Relaxed) % GROUPS;
        Ok(Following { tail, group })
    }
}

/// A stretch of records as events.
struct Run {
    first: u64,
    end: u64,
    /// `None` where the budget had no room: every follower reads for itself.
    bytes: Option<Bytes>,
}

struct Ring {
    runs: VecDeque<Run>,
    bytes: usize,
    /// One past the newest record.
    end: u64,
    ended: Option<Ended>,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The engine is gone, which only a stop does.
    Stopped,
    /// The records could not be read.
    Failed,
}

struct Tail {
    ring: Mutex<Ring>,
    grown: [Notify; GROUPS],
    followers: AtomicUsize,
    /// Dropped with the last follower; the task ends then.
    _alive: oneshot::Sender<()>,
}

/// One follower's view.
pub(super) struct Following {
    tail: Arc<Tail>,
    group: usize,
}

/// What comes next for a follower.
pub(super) enum Next {
    /// These events, up to the record before `end`.
    Events {
        bytes: Bytes,
        end: u64,
    },
    /// So many records, from the store.
    Read(usize),
    Nothing,
    Ended(Ended),
}

impl Drop for Following {
    fn drop(&mut self) {
        self.tail.followers.fetch_sub(1, Relaxed);
    }
}

impl Following {
    /// What comes at `next`.
    pub(super) fn next(&self, next: u64) -> Next {
        self.tail.ring.lock().next(next)
    }

    /// Waits until something comes at `next`.
    pub(super) async fn grown(&self, next: u64) {
        let Some(group) = self.tail.grown.get(self.group) else { return };
        let mut grown = std::pin::pin!(group.notified());
        grown.as_mut().enable();
        if matches!(self.next(next), Next::Nothing) {
            grown.await;
        }
    }
}

impl Ring {
    fn next(&self, next: u64) -> Next {
        if next >= self.end {
            return self.ended.map_or(Next::Nothing, Next::Ended);
        }
        let at = self.runs.partition_point(|run| run.end <= next);
        match self.runs.get(at) {
            Some(Run { first, end, bytes: Some(bytes) }) if *first == next => {
                Next::Events { bytes: bytes.clone(), end: *end }
            }
            // From within a run, or before the oldest, as far as the next one's beginning.
            Some(run) => {
                let until = if run.first > next { run.first } else { run.end };
                Next::Read(usize::try_from(until - next).unwrap_or(usize::MAX).min(CHUNK.0))
            }
            None => Next::Read(CHUNK.0),
        }
    }

    fn push(&mut self, run: Run) {
        self.end = run.end;
        self.bytes += run.bytes.as_ref().map_or(0, Bytes::len);
        self.runs.push_back(run);
        while self.bytes > RING_BYTES_MAX || self.runs.len() > RUNS_MAX {
            let Some(oldest) = self.runs.pop_front() else { return };
            self.bytes -= oldest.bytes.map_or(0, |bytes| bytes.len());
        }
    }
}

/// Runs kept for one ledger: of a quiet one each holds a single record.
const RUNS_MAX: usize = 4096;

impl Tail {
    fn begin(app: &Arc<App>, ledger: &LedgerName, durable: watch::Receiver<u64>) -> Arc<Self> {
        let (alive, gone) = oneshot::channel();
        let end = *durable.borrow();
        let tail = Arc::new(Self {
            ring: Mutex::new(Ring { runs: VecDeque::new(), bytes: 0, end, ended: None }),
            grown: std::array::from_fn(|_| Notify::new()),
            followers: AtomicUsize::new(0),
            _alive: alive,
        });
        let task = Task {
            app: Arc::clone(app),
            ledger: ledger.clone(),
            tail: Arc::downgrade(&tail),
            durable,
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = gone => {}
                () = task.run(end) => {}
            }
        });
        tail
    }

    fn has_ended(&self) -> bool {
        self.ring.lock().ended.is_some()
    }

    /// Wakes the followers, some at a time.
    async fn wake(&self) {
        let few = self.followers.load(Relaxed) <= AT_ONCE_MAX;
        for group in &self.grown {
            group.notify_waiters();
            if !few {
                yield_now().await;
            }
        }
    }

    fn pause(&self) -> Duration {
        let followers = u32::try_from(self.followers.load(Relaxed)).unwrap_or(u32::MAX);
        PAUSE.0.saturating_mul(followers).min(PAUSE.1)
    }
}

/// What keeps the ring of a ledger.
struct Task {
    app: Arc<App>,
    ledger: LedgerName,
    tail: Weak<Tail>,
    durable: watch::Receiver<u64>,
}

impl Task {
    async fn run(mut self, mut end: u64) {
        loop {
            while end < *self.durable.borrow_and_update() {
                let run = match events(&self.app, &self.ledger, end, CHUNK.0).await {
                    Ok((bytes, end_of_run)) => self.run_of(end, end_of_run, bytes),
                    Err(problem) => {
                        tracing::warn!(code = problem.code().as_str(), "event streams broken off");
                        return self.finish(Ended::Failed).await;
                    }
                };
                end = run.end;
                let Some(tail) = self.tail.upgrade() else { return };
                tail.ring.lock().push(run);
                tail.wake().await;
            }
            let pause = self.tail.upgrade().map_or(Duration::ZERO, |tail| tail.pause());
            if pause >= PAUSE_MIN {
                sleep(pause).await;
            }
            if self.durable.changed().await.is_err() {
                return self.finish(Ended::Stopped).await;
            }
        }
    }

    fn run_of(&self, first: u64, end: u64, bytes: Bytes) -> Run {
        let held = self.app.recent.account.take(Kind::Recent, bytes.len());
        Run { first, end, bytes: held.map(|held| held.tie(bytes)) }
    }

    async fn finish(&self, ended: Ended) {
        let Some(tail) = self.tail.upgrade() else { return };
        tail.ring.lock().ended = Some(ended);
        tail.wake().await;
    }
}

/// Up to `count` records from `next` on as events, and the number behind the last.
pub(super) async fn events(
    app: &Arc<App>,
    ledger: &LedgerName,
    next: u64,
    count: usize,
) -> Result<(Bytes, u64), Problem> {
    let from = Seq::new(next)?;
    let name = ledger.clone();
    let read = move |engine: &indelible_ledger::Engine| {
        Ok(engine.range(&name, from, Direction::Forward, count.min(CHUNK.0), CHUNK.1)?)
    };
    let records = app.read(read).await?;
    let mut out = Vec::with_capacity(records.iter().map(|r| r.record.len() + 40).sum());
    let mut end = next;
    for stored in &records {
        out.extend_from_slice(b"id: ");
        push_u64(&mut out, stored.seq.get());
        // A record is canonical JSON, which has no line breaks.
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(&stored.record);
        out.extend_from_slice(b"\n\n");
        end = stored.seq.get() + 1;
    }
    if out.is_empty() {
        return Err(Problem::new(Code::ReadFailed, "durable records could not be read"));
    }
    Ok((out.into(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Ring {
        let mut ring = Ring { runs: VecDeque::new(), bytes: 0, end: 10, ended: None };
        for (first, end) in [(10, 13), (13, 14), (14, 20)] {
            ring.push(Run { first, end, bytes: Some(Bytes::from_static(b"x")) });
        }
        ring
    }

    fn told(ring: &Ring, next: u64) -> (char, u64) {
        match ring.next(next) {
            Next::Events { end, .. } => ('e', end),
            Next::Read(count) => ('r', count as u64),
            Next::Nothing => ('n', 0),
            Next::Ended(_) => ('x', 0),
        }
    }

    #[test]
    fn a_follower_gets_whole_runs_and_reads_what_lies_before_and_between() {
        let mut ring = ring();
        assert_eq!(told(&ring, 10), ('e', 13));
        assert_eq!(told(&ring, 13), ('e', 14));
        assert_eq!(told(&ring, 15), ('r', 5));
        assert_eq!(told(&ring, 20), ('n', 0));
        assert_eq!(told(&ring, 7), ('r', 3));
        assert_eq!(told(&ring, 0), ('r', 10));
        ring.push(Run { first: 20, end: 22, bytes: None });
        assert_eq!(told(&ring, 20), ('r', 2));
        ring.ended = Some(Ended::Stopped);
        assert_eq!((told(&ring, 14), told(&ring, 22)), (('e', 20), ('x', 0)));
    }

    #[test]
    fn the_ring_forgets_the_oldest() {
        let mut ring = ring();
        for first in 20..40 {
            let bytes = Some(Bytes::from(vec![b'x'; 100_000]));
            ring.push(Run { first, end: first + 1, bytes });
        }
        assert!(ring.bytes <= RING_BYTES_MAX);
        assert_eq!(ring.runs.len(), 10);
        assert_eq!((told(&ring, 10), told(&ring, 30)), (('r', 20), ('e', 31)));
    }
}
