//! When callers looked ids up in the store, so that the sequencer knows what has become durable since.
//!
//! Whoever submits looks its ids up itself, before its group enters the queue; the sequencer compares them
//! with what is on its way. A batch that becomes durable between the two would be seen by neither, so the
//! ids of a batch stay in memory until no group is left that asked before the batch was durable. Where that
//! would take too much memory they are let go, and a group from before is looked up once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Debug, Default)]
struct State {
    /// The last batch that is durable and visible to readers.
    durable: u64,
    /// How many groups are on their way to the sequencer that asked after which batch.
    asked: BTreeMap<u64, usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Lookups(Mutex<State>);

impl Lookups {
    /// To be called before anything is looked up.
    pub(crate) fn ask(self: &Arc<Self>) -> Asked {
        let mut state = self.0.lock();
        let after = state.durable;
        *state.asked.entry(after).or_default() += 1;
        Asked { lookups: Arc::clone(self), after }
    }

    /// The batches up to `serial` are durable, and readers see them.
    pub(crate) fn durable(&self, serial: u64) {
        let mut state = self.0.lock();
        state.durable = state.durable.max(serial);
    }

    /// The ids of batches up to this one need not be remembered: whoever has looked, or will look, has
    /// them in the store.
    pub(crate) fn known_to_all(&self) -> u64 {
        let state = self.0.lock();
        state.asked.first_key_value().map_or(state.durable, |(after, _)| *after)
    }
}

/// A group's look-ups. Dropped once the group is sequenced, or will never be.
#[derive(Debug)]
pub(crate) struct Asked {
    lookups: Arc<Lookups>,
    /// The look-ups have seen every batch up to this one.
    pub(crate) after: u64,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.lookups.0.lock();
        if let Some(count) = state.asked.get_mut(&self.after) {
            *count -= 1;
            if *count == 0 {
                state.asked.remove(&self.after);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_who_asked_decides_what_is_remembered() {
        let lookups = Arc::new(Lookups::default());
        assert_eq!(lookups.known_to_all(), 0);
        let first = lookups.ask();
        lookups.durable(3);
        let (second, third) = (lookups.ask(), lookups.ask());
        lookups.durable(5);
        assert_eq!((first.after, second.after, lookups.known_to_all()), (0, 3, 0));
        drop(first);
        drop(third);
        assert_eq!(lookups.known_to_all(), 3);
        drop(second);
        assert_eq!(lookups.known_to_all(), 5);
    }
}
