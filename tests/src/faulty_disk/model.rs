//! What a disk holds, what only its cache holds, and what it does wrong.

use std::collections::HashMap;
use std::ops::Range;

/// Bytes that become durable together or not at all.
pub const SECTOR_BYTES: usize = 4096;

type Sector = Box<[u8; SECTOR_BYTES]>;

/// What is to happen to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes into the cache.
    Done,
    /// It fails, and nothing of it is there.
    Failed,
    /// It is neither answered nor done until the disk is told to go on.
    Held,
}

/// A disk with a cache that it may lose.
#[derive(Debug, Default)]
pub struct Model {
    /// What a reader sees.
    seen: HashMap<u64, Sector>,
    /// What survives a power cut.
    durable: HashMap<u64, Sector>,
    /// What was written since the last flush, in order.
    cached: Vec<(u64, Sector)>,
    /// The power is gone.
    dead: bool,
    /// Where no write is failed.
    spared: Range<u64>,
    fail_write_in: Option<u64>,
    fail_write_with: Option<Vec<u8>>,
    hold_write_with: Option<Vec<u8>>,
    fail_flush_in: Option<u64>,
    /// Faults that happened.
    pub faults: u64,
    /// Writes that came.
    pub writes: u64,
    /// Flushes that came.
    pub flushes: u64,
}

fn contains(data: &[u8], text: &[u8]) -> bool {
    data.windows(text.len()).any(|window| window == text)
}

/// Counts down; `true` when it was the last.
fn due(left: &mut Option<u64>) -> bool {
    match left {
        Some(1) => {
            *left = None;
            true
        }
        Some(more) => {
            *more -= 1;
            false
        }
        None => false,
    }
}

impl Model {
    /// Never fails a write that begins within these bytes: the journal of the file system, which does
    /// not survive an error in it.
    pub fn spare(&mut self, bytes: Range<u64>) {
        self.spared = bytes;
    }

    /// The `nth` write from now on fails, once.
    pub fn fail_write(&mut self, nth: u64) {
        self.fail_write_in = Some(nth);
    }

    /// The next write that holds `text` fails, once.
    pub fn fail_write_with(&mut self, text: &str) {
        self.fail_write_with = Some(text.into());
    }

    /// The next write that holds `text` is held.
    pub fn hold_write_with(&mut self, text: &str) {
        self.hold_write_with = Some(text.into());
    }

    /// The `nth` flush from now on fails, once. What is in the cache stays there, for a later flush.
    pub fn fail_flush(&mut self, nth: u64) {
        self.fail_flush_in = Some(nth);
    }

    /// What is to happen to this write.
    pub fn judge(&mut self, offset: u64, data: &[u8]) -> Fate {
        self.writes += 1;
        let with = |text: &Option<Vec<u8>>| text.as_ref().is_some_and(|text| contains(data, text));
        if self.dead {
            return Fate::Failed;
        }
        if self.spared.contains(&offset) {
            return Fate::Done;
        }
        if with(&self.hold_write_with) {
            self.hold_write_with = None;
            self.faults += 1;
            return Fate::Held;
        }
        let found = with(&self.fail_write_with);
        if found {
            self.fail_write_with = None;
        }
        if due(&mut self.fail_write_in) || found {
            self.faults += 1;
            return Fate::Failed;
        }
        Fate::Done
    }

    /// Takes a write into the cache.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let number = at / SECTOR_BYTES as u64;
            let within = (at % SECTOR_BYTES as u64) as usize;
            let (now, later) = rest.split_at(rest.len().min(SECTOR_BYTES - within));
            let sector = self.seen.entry(number).or_insert_with(|| Box::new([0; SECTOR_BYTES]));
            sector[within..within + now.len()].copy_from_slice(now);
            self.cached.push((number, sector.clone()));
            at += now.len() as u64;
            rest = later;
        }
    }

    /// What is there.
    #[must_use]
    pub fn read(&self, offset: u64, bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes];
        let (mut at, mut done) = (offset, 0);
        while done < bytes {
            let within = (at % SECTOR_BYTES as u64) as usize;
            let now = (bytes - done).min(SECTOR_BYTES - within);
            if let Some(sector) = self.seen.get(&(at / SECTOR_BYTES as u64)) {
                out[done..done + now].copy_from_slice(&sector[within..within + now]);
            }
            at += now as u64;
            done += now;
        }
        out
    }

    /// Makes the cache durable; `false` when that fails.
    pub fn flush(&mut self) -> bool {
        self.flushes += 1;
        if self.dead {
            return false;
        }
        if due(&mut self.fail_flush_in) {
            self.faults += 1;
            return false;
        }
        self.durable.extend(self.cached.drain(..));
        true
    }

    /// The power goes: from now on everything fails.
    pub fn cut_power(&mut self) {
        self.dead = true;
    }

    /// The power comes back. Of what was in the cache each sector was written or not, by chance; with a
    /// seed of 0 none was.
    pub fn restore_power(&mut self, seed: u64) {
        let mut random = seed;
        for (number, sector) in std::mem::take(&mut self.cached) {
            // Knuth's 64-bit linear congruential generator; its high bits are good enough here.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if seed != 0 && random >> 63 == 1 {
                self.durable.insert(number, sector);
            }
        }
        self.seen = self.durable.clone();
        self.dead = false;
        (self.fail_write_in, self.fail_flush_in) = (None, None);
        (self.fail_write_with, self.hold_write_with) = (None, None);
    }
}
