//! Lines that go to the engine together, and what came of them.

use indelible_ledger::{Accepted, AppendError, Appended, EventError, Pending, Submission};

use super::lines::{LINE_BYTES_MAX, Line};
use crate::http::envelope;
use crate::http::errors::{Code, Problem};
use crate::http::render::{RESULT_BYTES, push_result};
use indelible_core::json::{Numbers, push_u64};

/// Most lines in a group, where a commit can take so many. A commit takes up to 2,048 events, so four groups fill one.
const LINES_MAX: usize = 512;
/// The member of an error that names the first line that has to be sent again.
pub(super) const RESEND_FROM: &str = "resend_from";
/// Most bytes of events in a group, unless one event alone has more.
const BYTES_MAX: usize = 256 << 10;

/// What is held for a line beside its event: its place, its id, its result.
const LINE_HELD_BYTES: usize = RESULT_BYTES + 192;

/// A line of a group: an event that was submitted, or what is wrong with it.
struct Slot {
    line: u64,
    problem: Option<Problem>,
}

/// Lines that are being gathered.
pub(super) struct Group {
    lines_max: usize,
    numbers: Numbers,
    slots: Vec<Slot>,
    pub(super) events: Vec<Submission>,
    bytes: usize,
    /// Lines of the whole request that were refused for their own sake.
    refused: u64,
}

/// What was read of one request, and what came of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) failed: u64,
    /// Those of the failed that the engine refused for their own sake.
    pub(super) refused: u64,
}

/// The lines of a group that has gone to the engine.
pub(super) struct Slots {
    all: Vec<Slot>,
    bytes: usize,
}

impl InFlight {
    /// Bytes held for the group.
    pub(super) fn held(&self) -> usize {
        let (Self::Pending(slots, _) | Self::Known(slots, _)) = self;
        slots.held()
    }
}

/// A group on its way.
pub(super) enum InFlight {
    /// In the engine.
    Pending(Slots, Pending),
    /// Not taken by the engine, or without a valid line.
    Known(Slots, Option<AppendError>),
}

impl Group {
    /// An empty group for an engine that commits up to so many events at once.
    pub(super) fn new(batch_events_max: usize, numbers: Numbers) -> Self {
        let lines_max = LINES_MAX.min(batch_events_max);
        Self { lines_max, numbers, slots: Vec::new(), events: Vec::new(), bytes: 0, refused: 0 }
    }

    /// Takes a line; a blank one needs no answer.
    pub(super) fn add(&mut self, number: u64, line: Line<'_>) {
        let parsed = match line {
            Line::Whole(bytes) if bytes.trim_ascii().is_empty() => return,
            Line::Whole(bytes) => envelope::parse(bytes, self.numbers),
            Line::TooLong => Err(too_long()),
        };
        let problem = match parsed {
            Ok(submission) => {
                self.bytes += submission.event.len();
                self.events.push(submission);
                None
            }
            Err(problem) => {
                self.refused += 1;
                Some(problem.shortened())
            }
        };
        self.slots.push(Slot { line: number, problem });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= self.lines_max || self.bytes >= BYTES_MAX
    }

    /// Bytes held for the group: its events, and the results that will be made of them.
    pub(super) fn held(&self) -> usize {
        self.bytes + self.slots.len() * LINE_HELD_BYTES
    }

    /// Lines of the whole request that could not be read as an event.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes the lines and events out, leaving an empty group with the same room.
    pub(super) fn take(&mut self) -> (Slots, Vec<Submission>) {
        let bytes = self.held();
        self.bytes = 0;
        let room = (self.slots.len(), self.events.len());
        let slots = std::mem::replace(&mut self.slots, Vec::with_capacity(room.0));
        (
            Slots { all: slots, bytes },
            std::mem::replace(&mut self.events, Vec::with_capacity(room.1)),
        )
    }
}

fn too_long() -> Problem {
    Problem::new(Code::LineTooLarge, format!("a line has at most {LINE_BYTES_MAX} bytes"))
        .with("limit", LINE_BYTES_MAX as u64)
}

impl Slots {
    /// Bytes held for these lines until they are answered.
    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    /// The first line that holds an event.
    pub(super) fn first_line(&self) -> Option<u64> {
        self.all.iter().find(|slot| slot.problem.is_none()).map(|slot| slot.line)
    }

    /// Writes a result line for each line of the group. Should it have failed, lines have to be sent
    /// again from `failed_from` on.
    pub(super) fn render(
        self,
        answer: Option<&Result<Appended, AppendError>>,
        failed_from: u64,
        totals: &mut Totals,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.all.len() * RESULT_BYTES);
        let mut results = match answer {
            Some(Ok(appended)) => appended.results.iter(),
            _ => [].iter(),
        };
        let failed = match answer {
            Some(Err(error)) => Some(failure(error, failed_from)),
            _ => None,
        };
        for slot in self.all {
            match (slot.problem, &failed) {
                (Some(problem), _) => push_problem(&mut out, slot.line, &problem, totals),
                (None, Some(failed)) => push_problem(&mut out, slot.line, failed, totals),
                (None, None) => match results.next() {
                    Some(result) => push_outcome(&mut out, slot.line, result, totals),
                    None => {
                        let missing = Problem::new(Code::Internal, "the engine gave no result");
                        push_problem(&mut out, slot.line, &missing, totals);
                    }
                },
            }
        }
        out
    }
}

/// The problem of each line of a group that failed as a whole.
fn failure(error: &AppendError, from: u64) -> Problem {
    let problem = match error {
        AppendError::EarlierFailed { .. } => Problem::new(
            Code::EarlierFailed,
            format!(
                "line {from} was not appended, so nothing of this was; send again from there on"
            ),
        ),
        other => Problem::from(other.clone()),
    };
    problem.with(RESEND_FROM, from)
}

fn push_outcome(
    out: &mut Vec<u8>,
    line: u64,
    result: &Result<Accepted, EventError>,
    totals: &mut Totals,
) {
    match result {
        Ok(accepted) => {
            if accepted.duplicate {
                totals.duplicates += 1;
            } else {
                totals.accepted += 1;
            }
            push_result(out, accepted, Some(line));
            out.push(b'\n');
        }
        Err(error) => {
            totals.refused += 1;
            push_problem(out, line, &Problem::from(error.clone()), totals);
        }
    }
}

fn push_problem(out: &mut Vec<u8>, line: u64, problem: &Problem, totals: &mut Totals) {
    totals.failed += 1;
    out.extend_from_slice(b"{\"error\":");
    problem.push_short(out);
    out.extend_from_slice(b",\"line\":");
    push_u64(out, line);
    out.extend_from_slice(b"}\n");
}
