//! Keeps the head outside of the database up to date.
//!
//! A database that was restored from an old backup, or whose disk forgot its last writes, looks perfectly
//! fine by itself. The head file says how far the engine had come; an engine whose database is behind it
//! does not open.

use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::shared::Shared;
use crate::folder::{DataFolder, HeadFile};
use crate::rows::meta::StateRow;

/// Writes the head file when there were commits, at most every `head_interval`, and once more when the
/// other end of `stop` is dropped. Its own thread: no commit ever waits for it.
pub(crate) fn keep(shared: &Arc<Shared>, folder: &DataFolder, stop: &Receiver<()>) {
    let mut written: Option<StateRow> = None;
    loop {
        let stopped = matches!(
            stop.recv_timeout(shared.config.limits.head_interval),
            Err(RecvTimeoutError::Disconnected)
        );
        let state = *shared.state.lock();
        // Not into a folder that somebody put in the place of ours.
        if written != Some(state) && state.commit.0 > 0 && !shared.has_given_up() {
            match folder.write_head(&HeadFile { commit: state.commit, digest: state.digest }) {
                Ok(()) => {
                    written = Some(state);
                    shared.head_file.succeeded();
                }
                Err(error) => {
                    shared.metrics.head_file_failures.add(1);
                    shared.head_file.failed(&error.to_string());
                    tracing::error!(%error, "the head file cannot be written");
                }
            }
        }
        if stopped {
            return;
        }
    }
}
