//! Accepting connections and keeping each within its bounds.
//!
//! This is our own loop because the bounds are the point of it: `axum::serve` sets no timer at all, and
//! a connection on which nothing ever arrives would stay for ever. Here
//! * at the limit the connection that has been idle longest gives way (`registry`); when all are busy, one
//!   more is answered 503 and closed,
//! * the limit is what the process's limit of open files leaves, and when files run out all the same, an
//!   idle connection gives way too,
//! * the protocol is decided by looking at the first bytes (HTTP/2 begins with `PRI`), within the time
//!   that a request's head may take, so the stage before the first head is timed too,
//! * every connection keeps note of its last progress (`activity`), and whoever sends a head too
//!   slowly, idles too long, or takes no answer is cut off,
//! * a connection of HTTP/1 remembers that an append failed, for those behind it (`order`),
//! * a stop lets running requests finish and begins no new ones.
//!
//! How slowly a body may come is decided where bodies are read, in [`crate::http`].

mod activity;
mod connection;
mod order;
mod registry;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::response::Response;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::config::Limits;

pub(crate) use self::order::RequestOrder;
use self::registry::Registry;

/// Connections over the limit that are being told so at the same time; more are just closed.
const REFUSALS_MAX: usize = 64;
/// Time that a refused connection has to take its answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause after a failed accept when nothing can give way: without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause after a failed accept for the file of a connection that gives way.
const EVICTION_PAUSE: Duration = Duration::from_millis(2);
/// Time that an arrival waits for the place of a connection that gives way.
const EVICTION_TIMEOUT: Duration = Duration::from_millis(250);
/// Time between two words in the log about files that have run out.
const COMPLAINT_EVERY: Duration = Duration::from_secs(10);

/// What answers requests.
pub trait Handle: Clone + Send + Sync + 'static {
    /// Answers one request. A panic within is caught by the caller.
    fn handle(&self, request: Request<Incoming>)
    -> impl Future<Output = Response> + Send + 'static;

    /// The answer to a request whose handler panicked.
    fn panicked(&self) -> Response;

    /// A whole HTTP/1.1 answer for a connection over the limit.
    fn over_limit(&self) -> Bytes;
}

/// What the listener counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
    /// Connections refused because there were too many.
    pub refused: AtomicU64,
    /// Idle connections that gave way to others.
    pub evicted: AtomicU64,
    /// Connections cut off because they were too slow.
    pub cut_off: AtomicU64,
    /// Requests being answered now.
    pub in_flight: AtomicU64,
}

/// Accepts connections until `stop` says true, then waits until all have ended, at most the drain time.
pub async fn run<H: Handle>(
    listener: TcpListener,
    limits: Arc<Limits>,
    handler: H,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections_max));
    // They take files too, where there are few.
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX.min(limits.connections_max.div_ceil(4))));
    let registry = Arc::new(Registry::default());
    let mut complained: Option<Instant> = None;
    // Every connection holds a sender; when the last is dropped, `recv` returns.
    let (alive, mut all_ended) = mpsc::channel::<()>(1);
    loop {
        let stream = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    let pause = accept_failed(&error, &registry, &counters, &mut complained);
                    sleep(pause).await;
                    continue;
                }
            },
        };
        let Some(permit) = place(&room, &registry, &counters).await else {
            counters.refused.fetch_add(1, Relaxed);
            if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                let answer = handler.over_limit();
                tokio::spawn(async move {
                    let _ = timeout(REFUSAL_TIMEOUT, refuse(stream, answer)).await;
                    drop(permit);
                });
            }
            continue;
        };
        counters.accepted.fetch_add(1, Relaxed);
        let connection = connection::Connection {
            limits: Arc::clone(&limits),
            handler: handler.clone(),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
            place: registry.add(),
        };
        let alive = alive.clone();
        tokio::spawn(async move {
            connection.run(stream).await;
            drop((permit, alive));
        });
    }
    drop((listener, alive));
    if timeout(limits.drain_timeout, all_ended.recv()).await.is_err() {
        let left = counters.open.load(Relaxed);
        tracing::warn!(connections = left, "the drain time is over; closing what is left");
    }
}

/// A place for one more connection: a free one, or that of the connection which has been idle longest.
async fn place(
    room: &Arc<Semaphore>,
    registry: &Registry,
    counters: &Counters,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
        return Some(permit);
    }
    if !registry.evict_idlest() {
        return None;
    }
    counters.evicted.fetch_add(1, Relaxed);
    // Arrivals wait in the system's queue meanwhile; a place is given up within milliseconds.
    timeout(EVICTION_TIMEOUT, Arc::clone(room).acquire_owned()).await.ok()?.ok()
}

/// How long to wait before the next try. When files have run out, an idle connection gives way.
fn accept_failed(
    error: &io::Error,
    registry: &Registry,
    counters: &Counters,
    complained: &mut Option<Instant>,
) -> Duration {
    // These are the peer's doing and say nothing about the next connection.
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return Duration::ZERO;
    }
    let gives_way = registry.evict_idlest();
    if complained.is_none_or(|last| last.elapsed() > COMPLAINT_EVERY) {
        *complained = Some(Instant::now());
        tracing::error!(%error, gives_way, "cannot accept a connection; is the limit of open files reached?");
    }
    if !gives_way {
        return ACCEPT_PAUSE;
    }
    counters.evicted.fetch_add(1, Relaxed);
    EVICTION_PAUSE
}

/// Answers without having read the request, then takes what the client still sends for a moment:
/// closing with unread bytes would reset the connection before the answer is read.
async fn refuse(mut stream: TcpStream, answer: Bytes) {
    if stream.write_all(&answer).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut discarded = [0u8; 4096];
    while matches!(stream.read(&mut discarded).await, Ok(read) if read > 0) {}
}

/// Resolves when `stop` says true, or can say nothing any more.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
