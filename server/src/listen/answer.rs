//! An answer on its way out: counted against the budget until its last byte was written, and given up
//! where the client takes nothing of it.
//!
//! On HTTP/1 the connection's socket says whether an answer is taken. On HTTP/2 each stream has a window
//! of its own, and a client that opens none holds the answer without a sign on the socket. So there a whole
//! answer is handed over in pieces, and one that nobody has asked a piece of for too long is dropped; its
//! stream is reset when the client looks again. Answers that are made bit by bit judge themselves
//! (`http::output`).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::FutureExt as _;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;

use super::activity::InFlight;
use crate::budget::{Account, Grant, Kind};

/// Largest answer, in bytes, that is not counted by itself: what a connection, or a request on HTTP/2, is
/// counted with covers it.
const SMALL_BYTES_MAX: u64 = 4 << 10;
/// Largest piece of an answer that is handed to HTTP/2 at once, in bytes.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The answers of a connection that wait to be taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Vec<Weak<Whole>>>>);

/// An answer that is there as a whole.
#[derive(Debug)]
struct Whole {
    left: Mutex<Left>,
    account: Account,
}

#[derive(Debug)]
struct Left {
    bytes: Bytes,
    held: Option<Grant>,
    /// When the client last took a piece.
    taken: Instant,
    is_given_up: bool,
}

impl Waiting {
    /// Takes a body that is there as a whole.
    fn take(&self, mut body: Body, held: Grant, account: &Account) -> Content {
        let Some(Some(Ok(frame))) = body.frame().now_or_never() else {
            return Content::Made(body);
        };
        let bytes = frame.into_data().unwrap_or_default();
        let left = Left { bytes, held: Some(held), taken: Instant::now(), is_given_up: false };
        let whole = Arc::new(Whole { left: Mutex::new(left), account: account.clone() });
        let mut all = self.0.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&whole));
        Content::Whole(whole)
    }

    /// Drops the answers of which nothing was taken for `stall`.
    pub(super) fn give_up(&self, stall: Duration) {
        for whole in self.0.lock().iter().filter_map(Weak::upgrade) {
            let mut left = whole.left.lock();
            if !left.is_given_up && left.taken.elapsed() > stall {
                left.is_given_up = true;
                left.bytes = Bytes::new();
                left.held = None;
                whole.account.stalled();
            }
        }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if self.left.get_mut().is_given_up {
            self.account.let_go();
        }
    }
}

/// An answer's body that counts as a request in flight until it is dropped.
pub(super) struct Guarded {
    content: Content,
    /// Goes with the first piece of a body that is not counted by itself.
    held: Option<Grant>,
    _in_flight: InFlight,
}

enum Content {
    Made(Body),
    Whole(Arc<Whole>),
}

/// Whether the answer may still be refused for want of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Nothing was changed: the client can ask again.
    Asked,
    /// What it speaks of has happened: it is answered whatever is free.
    Given,
}

/// What an answer is counted against.
pub(super) struct Counted<'a> {
    pub(super) account: &'a Account,
    pub(super) room: Room,
    /// The waiting answers of an HTTP/2 connection.
    pub(super) waiting: Option<&'a Waiting>,
    /// What the request is counted with on HTTP/2.
    pub(super) held: Option<Grant>,
}

/// Puts an answer on its way, or `refusal` where there is no room for it.
pub(super) fn guard(
    response: Response,
    counted: Counted<'_>,
    in_flight: InFlight,
    refusal: impl FnOnce() -> Response,
) -> Response<Guarded> {
    let Counted { account, room, waiting, mut held } = counted;
    let bytes = response.body().size_hint().exact().filter(|bytes| *bytes > SMALL_BYTES_MAX);
    let Some(bytes) = bytes.and_then(|bytes| usize::try_from(bytes).ok()) else {
        return response.map(|body| Guarded::new(Content::Made(body), held, in_flight));
    };
    let granted = match room {
        Room::Given => Some(account.take_anyway(Kind::Answers, bytes)),
        Room::Asked => account.take(Kind::Answers, bytes),
    };
    let Some(granted) = granted else {
        return refusal().map(|body| Guarded::new(Content::Made(body), held, in_flight));
    };
    response.map(|body| {
        let content = match waiting {
            Some(waiting) => waiting.take(body, granted, account),
            None => {
                held = Some(granted);
                Content::Made(body)
            }
        };
        Guarded::new(content, held, in_flight)
    })
}

impl Guarded {
    fn new(content: Content, held: Option<Grant>, in_flight: InFlight) -> Self {
        Self { content, held, _in_flight: in_flight }
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        match &mut this.content {
            Content::Whole(whole) => Poll::Ready(whole.left.lock().piece()),
            Content::Made(body) => {
                let polled = Pin::new(&mut *body).poll_frame(context);
                match (polled, body.is_end_stream()) {
                    // The last piece: what was taken for it goes with it.
                    (Poll::Ready(Some(Ok(frame))), true) => {
                        let held = this.held.take();
                        Poll::Ready(Some(Ok(frame.map_data(|bytes| match held {
                            Some(held) => held.tie(bytes),
                            None => bytes,
                        }))))
                    }
                    (polled, _) => polled,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Made(body) => body.is_end_stream(),
            Content::Whole(whole) => {
                let left = whole.left.lock();
                left.bytes.is_empty() && !left.is_given_up
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Made(body) => body.size_hint(),
            Content::Whole(whole) => SizeHint::with_exact(whole.left.lock().bytes.len() as u64),
        }
    }
}

impl Left {
    fn piece(&mut self) -> Option<Result<Frame<Bytes>, axum::Error>> {
        if self.is_given_up {
            let error = io::Error::other("the answer was given up: nothing of it was taken");
            return Some(Err(axum::Error::new(error)));
        }
        if self.bytes.is_empty() {
            return None;
        }
        self.taken = Instant::now();
        let piece = self.bytes.split_to(self.bytes.len().min(PIECE_BYTES_MAX));
        let piece = match &mut self.held {
            Some(held) => held.split(piece.len()).tie(piece),
            None => piece,
        };
        Some(Ok(Frame::data(piece)))
    }
}
