//! A ledger that is fed from its beginning on, or from where an earlier verification stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::Code;
use indelible_core::name::Origin;
use indelible_core::segment::Line;

use crate::blocks::{count_lines, last_line};
use crate::chunk::{Chunk, ChunkJob, Contents, LINE_WORKING_BYTES};
use crate::findings::Finding;
use crate::ledger::Ledger;
use crate::lines::Before;
use crate::state::ReplayState;
use crate::verifier::Verifier;

/// A whole ledger whose lines are given one batch after the other.
pub(crate) struct Session<'v> {
    pub(crate) verifier: &'v mut Verifier,
    pub(crate) ledger: Ledger,
    origin: Arc<Origin>,
    marks: Arc<[u64]>,
    before: Before,
    position: u64,
    stop: Arc<AtomicBool>,
}

impl<'v> Session<'v> {
    pub(crate) fn new(verifier: &'v mut Verifier, ledger: Ledger, origin: &Origin) -> Self {
        let (marks, before) = (ledger.marks(), ledger.state.before);
        let position = ledger.state.due;
        let (origin, stop) = (Arc::new(origin.clone()), Arc::new(AtomicBool::new(false)));
        Self { verifier, ledger, origin, marks, before, position, stop }
    }

    /// Whether the rest is not looked at any more.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes whole lines.
    pub(crate) fn lines(&mut self, lines: Vec<u8>) {
        let Some(last) = last_line(&lines) else { return };
        let next = Line::parse(last).map_or(Before::Lost, |line| Before::Stated(line.digest));
        let count = count_lines(&lines);
        // Empty lines are looked at no further than the limit of damaged ones.
        let known = count.min(2 * crate::limits::DAMAGED_LINES_MAX) as usize;
        let weight = lines.len() + known * LINE_WORKING_BYTES;
        self.give(Contents::Lines(lines), count, next, weight);
    }

    /// Takes records.
    pub(crate) fn records(&mut self, chunk: Chunk) {
        let Some(last) = chunk.last_digest() else { return };
        let (count, weight) = (chunk.len() as u64, chunk.weight());
        self.give(Contents::Records(chunk), count, Before::Stated(last), weight);
    }

    fn give(&mut self, contents: Contents, count: u64, next: Before, weight: usize) {
        if self.stopped() {
            return;
        }
        while self.verifier.chunks.is_full() && self.join_next() {}
        let job = ChunkJob {
            begin: self.position,
            before: self.before,
            contents,
            origin: Arc::clone(&self.origin),
            marks: Arc::clone(&self.marks),
            trust: Arc::clone(&self.verifier.trust),
            stop: Arc::clone(&self.stop),
        };
        self.verifier.chunks.give(job, weight);
        self.position = self.position.saturating_add(count);
        self.before = next;
    }

    /// Judges the next batch; `false` when none is under way.
    fn join_next(&mut self) -> bool {
        let Some(batch) = self.verifier.chunks.take() else { return false };
        if self.stopped() {
            return true;
        }
        self.verifier.passed(batch.count, batch.bytes);
        if !self.ledger.take(&batch, &self.origin) {
            self.stop.store(true, Ordering::Relaxed);
            let last = self.ledger.state.due.saturating_sub(1);
            self.ledger.give_up(format!("everything behind record {last}"));
        }
        true
    }

    /// Judges everything that was given.
    pub(crate) fn drain(&mut self) {
        while self.join_next() {}
    }

    /// Something about the file as a whole, behind all its lines.
    pub(crate) fn find(&mut self, finding: Finding) {
        self.drain();
        if !self.stopped() {
            self.ledger.find(finding);
        }
    }

    /// Compares the ledger with the checkpoint, a signed note, that closes it.
    pub(crate) fn close(&mut self, note: &[u8]) {
        self.drain();
        if self.stopped() {
            return;
        }
        match Checkpoint::open(note, &self.origin, &self.ledger.trust) {
            Ok(checkpoint) => self.compare(&checkpoint),
            Err(error) => {
                let what = format!("the closing checkpoint: {error}");
                self.ledger.find(Finding::damage(error.code(), what));
            }
        }
    }

    fn compare(&mut self, closing: &Checkpoint) {
        let (size, due) = (closing.size, self.ledger.state.due);
        let contradicts = |code, what: String| match self.ledger.state.sound {
            true => Finding::tampering(code, what),
            false => Finding::damage(code, what),
        };
        if size > due {
            let what =
                format!("the closing checkpoint has {size} records, the last ones are missing");
            self.ledger.end.is_missing = true;
            self.ledger.find(Finding::damage(Code::TailMissing, what).between(due, size - 1));
        } else if size < due {
            let what =
                format!("the closing checkpoint has only {size} records, more stand before it");
            let finding = contradicts(Code::CheckpointInvalid, what);
            self.ledger.find(finding.between(size, due - 1));
        } else if let Some(tree) = &self.ledger.state.tree
            && tree.root() != Some(closing.root)
        {
            let what = format!("the {size} records lead to another root than the signed one");
            let finding = contradicts(Code::RootMismatch, what);
            self.ledger.find(finding.between(0, size.saturating_sub(1)));
        }
    }

    /// Judges the end and hands everything to the report.
    pub(crate) fn finish(mut self) {
        self.drain();
        let summary = self.ledger.finish();
        self.verifier.take_ledger(self.ledger, summary);
    }
}

/// A live ledger that is being fed.
///
/// It must be [closed](Self::close) with its checkpoint, or [paused](Self::pause). One that is dropped
/// before counts as a ledger whose end is missing. As it borrows the verifier, no other can begin, and
/// nobody can have the report, before that.
#[must_use = "a ledger that is not closed counts as one whose end is missing"]
pub struct Live<'v>(Option<Session<'v>>);

impl<'v> Live<'v> {
    pub(crate) fn new(session: Session<'v>) -> Self {
        Self(Some(session))
    }

    /// Takes the next records. Waits while the workers are busy.
    pub fn feed(&mut self, chunk: Chunk) {
        if let Some(session) = &mut self.0 {
            session.records(chunk);
        }
    }

    /// Ends the ledger with the checkpoint, a signed note, that closes it.
    pub fn close(mut self, checkpoint: &[u8]) {
        if let Some(mut session) = self.0.take() {
            session.close(checkpoint);
            session.finish();
        }
    }

    /// Stops here, without judging the end, and gives what is needed to [go on](Verifier::resume). What was
    /// found so far is in this verifier's report.
    #[must_use = "without the state nobody can go on"]
    pub fn pause(mut self) -> ReplayState {
        let Some(mut session) = self.0.take() else { return ReplayState::new(None) };
        session.drain();
        let state = session.ledger.state.clone();
        let summary = session.ledger.summary();
        session.verifier.take_ledger(session.ledger, summary);
        state
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        if let Some(mut session) = self.0.take() {
            session.ledger.end.is_missing = true;
            let what = "the ledger was not read to its end and the checkpoint that closes it";
            session.find(Finding::damage(Code::TailMissing, what));
            session.finish();
        }
    }
}
