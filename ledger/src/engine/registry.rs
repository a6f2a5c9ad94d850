//! What lanes must agree on when they create ledgers: names that are being taken, and numbers.

use std::collections::HashMap;

use indelible_core::name::LedgerName;
use parking_lot::Mutex;

/// Creations that are on their way, in all lanes.
pub(crate) struct Registry(Mutex<State>);

struct State {
    /// Names whose creation is on its way, and the lane that creates it.
    creating: HashMap<LedgerName, usize>,
    /// The last number that was given away. A creation that fails leaves a gap.
    last_number: u64,
}

/// Whether a name may be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The name is the caller's until it is released.
    Granted,
    /// A creation in this lane has it.
    Mine,
    /// A creation in another lane has it.
    Others,
}

impl Registry {
    /// `last_number` is the highest number of any ledger in the store.
    pub(crate) fn new(last_number: u64) -> Self {
        Self(Mutex::new(State { creating: HashMap::new(), last_number }))
    }

    /// Claims a name. To be done *before* the store is asked whether the ledger is there: another lane
    /// releases its claim only after its creation is durable.
    pub(crate) fn claim(&self, name: &LedgerName, lane: usize) -> Claim {
        let mut state = self.0.lock();
        match state.creating.get(name) {
            Some(holder) if *holder == lane => Claim::Mine,
            Some(_) => Claim::Others,
            None => {
                state.creating.insert(name.clone(), lane);
                Claim::Granted
            }
        }
    }

    /// The creation has ended, one way or the other.
    pub(crate) fn release(&self, name: &LedgerName) {
        self.0.lock().creating.remove(name);
    }

    /// A number that no ledger has had.
    pub(crate) fn next_number(&self) -> u64 {
        let mut state = self.0.lock();
        state.last_number += 1;
        state.last_number
    }
}
