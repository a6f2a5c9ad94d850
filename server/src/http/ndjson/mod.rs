//! `application/x-ndjson`: an envelope a line in, a result a line out, both at once and in order.
//!
//! One task per request does everything in turn: it cuts what has arrived into lines, gives them to the
//! engine in groups, keeps a few groups in flight, and turns answers into lines. Reading stops while
//! enough groups are in flight, so a slow disk slows the client down through its own socket. Results
//! that the client does not take go to a [`spool`], so a client may send everything before it reads.
//!
//! What is held for the request (a begun line, events on their way, results) is counted as it is, and no
//! more is read while the connection has more than its share of the budget. A client that neither sends
//! nor takes anything for the time of a stall is given up, and with it what was held.
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
use axum::extract::Request as HttpRequest;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use indelible_core::json::{Numbers, push_string, push_u64};
use indelible_core::name::LedgerName;
use indelible_ledger::{AppendError, Appended, Atomicity, Engine, Session, SignedCheckpoint};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::group::{Group, InFlight, RESEND_FROM, Slots, Totals};
use self::lines::Lines;
use self::spool::{MEMORY_BYTES_MAX, Spool};
use super::app::App;
use super::body::{NDJSON, no_room, too_slow};
use super::errors::{Code, Problem};
use super::output::{self, ROOM_PAUSE, Sender};
use super::pace::Pace;
use crate::budget::{Account, Grant, Kind};
use crate::listen::{RequestOrder, stopped};

/// Most groups of one request in the engine: enough for one commit being flushed, one being signed and
/// one being gathered; at 512 bytes an event about 4 MB.
const GROUPS_IN_FLIGHT_MAX: usize = 16;
/// Bytes for which there must be room before more of a body is read. A read may bring more; that is counted
/// when it is there, and a client that sends little is never kept out by those that hold much.
const READ_AHEAD_BYTES: usize = 8 << 10;
/// Time that the rest of a body is still taken after the server stopped reading it. Closing with unread
/// bytes would reset the connection, and the client would lose the closing line.
const LINGER: Duration = Duration::from_secs(2);

/// Answers an NDJSON request; `engine` acts on behalf of who sent it. The response begins at once and goes on while the body is read.
///
/// # Errors
/// 404 when there is no such ledger, 503 when there is no room for one more request.
pub(super) fn append(
    app: &Arc<App>,
    engine: &Engine,
    ledger: LedgerName,
    request: HttpRequest,
    numbers: Numbers,
    order: Option<RequestOrder>,
) -> Result<Response, Problem> {
    // Asked first, so that a typo is a 404 and not an error for each line.
    app.engine.ledger(&ledger)?;
    let account = app.budget.account_of(&request);
    if !account.has_room(READ_AHEAD_BYTES) {
        return Err(no_room());
    }
    let body = request.into_body();
    let (sender, output) = output::channel(account.clone(), app.limits.write_stall_timeout);
    let request = Request {
        spool: Spool::new(Arc::clone(&app.disk), app.limits.spool_bytes_max),
        held: account.take_anyway(Kind::Lines, 0),
        account,
        progress: Instant::now(),
        piece_bytes_max: 0,
        app: Arc::clone(app),
        ledger,
        session: engine.session(),
        order,
        lines: Lines::default(),
        lines_read: 0,
        line: None,
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
    /// The connection's.
    account: Account,
    /// What is held for this request now.
    held: Grant,
    /// When the client last sent or took something.
    progress: Instant,
    /// The largest piece that came: the connection's buffer has grown to it.
    piece_bytes_max: usize,
    ledger: LedgerName,
    /// Keeps the groups in order when one of them fails.
    session: Session,
    /// The connection's, on HTTP/1.
    order: Option<RequestOrder>,
    lines: Lines,
    lines_read: u64,
    /// When the line that is arriving began, and how it comes along.
    line: Option<(Instant, Pace)>,
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
    /// There was no room in the budget; perhaps there is now.
    Again,
    /// The client does nothing.
    Stalled,
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
        self.count_held();
        self.linger(body).await;
        sender.end().await;
    }

    async fn run_to_end(&mut self, body: &mut Body, sender: &Sender) -> io::Result<()> {
        let mut stop = self.app.stop.clone();
        let (mut reading, mut closed) = (true, false);
        loop {
            self.finish_known_groups().await?;
            reading = reading && self.stopped.is_none();
            self.count_held();
            if !reading && self.in_flight.is_empty() {
                if !std::mem::replace(&mut closed, true) {
                    let line = self.closing_line();
                    self.spool.push(line, MEMORY_BYTES_MAX).await?;
                }
                if self.spool.is_empty() {
                    return Ok(());
                }
            }
            match self.step(reading, body, sender, &mut stop).await {
                Step::Read(piece) => reading = self.read(piece, body).await,
                Step::Committed(answer) => {
                    // Until now it was not the client's turn.
                    self.progress = Instant::now();
                    if let Some(InFlight::Pending(slots, _)) = self.in_flight.pop_front() {
                        self.finish(slots, Some(answer)).await?;
                    }
                }
                Step::Send => {
                    self.progress = Instant::now();
                    if let Some(chunk) = self.spool.pop().await? {
                        sender.send_held(chunk);
                    }
                }
                Step::Again => {}
                Step::Stalled if self.spool.is_empty() => self.stop(no_room()),
                Step::Stalled => {
                    self.held.set(0);
                    sender.stalled();
                    return Ok(());
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

    /// Counts what is held, however much it is: it is there.
    fn count_held(&mut self) {
        let on_their_way: usize = self.in_flight.iter().map(InFlight::held).sum();
        let held = self.lines.held() + self.group.held() + on_their_way;
        if held == 0 {
            // The connection's buffer is empty and will be made as large as it needs to be.
            self.piece_bytes_max = 0;
        }
        self.held.set(held + self.spool.memory_bytes() + self.piece_bytes_max);
    }

    /// Waits for the next thing to do.
    async fn step(
        &mut self,
        reading: bool,
        body: &mut Body,
        sender: &Sender,
        stop: &mut watch::Receiver<bool>,
    ) -> Step {
        let takes = self.in_flight.len() < GROUPS_IN_FLIGHT_MAX && !self.spool.is_full();
        let has_room = takes && self.account.has_room(READ_AHEAD_BYTES);
        let patience = self.patience();
        // Neither reading nor waiting for a commit: then it is the client's turn.
        let clients_turn = self.in_flight.is_empty() && !(reading && has_room);
        let stall = self.app.limits.write_stall_timeout.saturating_sub(self.progress.elapsed());
        let front = match self.in_flight.front_mut() {
            Some(InFlight::Pending(_, pending)) => Some(pending),
            _ => None,
        };
        let has_front = front.is_some();
        let silent: fn() -> Problem = if self.line.is_none() { idle } else { too_slow };
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
            () = sleep(ROOM_PAUSE.min(stall)), if reading && takes && !has_room && !stall.is_zero() => {
                Step::Again
            }
            () = sleep(stall), if clients_turn => Step::Stalled,
        }
    }

    /// How long the client may be silent now: long between lines, short within one.
    fn patience(&self) -> Duration {
        let limits = &self.app.limits;
        match &self.line {
            None => limits.stream_idle_timeout,
            Some((begun, pace)) => {
                pace.left().min(limits.line_timeout.saturating_sub(begun.elapsed()))
            }
        }
    }

    /// Takes a piece and whatever else is there already; false at the body's end.
    async fn read(&mut self, piece: Piece, body: &mut Body) -> bool {
        self.progress = Instant::now();
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
            self.count_held();
            let has_room = self.in_flight.len() < GROUPS_IN_FLIGHT_MAX
                && self.stopped.is_none()
                && self.account.has_room(READ_AHEAD_BYTES);
            next = if has_room { next_piece(body).now_or_never() } else { None };
        }
        self.flush().await;
        true
    }

    /// Cuts a piece into lines; every full group goes to the engine.
    async fn cut(&mut self, bytes: &[u8]) {
        self.piece_bytes_max = self.piece_bytes_max.max(bytes.len());
        let mut rest = bytes;
        loop {
            let (lines, group) = (&mut self.lines, &mut self.group);
            let number = self.lines_read + 1;
            if lines.next(&mut rest, |line| group.add(number, line)).is_none() {
                break;
            }
            self.lines_read = number;
            self.line = None;
            if self.has_too_many_refused() {
                return;
            }
            if self.group.is_full() {
                self.flush().await;
                if self.stopped.is_some() {
                    return;
                }
            }
        }
        self.watch_line(bytes.len());
    }

    /// Judges the line that has begun to arrive and not ended.
    fn watch_line(&mut self, came: usize) {
        if !self.lines.is_within_line() {
            return;
        }
        let (_, pace) =
            self.line.get_or_insert_with(|| (Instant::now(), Pace::new(&self.app.limits)));
        pace.came(came, self.lines.held());
        if self.lines.is_endless() {
            let detail = "a line does not end; lines after `lines` were not looked at";
            self.stop(Problem::new(Code::LineTooLarge, detail));
        }
    }

    /// Stops at too many refused lines: each costs an answer that is longer than itself can be.
    fn has_too_many_refused(&mut self) -> bool {
        let max = self.app.limits.refused_lines_max;
        let too_many = self.group.refused() + self.totals.refused > max;
        if too_many {
            let detail = format!(
                "{max} lines of this request were refused; lines after `lines` were not looked at"
            );
            self.stop(Problem::new(Code::TooManyRefused, detail).with("limit", max));
        }
        too_many
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
        // What was counted for the lines is more than their results take. Where others need the room, the
        // disk holds them.
        let has_room = self.account.has_room(READ_AHEAD_BYTES);
        self.spool.push(lines.into(), if has_room { MEMORY_BYTES_MAX } else { 0 }).await
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
