//! An answer on its way out: counted against the budget until its last byte was written, and given up
//! where the client takes nothing of it.
//!
//! On HTTP/1 the connection's socket says whether an answer is taken. On HTTP/2 each stream has a window
//! of its own, and a client that opens none holds the answer without a sign on the socket. There the next
//! piece is asked for only when the one before has gone, so who is not asked for too long is stuck. A whole
//! answer is therefore handed over in small pieces and its rest dropped when it is stuck; answers that are
//! made bit by bit notice by themselves (`http::output`). A connection all of whose answers are stuck is
//! cut off.

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
const SMALL_BYTES_MAX: usize = 4 << 10;
/// Largest piece of an answer that is handed to HTTP/2 at once, in bytes.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The answers on an HTTP/2 connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Vec<Weak<Mutex<Progress>>>>>);

/// How an answer on HTTP/2 comes along.
#[derive(Debug, Default)]
struct Progress {
    /// Since when a piece waits to be taken.
    waits: Option<Instant>,
    /// What is left of an answer that is there as a whole, and what it is counted with.
    left: Option<(Bytes, Option<Grant>)>,
    is_given_up: bool,
}

impl Answers {
    fn begin(&self, progress: Progress) -> Arc<Mutex<Progress>> {
        let progress = Arc::new(Mutex::new(progress));
        let mut all = self.0.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&progress));
        progress
    }

    /// How many answers are stuck: nothing was taken of them for `stall`. What is left of them is dropped.
    pub(super) fn stuck(&self, stall: Duration) -> usize {
        let is_stuck = |progress: Arc<Mutex<Progress>>| {
            let mut progress = progress.lock();
            let is_stuck = progress.waits.is_some_and(|since| since.elapsed() > stall);
            if is_stuck && progress.left.is_some() {
                progress.left = None;
                progress.is_given_up = true;
            }
            is_stuck
        };
        self.0
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|one| is_stuck(Arc::clone(one)))
            .count()
    }
}

/// An answer's body that counts as a request in flight until it is dropped.
pub(super) struct Guarded {
    body: Body,
    /// On HTTP/2.
    progress: Option<Arc<Mutex<Progress>>>,
    /// Goes with the last piece.
    held: Option<Grant>,
    _in_flight: InFlight,
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
    /// The answers of an HTTP/2 connection.
    pub(super) answers: Option<&'a Answers>,
    /// What the request is counted with on HTTP/2.
    pub(super) held: Option<Grant>,
}

/// Puts an answer on its way, or `refusal` where there is no room for it.
pub(super) fn guard(
    mut response: Response,
    counted: Counted<'_>,
    in_flight: InFlight,
    refusal: impl FnOnce() -> Response,
) -> Response<Guarded> {
    let Counted { account, room, answers, mut held } = counted;
    if let Some(large) = whole(&response).filter(|bytes| *bytes > SMALL_BYTES_MAX) {
        let granted = match room {
            Room::Given => Some(account.take_anyway(Kind::Answers, large)),
            Room::Asked => account.take(Kind::Answers, large),
        };
        match granted {
            Some(granted) => held = Some(granted),
            None => response = refusal(),
        }
    }
    let is_whole = whole(&response).is_some_and(|bytes| bytes > 0);
    response.map(|mut body| {
        let progress = answers.map(|answers| {
            let frame = if is_whole { body.frame().now_or_never().flatten() } else { None };
            let bytes = frame.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
            answers.begin(Progress {
                waits: bytes.is_some().then(Instant::now),
                left: bytes.map(|bytes| (bytes, held.take())),
                is_given_up: false,
            })
        });
        Guarded { body, progress, held, _in_flight: in_flight }
    })
}

/// The bytes of an answer that is there as a whole.
fn whole(response: &Response) -> Option<usize> {
    response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok())
}

impl Progress {
    /// The next piece of a whole answer; the outer `None` where it is made bit by bit.
    fn piece(&mut self) -> Option<Option<Result<Bytes, axum::Error>>> {
        if self.is_given_up {
            let error = io::Error::other("the answer was given up: nothing of it was taken");
            return Some(Some(Err(axum::Error::new(error))));
        }
        let (bytes, held) = self.left.as_mut()?;
        if bytes.is_empty() {
            return Some(None);
        }
        self.waits = Some(Instant::now());
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
        let is_last = bytes.is_empty();
        // What a small answer is counted with is more than its bytes, and goes as one.
        let part = match held {
            Some(held) if !is_last => Some(held.split(piece.len())),
            _ => held.take(),
        };
        Some(Some(Ok(match part {
            Some(part) => part.tie(piece),
            None => piece,
        })))
    }

    fn left(&self) -> Option<usize> {
        self.left.as_ref().map(|(bytes, _)| bytes.len())
    }
}

impl Guarded {
    fn made(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        loop {
            let polled = Pin::new(&mut self.body).poll_frame(context);
            let frame = match polled {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(other) => {
                    return Poll::Ready(other.map(|frame| frame.map(|_| Bytes::new())));
                }
                Poll::Pending => return Poll::Pending,
            };
            // Nothing of ours has trailers.
            let Ok(bytes) = frame.into_data() else { continue };
            let held = if self.body.is_end_stream() { self.held.take() } else { None };
            return Poll::Ready(Some(Ok(match held {
                Some(held) => held.tie(bytes),
                None => bytes,
            })));
        }
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
        if let Some(progress) = &this.progress
            && let Some(piece) = progress.lock().piece()
        {
            return Poll::Ready(piece.map(|piece| piece.map(Frame::data)));
        }
        let made = this.made(context);
        if let Some(progress) = &this.progress {
            // Asked for more, so what was handed over before is gone.
            let waits = matches!(made, Poll::Ready(Some(Ok(_)))).then(Instant::now);
            progress.lock().waits = waits;
        }
        made.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        let progress = self.progress.as_ref().map(|progress| progress.lock());
        match progress.as_ref().map(|progress| (progress.left(), progress.is_given_up)) {
            Some((_, true)) => false,
            Some((Some(left), false)) => left == 0,
            _ => self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.progress.as_ref().and_then(|progress| progress.lock().left()) {
            Some(left) => SizeHint::with_exact(left as u64),
            None => self.body.size_hint(),
        }
    }
}
