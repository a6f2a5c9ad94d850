//! The shapes of load: a stream of lines, arrays, and one event a request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Method, StatusCode};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::event::{Random, envelopes};
use super::http::Connection;

/// Distinct events that a connection repeats.
const DISTINCT: usize = 4096;
/// Lines in one chunk of a streamed body.
const LINES_PER_CHUNK: usize = 64;
/// Longest wait after the server said that it is busy.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// Where and how much.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `host:port`.
    pub address: String,
    /// Bearer token.
    pub token: String,
    /// Ledgers, written round robin.
    pub ledgers: Vec<String>,
    /// Connections at the same time.
    pub connections: usize,
    /// Events in all.
    pub events: u64,
    /// Bytes of each event.
    pub event_bytes: usize,
    /// Whether each line of a stream brings a random id, as `indelible append` makes them.
    pub ids: bool,
}

impl Plan {
    fn path(&self, turn: u64) -> String {
        let ledger = &self.ledgers[(turn % self.ledgers.len() as u64) as usize];
        format!("/v1/ledgers/{ledger}/events")
    }

    async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address, &self.token).await
    }

    fn share(&self, of: usize) -> u64 {
        let n = self.connections as u64;
        self.events / n + u64::from((of as u64) < self.events % n)
    }
}

/// What a run measured on the client's side.
#[derive(Debug)]
pub struct Outcome {
    /// Time from the first request to the last answer.
    pub elapsed: Duration,
    /// Microseconds from a request (or its planned time) to its answer.
    pub latency: Histogram<u64>,
    /// Answers that said busy and were tried again.
    pub busy: u64,
}

/// Streams NDJSON over each connection, one request a connection, and counts the result lines.
///
/// # Errors
/// When the server refuses a line or ends early.
pub async fn ndjson(plan: &Plan) -> Result<Outcome> {
    run(plan, |plan, index, _| async move {
        let mut connection = plan.connect().await?;
        let mut lines = envelopes(index as u64, DISTINCT, plan.event_bytes);
        let mut ids = plan.ids.then(|| Random::new(seed()));
        if plan.ids {
            let id = "-".repeat(ID_BYTES);
            lines.iter_mut().for_each(|line| line.insert_str(1, &format!("\"id\":\"{id}\",")));
        }
        let chunks: Vec<Bytes> = lines
            .chunks(LINES_PER_CHUNK)
            .map(|lines| {
                let mut chunk = BytesMut::new();
                lines.iter().for_each(|line| {
                    chunk.extend_from_slice(line.as_bytes());
                    chunk.extend_from_slice(b"\n");
                });
                chunk.freeze()
            })
            .collect();
        let line_bytes = lines.first().map_or(0, String::len) + 1;
        let share = plan.share(index);
        let mut left = share;
        let mut turn = 0usize;
        let body = stream::iter(std::iter::from_fn(move || {
            let count = left.min(LINES_PER_CHUNK as u64);
            left -= count;
            turn += 1;
            let mut chunk = chunks[turn % chunks.len()].slice(..count as usize * line_bytes);
            if let Some(random) = &mut ids {
                chunk = with_ids(&chunk, line_bytes, random);
            }
            (count > 0).then(|| Ok::<_, Infallible>(Frame::data(chunk)))
        }));
        let path = plan.path(index as u64);
        let answer = connection
            .send(Method::POST, &path, "application/x-ndjson", StreamBody::new(body).boxed())
            .await?;
        ensure!(answer.status() == StatusCode::OK, "the server answered {}", answer.status());
        let mut body = answer.into_body();
        let (mut count, mut tail) = (0u64, BytesMut::new());
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                count += memchr::memchr_iter(b'\n', &data).count() as u64;
                tail.extend_from_slice(&data);
                let keep = tail.len().saturating_sub(4096);
                let _ = tail.split_to(keep);
            }
        }
        // One line for each event and the closing one.
        let tail = String::from_utf8_lossy(&tail);
        ensure!(count == share + 1, "{} answers for {share} events: …{tail}", count);
        ensure!(
            tail.lines().last().is_some_and(|l| l.contains("\"checkpoint\"")),
            "no closing line"
        );
        Ok((Histogram::new(3)?, 0))
    })
    .await
}

/// Length of a UUID's text.
const ID_BYTES: usize = 36;

/// No two runs on one ledger may send the same ids.
fn seed() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_nanos() as u64 ^ RUNS.fetch_add(1, Ordering::Relaxed) << 48
}

/// The lines with new ids in their places, behind `{"id":"`.
fn with_ids(chunk: &[u8], line_bytes: usize, random: &mut Random) -> Bytes {
    let mut chunk = BytesMut::from(chunk);
    for line in chunk.chunks_exact_mut(line_bytes) {
        let (high, low) = (random.draw(), random.draw());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        );
        line[7..7 + ID_BYTES].copy_from_slice(id.as_bytes());
    }
    chunk.freeze()
}

/// Sends arrays of `batch` events, each request to the next ledger.
///
/// # Errors
/// When the server refuses one.
pub async fn arrays(plan: &Plan, batch: usize) -> Result<Outcome> {
    let requests = plan.events.div_ceil(batch as u64);
    requests_of(plan, requests, None, move |lines, at| {
        let mut body = String::from("[");
        for offset in 0..batch {
            if offset > 0 {
                body.push(',');
            }
            body.push_str(&lines[(at + offset) % lines.len()]);
        }
        body.push(']');
        Bytes::from(body)
    })
    .await
}

/// Sends one event a request; at `rate` requests a second, if given, however slow the answers are.
///
/// # Errors
/// When the server refuses one.
pub async fn singles(plan: &Plan, rate: Option<f64>) -> Result<Outcome> {
    requests_of(plan, plan.events, rate, |lines, at| Bytes::from(lines[at % lines.len()].clone()))
        .await
}

async fn requests_of<F>(plan: &Plan, requests: u64, rate: Option<f64>, make: F) -> Result<Outcome>
where
    F: Fn(&[String], usize) -> Bytes + Send + Sync + 'static,
{
    let make = Arc::new(make);
    let turns = Arc::new(Turns::new(requests, rate, plan.connections));
    run(plan, move |plan, index, _| {
        let (make, turns) = (Arc::clone(&make), Arc::clone(&turns));
        async move {
            let mut connection = plan.connect().await?;
            let lines = envelopes(index as u64, 512, plan.event_bytes);
            let mut latency = Histogram::new(3)?;
            let mut busy = 0u64;
            while let Some((turn, planned)) = turns.next(index).await {
                let body = make(&lines, turn as usize);
                loop {
                    let (status, answer) =
                        connection.json(Method::POST, &plan.path(turn), body.clone()).await?;
                    if matches!(status.as_u16(), 429 | 503) {
                        busy += 1;
                        tokio::time::sleep(BUSY_WAIT).await;
                        continue;
                    }
                    let text = String::from_utf8_lossy(&answer);
                    ensure!(status == StatusCode::CREATED, "the server answered {status}: {text}");
                    break;
                }
                latency.record(planned.elapsed().as_micros() as u64)?;
            }
            Ok((latency, busy))
        }
    })
    .await
}

/// Who sends which request when.
enum Turns {
    /// As fast as answers come: every connection takes the next turn.
    Closed { next: AtomicU64, requests: u64 },
    /// At a rate that goes on while the server is slow; otherwise slow answers would hide the requests
    /// that waited behind them.
    Open(Vec<Mutex<UnboundedReceiver<(u64, Instant)>>>),
}

impl Turns {
    fn new(requests: u64, rate: Option<f64>, connections: usize) -> Self {
        let Some(rate) = rate else { return Self::Closed { next: AtomicU64::new(0), requests } };
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..connections).map(|_| unbounded_channel()).unzip();
        // A thread of its own, since the runtime's timers only tick every millisecond, several times
        // what is measured.
        std::thread::spawn(move || {
            let start = Instant::now() + Duration::from_millis(200);
            for turn in 0..requests {
                let planned = start + Duration::from_secs_f64(turn as f64 / rate);
                std::thread::sleep(planned.saturating_duration_since(Instant::now()));
                // A connection that has failed says so itself.
                let _ = senders[turn as usize % senders.len()].send((turn, planned));
            }
        });
        Self::Open(receivers.into_iter().map(Mutex::new).collect())
    }

    async fn next(&self, connection: usize) -> Option<(u64, Instant)> {
        match self {
            Self::Closed { next, requests } => {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                (turn < *requests).then(|| (turn, Instant::now()))
            }
            Self::Open(receivers) => receivers.get(connection)?.lock().await.recv().await,
        }
    }
}

async fn run<F, W>(plan: &Plan, work: F) -> Result<Outcome>
where
    F: Fn(Arc<Plan>, usize, Instant) -> W,
    W: Future<Output = Result<(Histogram<u64>, u64)>> + Send + 'static,
{
    let plan = Arc::new(plan.clone());
    let start = Instant::now();
    let tasks: Vec<_> = (0..plan.connections)
        .map(|index| tokio::spawn(work(Arc::clone(&plan), index, start)))
        .collect();
    let (mut latency, mut busy) = (Histogram::new(3)?, 0);
    for task in tasks {
        let (part, refused) = task.await.context("a connection's task ended early")??;
        latency.add(part)?;
        busy += refused;
    }
    Ok(Outcome { elapsed: start.elapsed(), latency, busy })
}
