//! Looks about once a second, whether anything is appended or not: is the folder still the one that was
//! opened, with all files that the database needs, and does the clock go as time does.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::shared::Shared;
use crate::folder::FolderGone;
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
