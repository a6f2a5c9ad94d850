//! Groups that are not sequenced, or only as a whole or not at all.

use indelible_core::name::Seq;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::batch::Waiting;
use super::queue::Group;
use super::resolve::Found;
use super::sealing::Sealing;
use super::sequencer::RETRY_AFTER;
use super::session::{Turn, earlier_failed};
use super::shared::Shared;
use crate::error::{AppendError, EventError, ReadError};

/// An all-or-nothing group fails as a whole with the first of its conflicts.
pub(super) fn refuse_conflicts(shared: &Shared, found: &[Found]) -> Result<(), AppendError> {
    for (index, found) in found.iter().enumerate() {
        if let Found::Conflict(error) = found {
            shared.metrics.conflicts.add(1);
            return Err(AppendError::Event { index, error: error.clone() });
        }
    }
    Ok(())
}

/// An all-or-nothing group fails as a whole when the ledger has no room for all of its `new` events.
pub(super) fn refuse_overflow(sealing: &Sealing, new: usize) -> Result<(), AppendError> {
    let last = sealing.next_seq().map(|seq| seq.get() + (new as u64).saturating_sub(1));
    match last.map(Seq::new) {
        Some(Ok(_)) => Ok(()),
        _ if new == 0 => Ok(()),
        _ => Err(AppendError::Event { index: 0, error: EventError::Full }),
    }
}

/// What is said of groups when the store cannot be read now.
pub(super) fn unavailable(error: ReadError) -> AppendError {
    match error {
        ReadError::Unavailable { reason } => {
            AppendError::Unavailable { reason, retry_after: RETRY_AFTER }
        }
        other => AppendError::Read(other),
    }
}

/// None of the groups is sequenced, nor what stands behind them.
pub(super) fn refuse(groups: Vec<Group>, error: &AppendError) {
    for Group { turn, answer, .. } in groups {
        let is_behind = turn.as_ref().is_some_and(Turn::is_behind_failure);
        turn.as_ref().inspect(|turn| turn.fail());
        let _ = answer.send(Err(if is_behind { earlier_failed() } else { error.clone() }));
    }
}

/// A group of which nothing is sequenced.
pub(super) fn refused(answer: oneshot::Sender<Answer>, error: AppendError) -> Waiting {
    Waiting { answer, entry: None, run: None, outcome: Err(error), record: None, turn: None }
}
