//! The connections that are open, and which of them has been idle longest.
//!
//! A connection without a request in flight costs its client nothing and everybody else a place. When all
//! places are taken, the one that has gone longest without a request gives way: a client of good manners
//! opens another when it has something to ask. Slow heads count as idle too; they have asked nothing yet.
//!
//! Nothing is sorted while there is room. At the limit one look over all connections finds the
//! [`CANDIDATES`] that have been idle longest, and the next arrivals are served from what it found.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::activity::Activity;

/// Idle connections that one look over all finds. Looking costs about 20 ns for each connection that is
/// open, so at the largest limit (a million) an arrival costs a few tenths of a millisecond.
const CANDIDATES: usize = 64;

/// One open connection.
#[derive(Debug)]
pub(super) struct Entry {
    opened: Instant,
    /// What it does, once its protocol is known.
    activity: OnceLock<Arc<Activity>>,
    evicted: AtomicBool,
    told: Notify,
}

impl Entry {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            activity: OnceLock::new(),
            evicted: AtomicBool::new(false),
            told: Notify::new(),
        }
    }

    pub(super) fn begin(&self, activity: &Arc<Activity>) {
        let _ = self.activity.set(Arc::clone(activity));
    }

    /// Since when nothing was asked; `None` while a request is in flight.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self.activity.get() {
            Some(activity) => activity.idle_since(),
            None => Some(self.opened),
        }
    }

    /// Resolves when the connection is to give way.
    pub(super) async fn evicted(&self) {
        while !self.evicted.load(Relaxed) {
            self.told.notified().await;
        }
    }

    fn evict(&self) {
        self.evicted.store(true, Relaxed);
        // One waiter; a permit is kept for it if it does not wait yet.
        self.told.notify_one();
    }
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<u64, Arc<Entry>>,
    /// Idle ones that were found, the one that was idle longest at the end.
    candidates: Vec<(u64, Instant)>,
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Registry {
    next: AtomicU64,
    inner: Mutex<Inner>,
}

impl Registry {
    pub(super) fn add(self: &Arc<Self>) -> Registered {
        let (id, entry) = (self.next.fetch_add(1, Relaxed), Arc::new(Entry::new()));
        self.inner.lock().open.insert(id, Arc::clone(&entry));
        Registered { id, entry, registry: Arc::clone(self) }
    }

    /// Tells the connection that has been idle longest to end. `false` when every one is busy.
    pub(super) fn evict_idlest(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.evict() || {
            inner.look();
            inner.evict()
        }
    }
}

impl Inner {
    /// Evicts the first candidate that has stayed idle since it was found.
    fn evict(&mut self) -> bool {
        while let Some((id, since)) = self.candidates.pop() {
            let Some(entry) = self.open.get(&id) else { continue };
            if entry.idle_since() == Some(since) && !entry.evicted.load(Relaxed) {
                entry.evict();
                return true;
            }
        }
        false
    }

    fn look(&mut self) {
        let idle = |(id, entry): (&u64, &Arc<Entry>)| {
            let since = entry.idle_since().filter(|_| !entry.evicted.load(Relaxed))?;
            Some((*id, since))
        };
        let mut found: Vec<_> = self.open.iter().filter_map(idle).collect();
        if found.len() > CANDIDATES {
            found.select_nth_unstable_by_key(CANDIDATES, |(_, since)| *since);
            found.truncate(CANDIDATES);
        }
        found.sort_unstable_by_key(|(_, since)| std::cmp::Reverse(*since));
        self.candidates = found;
    }
}

/// An open connection's place in the list, until it is dropped.
#[derive(Debug)]
pub(super) struct Registered {
    id: u64,
    pub(super) entry: Arc<Entry>,
    registry: Arc<Registry>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.inner.lock().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longest_idle_goes_first_and_a_busy_one_never() {
        let registry = Arc::new(Registry::default());
        let places: Vec<Registered> = (0..200)
            .map(|_| {
                std::thread::sleep(Duration::from_micros(50));
                registry.add()
            })
            .collect();
        let activity = Arc::new(Activity::new(true));
        places[0].entry.begin(&activity);
        let request = activity.request(&Arc::default());
        let evicted = |at: usize| places[at].entry.evicted.load(Relaxed);
        for at in 1..200 {
            assert!(registry.evict_idlest());
            assert!(evicted(at) && !places[at + 1..].iter().any(|p| p.entry.evicted.load(Relaxed)));
        }
        assert!(!registry.evict_idlest() && !evicted(0), "what is left is busy");
        drop(request);
        assert!(registry.evict_idlest() && evicted(0));
        drop(places);
        assert!(registry.inner.lock().open.is_empty());
    }
}
