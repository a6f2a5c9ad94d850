//! Work done by several threads, results taken in the order in which the work was given.
//!
//! Memory is bounded by what is under way or waits for an earlier result: no more than
//! [`WINDOW_PER_WORKER`] pieces of work a worker, and no more than [`IN_FLIGHT_BYTES_MAX`] whatever the
//! number of workers. Whoever gives work takes results in between, so no further thread is needed and no
//! queue can grow.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::limits::{IN_FLIGHT_BYTES_MAX, JOBS_MAX};

/// Pieces of work under way for each worker: one in hand, one waiting, and some so that a slow piece
/// does not stop the others.
const WINDOW_PER_WORKER: usize = 4;

/// Stack of a worker in bytes. The JSON reader recurses 66 levels at most and zstd keeps its tables on
/// the heap.
const STACK_BYTES: usize = 2 << 20;

type Work<J, R> = Arc<dyn Fn(J) -> R + Send + Sync>;

/// Several workers and the results they have finished out of order.
pub(crate) struct Pipeline<J, R> {
    work: Work<J, R>,
    jobs: Option<Sender<(u64, J)>>,
    results: Receiver<(u64, thread::Result<R>)>,
    workers: Vec<JoinHandle<()>>,
    waiting: BTreeMap<u64, R>,
    /// Bytes that each piece under way takes, in the order of the work.
    bytes: VecDeque<usize>,
    in_flight: usize,
    given: u64,
    taken: u64,
    window: u64,
}

impl<J: Send + 'static, R: Send + 'static> Pipeline<J, R> {
    /// Starts `workers` threads that do `work`, or as many as the system gives. Where it gives none, work
    /// is done by whoever gives it.
    pub(crate) fn new<F>(workers: usize, work: F) -> Self
    where
        F: Fn(J) -> R + Send + Sync + 'static,
    {
        let workers = workers.clamp(1, JOBS_MAX);
        let (jobs, inbox) = unbounded::<(u64, J)>();
        let (outbox, results) = unbounded();
        let work: Work<J, R> = Arc::new(work);
        let mut handles = Vec::with_capacity(workers);
        for number in 0..workers {
            let (inbox, outbox, work) = (inbox.clone(), outbox.clone(), Arc::clone(&work));
            let worker = thread::Builder::new()
                .name(format!("verify-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    for (number, job) in inbox {
                        // A panic must reach the one who waits for this result, or he waits for ever.
                        let result = catch_unwind(AssertUnwindSafe(|| work(job)));
                        if outbox.send((number, result)).is_err() {
                            break;
                        }
                    }
                });
            let Ok(worker) = worker else { break };
            handles.push(worker);
        }
        Self {
            work,
            jobs: Some(jobs).filter(|_| !handles.is_empty()),
            results,
            workers: handles,
            waiting: BTreeMap::new(),
            bytes: VecDeque::new(),
            in_flight: 0,
            given: 0,
            taken: 0,
            window: (workers * WINDOW_PER_WORKER) as u64,
        }
    }

    /// Whether a result must be taken before more is given.
    pub(crate) fn is_full(&self) -> bool {
        self.given - self.taken >= self.window || self.in_flight >= IN_FLIGHT_BYTES_MAX
    }

    /// Gives work, which takes so many `bytes`, to the next free worker.
    pub(crate) fn give(&mut self, job: J, bytes: usize) {
        self.bytes.push_back(bytes);
        self.in_flight += bytes;
        match &self.jobs {
            Some(jobs) => {
                // The workers hold the other end until `jobs` is dropped.
                let _ = jobs.send((self.given, job));
            }
            None => {
                self.waiting.insert(self.given, (self.work)(job));
            }
        }
        self.given += 1;
    }

    /// The next result in order, waiting for it if need be; `None` when nothing is under way.
    pub(crate) fn take(&mut self) -> Option<R> {
        while self.taken < self.given {
            if let Some(result) = self.waiting.remove(&self.taken) {
                self.taken += 1;
                self.in_flight -= self.bytes.pop_front().unwrap_or(0);
                return Some(result);
            }
            let (number, result) = self.results.recv().ok()?;
            match result {
                Ok(result) => self.waiting.insert(number, result),
                Err(panic) => resume_unwind(panic),
            };
        }
        None
    }
}

impl<J, R> Drop for Pipeline<J, R> {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A worker's panic was handed over with its result.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let mut pipeline = Pipeline::new(3, |n: u64| {
            thread::sleep(std::time::Duration::from_micros(n * 37 % 200));
            n * n
        });
        let mut squares = Vec::new();
        for n in 0..500 {
            while pipeline.is_full() {
                squares.extend(pipeline.take());
            }
            pipeline.give(n, 1);
        }
        while let Some(square) = pipeline.take() {
            squares.push(square);
        }
        assert_eq!(squares, (0..500).map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_under_way_is_bounded_in_bytes_whatever_the_number_of_workers() {
        let mut pipeline = Pipeline::new(64, |n: u64| n);
        (0..2).for_each(|n| {
            assert!(!pipeline.is_full());
            pipeline.give(n, IN_FLIGHT_BYTES_MAX / 2);
        });
        assert!(pipeline.is_full());
        assert_eq!(pipeline.take(), Some(0));
        assert!(!pipeline.is_full());
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_of_a_worker_is_not_lost() {
        let mut pipeline = Pipeline::new(2, |n: u64| assert_ne!(n, 5, "on purpose"));
        (0..8).for_each(|n| pipeline.give(n, 1));
        while pipeline.take().is_some() {}
    }
}
