//! Commits that take their time on their way while others begin theirs, as those of a store in a bucket do:
//! the latency of each is long, and they become durable in order.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Sender, unbounded};

use super::Handle;
use crate::store::{Batch, CommitTicket};

/// A commit on its way.
pub(super) struct Write {
    /// When it arrives.
    pub(super) due: Instant,
    pub(super) batch: Batch,
    pub(super) ticket: CommitTicket,
}

pub(super) struct Writer {
    writes: Sender<Write>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(handle: &Arc<Handle>) -> Self {
        let (writes, arriving) = unbounded::<Write>();
        let handle = Arc::clone(handle);
        let thread = thread::spawn(move || {
            while let Ok(write) = arriving.recv() {
                thread::sleep(write.due.saturating_duration_since(Instant::now()));
                write.ticket.settle(handle.write_in_turn(&write.batch, None));
            }
        });
        Self { writes, thread }
    }

    pub(super) fn submit(&self, write: Write) {
        // A writer that is gone drops the commit, whose ticket says so.
        drop(self.writes.send(write));
    }

    /// Waits for everything that is on its way.
    pub(super) fn finish(self) {
        drop(self.writes);
        drop(self.thread.join());
    }
}
