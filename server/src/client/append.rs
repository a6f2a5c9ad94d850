//! Streaming events into a ledger, through broken connections, without doubling any.
//!
//! Every line that is sent carries an id, so sending it again is harmless: the ledger answers with the
//! first result. What was sent and not yet answered is kept, bounded in lines and bytes; when the
//! connection breaks, a new one begins with the first line that has no answer.
//!
//! The input may be quiet for days. A server ends a stream on which no line comes for some minutes and says
//! so; then, and when a connection breaks while nothing waits, the next one is opened when the next line
//! is there.
//!
//! The ledger gets the lines in the order of the input: each connection sends them in that order, the
//! server appends nothing behind a line that failed, and a new connection begins before that line.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use indelible_core::json::Numbers;
use reqwest::header::{CONNECTION, CONTENT_TYPE};
use reqwest::{Method, Response};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;

use super::error::problem_of;
use super::lines::LineBuffer;
use super::{Client, ClientError, Problem};

/// Lines that may be without an answer at once. The server commits some thousands together, so a few
/// times that keeps it busy.
const WINDOW_LINES_MAX: usize = 32_768;
/// The same in bytes: what the program holds in memory for sending again.
const WINDOW_BYTES_MAX: usize = 32 << 20;
/// Lines are sent in pieces of about this many bytes, so that small events don't cost a packet each.
const PIECE_BYTES: usize = 64 << 10;
/// Longest line of an answer: a result is short, the closing line carries a checkpoint.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The server's code for a stream that it ends because no line comes.
const STREAM_IDLE: &str = "stream_idle";
/// A server that answers nothing for so long, while lines wait for answers, counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// One line to send.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number in the input, from 1.
    pub number: u64,
    /// An envelope and the LF after it.
    pub bytes: Bytes,
    /// The id is one that this run made up, so nobody else can have appended it.
    pub own_id: bool,
}

/// What became of a line.
#[derive(Debug)]
pub struct Answer {
    /// The line's number in the input.
    pub number: u64,
    /// How long the line was that was sent, in bytes.
    pub bytes: u64,
    /// What the server said of it, `line` being the number in the input.
    pub members: Map<String, Value>,
    /// What it amounts to.
    pub outcome: Outcome,
}

/// The three things that can become of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ledger, put there by this run.
    Appended,
    /// It was in the ledger before.
    Duplicate,
    /// The server refused it.
    Refused,
}

/// What the caller of [`append`] hears while it runs.
#[derive(Debug)]
pub enum Report {
    /// A line was answered.
    Answered(Answer),
    /// The connection broke; another is tried after the pause.
    Broken {
        /// Why.
        reason: String,
        /// How long until the next try.
        pause: Duration,
    },
}

/// How long to keep trying while lines wait and none is answered. What has no line to send is waiting for
/// its input, and that has no limit.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Once the input has ended.
    pub once_ended: Duration,
    /// While more may come; `None` for as long as that lasts.
    pub while_open: Option<Duration>,
}

/// Sends every line of `input` to `ledger` and returns the server's closing line: the checkpoint that
/// covers what was appended.
///
/// `numbers` says what becomes of numbers that a double does not carry, instead of the ledger's own
/// setting.
///
/// # Errors
/// When the server refuses the whole request, or cannot be reached for longer than `patience` has. Lines
/// that were not reported as answered may or may not be in the ledger; sending them again with the
/// same ids is safe.
pub async fn append(
    client: &Client,
    ledger: &str,
    numbers: Option<Numbers>,
    input: mpsc::Receiver<Vec<Line>>,
    patience: Patience,
    report: impl FnMut(Report),
) -> Result<Map<String, Value>, ClientError> {
    let query = numbers.map_or_else(String::new, |numbers| format!("?numbers={numbers}"));
    let path = format!("/v1/ledgers/{}/events{query}", super::percent_encode(ledger));
    let mut appender = Appender {
        client,
        path,
        input: Some(input),
        window: VecDeque::new(),
        window_bytes: 0,
        trying_since: Instant::now(),
        report,
    };
    let mut pause = BACKOFF_FIRST;
    loop {
        let before = appender.trying_since;
        let error = match appender.connection().await {
            Ok(End::Done(closing)) => return Ok(closing),
            Ok(End::Idle) => {
                if appender.has_lines() {
                    // They crossed with the server's goodbye. Not at once, should it go on like that.
                    tokio::time::sleep(BACKOFF_FIRST).await;
                }
                appender.wait_for_lines().await;
                continue;
            }
            Err(error) => error,
        };
        if appender.trying_since > before {
            pause = BACKOFF_FIRST;
        }
        if !error.is_temporary() || appender.is_out_of(patience) {
            return Err(error);
        }
        if let ClientError::Refused(Problem { retry_after: Some(asked), .. }) = &error {
            pause = pause.max(*asked);
        }
        (appender.report)(Report::Broken { reason: error.to_string(), pause });
        tokio::time::sleep(pause).await;
        appender.wait_for_lines().await;
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}

/// A line on its way.
struct Slot {
    line: Line,
    /// Sent more than once, it may be in the ledger from the first time although no answer came.
    times_sent: u32,
    answered: bool,
}

struct Appender<'a, R> {
    client: &'a Client,
    path: String,
    /// `None` once the input has ended.
    input: Option<mpsc::Receiver<Vec<Line>>>,
    window: VecDeque<Slot>,
    window_bytes: usize,
    /// When a line was last answered, or the first one came after a while without any, or the input ended:
    /// whatever was last.
    trying_since: Instant,
    report: R,
}

/// How a connection ended that did not break.
enum End {
    /// Everything was answered, and this is the closing line.
    Done(Map<String, Value>),
    /// The server has waited long enough for a line.
    Idle,
}

/// Where one connection stands.
struct Connection {
    /// `None` once everything was sent, or the server takes no more.
    body: Option<mpsc::Sender<Bytes>>,
    /// Slots of the window that this connection has sent.
    sent: usize,
    /// Slots that were answered and left the window since the connection began.
    gone: u64,
    closing: Option<Map<String, Value>>,
    heard: Instant,
}

impl<R: FnMut(Report)> Appender<'_, R> {
    /// Whether there is a line to send, or its answer to wait for.
    fn has_lines(&self) -> bool {
        self.window.iter().any(|slot| !slot.answered)
    }

    /// Returns when there is something to send, or the input has ended.
    async fn wait_for_lines(&mut self) {
        while !self.has_lines() && self.input.is_some() {
            let batch = receive(&mut self.input).await;
            self.take_input(batch);
        }
    }

    fn is_out_of(&self, patience: Patience) -> bool {
        let limit = match self.input {
            // Nothing waits but for its input.
            Some(_) if !self.has_lines() => None,
            Some(_) => patience.while_open,
            None => Some(patience.once_ended),
        };
        limit.is_some_and(|limit| self.trying_since.elapsed() > limit)
    }

    /// One request: from the first line without answer to the end of the input.
    async fn connection(&mut self) -> Result<End, ClientError> {
        self.window.retain(|slot| !slot.answered);
        self.window_bytes = self.window.iter().map(|slot| slot.line.bytes.len()).sum();
        let (body, pieces) = mpsc::channel(4);
        let pieces = ReceiverStream::new(pieces).map(Ok::<Bytes, Infallible>);
        let request = self
            .client
            .streaming_request(Method::POST, &self.path)
            .header(CONTENT_TYPE, "application/x-ndjson")
            // One on which something failed is of no more use for appending.
            .header(CONNECTION, "close")
            .body(reqwest::Body::wrap_stream(pieces));
        let mut head = pin!(request.send());
        let mut response: Option<Response> = None;
        let mut lines = LineBuffer::new(ANSWER_BYTES_MAX);
        let mut at =
            Connection { body: Some(body), sent: 0, gone: 0, closing: None, heard: Instant::now() };
        loop {
            if at.sent == self.window.len() && self.input.is_none() {
                at.body = None; // ends the request
            }
            let room = self.window.len() < WINDOW_LINES_MAX && self.window_bytes < WINDOW_BYTES_MAX;
            let waiting = at.sent > 0 || self.input.is_none();
            tokio::select! {
                answer = &mut head, if response.is_none() => {
                    let answer = answer.map_err(|e| ClientError::unreachable(&self.client.base, &e))?;
                    if !answer.status().is_success() {
                        return Err(ClientError::Refused(problem_of(answer).await));
                    }
                    at.heard = Instant::now();
                    response = Some(answer);
                }
                chunk = next_chunk(&mut response) => {
                    let chunk = chunk.map_err(|e| ClientError::unreachable(&self.client.base, &e))?;
                    at.heard = Instant::now();
                    let Some(chunk) = chunk else { return self.finish(at) };
                    lines.push(&chunk);
                    while let Some(line) = lines.next_line().map_err(|_| self.nonsense("a line without end"))? {
                        self.take_answer(&mut at, &line)?;
                    }
                }
                permit = reserve(at.body.as_ref()), if at.sent < self.window.len() => {
                    match permit {
                        Some(permit) => drop(permit.send(self.next_piece(&mut at.sent))),
                        None => at.body = None, // the server takes no more: its answer will say why
                    }
                    at.heard = Instant::now();
                }
                batch = receive(&mut self.input), if room && at.sent == self.window.len() => {
                    self.take_input(batch);
                }
                () = sleep_until(at.heard + SILENCE_MAX), if waiting => {
                    return Err(self.broken("no answer for a minute"));
                }
            }
        }
    }

    fn take_input(&mut self, batch: Option<Vec<Line>>) {
        if batch.is_none() || !self.has_lines() {
            self.trying_since = Instant::now();
        }
        let Some(batch) = batch else {
            self.input = None;
            return;
        };
        for line in batch {
            self.window_bytes += line.bytes.len();
            self.window.push_back(Slot { line, times_sent: 0, answered: false });
        }
    }

    fn next_piece(&mut self, sent: &mut usize) -> Bytes {
        let mut piece = BytesMut::new();
        for slot in self.window.range_mut(*sent..) {
            piece.extend_from_slice(&slot.line.bytes);
            slot.times_sent += 1;
            *sent += 1;
            if piece.len() >= PIECE_BYTES {
                break;
            }
        }
        piece.freeze()
    }

    fn take_answer(&mut self, at: &mut Connection, text: &[u8]) -> Result<(), ClientError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut members: Map<String, Value> =
            serde_json::from_slice(text).map_err(|error| self.nonsense(&error.to_string()))?;
        let Some(number) = members.get("line").and_then(Value::as_u64) else {
            if !members.contains_key("done") {
                return Err(self.nonsense("neither a result nor a closing line"));
            }
            // With `error` the server stopped reading early; finish() sees that lines are left.
            at.closing = Some(members);
            return Ok(());
        };
        // Lines are counted from 1 on each connection.
        let index = number.checked_sub(at.gone + 1).and_then(|index| usize::try_from(index).ok());
        let Some(slot) = index.and_then(|index| self.window.get_mut(index)) else {
            return Err(self.nonsense("an answer to a line that was not asked"));
        };
        if let Some(problem) = failure(&members) {
            // Not the line's own fault, and nothing behind it was appended: break off. If waiting helps,
            // the next connection begins with this line.
            return Err(ClientError::Refused(problem));
        }
        if std::mem::replace(&mut slot.answered, true) {
            return Err(self.nonsense("two answers to one line"));
        }
        members.insert("line".into(), slot.line.number.into());
        let outcome = outcome_of(&members, slot);
        let number = slot.line.number;
        let bytes = slot.line.bytes.len() as u64;
        self.trying_since = Instant::now();
        (self.report)(Report::Answered(Answer { number, bytes, members, outcome }));
        while self.window.front().is_some_and(|slot| slot.answered) {
            if let Some(slot) = self.window.pop_front() {
                self.window_bytes -= slot.line.bytes.len();
                at.gone += 1;
                at.sent = at.sent.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// The response has ended: well, or in the middle.
    fn finish(&self, at: Connection) -> Result<End, ClientError> {
        match at.closing {
            Some(closing) if is_idle_end(&closing) => Ok(End::Idle),
            Some(closing) if self.window.is_empty() && self.input.is_none() => {
                Ok(End::Done(closing))
            }
            Some(closing) => Err(match failure(&closing) {
                // Lines are left, and waiting may not help: a key that is not the ledger's, say.
                Some(problem) if !problem.is_temporary() => ClientError::Refused(problem),
                _ => self.broken(early_end(&closing)),
            }),
            None => Err(self.broken("the answer was cut off")),
        }
    }

    fn broken(&self, reason: &str) -> ClientError {
        ClientError::Unreachable { url: self.client.base.clone(), reason: reason.to_owned() }
    }

    fn nonsense(&self, reason: &str) -> ClientError {
        ClientError::answer(&self.client.base, reason)
    }
}

/// Whether the server ended the stream only because no line came.
fn is_idle_end(closing: &Map<String, Value>) -> bool {
    let code = closing.get("error").and_then(|error| error.get("code"));
    code.and_then(Value::as_str) == Some(STREAM_IDLE)
}

/// Why the server stopped reading before the end, for example because it is shutting down.
fn early_end(closing: &Map<String, Value>) -> &str {
    let error = closing.get("error");
    let text = error.and_then(|error| error.get("detail").or_else(|| error.get("code")));
    text.and_then(Value::as_str).unwrap_or("the server stopped reading early")
}

/// The error of a line that is not the line's own fault: such a one says from where to send again.
fn failure(members: &Map<String, Value>) -> Option<Problem> {
    let error = members.get("error")?;
    error.get("resend_from")?;
    let text = |name| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Problem {
        status: 0,
        code: text("code"),
        title: String::new(),
        detail: text("detail"),
        retry_after: None,
    })
}

fn outcome_of(members: &Map<String, Value>, slot: &Slot) -> Outcome {
    let duplicate = members.get("duplicate").and_then(Value::as_bool).unwrap_or(false);
    if !members.contains_key("seq") {
        Outcome::Refused
    } else if duplicate && !(slot.line.own_id && slot.times_sent > 1) {
        Outcome::Duplicate
    } else {
        // A duplicate of a line that only this run can have sent: its first answer was lost.
        Outcome::Appended
    }
}

async fn next_chunk(response: &mut Option<Response>) -> Result<Option<Bytes>, reqwest::Error> {
    match response {
        Some(response) => response.chunk().await,
        None => std::future::pending().await,
    }
}

async fn reserve(body: Option<&mpsc::Sender<Bytes>>) -> Option<mpsc::OwnedPermit<Bytes>> {
    match body {
        Some(body) => body.clone().reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}

async fn receive(input: &mut Option<mpsc::Receiver<Vec<Line>>>) -> Option<Vec<Line>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}
