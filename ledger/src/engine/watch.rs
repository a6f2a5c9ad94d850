//! Looks about once a second, whether anything is appended or not: is the folder still the one that was
//! opened, with all files that the database needs, and does the clock go as time does.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::committing::Desk;
use super::refusing::refuse;
use super::sequencer::RETRY_AFTER;
use super::shared::Shared;
use crate::error::AppendError;
use crate::folder::FolderGone;
use crate::metrics::Health;
use crate::rows::head::HeadRow;
use crate::store::{Scan, Space};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Works until the other end of `stop` is dropped.
pub(crate) fn watch(shared: &Arc<Shared>, stop: &Receiver<()>) {
    newest_times(shared);
    while !matches!(stop.recv_timeout(EVERY), Err(RecvTimeoutError::Disconnected)) {
        let _ = shared.time.look();
        if shared.has_given_up() {
            continue;
        }
        if let Err(gone) = look(shared)
            && let Some(store) = shared.give_up(&gone)
        {
            let _ = store.close();
        }
    }
}

/// Looks for writes that do not come back, until the other end of `stop` is dropped. A thread of its own,
/// which touches no file: one that does may hang as the writes do.
pub(crate) fn watch_writes(shared: &Arc<Shared>, desk: &Desk, stop: &Receiver<()>) {
    let deadline = shared.config.limits.write_deadline;
    let every = EVERY.min(deadline / 4);
    while !matches!(stop.recv_timeout(every), Err(RecvTimeoutError::Disconnected)) {
        if desk.is_hung() {
            refuse_queued(shared);
        } else if desk.writes_for().is_some_and(|writes| writes >= deadline) {
            hang(shared, desk, deadline);
        }
    }
}

/// The disk does not answer. Nothing is begun until the write comes back; then the store is opened again
/// and read, as after every write that failed.
fn hang(shared: &Arc<Shared>, desk: &Desk, deadline: Duration) {
    let seconds = deadline.as_secs_f32();
    let reason: Arc<str> = format!(
        "the disk does not answer: a write has not come back after {seconds} s (write_deadline)"
    )
    .into();
    tracing::error!("{reason}");
    shared.metrics.store_failures.add(1);
    // First, so that no sequencer begins anything when it hears of what has failed.
    *shared.health.lock() = Health::Poisoned { reason: Arc::clone(&reason) };
    desk.give_up_writes(shared, &reason);
    refuse_queued(shared);
}

/// A sequencer may hang in the write itself, so what waits for it is refused from here.
fn refuse_queued(shared: &Shared) {
    let Some(reason) = shared.poisoned() else { return };
    let error = AppendError::Unavailable { reason, retry_after: RETRY_AFTER };
    for lane in shared.lanes.iter() {
        refuse(lane.queue.take_all(), &error);
    }
}

/// The newest time of each ledger, for telling how far they are ahead of the clock. Reads one row for
/// each ledger, which opening does not wait for.
fn newest_times(shared: &Shared) {
    let Ok(store) = shared.store.get() else { return };
    let scanned = store.scan(&Scan::all(Space::Heads), &mut |_, value| {
        if let Ok(head) = HeadRow::decode(value) {
            shared.time.saw(head.last_time);
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = scanned {
        tracing::error!(%error, "the ledgers' times cannot be read");
    }
}

fn look(shared: &Shared) -> Result<(), FolderGone> {
    // While the store is closed or being opened again, its files come and go.
    let Ok(store) = shared.store.get() else { return Ok(()) };
    let looked = shared.guard.look().and_then(|()| {
        let names = store.live_files().unwrap_or_default();
        shared.guard.check_files(&names)
    });
    let Err(_) = looked else { return Ok(()) };
    // Files that were just merged into others are gone as well: only what is missing of those that are
    // needed even now counts. And a store that was closed meanwhile needs none.
    if shared.store.get().is_err() {
        return Ok(());
    }
    shared.guard.look()?;
    match store.live_files() {
        Ok(names) => shared.guard.check_files(&names),
        Err(_) => Ok(()),
    }
}
