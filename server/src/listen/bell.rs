//! Waking a task for one of two things and knowing afterwards which.
//!
//! A connection's task is woken several times a request, the clock and the stop beside it once in a
//! while. Looked at each time they cost more than reading the request: a lock that all connections
//! share for the stop, the timer's for the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// What stands beside a task's main work: whatever it waits for rings here.
#[derive(Debug)]
pub(super) struct Beside {
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
    /// Whom the bell wakes.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order: the task finds it rung when it runs.
        self.rung.store(true, Release);
        self.task.wake();
    }
}

impl Bell {
    fn has_rung(&self) -> bool {
        // Most of the time it has not, and only reading leaves the line where it is.
        self.rung.load(Acquire) && self.rung.swap(false, AcqRel)
    }
}

impl Beside {
    /// Has rung already, so that what stands beside is looked at a first time.
    pub(super) fn new() -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&bell)), bell, task: None }
    }

    /// What is new must be looked at once, so that it knows whom to wake.
    pub(super) fn look_again(&self) {
        self.bell.rung.store(true, Release);
    }

    /// The context to look with if it has rung since the last look; wakes the task of `context` when it
    /// rings again.
    pub(super) fn rung(&mut self, context: &Context<'_>) -> Option<Context<'_>> {
        let rung = self.bell.has_rung();
        // Ringing uses the registration up.
        if rung || !self.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            self.bell.task.register(context.waker());
            self.task = Some(context.waker().clone());
            // What rang before the registration woke nobody.
            return (self.bell.has_rung() || rung).then(|| Context::from_waker(&self.waker));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, AcqRel);
        }
    }

    #[test]
    fn every_ring_wakes_the_task_and_is_seen_once() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let context = Context::from_waker(&waker);
        let mut beside = Beside::new();
        assert!(beside.rung(&context).is_some(), "a first look");
        for rings in 1..4 {
            assert!(beside.rung(&context).is_none());
            beside.waker.wake_by_ref();
            assert_eq!(task.0.load(Acquire), rings);
            assert!(beside.rung(&context).is_some());
        }
        beside.look_again();
        assert!(beside.rung(&context).is_some());
        let other = Arc::new(Task::default());
        let moved = Waker::from(Arc::clone(&other));
        assert!(beside.rung(&Context::from_waker(&moved)).is_none());
        beside.waker.wake_by_ref();
        assert_eq!((task.0.load(Acquire), other.0.load(Acquire)), (3, 1));
    }
}
