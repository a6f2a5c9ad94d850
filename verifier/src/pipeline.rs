//! Work done by several threads, results taken in the order in which the work was given.
//!
//! Memory is bounded by a window: no more than [`WINDOW_PER_WORKER`] pieces of work a worker are
//! under way or waiting for an earlier result. Whoever gives work takes results in between, so no
//! further thread is needed and no queue can grow.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Pieces of work under way for each worker: one in hand, one waiting, and some so that a slow piece
/// does not stop the others.
const WINDOW_PER_WORKER: usize = 4;

/// Stack of a worker in bytes. The JSON reader recurses 66 levels at most and zstd keeps its tables on
/// the heap.
const STACK_BYTES: usize = 2 << 20;

/// Several workers and the results they have finished out of order.
pub(crate) struct Pipeline<J, R> {
    jobs: Option<Sender<(u64, J)>>,
    results: Receiver<(u64, thread::Result<R>)>,
    workers: Vec<JoinHandle<()>>,
    waiting: BTreeMap<u64, R>,
    given: u64,
    taken: u64,
    window: u64,
}

impl<J: Send + 'static, R: Send + 'static> Pipeline<J, R> {
    /// Starts `workers` threads that do `work`.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn new<F>(workers: usize, work: F) -> std::io::Result<Self>
    where
        F: Fn(J) -> R + Send + Sync + 'static,
    {
        let (jobs, inbox) = unbounded::<(u64, J)>();
        let (outbox, results) = unbounded();
        let work = Arc::new(work);
        let mut handles = Vec::with_capacity(workers);
        for number in 0..workers.max(1) {
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
                })?;
            handles.push(worker);
        }
        let window = (workers.max(1) * WINDOW_PER_WORKER) as u64;
        let (waiting, given, taken) = (BTreeMap::new(), 0, 0);
        Ok(Self { jobs: Some(jobs), results, workers: handles, waiting, given, taken, window })
    }

    /// Whether a result must be taken before more is given.
    pub(crate) fn is_full(&self) -> bool {
        self.given - self.taken >= self.window
    }

    /// Gives work to the next free worker.
    pub(crate) fn give(&mut self, job: J) {
        if let Some(jobs) = &self.jobs {
            // The workers hold the other end until `jobs` is dropped.
            let _ = jobs.send((self.given, job));
            self.given += 1;
        }
    }

    /// Puts in a result that needs no work, in its place among the others.
    pub(crate) fn pass(&mut self, result: R) {
        self.waiting.insert(self.given, result);
        self.given += 1;
    }

    /// The next result in order, waiting for it if need be; `None` when nothing is under way.
    pub(crate) fn take(&mut self) -> Option<R> {
        while self.taken < self.given {
            if let Some(result) = self.waiting.remove(&self.taken) {
                self.taken += 1;
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
        })
        .unwrap();
        let mut squares = Vec::new();
        for n in 0..500 {
            while pipeline.is_full() {
                squares.extend(pipeline.take());
            }
            if n % 10 == 3 { pipeline.pass(n * n) } else { pipeline.give(n) }
        }
        while let Some(square) = pipeline.take() {
            squares.push(square);
        }
        assert_eq!(squares, (0..500).map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_of_a_worker_is_not_lost() {
        let mut pipeline = Pipeline::new(2, |n: u64| assert_ne!(n, 5, "on purpose")).unwrap();
        (0..8).for_each(|n| pipeline.give(n));
        while pipeline.take().is_some() {}
    }
}
