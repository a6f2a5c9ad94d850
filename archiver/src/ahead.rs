//! Packing segments on threads of their own, the next ones while one is being shipped.
//!
//! Packing is nearly all of a run's work: reading, checking every digest and signature, compressing. A
//! whole segment's borders are known beforehand and its records stand fast, so several are packed at once;
//! they are shipped one after the other all the same. The digest that a segment builds upon is taken from
//! the database and compared with the end of the segment before once that is there.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use indelible_core::hash::Digest;
use indelible_core::key::PublicKey;
use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::name::{NameError, Seq};
use indelible_core::segment::Run;
use indelible_ledger::{Direction, Engine, LedgerInfo, ReadError};

use crate::error::ArchiveError;
use crate::pack::{Packed, Packer};
use crate::task::Task;

/// Segments that are packed at once: two, as servers have two processors or more, and more would take them
/// from those who append.
const PACKED_AT_ONCE: usize = 2;

/// By how much the threads that pack stand back behind the others, as `nice` counts. The scheduler gives a
/// thread that stands back by 10 about a tenth of the time of one that does not, so whoever appends loses
/// less than that on a busy machine; and an archive on a busy machine still comes to its end.
const STAND_BACK: i32 = 10;

/// Records read from the database at once.
const READ_RECORDS: usize = 1024;
/// Bytes read from the database at once.
const READ_BYTES: usize = 4 << 20;

/// What a segment is to be: from `first` up to `end` (exclusive), or earlier behind so many plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) plain_bytes: u64,
}

enum Message {
    /// So many records are packed.
    At(u64),
    Done(Box<Result<(Run, Packed), ArchiveError>>),
}

struct Underway {
    cut: Cut,
    /// Of each read one at most, so there are no more than a segment has records.
    messages: Receiver<Message>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it panicked with was found by whoever waited for its result; of others nobody asks.
            let _ = thread.join();
        }
    }
}

/// The segments of one run that are being packed, in order.
#[derive(Default)]
pub(crate) struct Ahead {
    underway: VecDeque<Underway>,
    /// A segment grew too large and ended before its border: with such records nobody knows where the next
    /// one begins, so nothing is packed ahead any more.
    borders_unknown: bool,
}

impl Ahead {
    /// The packed segment `cut`, and beginnings of those behind it. `done` records of the run were packed
    /// before.
    pub(crate) fn take(
        &mut self,
        task: &Task<'_>,
        cut: Cut,
        done: u64,
    ) -> Result<(Run, Packed), ArchiveError> {
        if self.underway.front().is_none_or(|next| next.cut != cut) {
            self.underway.clear();
        }
        self.fill(task, cut)?;
        let (run, packed) = self.wait(task, done)?;
        self.borders_unknown |= run.last().get() + 1 < cut.end;
        Ok((run, packed))
    }

    /// Begins `cut` and the whole segments behind it, as far as they are not begun.
    fn fill(&mut self, task: &Task<'_>, cut: Cut) -> Result<(), ArchiveError> {
        let mut next = cut;
        for place in 0.. {
            if place == self.underway.len() {
                self.underway.push_back(begin(task, next)?);
            }
            let behind = Cut {
                first: next.end,
                end: next.end + SEGMENT_RECORDS_MAX,
                plain_bytes: task.plain_bytes_cut,
            };
            let whole = behind.first % SEGMENT_RECORDS_MAX == 0 && behind.end <= task.info.size;
            if place + 1 == PACKED_AT_ONCE || !whole || self.borders_unknown {
                break;
            }
            next = behind;
        }
        Ok(())
    }

    /// Waits for the first one.
    fn wait(&mut self, task: &Task<'_>, done: u64) -> Result<(Run, Packed), ArchiveError> {
        let mut result = None;
        while result.is_none() {
            if task.progress.should_stop() {
                self.underway.clear();
                return Err(ArchiveError::Stopped);
            }
            let Some(first) = self.underway.front_mut() else { return Err(ArchiveError::Stopped) };
            match first.messages.recv() {
                Ok(Message::At(packed)) => task.progress.at(done + packed),
                Ok(Message::Done(outcome)) => result = Some(*outcome),
                Err(_) => {
                    // It ended without a result.
                    if let Some(Err(panic)) = first.thread.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                    result = Some(Err(ArchiveError::Stopped));
                }
            }
        }
        self.underway.pop_front();
        result.unwrap_or(Err(ArchiveError::Stopped))
    }
}

/// Begins to pack a segment. Where the system gives no thread, it is packed here and now.
fn begin(task: &Task<'_>, cut: Cut) -> Result<Underway, ArchiveError> {
    let job = Arc::new(Job::new(task, cut)?);
    let (outbox, messages) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let spawned = {
        let (job, outbox, stop) = (Arc::clone(&job), outbox.clone(), Arc::clone(&stop));
        thread::Builder::new().name("archive-pack".into()).spawn(move || {
            // Where the system does not let it stand back, it packs all the same.
            let _ = rustix::process::nice(STAND_BACK);
            job.run(&outbox, &stop);
        })
    };
    if spawned.is_err() {
        job.run(&outbox, &stop);
    }
    Ok(Underway { cut, messages, stop, thread: spawned.ok() })
}

/// All that it takes to pack a segment.
struct Job {
    engine: Engine,
    info: LedgerInfo,
    key: PublicKey,
    spool: PathBuf,
    cut: Cut,
    first: Seq,
    prev: Option<Digest>,
}

impl Job {
    fn new(task: &Task<'_>, cut: Cut) -> Result<Self, ArchiveError> {
        let out_of_numbers = |_| ReadError::OutOfRange { asked: cut.end, size: task.info.size };
        let first = Seq::new(cut.first).map_err(out_of_numbers)?;
        let prev = match cut.first.checked_sub(1) {
            None => None,
            Some(before) => {
                let before = Seq::new(before).map_err(out_of_numbers)?;
                task.engine().get(task.ledger(), before)?.map(|record| record.digest)
            }
        };
        Ok(Self {
            engine: task.engine().clone(),
            info: task.info.clone(),
            key: task.key,
            spool: task.spool.to_owned(),
            cut,
            first,
            prev,
        })
    }

    fn run(&self, outbox: &Sender<Message>, stop: &AtomicBool) {
        let outcome = self.pack(outbox, stop);
        // Nobody waits for it any more: so be it.
        let _ = outbox.send(Message::Done(Box::new(outcome)));
    }

    fn pack(
        &self,
        outbox: &Sender<Message>,
        stop: &AtomicBool,
    ) -> Result<(Run, Packed), ArchiveError> {
        let Cut { end, plain_bytes, .. } = self.cut;
        let out_of_numbers = |_| ReadError::OutOfRange { asked: end, size: self.info.size };
        // A file without a name: it disappears with the process, whatever happens.
        let spool = tempfile::tempfile_in(&self.spool)
            .map_err(|source| ArchiveError::Spool { folder: self.spool.clone(), source })?;
        let mut packer = Packer::new(self.first, self.prev, &self.info, &self.key, spool)?;
        let mut next = self.first.get();
        'cut: while next < end {
            if stop.load(Relaxed) {
                return Err(ArchiveError::Stopped);
            }
            let from = Seq::new(next).map_err(out_of_numbers)?;
            let (forward, ledger) = (Direction::Forward, &self.info.name);
            let records = self.engine.range(ledger, from, forward, READ_RECORDS, READ_BYTES)?;
            if records.is_empty() {
                break;
            }
            for record in records.iter().take_while(|record| record.seq.get() < end) {
                packer.push(record)?;
                next = record.seq.get() + 1;
                // Behind a signed record only: signed per commit, a segment that ended elsewhere would have
                // an end that no signature of a record covers.
                let may_end = record.signature.is_some();
                if may_end && packer.plain_size() >= plain_bytes {
                    break 'cut;
                }
            }
            let _ = outbox.send(Message::At(next - self.first.get()));
        }
        let last = Seq::new(next.saturating_sub(1)).map_err(out_of_numbers)?;
        let run = Run::new(self.first, last).ok_or_else(|| out_of_numbers(NameError::Seq))?;
        Ok((run, packer.finish(last)?))
    }
}
