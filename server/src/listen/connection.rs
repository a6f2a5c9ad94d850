//! One connection's life: which protocol, its requests, its end.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::response::Response;
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use super::activity::{Activity, InFlight, Noted, Verdict};
use super::answer::{self, Answers, Counted, Guarded, Room};
use super::registry::{Entry, Registered};
use super::{Counters, Handle, RequestOrder, stopped};
use crate::budget::{Account, Kind};
use crate::config::Limits;

/// Pause between looks at a beginning that is shorter than `PRI`.
const PEEK_PAUSE: Duration = Duration::from_millis(5);
/// How often a connection is judged, at most and at least.
const JUDGE_EVERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Time that a connection which gives way has for a request that is just arriving.
const EVICTION_GRACE: Duration = Duration::from_millis(10);
/// Largest read buffer of an HTTP/1 connection in bytes: it grows to this only under a fast body.
const READ_BUFFER_MAX: usize = 256 << 10;
/// Hyper's own limit of header fields.
const HEADERS_MAX_HYPER: usize = 100;
/// What any connection is counted with in bytes: its task, its buffers, a small answer.
const CONNECTION_BYTES: usize = 16 << 10;
/// What an HTTP/2 client may have on its way to us in bytes, for a stream and for the connection. All of it
/// may have to be held, so it is counted; where the budget has no room, the connection gets the least that
/// the protocol allows.
const H2_WINDOW: (u32, u32) = (256 << 10, 512 << 10);
/// The least window of an HTTP/2 connection in bytes (RFC 9113 section 6.9.2).
const H2_WINDOW_MIN: u32 = 65_535;
/// Answer bytes buffered for one HTTP/2 stream.
const H2_SEND_BUFFER_MAX: usize = 64 << 10;
/// What a request on HTTP/2 is counted with in bytes: its head, its state, a small answer.
const H2_REQUEST_BYTES: usize = 8 << 10;
/// Time between pings on an HTTP/2 connection, and for their answer.
const H2_PING: Duration = Duration::from_secs(20);

pub(super) struct Connection<H> {
    pub(super) limits: Arc<Limits>,
    pub(super) handler: H,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) place: Registered,
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Counters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl<H: Handle> Connection<H> {
    pub(super) async fn run(mut self, stream: TcpStream) {
        self.counters.open.fetch_add(1, Relaxed);
        let _open = Open(Arc::clone(&self.counters));
        // An answer is written in one piece; waiting for more to send would only delay it.
        let _ = stream.set_nodelay(true);
        let header_timeout = self.limits.header_timeout;
        let http2 = tokio::select! {
            biased;
            // Nothing was asked yet, so nothing is owed.
            () = stopped(&mut self.stop) => return,
            () = self.place.entry.evicted() => return,
            decided = timeout(header_timeout, begins_as_http2(&stream)) => match decided {
                Ok(Ok(Some(http2))) => http2,
                Ok(Ok(None) | Err(_)) => return,
                Err(_) => {
                    self.counters.cut_off.fetch_add(1, Relaxed);
                    return;
                }
            },
        };
        let activity = Arc::new(Activity::new(!http2));
        self.place.entry.begin(&activity);
        let io = TokioIo::new(Noted::new(stream, Arc::clone(&activity)));
        let account = self.handler.budget().account();
        let requests = Requests {
            handler: self.handler.clone(),
            account: account.clone(),
            answers: http2.then(Answers::default),
        };
        let judged = Judged { activity: Arc::clone(&activity), answers: requests.answers.clone() };
        let service = {
            let counters = Arc::clone(&self.counters);
            let order = (!http2).then(RequestOrder::default);
            service_fn(move |mut request: Request<Incoming>| {
                let in_flight = activity.request(&counters);
                let extensions = request.extensions_mut();
                extensions.insert(requests.account.clone());
                if let Some(order) = &order {
                    extensions.insert(order.clone());
                }
                requests.clone().answer(request, in_flight)
            })
        };
        let _held = account.take_base(CONNECTION_BYTES);
        if http2 {
            let has_room = account.has_room(H2_WINDOW.1 as usize);
            let window = if has_room { H2_WINDOW.1 } else { H2_WINDOW_MIN };
            let _window = account.take_base(window as usize);
            let connection = self.http2(window).serve_connection(io, service);
            self.drive(connection, &judged).await;
        } else {
            let connection = self.http1().serve_connection(io, service);
            self.drive(connection, &judged).await;
        }
    }

    fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        // The time for a head is judged by `Activity`, which also knows idle from slow.
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            // A client that closes is gone: streams end at once, not at their next write.
            .half_close(false)
            .max_header_size(self.limits.header_bytes_max)
            .max_buf_size(READ_BUFFER_MAX.max(self.limits.header_bytes_max));
        // Hyper keeps up to this many on the stack and allocates for any other number.
        if self.limits.headers_max != HEADERS_MAX_HYPER {
            builder.max_headers(self.limits.headers_max);
        }
        builder
    }

    fn http2(&self, window: u32) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_per_connection_max)
            .max_header_list_size(u32::try_from(self.limits.header_bytes_max).unwrap_or(u32::MAX))
            .initial_stream_window_size(H2_WINDOW.0.min(window))
            .initial_connection_window_size(window)
            .max_send_buf_size(H2_SEND_BUFFER_MAX)
            .keep_alive_interval(H2_PING)
            .keep_alive_timeout(H2_PING);
        builder
    }

    /// Polls the connection to its end, judging it once in a while.
    async fn drive<C>(&mut self, connection: C, judged: &Judged)
    where
        C: GracefulConnection,
    {
        let mut connection = pin!(connection);
        let shortest = self.limits.header_timeout.min(self.limits.write_stall_timeout);
        let every = (shortest / 4).clamp(JUDGE_EVERY.0, JUDGE_EVERY.1);
        let mut judge = interval_at(tokio::time::Instant::now() + every, every);
        judge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let entry: Arc<Entry> = Arc::clone(&self.place.entry);
        let (mut stopping, mut closing, mut leaving) = (false, false, false);
        loop {
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                () = stopped(&mut self.stop), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = entry.evicted(), if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                // What has arrived meanwhile is answered; whoever only stays on loses the place now.
                () = sleep(EVICTION_GRACE), if leaving && entry.idle_since().is_some() => return,
                _ = judge.tick() => match judged.verdict(&self.limits) {
                    Verdict::Keep => closing = false,
                    // Whoever is told goodbye and stays is cut off at the next look.
                    Verdict::Close if closing => return,
                    Verdict::Close => {
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Verdict::CutOff(why) => {
                        self.counters.cut_off.fetch_add(1, Relaxed);
                        tracing::debug!(why, "connection cut off");
                        return;
                    }
                },
            }
        }
    }
}

/// What a connection is judged by.
struct Judged {
    activity: Arc<Activity>,
    answers: Option<Answers>,
}

impl Judged {
    /// Judges the connection, having dropped what is left of answers that nobody takes.
    fn verdict(&self, limits: &Limits) -> Verdict {
        let stuck = self.answers.as_ref().map_or(0, |all| all.stuck(limits.write_stall_timeout));
        // While one request is alive, the connection is.
        if stuck > 0 && stuck >= self.activity.requests() {
            return Verdict::CutOff("took nothing of any answer");
        }
        self.activity.verdict(limits)
    }
}

/// Whether the client begins with HTTP/2's preface; `None` when it closed without a word.
async fn begins_as_http2(stream: &TcpStream) -> io::Result<Option<bool>> {
    let mut beginning = [0u8; 3];
    loop {
        let seen = stream.peek(&mut beginning).await?;
        match beginning.get(..seen) {
            Some([]) | None => return Ok(None),
            Some(b"PRI") => return Ok(Some(true)),
            Some(part) if !b"PRI".starts_with(part) => return Ok(Some(false)),
            // Bytes that were only looked at keep the socket readable, so waiting needs a clock.
            Some(_) => sleep(PEEK_PAUSE).await,
        }
    }
}

/// What the requests of a connection share.
#[derive(Clone)]
struct Requests<H> {
    handler: H,
    account: Account,
    /// On HTTP/2.
    answers: Option<Answers>,
}

impl<H: Handle> Requests<H> {
    async fn answer(
        self,
        request: Request<Incoming>,
        in_flight: InFlight,
    ) -> Result<Response<Guarded>, std::convert::Infallible> {
        let Self { handler, account, answers } = self;
        let room = match *request.method() {
            Method::GET | Method::HEAD => Room::Asked,
            _ => Room::Given,
        };
        let held = answers.is_some().then(|| account.take(Kind::Connections, H2_REQUEST_BYTES));
        let response = match &held {
            Some(None) => handler.no_room(),
            _ => answered(&handler, request).await,
        };
        let counted =
            Counted { account: &account, room, answers: answers.as_ref(), held: held.flatten() };
        Ok(answer::guard(response, counted, in_flight, || handler.no_room()))
    }
}

async fn answered<H: Handle>(handler: &H, request: Request<Incoming>) -> Response {
    match AssertUnwindSafe(handler.handle(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let what = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no message");
            tracing::error!(panic = what, "a request's handler panicked");
            handler.panicked()
        }
    }
}
