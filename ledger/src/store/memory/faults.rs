//! The script of what goes wrong on a disk in memory.

use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::store::StoreError;

/// How a commit fails.
#[derive(Debug, Clone)]
pub struct CommitFault {
    /// Whether the rows are durable all the same.
    pub persisted: bool,
    /// What the store says.
    pub cause: StoreError,
}

impl CommitFault {
    /// The answer is lost: the rows are durable, the caller hears of an error.
    #[must_use]
    pub fn persisted() -> Self {
        Self {
            persisted: true,
            cause: StoreError::Io("scripted: failed after it was persisted".into()),
        }
    }

    /// Nothing became durable.
    #[must_use]
    pub fn not_persisted() -> Self {
        Self {
            persisted: false,
            cause: StoreError::Io("scripted: failed before it was persisted".into()),
        }
    }

    /// The disk is full; nothing became durable.
    #[must_use]
    pub fn full() -> Self {
        Self { persisted: false, cause: StoreError::Full("scripted: no space".into()) }
    }

    /// Another writer took over; nothing became durable.
    #[must_use]
    pub fn fenced() -> Self {
        Self { persisted: false, cause: StoreError::Fenced("scripted: a newer writer".into()) }
    }
}

#[derive(Debug, Default)]
struct Script {
    commits: u64,
    commit_faults: BTreeMap<u64, CommitFault>,
    commit_delay: Duration,
    commit_latency: Duration,
    held: bool,
    waiting: usize,
    reads: u64,
    reads_fail_from: Option<(u64, StoreError)>,
    read_fails_at: Option<(u64, StoreError)>,
    opens: VecDeque<StoreError>,
    capacity_bytes: Option<u64>,
}

/// What goes wrong on a [`super::MemoryDisk`], and how often it was used. Counts go on over crashes and
/// reopening; "from now" begins with 0 for the very next call.
#[derive(Debug, Default)]
pub struct Faults {
    script: Mutex<Script>,
    released: Condvar,
}

impl Faults {
    /// The commit that comes after `skip` others from now fails once.
    pub fn fail_commit(&self, skip: u64, fault: CommitFault) {
        let mut script = self.script.lock();
        let number = script.commits + skip;
        script.commit_faults.insert(number, fault);
    }

    /// Reads fail with `cause` after `skip` others from now, until [`Faults::clear`].
    pub fn fail_reads(&self, skip: u64, cause: StoreError) {
        let mut script = self.script.lock();
        script.reads_fail_from = Some((script.reads + skip, cause));
    }

    /// The read that comes after `skip` others from now fails once.
    pub fn fail_read(&self, skip: u64, cause: StoreError) {
        let mut script = self.script.lock();
        script.read_fails_at = Some((script.reads + skip, cause));
    }

    /// The next opening fails; call again for the one after.
    pub fn fail_open(&self, cause: StoreError) {
        self.script.lock().opens.push_back(cause);
    }

    /// The disk takes this many bytes of keys and values (counted without regard to rows that were
    /// overwritten); what would exceed it fails with [`StoreError::Full`]. `None` is no limit.
    pub fn set_capacity_bytes(&self, bytes: Option<u64>) {
        self.script.lock().capacity_bytes = bytes;
    }

    /// Every commit takes at least this long, as a flush of a disk does.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.script.lock().commit_delay = delay;
    }

    /// Every commit that is submitted takes this long on its way, while others begin theirs, as with a
    /// store that is far away.
    pub fn set_commit_latency(&self, latency: Duration) {
        self.script.lock().commit_latency = latency;
    }

    pub(super) fn commit_latency(&self) -> Duration {
        self.script.lock().commit_latency
    }

    /// Commits wait until [`Faults::release_commits`].
    pub fn hold_commits(&self) {
        self.script.lock().held = true;
    }

    /// Lets the waiting commits go on.
    pub fn release_commits(&self) {
        self.script.lock().held = false;
        self.released.notify_all();
    }

    /// Commits that wait in [`Faults::hold_commits`].
    #[must_use]
    pub fn commits_waiting(&self) -> usize {
        self.script.lock().waiting
    }

    /// Commits that were tried so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.script.lock().commits
    }

    /// Reads (gets, scans, snapshots) that were tried so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.script.lock().reads
    }

    /// Nothing goes wrong any more. Held commits are released.
    pub fn clear(&self) {
        let mut script = self.script.lock();
        *script = Script {
            commits: script.commits,
            reads: script.reads,
            waiting: script.waiting,
            ..Script::default()
        };
        drop(script);
        self.released.notify_all();
    }

    pub(super) fn before_open(&self) -> Result<(), StoreError> {
        self.script.lock().opens.pop_front().map_or(Ok(()), Err)
    }

    pub(super) fn before_read(&self) -> Result<(), StoreError> {
        let mut script = self.script.lock();
        let number = script.reads;
        script.reads += 1;
        if let Some((_, cause)) = script.read_fails_at.take_if(|(at, _)| *at == number) {
            return Err(cause);
        }
        match &script.reads_fail_from {
            Some((from, cause)) if number >= *from => Err(cause.clone()),
            _ => Ok(()),
        }
    }

    pub(super) fn before_commit(&self) -> Option<CommitFault> {
        let mut script = self.script.lock();
        let number = script.commits;
        script.commits += 1;
        let fault = script.commit_faults.remove(&number);
        script.waiting += 1;
        self.released.wait_while(&mut script, |script| script.held);
        script.waiting -= 1;
        let delay = script.commit_delay;
        drop(script);
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        fault
    }

    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.script.lock().capacity_bytes.is_none_or(|capacity| bytes <= capacity)
    }
}
