//! Judging the clock: a time that once stood in a ledger is there for ever, so a clock that jumps far
//! ahead must not get into one unseen.
//!
//! A second clock that nobody sets tells how much time has really passed since the last record. When the
//! first one says more than that by [`EngineLimits::clock_jump_max`](crate::EngineLimits), appends are
//! refused until it has come back or an operator accepts it. That is noted in the data folder, so that a
//! restart, which knows of no last record, does not accept it in his place.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use indelible_core::time::Timestamp;
use parking_lot::Mutex;

use crate::api::{ClockJump, ClockState};
use crate::clock::Clock;
use crate::folder::{FolderError, read_small, remove_file, replace_file};

/// The file that says that a jump was seen and nobody has accepted it.
const HELD_FILE: &str = "clock.held";
/// More than the file ever has.
const HELD_FILE_BYTES_MAX: usize = 256;

pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    jump_max: Duration,
    file: PathBuf,
    /// The newest time of any record, in microseconds; 0 while none is known.
    newest: AtomicU64,
    judged: Mutex<Judged>,
}

struct Judged {
    /// What both clocks said at the last record, or at the opening.
    reference: (Timestamp, Duration),
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    jump: ClockJump,
    /// What the clock must fall below to be as it was: known while the process lives that saw the jump.
    is_of_this_process: bool,
}

impl Time {
    /// Begins with what the folder says of an earlier jump.
    ///
    /// # Errors
    /// [`FolderError`] when the file cannot be read.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        jump_max: Duration,
        dir: &std::path::Path,
    ) -> Result<Self, FolderError> {
        let file = dir.join(HELD_FILE);
        let held = match read_small(&file, HELD_FILE_BYTES_MAX) {
            Ok(bytes) => Some(Held { jump: parse(&bytes), is_of_this_process: false }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Damaged or not, somebody has to look at the clock.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Some(Held { jump: parse(&[]), is_of_this_process: false })
            }
            Err(source) => return Err(FolderError::Io { path: file, source }),
        };
        let reference = (clock.now(), clock.elapsed());
        let judged = Mutex::new(Judged { reference, held });
        Ok(Self { clock, jump_max, file, newest: AtomicU64::new(0), judged })
    }

    /// A record has this time.
    pub(crate) fn saw(&self, time: Timestamp) {
        self.newest.fetch_max(time.micros(), SeqCst);
    }

    /// The time for new records.
    ///
    /// # Errors
    /// [`ClockJump`] while the clock is not believed.
    pub(crate) fn for_records(&self) -> Result<Timestamp, ClockJump> {
        let mut judged = self.judged.lock();
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        self.judge(&mut judged, now, elapsed);
        if let Some(held) = judged.held {
            return Err(held.jump);
        }
        judged.reference = (now, elapsed);
        self.saw(now);
        Ok(now)
    }

    /// The jump that appends are refused for.
    pub(crate) fn held(&self) -> Option<ClockJump> {
        self.judged.lock().held.map(|held| held.jump)
    }

    /// How the clock stands. Also notices a jump, and its end, while nothing is appended.
    pub(crate) fn look(&self) -> ClockState {
        let mut judged = self.judged.lock();
        let now = self.clock.now();
        self.judge(&mut judged, now, self.clock.elapsed());
        let newest = Timestamp::from_micros(self.newest.load(SeqCst)).unwrap_or(now);
        ClockState {
            now,
            ledgers_ahead: ahead(newest, now),
            held: judged.held.map(|held| held.jump),
        }
    }

    /// An operator says that the clock is right. Returns the jump that he accepted, if there was one.
    ///
    /// # Errors
    /// [`FolderError`] when the note of the jump cannot be removed; it is not accepted then.
    pub(crate) fn accept(&self) -> Result<Option<ClockJump>, FolderError> {
        let mut judged = self.judged.lock();
        let now = self.clock.now();
        self.judge(&mut judged, now, self.clock.elapsed());
        let Some(held) = judged.held else { return Ok(None) };
        remove_file(&self.file)?;
        judged.held = None;
        judged.reference = (now, self.clock.elapsed());
        tracing::warn!(%now, ahead_s = held.jump.ahead.as_secs(), "an operator accepts the clock's jump");
        Ok(Some(held.jump))
    }

    fn judge(&self, judged: &mut Judged, now: Timestamp, elapsed: Duration) {
        match judged.held {
            None => {
                let expected = self.expected(judged, elapsed);
                let jumped = ahead(now, expected);
                if jumped > self.jump_max {
                    self.hold(judged, ClockJump { ahead: jumped, max: self.jump_max, seen: now });
                }
            }
            Some(held) => {
                let is_back = if held.is_of_this_process {
                    ahead(now, self.expected(judged, elapsed)) <= self.jump_max
                } else {
                    // Time goes on since then, so only a clock that was set back says less.
                    now < held.jump.seen
                };
                if is_back {
                    self.release(judged, now, elapsed);
                }
            }
        }
    }

    /// What the clock says if nobody has set it; or the newest record's time, when that is later: a clock
    /// that comes back to where it was changes nothing that is not there already.
    fn expected(&self, judged: &Judged, elapsed: Duration) -> Timestamp {
        let (then, elapsed_then) = judged.reference;
        let passed = elapsed.saturating_sub(elapsed_then).as_micros();
        let micros = u128::from(then.micros()) + passed;
        let newest = self.newest.load(SeqCst);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX).max(newest);
        Timestamp::from_micros(micros).unwrap_or(then)
    }

    fn hold(&self, judged: &mut Judged, jump: ClockJump) {
        tracing::error!(now = %jump.seen, ahead_s = jump.ahead.as_secs(), "{jump}");
        judged.held = Some(Held { jump, is_of_this_process: true });
        if let Err(error) = replace_file(&self.file, text(&jump).as_bytes()) {
            tracing::error!(%error, "a restart will not know that the clock has jumped");
        }
    }

    fn release(&self, judged: &mut Judged, now: Timestamp, elapsed: Duration) {
        tracing::warn!(%now, "the clock has come back; appends are taken again");
        if let Err(error) = remove_file(&self.file) {
            tracing::error!(%error, "the note of the clock's jump cannot be removed");
        }
        judged.held = None;
        judged.reference = (now, elapsed);
    }
}

/// How far `time` lies after `than`.
fn ahead(time: Timestamp, than: Timestamp) -> Duration {
    Duration::from_micros(time.micros().saturating_sub(than.micros()))
}

/// `{"ahead_us":<microseconds>,"seen":"<time>","v":1}`, `docs/STORAGE.md` section 1.
fn text(jump: &ClockJump) -> String {
    let mut text = String::new();
    let ahead = jump.ahead.as_micros();
    let _ = write!(text, "{{\"ahead_us\":{ahead},\"seen\":\"{}\",\"v\":1}}", jump.seen);
    text
}

/// What the file says; a damaged one says that there was a jump and no more.
fn parse(bytes: &[u8]) -> ClockJump {
    let read = || {
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_prefix("{\"ahead_us\":")?.strip_suffix("\",\"v\":1}")?;
        let (ahead, seen) = text.split_once(",\"seen\":\"")?;
        let ahead = Duration::from_micros(ahead.parse().ok()?);
        Some((ahead, Timestamp::parse(seen.as_bytes()).ok()?))
    };
    let (ahead, seen) = read().unwrap_or((Duration::ZERO, FIRST));
    ClockJump { ahead, max: Duration::ZERO, seen }
}

/// The first instant there is: no clock says less.
const FIRST: Timestamp = match Timestamp::from_micros(0) {
    Ok(time) => time,
    Err(_) => panic!("1970 is a valid time"),
};
