//! Order among the requests of one HTTP/1.1 connection.
//!
//! A client may send a request before it has the answer to the one before (pipelining). When an append
//! fails, what was sent behind it must not be appended, and nothing tells which of the requests that
//! arrive later were sent before the client knew. So no later append of the connection is taken: its
//! answer ends the connection, and whoever was told sends anew on another one.
//!
//! A stream that fails has begun its answer long before, so it cannot say there that the connection ends.
//! To close it all the same would break the next request of a client that was told and sends at once.
//!
//! The streams of an HTTP/2 connection are independent of each other and have no such order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What the requests of a connection share. Requests of HTTP/2 have none.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestOrder(Arc<AtomicBool>);

impl RequestOrder {
    /// Something that was sent failed: nothing that arrives behind it may be appended.
    pub(crate) fn break_off(&self) {
        self.0.store(true, SeqCst);
    }

    /// Whether something that was sent before has failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.load(SeqCst)
    }
}
