//! The response's side: chunks from the request's task to the connection.
//!
//! A body that ends without [`Sender::end`] is broken off, so that a client can tell an answer that is
//! whole from one whose task has gone, by panic or by the runtime's end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

/// Chunks on their way to the connection; what is more waits in the spool.
const CHUNKS_MAX: usize = 4;

enum Item {
    Chunk(Bytes),
    End,
}

/// The task's end.
pub(in crate::http) struct Sender(mpsc::Sender<Item>);

/// The connection's end.
pub(in crate::http) struct Output(Option<mpsc::Receiver<Item>>);

pub(in crate::http) fn channel() -> (Sender, Output) {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    (Sender(sender), Output(Some(receiver)))
}

impl Sender {
    /// Waits until a chunk can be sent; false when the client is gone.
    pub(in crate::http) async fn room(&self) -> bool {
        self.0.reserve().await.is_ok()
    }

    /// Resolves when the client is gone.
    pub(in crate::http) async fn closed(&self) {
        self.0.closed().await;
    }

    /// Sends a chunk; false when the client is gone.
    pub(in crate::http) async fn send(&self, chunk: Bytes) -> bool {
        chunk.is_empty() || self.0.send(Item::Chunk(chunk)).await.is_ok()
    }

    /// As [`Self::send`], from a thread that may block.
    pub(in crate::http) fn blocking_send(&self, chunk: Bytes) -> bool {
        chunk.is_empty() || self.0.blocking_send(Item::Chunk(chunk)).is_ok()
    }

    /// Ends the body as whole.
    pub(in crate::http) async fn end(self) {
        let _ = self.0.send(Item::End).await;
    }

    /// As [`Self::end`], from a thread that may block.
    pub(in crate::http) fn blocking_end(self) {
        let _ = self.0.blocking_send(Item::End);
    }
}

impl Body for Output {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(receiver) = &mut self.0 else { return Poll::Ready(None) };
        Poll::Ready(match ready!(receiver.poll_recv(context)) {
            Some(Item::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
            Some(Item::End) => {
                self.0 = None;
                None
            }
            None => Some(Err(io::Error::other("the answer was broken off"))),
        })
    }
}
