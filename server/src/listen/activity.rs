//! What a connection is doing, noted by its reads and writes and judged once in a while.
//!
//! One clock look per read or write and one timer per connection, however many requests it carries.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::Counters;
use crate::config::Limits;

/// The notes of one connection. Times are milliseconds since it began.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    requests: AtomicU32,
    /// When the head that is now being read began to arrive; [`NEVER`] when none is.
    head_since: AtomicU64,
    /// When the last request ended.
    idle_since: AtomicU64,
    /// When bytes last moved in either direction.
    progress: AtomicU64,
    /// Whether a write is waiting for the peer.
    blocked: AtomicBool,
    /// HTTP/2 has frames outside of requests, so bytes alone do not begin a head.
    heads_are_visible: bool,
}

const NEVER: u64 = u64::MAX;
/// Time that is given to a client that still sends when we have closed our side.
const LINGER: Duration = Duration::from_secs(1);

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    /// It has nothing to do: say goodbye and close.
    Close,
    /// It is too slow: cut it off.
    CutOff(&'static str),
}

impl Activity {
    /// Of a connection that has begun to send its first head.
    pub(super) fn new(heads_are_visible: bool) -> Self {
        Self {
            begun: Instant::now(),
            requests: AtomicU32::new(0),
            head_since: AtomicU64::new(if heads_are_visible { 0 } else { NEVER }),
            idle_since: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            heads_are_visible,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    fn read(&self) {
        let now = self.now();
        self.progress.store(now, Relaxed);
        if self.heads_are_visible
            && self.requests.load(Relaxed) == 0
            && self.head_since.load(Relaxed) == NEVER
        {
            self.head_since.store(now, Relaxed);
        }
    }

    fn written(&self) {
        self.progress.store(self.now(), Relaxed);
        self.blocked.store(false, Relaxed);
    }

    /// Judges the connection as of now.
    pub(super) fn verdict(&self, limits: &Limits) -> Verdict {
        let now = self.now();
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        if self.blocked.load(Relaxed) {
            // A client that sends is alive even if it does not read yet: NDJSON allows that.
            return if since(self.progress.load(Relaxed)) > limits.write_stall_timeout {
                Verdict::CutOff("took no answer")
            } else {
                Verdict::Keep
            };
        }
        if self.requests.load(Relaxed) > 0 {
            return Verdict::Keep;
        }
        let head_since = self.head_since.load(Relaxed);
        if head_since != NEVER && since(head_since) > limits.header_timeout {
            Verdict::CutOff("sent a request's head too slowly")
        } else if head_since == NEVER && since(self.idle_since.load(Relaxed)) > limits.idle_timeout
        {
            Verdict::Close
        } else {
            Verdict::Keep
        }
    }

    /// Since when no request is in flight; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let since = self.begun + Duration::from_millis(self.idle_since.load(Relaxed));
        (self.requests.load(Relaxed) == 0).then_some(since)
    }

    /// Notes a request; it lasts until the returned guard is dropped, with the answer's last byte.
    pub(super) fn request(self: &Arc<Self>, counters: &Arc<Counters>) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        self.head_since.store(NEVER, Relaxed);
        counters.in_flight.fetch_add(1, Relaxed);
        InFlight { activity: Arc::clone(self), counters: Arc::clone(counters) }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    counters: Arc<Counters>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.idle_since.store(self.activity.now(), Relaxed);
        self.activity.requests.fetch_sub(1, Relaxed);
        self.counters.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A socket that notes its progress.
#[derive(Debug)]
pub(super) struct Noted {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// How long what the client still sends is taken, once we have said our last.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Noted {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, lingering: None }
    }

    fn note_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.activity.blocked.store(true, Relaxed),
            Poll::Ready(_) => self.activity.written(),
        }
        written
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends our side, then takes what the client still sends for a moment. Closing with bytes unread
    /// resets the connection, and a client that is told 413 in the middle of its body would see a broken
    /// pipe instead of the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let until = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut discarded = [0u8; 16 << 10];
        while until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut discarded);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            header_timeout: Duration::from_millis(20),
            idle_timeout: Duration::from_millis(40),
            write_stall_timeout: Duration::from_millis(20),
            ..Limits::default()
        }
    }

    #[test]
    fn a_head_that_does_not_end_is_cut_off_and_an_idle_connection_closed() {
        let activity = Arc::new(Activity::new(true));
        assert_eq!(activity.verdict(&limits()), Verdict::Keep);
        std::thread::sleep(Duration::from_millis(30));
        assert!(matches!(activity.verdict(&limits()), Verdict::CutOff(_)));
        let request = activity.request(&Arc::default());
        assert_eq!(activity.verdict(&limits()), Verdict::Keep);
        drop(request);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(activity.verdict(&limits()), Verdict::Keep);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(activity.verdict(&limits()), Verdict::Close);
    }

    #[test]
    fn a_blocked_write_is_forgiven_while_the_client_still_sends() {
        let activity = Arc::new(Activity::new(true));
        let _request = activity.request(&Arc::default());
        activity.blocked.store(true, Relaxed);
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(10));
            activity.read();
            assert_eq!(activity.verdict(&limits()), Verdict::Keep);
        }
        std::thread::sleep(Duration::from_millis(30));
        assert!(matches!(activity.verdict(&limits()), Verdict::CutOff(_)));
    }
}
