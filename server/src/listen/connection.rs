//! One connection's life: which protocol, its requests, its end.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::FutureExt as _;
use http_body::{Frame, SizeHint};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use super::activity::{Activity, InFlight, Noted, Verdict};
use super::registry::{Entry, Registered};
use super::{Counters, Handle, RequestOrder, stopped};
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
/// What an HTTP/2 client may have on its way to us in bytes, for a stream and for the connection.
const H2_WINDOW: (u32, u32) = (1 << 20, 4 << 20);
/// Answer bytes buffered for one HTTP/2 stream.
const H2_SEND_BUFFER_MAX: usize = 256 << 10;
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
        let service = {
            let (activity, counters) = (Arc::clone(&activity), Arc::clone(&self.counters));
            let handler = self.handler.clone();
            let order = (!http2).then(RequestOrder::default);
            service_fn(move |mut request: Request<Incoming>| {
                let guard = activity.request(&counters);
                if let Some(order) = &order {
                    request.extensions_mut().insert(order.clone());
                }
                answer(handler.clone(), request, guard)
            })
        };
        if http2 {
            let connection = self.http2().serve_connection(io, service);
            self.drive(connection, &activity).await;
        } else {
            let connection = self.http1().serve_connection(io, service);
            self.drive(connection, &activity).await;
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

    fn http2(&self) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_per_connection_max)
            .max_header_list_size(u32::try_from(self.limits.header_bytes_max).unwrap_or(u32::MAX))
            .initial_stream_window_size(H2_WINDOW.0)
            .initial_connection_window_size(H2_WINDOW.1)
            .max_send_buf_size(H2_SEND_BUFFER_MAX)
            .keep_alive_interval(H2_PING)
            .keep_alive_timeout(H2_PING);
        builder
    }

    /// Polls the connection to its end, judging it once in a while.
    async fn drive<C>(&mut self, connection: C, activity: &Activity)
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
                _ = judge.tick() => match activity.verdict(&self.limits) {
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

async fn answer<H: Handle>(
    handler: H,
    request: Request<Incoming>,
    guard: InFlight,
) -> Result<Response<Guarded>, std::convert::Infallible> {
    let response = match AssertUnwindSafe(handler.handle(request)).catch_unwind().await {
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
    };
    Ok(response.map(|body| Guarded { body, _guard: guard }))
}

/// An answer's body that counts as a request in flight until it is dropped.
struct Guarded {
    body: Body,
    _guard: InFlight,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
