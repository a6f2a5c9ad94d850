//! The response's side: chunks from the request's task to the connection.
//!
//! There is one chunk between the two, and it counts against the budget until its last byte has been
//! written. A client that does not take it within `limits.write_stall_timeout` is given up *here*, stream
//! by stream: on HTTP/2 the connection's socket says nothing about a stream whose window is closed. The
//! chunk is dropped, and the place and the memory behind it are free again.
//!
//! A body that ends without [`Sender::end`] is broken off, so that a client can tell an answer that is
//! whole from one whose task has gone, by panic or by the runtime's end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::budget::{Account, Grant, Kind};

/// Time between looks for room in the budget.
pub(in crate::http) const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// The task's end.
pub(in crate::http) struct Sender {
    shared: Arc<Shared>,
    account: Account,
    stall: Duration,
}

/// The connection's end.
pub(in crate::http) struct Output {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The chunk was taken, or the connection's end is gone.
    taken: Notify,
}

#[derive(Default)]
struct State {
    chunk: Option<Bytes>,
    end: Option<End>,
    is_gone: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
    Stalled,
}

/// A body for a client that may let a chunk wait for `stall`.
pub(in crate::http) fn channel(account: Account, stall: Duration) -> (Sender, Output) {
    let shared = Arc::new(Shared::default());
    let output = Output { shared: Arc::clone(&shared) };
    (Sender { shared, account, stall }, output)
}

impl Shared {
    /// Ends the body; the first end counts.
    fn end(&self, end: End) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        let chunk = if end == End::Stalled { state.chunk.take() } else { None };
        let waker = state.waker.take();
        drop(state);
        drop(chunk);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Sender {
    /// Waits until a chunk can be sent, however long; false when the client is gone.
    pub(in crate::http) async fn room(&self) -> bool {
        loop {
            let mut taken = std::pin::pin!(self.shared.taken.notified());
            taken.as_mut().enable();
            {
                let state = self.shared.state.lock();
                if state.is_gone {
                    return false;
                }
                if state.chunk.is_none() {
                    return true;
                }
            }
            taken.await;
        }
    }

    /// Resolves when the client is gone.
    pub(in crate::http) async fn closed(&self) {
        loop {
            let mut taken = std::pin::pin!(self.shared.taken.notified());
            taken.as_mut().enable();
            if self.shared.state.lock().is_gone {
                return;
            }
            taken.await;
        }
    }

    /// Gives the client up because it takes nothing.
    pub(in crate::http) fn stalled(&self) {
        tracing::debug!("an answer is broken off: the client takes nothing of it");
        self.shared.end(End::Stalled);
    }

    /// Waits for room as long as a client may stall; false when it is gone or given up.
    async fn room_in_time(&self) -> bool {
        match timeout(self.stall, self.room()).await {
            Ok(alive) => alive,
            Err(_) => {
                self.stalled();
                false
            }
        }
    }

    /// Sends a chunk as soon as the client takes it and the budget has room for it; false when the client
    /// is gone or was given up.
    pub(in crate::http) async fn send(&self, chunk: Bytes) -> bool {
        if chunk.is_empty() {
            return true;
        }
        if !self.room_in_time().await {
            return false;
        }
        let until = Instant::now() + self.stall;
        let charged = async {
            loop {
                let has_room = self.account.has_room(chunk.len());
                if has_room && let Some(grant) = self.account.take(Kind::Answers, chunk.len()) {
                    return grant;
                }
                sleep(ROOM_PAUSE).await;
            }
        };
        match timeout_at(until, charged).await {
            Ok(grant) => self.put(grant.tie(chunk)),
            Err(_) => {
                self.stalled();
                false
            }
        }
    }

    /// Sends bytes that are held already, in the place that [`Self::room`] has found.
    pub(in crate::http) fn send_held(&self, chunk: Bytes) -> bool {
        let grant: Grant = self.account.take_anyway(Kind::Answers, chunk.len());
        self.put(grant.tie(chunk))
    }

    fn put(&self, chunk: Bytes) -> bool {
        let mut state = self.shared.state.lock();
        if state.is_gone || state.end.is_some() {
            return false;
        }
        state.chunk = Some(chunk);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Ends the body as whole, and waits until its last chunk was taken.
    pub(in crate::http) async fn end(self) {
        if self.room_in_time().await {
            self.shared.end(End::Whole);
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.end(End::Broken);
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_gone = true;
        let chunk = state.chunk.take();
        drop(state);
        drop(chunk);
        self.shared.taken.notify_waiters();
    }
}

impl Body for Output {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut state = self.shared.state.lock();
        if let Some(chunk) = state.chunk.take() {
            drop(state);
            self.shared.taken.notify_waiters();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match state.end {
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
            Some(End::Whole) => Poll::Ready(None),
            Some(End::Broken | End::Stalled) => {
                Poll::Ready(Some(Err(io::Error::other("the answer was broken off"))))
            }
        }
    }
}
