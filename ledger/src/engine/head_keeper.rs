//! Brings the head outside of the database to the disk, beside the commits.
//!
//! A database that was restored from an old backup, or whose disk forgot its last writes, looks perfectly
//! fine by itself. The head file says how far the engine had come; an engine whose database is behind it
//! does not open. Every commit writes its head into the file before it is answered; here the file is
//! flushed.

use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::shared::Shared;
use crate::folder::{DataFolder, HeadWriter};

/// Flushes the head file every `head_interval` when there were commits, and once more when the other end
/// of `stop` is dropped. Its own thread: no commit ever waits for the flush. `folder` is held until then,
/// and its lock with it.
pub(crate) fn keep(
    shared: &Arc<Shared>,
    folder: DataFolder,
    head: &HeadWriter,
    stop: &Receiver<()>,
) {
    loop {
        let stopped = matches!(
            stop.recv_timeout(shared.config.limits.head_interval),
            Err(RecvTimeoutError::Disconnected)
        );
        // Not beside a folder that somebody put in the place of ours.
        if !shared.has_given_up() {
            match head.flush() {
                Ok(()) => shared.head_file.succeeded(),
                Err(error) => {
                    shared.metrics.head_file_failures.add(1);
                    shared.head_file.failed(&error.to_string());
                    tracing::error!(%error, "the head file cannot be written");
                }
            }
        }
        if stopped {
            drop(folder);
            return;
        }
    }
}
