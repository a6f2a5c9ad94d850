//! `application/x-ndjson`: an envelope a line in, a result a line out, both at once and in order.
//!
//! One task per request does everything in turn: it cuts what has arrived into lines, gives them to the
//! engine in groups, keeps a few groups in flight, and turns answers into lines. Reading stops while
//! enough groups are in flight, so a slow disk slows the client down through its own socket. Results
//! that the client does not take go to a [`spool`], so a client may send everything before it reads.
//!
//! A group is what has arrived, not a fixed number: one line alone is committed at once.

mod group;
mod lines;
mod spool;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use indelible_core::json::{Numbers, push_string, push_u64};
use indelible_core::name::LedgerName;
use indelible_ledger::{AppendError, Appended, Atomicity, Engine, Session, SignedCheckpoint};
use tokio::sync::watch;
use tokio::time::timeout;

use self::group::{Group, InFlight, RESEND_FROM, Slots, Totals};
use self::lines::Lines;
use self::spool::Spool;
use super::app::App;
use super::body::{NDJSON, allowed, too_slow};
use super::errors::{Code, Problem};
use super::output::{self, Sender};
use crate::listen::{RequestOrder, stopped};

/// Most groups of one request in the engine: enough for one commit being flushed, one being signed and
/// one being gathered; at 512 bytes an event about 4 MB.
const GROUPS_IN_FLIGHT_MAX: usize = 16;
/// Time that the rest of a body is still taken after the server stopped reading it. Closing with unread
/// bytes would reset the connection, and the client would lose the closing line.
const LINGER: Duration = Duration::from_secs(2);

/// Answers an NDJSON request; `engine` acts on behalf of who sent it. The response begins at once and goes on while the body is read.
///
/// # Errors
/// 404 when there is no such ledger.
pub(super) fn append(
    app: &Arc<App>,
    engine: &Engine,
    ledger: LedgerName,
    body: Body,
    numbers: Numbers,
    order: Option<RequestOrder>,
) -> Result<Response, Problem> {
    // Asked first, so that a typo is a 404 and not an error for each line.
    app.engine.ledger(&ledger)?;
    let (sender, output) = output::channel();
    let request = Request {
        spool: Spool::new(Arc::clone(&app.spool_dir), app.limits.spool_bytes_max),
        app: Arc::clone(app),
        ledger,
        session: engine.session(),
        order,
        lines: Lines::default(),
        lines_read: 0,
        line_begun: None,
        group: Group::new(app.limits.batch_events_max, numbers),
        in_flight: VecDeque::new(),
        totals: Totals::default(),
        checkpoint: None,
        stopped: None,
        failed_from: None,
    };
    tokio::spawn(request.run(body, sender));
    let mut response = Response::new(Body::new(output));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(response)
}

struct Request {
    app: Arc<App>,
    ledger: LedgerName,
    /// Keeps the groups in order when one of them fails.
    session: Session,
    /// The connection's, on HTTP/1.
    order: Option<RequestOrder>,
    lines: Lines,
    lines_read: u64,
    /// When the line that is arriving began, for its deadline.
    line_begun: Option<Instant>,
    group: Group,
    in_flight: VecDeque<InFlight>,
    spool: Spool,
    totals: Totals,
    checkpoint: Option<Arc<SignedCheckpoint>>,
    /// Why reading ended before the body did.
    stopped: Option<Problem>,
    /// The first line of the first group that failed: nothing from it on was appended for certain.
    failed_from: Option<u64>,
}

/// A piece of the body, its end, or what is wrong with it.
type Piece = Result<Option<Bytes>, Problem>;

/// What there is to do next.
enum Step {
    Read(Piece),
    Committed(Result<Appended, AppendError>),
    Send,
    Stop,
    ClientGone,
}

impl Request {
    async fn run(mut self, mut body: Body, sender: Sender) {
        // Only the spool's file can fail here. Without it an answer cannot be given; the client sees it
        // broken off, and what was submitted is committed all the same.
        if let Err(error) = self.run_to_end(&mut body, &sender).await {
            tracing::error!(%error, "an NDJSON answer was broken off");
            return;
        }
        if sender.room().await {
            self.linger(body).await;
            sender.end().await;
        }
    }

    async fn run_to_end(&mut self, body: &mut Body, sender: &Sender) -> io::Result<()> {
        let mut stop = self.app.stop.clone();
        let (mut reading, mut closed) = (true, false);
        loop {
            self.finish_known_groups().await?;
            reading = reading && self.stopped.is_none();
            if !reading && self.in_flight.is_empty() {
                if !std::mem::replace(&mut closed, true) {
                    let line = self.closing_line();
                    self.spool.push(line).await?;
                }
                if self.spool.is_empty() {
                    return Ok(());
                }
            }
            match self.step(reading, body, sender, &mut stop).await {
                Step::Read(piece) => reading = self.read(piece, body).await,
                Step::Committed(answer) => {
                    if let Some(InFlight::Pending(slots, _)) = self.in_flight.pop_front() {
                        self.finish(slots, Some(answer)).await?;
                    }
                }
                Step::Send => {
                    if let Some(chunk) = self.spool.pop().await? {
                        sender.send(chunk).await;
                    }
                }
                Step::Stop => self.stop(Problem::new(
                    Code::ShuttingDown,
                    "the server is shutting down; lines after `lines` were not looked at",
                )),
                // What was submitted is committed all the same.
                Step::ClientGone => return Ok(()),
            }
        }
    }

    /// Waits for the next thing to do.
    async fn step(
        &mut self,
        reading: bool,
        body: &mut Body,
        sender: &Sender,
        stop: &mut watch::Receiver<bool>,
    ) -> Step {
        let has_room = self.in_flight.len() < GROUPS_IN_FLIGHT_MAX && !self.spool.is_full();
        let patience = self.patience();
        let front = match self.in_flight.front_mut() {
            Some(InFlight::Pending(_, pending)) => Some(pending),
            _ => None,
        };
        let has_front = front.is_some();
        let silent = if self.line_begun.is_none() { idle } else { too_slow };
        let committed = async {
            match front {
                Some(pending) => pending.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = committed, if has_front => Step::Committed(answer),
            alive = sender.room(), if !self.spool.is_empty() => {
                if alive { Step::Send } else { Step::ClientGone }
            }
            () = sender.closed(), if self.spool.is_empty() => Step::ClientGone,
            () = stopped(stop), if reading => Step::Stop,
            piece = timeout(patience, next_piece(body)), if reading && has_room => {
                Step::Read(piece.unwrap_or_else(|_| Err(silent())))
            }
        }
    }

    /// How long the client may be silent now: long between lines, short within one.
    fn patience(&self) -> Duration {
        let limits = &self.app.limits;
        match self.line_begun {
            None => limits.stream_idle_timeout,
            Some(begun) => {
                allowed(self.lines.held() as u64, limits).saturating_sub(begun.elapsed())
            }
        }
    }

    /// Takes a piece and whatever else is there already; false at the body's end.
    async fn read(&mut self, piece: Piece, body: &mut Body) -> bool {
        let mut next = Some(piece);
        while let Some(piece) = next {
            match piece {
                Ok(Some(bytes)) => self.cut(&bytes).await,
                Ok(None) => {
                    let (lines, group) = (&mut self.lines, &mut self.group);
                    let number = self.lines_read + 1;
                    if lines.last(|line| group.add(number, line)).is_some() {
                        self.lines_read = number;
                    }
                    self.flush().await;
                    return false;
                }
                Err(problem) => {
                    self.stop(problem);
                    break;
                }
            }
            let has_room = self.in_flight.len() < GROUPS_IN_FLIGHT_MAX && self.stopped.is_none();
            next = if has_room { next_piece(body).now_or_never() } else { None };
        }
        self.flush().await;
        true
    }

    /// Cuts a piece into lines; every full group goes to the engine.
    async fn cut(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let (lines, group) = (&mut self.lines, &mut self.group);
            let number = self.lines_read + 1;
            if lines.next(&mut rest, |line| group.add(number, line)).is_none() {
                break;
            }
            self.lines_read = number;
            self.line_begun = None;
            if self.group.is_full() {
                self.flush().await;
                if self.stopped.is_some() {
                    return;
                }
            }
        }
        if self.lines.is_within_line() {
            self.line_begun.get_or_insert_with(Instant::now);
        }
    }

    /// Gives the group to the engine, waiting for room in its queue: a client that is ahead of the disk
    /// is slowed down, not refused.
    async fn flush(&mut self) {
        if self.group.is_empty() {
            return;
        }
        let (slots, events) = self.group.take();
        let next = if events.is_empty() {
            InFlight::Known(slots, None)
        } else {
            match self.session.submit_wait(&self.ledger, events, Atomicity::Each).await {
                Ok(pending) => InFlight::Pending(slots, pending),
                Err(error) => {
                    self.stop(Problem::from(error.clone()));
                    InFlight::Known(slots, Some(error))
                }
            }
        };
        self.in_flight.push_back(next);
    }

    /// Ends the reading. The first reason stays, but for one that only follows from another.
    fn stop(&mut self, why: Problem) {
        if let Some(order) = &self.order {
            order.break_off();
        }
        if self.stopped.as_ref().is_none_or(|first| first.code() == Code::EarlierFailed) {
            self.stopped = Some(why);
        }
    }

    /// Answers the groups at the front that need no commit.
    async fn finish_known_groups(&mut self) -> io::Result<()> {
        while let Some(InFlight::Known(..)) = self.in_flight.front() {
            if let Some(InFlight::Known(slots, error)) = self.in_flight.pop_front() {
                self.finish(slots, error.map(Err)).await?;
            }
        }
        Ok(())
    }

    /// Writes the results of a group.
    async fn finish(
        &mut self,
        slots: Slots,
        answer: Option<Result<Appended, AppendError>>,
    ) -> io::Result<()> {
        match &answer {
            Some(Ok(appended)) => self.note_checkpoint(&appended.checkpoint),
            // Going on would append later lines although earlier ones are missing.
            Some(Err(error)) => {
                let first = slots.first_line();
                self.failed_from = self.failed_from.or(first);
                self.stop(Problem::from(error.clone()));
            }
            None => {}
        }
        let failed_from = self.failed_from.unwrap_or_default();
        let lines = slots.render(answer.as_ref(), failed_from, &mut self.totals);
        self.spool.push(lines.into()).await
    }

    fn note_checkpoint(&mut self, checkpoint: &Arc<SignedCheckpoint>) {
        let newest = self.checkpoint.as_ref().map_or(0, |newest| newest.checkpoint.size);
        if checkpoint.checkpoint.size >= newest {
            self.checkpoint = Some(Arc::clone(checkpoint));
        }
    }

    /// `{"checkpoint":...,"done":{...},"error"?:{...}}`
    fn closing_line(&mut self) -> Bytes {
        let checkpoint = match self.checkpoint.take() {
            Some(checkpoint) => Ok(checkpoint),
            None => self.app.engine.checkpoint(&self.ledger),
        };
        let mut out = Vec::with_capacity(512);
        out.push(b'{');
        match checkpoint {
            Ok(checkpoint) => {
                out.extend_from_slice(b"\"checkpoint\":");
                push_string(&mut out, &checkpoint.note);
                out.push(b',');
            }
            Err(error) => self.stop(Problem::from(error)),
        }
        let totals = self.totals;
        for (name, number) in [
            ("\"done\":{\"accepted\":", totals.accepted),
            (",\"duplicates\":", totals.duplicates),
            (",\"failed\":", totals.failed),
            (",\"lines\":", self.lines_read),
        ] {
            out.extend_from_slice(name.as_bytes());
            push_u64(&mut out, number);
        }
        out.push(b'}');
        if let Some(problem) = self.stopped.clone() {
            let from = self.failed_from.unwrap_or(self.lines_read + 1);
            out.extend_from_slice(b",\"error\":");
            problem.with(RESEND_FROM, from).push_short(&mut out);
        }
        out.extend_from_slice(b"}\n");
        out.into()
    }

    /// Takes what the client still sends for a moment, if it was stopped before it had sent all.
    async fn linger(&self, mut body: Body) {
        if self.stopped.is_some() {
            let rest = async { while let Ok(Some(_)) = next_piece(&mut body).await {} };
            let _ = timeout(LINGER, rest).await;
        }
    }
}

/// No line came for as long as a stream is kept without any: nothing is wrong, and nothing is lost.
fn idle() -> Problem {
    let detail =
        "no line came for limits.stream_idle_timeout_seconds; open another stream for the next one";
    Problem::new(Code::StreamIdle, detail)
}

async fn next_piece(body: &mut Body) -> Piece {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(Problem::new(Code::BodyIncomplete, error.to_string())),
            // Trailers mean nothing here.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
