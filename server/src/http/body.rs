//! Reading a body as a whole, within limits of size and time and within the budget.

use std::fmt::Display;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::task::Poll;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::timeout;

use super::app::App;
use super::elements::Elements;
use super::envelope;
use super::errors::{Code, Problem};
use super::pace::Pace;
use crate::budget::{Account, Grant, Kind};
use crate::config::Limits;

/// Media type of a JSON body.
pub(super) const JSON: &str = "application/json";
/// Bytes from which on the elements of an array are counted while it arrives. Shorter ones are read to
/// their end, and counted by the parser.
const EARLY_BYTES: usize = 1 << 20;
/// Media type of newline-delimited JSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// One JSON value.
    Json,
    /// A JSON value a line.
    Ndjson,
}

/// The media type of a request's body.
///
/// # Errors
/// 415 when it is missing, another one, or the body is compressed.
pub(super) fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::new(
            Code::MediaTypeUnsupported,
            "compressed bodies are not taken; send it without Content-Encoding",
        ));
    }
    let value = headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(JSON.as_bytes()) {
        Ok(Media::Json)
    } else if essence.eq_ignore_ascii_case(NDJSON.as_bytes()) {
        Ok(Media::Ndjson)
    } else {
        let found = String::from_utf8_lossy(essence.get(..60).unwrap_or(essence)).into_owned();
        Err(Problem::new(
            Code::MediaTypeUnsupported,
            format!("Content-Type is `{found}`; this takes {JSON} (and {NDJSON} for many events)"),
        ))
    }
}

/// Demands a JSON body.
///
/// # Errors
/// 415 for anything else.
pub(super) fn only_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media(headers)? {
        Media::Json => Ok(()),
        Media::Ndjson => {
            Err(Problem::new(Code::MediaTypeUnsupported, format!("this takes {JSON} only")))
        }
    }
}

/// A whole body. What it takes of the budget is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: Bytes,
    _held: Grant,
}

impl Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the whole body of a request. A body that arrived in one piece is not copied; otherwise memory
/// is taken as pieces arrive, never because of what the head announces.
///
/// # Errors
/// 413 over a limit, 408 when it comes below the rate that is asked for, 400 when it ends early, 503 when
/// there is no room for it.
pub(super) async fn read_all(request: Request, app: &App) -> Result<Whole, Problem> {
    let account = app.budget.account_of(&request);
    read(request.into_body(), &account, app).await
}

/// As [`read_all`], for a body of any type, against the account of its connection.
///
/// # Errors
/// As [`read_all`].
pub(super) async fn read<B>(body: B, account: &Account, app: &App) -> Result<Whole, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let held = account.take_anyway(Kind::Bodies, 0);
    let mut reader = Reader { limits: &app.limits, held, whole: BytesMut::new(), early: None };
    reader.read(body).await
}

struct Reader<'a> {
    limits: &'a Limits,
    held: Grant,
    whole: BytesMut,
    /// Looks for the end of what is allowed before the end of the body; only in long ones.
    early: Option<Elements>,
}

impl Reader<'_> {
    async fn read<B>(&mut self, mut body: B) -> Result<Whole, Problem>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut pace = Pace::new(self.limits);
        let found = soon(&mut body).await;
        let Some(first) = next(&mut body, &pace, found).await? else {
            return Ok(self.done(Bytes::new()));
        };
        if announced > self.limits.body_bytes_max {
            return Err(self.too_large(&first));
        }
        if body.is_end_stream() {
            self.hold(first.len())?;
            return Ok(self.done(first));
        }
        pace.came(first.len(), first.len());
        self.keep(&first, announced)?;
        // Its memory may be a larger buffer of the connection.
        drop(first);
        while let Some(piece) = next(&mut body, &pace, None).await? {
            pace.came(piece.len(), self.whole.len());
            self.keep(&piece, announced)?;
        }
        let whole = std::mem::take(&mut self.whole).freeze();
        Ok(self.done(whole))
    }

    fn done(&mut self, bytes: Bytes) -> Whole {
        let all = self.held.bytes();
        Whole { bytes, _held: self.held.split(all) }
    }

    /// Adds a piece, growing by half at a time and never beyond what is allowed or announced.
    fn keep(&mut self, piece: &[u8], announced: usize) -> Result<(), Problem> {
        let max = self.limits.body_bytes_max;
        let length = self.whole.len() + piece.len();
        if length > max {
            return Err(self.too_large(piece));
        }
        if length > self.whole.capacity() {
            let more = (self.whole.capacity() / 2 * 3).min(max);
            let room = if announced >= length { more.min(announced) } else { more }.max(length);
            // Where there is no room to grow ahead, there may be room for what has come.
            let room = if self.hold(room).is_ok() { room } else { length };
            self.hold(room)?;
            self.whole.reserve(room - self.whole.len());
        }
        self.whole.extend_from_slice(piece);
        if self.whole.len() >= EARLY_BYTES {
            let elements = self.early.get_or_insert_default();
            elements.look(&self.whole);
            if elements.count >= self.limits.batch_events_max {
                return Err(envelope::too_many(self.limits.batch_events_max).closing());
            }
        }
        Ok(())
    }

    /// Grows the grant to so many bytes.
    fn hold(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = bytes.saturating_sub(self.held.bytes());
        // What is held already may be more than would be given now.
        if more == 0 || self.held.grow(more) { Ok(()) } else { Err(no_room()) }
    }

    /// The problem of a body over the limit: that of an array is one of too many events.
    fn too_large(&self, piece: &[u8]) -> Problem {
        let max = self.limits.body_bytes_max as u64;
        let begin = if self.whole.is_empty() { piece } else { &self.whole };
        let (code, what) = if begin.trim_ascii_start().first() == Some(&b'[') {
            (Code::BatchTooLarge, "the array")
        } else {
            (Code::BodyTooLarge, "the body")
        };
        let detail = format!("{what} has more than {max} bytes; NDJSON has no such limit");
        Problem::new(code, detail).with("limit", max).closing()
    }
}

/// A frame of a body, or its end.
type Found<E> = Option<Result<Frame<Bytes>, E>>;

/// What there is of a body at the next turn of its connection at the latest. A small body comes with its
/// head, and is passed on a turn after it was asked for: no timer has to be set, and taken back, for that.
async fn soon<B>(body: &mut B) -> Option<Found<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut asked_before = false;
    poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(found) => Poll::Ready(Some(found)),
        Poll::Pending if asked_before => Poll::Ready(None),
        Poll::Pending => {
            asked_before = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// The next piece, beginning with what was `found` already.
async fn next<B>(
    body: &mut B,
    pace: &Pace,
    mut found: Option<Found<B::Error>>,
) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    loop {
        let frame = match found.take() {
            Some(frame) => frame,
            None => timeout(pace.left(), body.frame()).await.map_err(|_| too_slow())?,
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(Problem::new(Code::BodyIncomplete, error.to_string()).closing());
            }
            // Trailers mean nothing here, and an empty piece is no progress.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            },
        }
    }
}

/// The problem of a request for which the budget of memory has no room.
pub(in crate::http) fn no_room() -> Problem {
    let detail = "the server holds as many bytes for requests in flight as it takes \
                  (limits.memory_bytes_max), or this connection has its share; try again later";
    Problem::new(Code::TooManyBytes, detail).closing()
}

/// The problem of a body that comes too slowly.
pub(super) fn too_slow() -> Problem {
    Problem::new(Code::BodyTooSlow, "the body stalled, or came below the rate that is asked for")
        .closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_and_ndjson_are_taken_and_never_compressed() {
        let of = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            media(&headers).ok()
        };
        assert_eq!(of("content-type", "Application/JSON; charset=utf-8"), Some(Media::Json));
        assert_eq!(of("content-type", "application/x-ndjson"), Some(Media::Ndjson));
        assert_eq!(of("content-type", "application/x-www-form-urlencoded"), None);
        assert_eq!(of("accept", "application/json"), None);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", JSON.parse().unwrap());
        headers.insert("content-encoding", "gzip".parse().unwrap());
        assert!(media(&headers).is_err());
    }
}
