//! What the engine asks of a database, and the databases that give it.
//!
//! A ledger needs very little: one atomic, durable commit at a time in the order of submission, point
//! reads, and scans over a range of keys. Everything here is synchronous and object-safe; a backend
//! that is asynchronous inside blocks on a runtime of its own. There is no delete: nothing in a ledger
//! is ever taken back.
//!
//! * [`batch`]: the rows of one commit.
//! * [`error`]: the classes of failure, each with what the operator or the engine can do about it.
//! * [`rocks`]: RocksDB, the default.
//! * [`memory`]: a store in memory whose every step can be made to fail, for tests of the engine.
//!
//! **Poison.** When a commit fails nobody knows whether it became durable (the write may have reached
//! the log although its sync reported an error). From then on the handle refuses every commit; the
//! engine closes it, opens a new one through the [`StoreOpener`] and reads what is really there.
//!
//! **Reading is not durability.** What a process wrote and never flushed is there for the next one, and
//! gone after a power cut; the same goes for what a disk refused once, for the system then takes those
//! pages for written. So opening writes anew, to other files, whatever it finds in logs, and flushes it,
//! before anybody is told that it is there.

pub mod batch;
pub mod error;
pub mod memory;
mod poison;
pub mod rocks;

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

pub use batch::{Batch, Put};
pub use error::StoreError;

/// A key space. Its byte is the first byte of every key in a backend that has one flat space of keys
/// (`docs/STORAGE.md` section 2); RocksDB keeps each in a column family of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// Facts about the engine as a whole.
    Meta = b'm',
    /// Ledger names, their numbers and settings.
    Ledgers = b'l',
    /// The head of each ledger.
    Heads = b'h',
    /// Blocks of records.
    Blocks = b'b',
    /// Where each block's sequence numbers are.
    Index = b'i',
    /// Ids that clients gave.
    Ids = b'd',
    /// Full tiles of leaf hashes.
    Tiles = b't',
    /// Nodes of the Merkle trees.
    Nodes = b'n',
    /// The chain over commits.
    Commits = b'c',
}

impl Space {
    /// Every space, in the order of [`Space::index`].
    pub const ALL: [Self; 9] = [
        Self::Meta,
        Self::Ledgers,
        Self::Heads,
        Self::Blocks,
        Self::Index,
        Self::Ids,
        Self::Tiles,
        Self::Nodes,
        Self::Commits,
    ];

    /// The byte in front of a key.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Position in [`Space::ALL`], for tables with one entry for each space.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Meta => 0,
            Self::Ledgers => 1,
            Self::Heads => 2,
            Self::Blocks => 3,
            Self::Index => 4,
            Self::Ids => 5,
            Self::Tiles => 6,
            Self::Nodes => 7,
            Self::Commits => 8,
        }
    }

    /// The name of the space: its byte as text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "m",
            Self::Ledgers => "l",
            Self::Heads => "h",
            Self::Blocks => "b",
            Self::Index => "i",
            Self::Ids => "d",
            Self::Tiles => "t",
            Self::Nodes => "n",
            Self::Commits => "c",
        }
    }
}

/// Which way a scan goes through the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key to the largest.
    Forward,
    /// From the largest key to the smallest.
    Backward,
}

/// A range of keys within one space. `from` is the lower and `to` the upper bound, whichever the
/// direction. A range whose bounds cross is empty.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// The space.
    pub space: Space,
    /// Lower bound.
    pub from: Bound<&'a [u8]>,
    /// Upper bound.
    pub to: Bound<&'a [u8]>,
    /// Which end comes first.
    pub direction: Direction,
    /// Most rows that are visited.
    pub rows_max: usize,
}

impl<'a> Scan<'a> {
    /// Every row of `space`, forward.
    #[must_use]
    pub const fn all(space: Space) -> Self {
        Self {
            space,
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            direction: Direction::Forward,
            rows_max: usize::MAX,
        }
    }

    /// The rows with `from <= key < to`, forward.
    #[must_use]
    pub const fn between(space: Space, from: &'a [u8], to: &'a [u8]) -> Self {
        Self {
            space,
            from: Bound::Included(from),
            to: Bound::Excluded(to),
            direction: Direction::Forward,
            rows_max: usize::MAX,
        }
    }

    /// The rows with `from <= key <= to`, forward.
    #[must_use]
    pub const fn through(space: Space, from: &'a [u8], to: &'a [u8]) -> Self {
        Self {
            space,
            from: Bound::Included(from),
            to: Bound::Included(to),
            direction: Direction::Forward,
            rows_max: usize::MAX,
        }
    }

    /// The same range from its end.
    #[must_use]
    pub const fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }

    /// The same range, at most `rows_max` rows of it.
    #[must_use]
    pub const fn take(mut self, rows_max: usize) -> Self {
        self.rows_max = rows_max;
        self
    }

    /// Whether no key can lie within the bounds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (self.from, self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from), Bound::Excluded(to))
            | (Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
            _ => false,
        }
    }

    /// Whether `key` lies before the lower bound.
    #[must_use]
    pub fn is_before(&self, key: &[u8]) -> bool {
        match self.from {
            Bound::Included(from) => key < from,
            Bound::Excluded(from) => key <= from,
            Bound::Unbounded => false,
        }
    }

    /// Whether `key` lies after the upper bound.
    #[must_use]
    pub fn is_after(&self, key: &[u8]) -> bool {
        match self.to {
            Bound::Included(to) => key > to,
            Bound::Excluded(to) => key >= to,
            Bound::Unbounded => false,
        }
    }
}

/// Told of each row of a scan; `Break` ends it.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// What a [`Store::snapshot`] runs on the snapshot.
pub type SnapshotTask<'a> = dyn FnMut(&dyn Read) -> Result<(), StoreError> + 'a;

/// One row as a scan hands it out.
pub type Row = (Vec<u8>, Vec<u8>);

/// Reading. Only what is durable is ever seen.
pub trait Read {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Io`], [`StoreError::Closed`].
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values of many keys of one space, in their order; cheaper than one [`Read::get`] for each.
    ///
    /// # Errors
    /// As [`Read::get`]; the first failure is the answer.
    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().map(|key| self.get(space, key)).collect()
    }

    /// Visits rows in the order of their keys, compared as unsigned bytes. The rows of one scan are of
    /// one state of the store. Nothing may be committed from within the visitor.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError>;

    /// The rows of `scan` as a list: for scans that are known to be small.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn rows(&self, scan: &Scan<'_>) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        self.scan(scan, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// The first row of `scan` in its direction.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn first(&self, scan: &Scan<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(&scan.take(1))?.pop())
    }
}

/// How large a store is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes of all its files, the log that is still replayed on opening included.
    pub disk_bytes: u64,
    /// Bytes that it holds in memory: tables not yet written, cached blocks, pinned indexes.
    pub memory_bytes: u64,
}

/// Who is told what became of a commit: once, whatever happens.
pub struct CommitTicket(Option<Settle>);

type Settle = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl CommitTicket {
    /// `settle` is called once, on any thread, and must be quick.
    pub fn new(settle: impl FnOnce(Result<(), StoreError>) + Send + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// Tells the outcome.
    pub fn settle(mut self, outcome: Result<(), StoreError>) {
        if let Some(settle) = self.0.take() {
            settle(outcome);
        }
    }
}

impl Drop for CommitTicket {
    fn drop(&mut self) {
        // A store that lets go of a commit without a word leaves open whether it took place.
        if let Some(settle) = self.0.take() {
            let cause = Box::new(StoreError::Io("the database gave no answer to a commit".into()));
            settle(Err(StoreError::UnknownOutcome { cause }));
        }
    }
}

impl std::fmt::Debug for CommitTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CommitTicket")
    }
}

/// An open store. Dropping it closes it.
pub trait Store: Read + Send + Sync {
    /// Commits `batch`: all of it or nothing, durable when this returns. Calls are served one after the
    /// other in the order in which they come; the engine makes them from one thread.
    ///
    /// # Errors
    /// [`StoreError::UnknownOutcome`] when the write failed (it may or may not be durable; the handle is
    /// poisoned), [`StoreError::Fenced`] when another writer has taken over (poisoned too),
    /// [`StoreError::Poisoned`] after either, [`StoreError::Closed`] after [`Store::close`].
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// As [`Store::commit`], without waiting where the store can have several commits on their way: they
    /// become durable in the order in which they were submitted, and `ticket` hears of each in that
    /// order. When one fails, all that were submitted after it fail. A store that writes on its caller's
    /// thread has settled the ticket when this returns.
    fn submit(&self, batch: Batch, ticket: CommitTicket) {
        ticket.settle(self.commit(&batch));
    }

    /// Runs `task` on one state of the store that no commit changes meanwhile. Within the task read
    /// through its argument; [`Store::close`] waits for it to end.
    ///
    /// # Errors
    /// What the task returned, or as [`Read::get`].
    fn snapshot(&self, task: &mut SnapshotTask<'_>) -> Result<(), StoreError>;

    /// How large the store is.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Closed`].
    fn stats(&self) -> Result<StoreStats, StoreError>;

    /// Names of the files in the store's folder that it needs now; none where it has no folder.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Closed`].
    fn live_files(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Closes the store and gives up its lock, after the reads that are under way. Everything later on
    /// this handle is [`StoreError::Closed`]; closing again is fine.
    ///
    /// # Errors
    /// [`StoreError::Io`] when something could not be written back. What was committed is durable even
    /// then.
    fn close(&self) -> Result<(), StoreError>;
}

/// What opening a store would find, read before a byte of it is changed.
///
/// A store that keeps a log writes what it reads there anew while it opens, and throws the log away. Who
/// wants to refuse what is there (a hole, an end that was cut off) has to look before, so that whoever
/// mends it still has every file as it was.
pub trait Preview: Read + Send + Sync {
    /// The highest key of [`Space::Commits`] that does not come out of a log: up to it everything lies in
    /// files that were flushed and are known to belong to the store. `None` when nothing does, or the
    /// store cannot tell.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn settled(&self) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Opens a store: the first time, and again after the handle was poisoned.
pub trait StoreOpener: Send + Sync {
    /// What [`StoreOpener::open`] would find, without writing anything; `None` where it would begin a
    /// new store. Only for whoever may open, and knows that nobody else has it open.
    ///
    /// # Errors
    /// As [`StoreOpener::open`].
    fn preview(&self) -> Result<Option<Box<dyn Preview>>, StoreError>;

    /// Opens, creating it if there is none, and fences off every other writer. What was in a log only has
    /// been written anew, to other files, and flushed when this returns: a log that a process left behind
    /// may be there for its readers and yet not be on the disk.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::NewerFormat`],
    /// [`StoreError::Permission`], [`StoreError::ReadOnly`], [`StoreError::Full`],
    /// [`StoreError::Corrupt`], [`StoreError::Io`].
    fn open(&self) -> Result<Arc<dyn Store>, StoreError>;

    /// The folder that holds its files, where it has one.
    fn folder(&self) -> Option<&std::path::Path> {
        None
    }

    /// What is opened, for messages: a path, or the name of a bucket.
    fn describe(&self) -> String;
}
