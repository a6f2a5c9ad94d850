//! A store in memory whose every step can be made to fail.
//!
//! A [`MemoryDisk`] stands for what survives a crash: the rows of the commits that became durable.
//! [`MemoryDisk::opener`] opens stores on it, one at a time as a real one. Its [`Faults`] script what
//! goes wrong: the third commit from now fails although it was persisted, the disk is full after a
//! megabyte, reads fail, opening fails, commits wait until they are released.
//!
//! It is part of the crate, not of its tests, because tests of other crates need it too.

mod faults;
mod writer;

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

pub use faults::{CommitFault, Faults};

use self::writer::{Write, Writer};
use super::poison::Poison;
use super::{
    Batch, CommitTicket, Direction, Preview, Read, Scan, SnapshotTask, Space, Store, StoreError,
    StoreOpener, StoreStats, Visitor,
};

type Table = BTreeMap<Vec<u8>, Arc<[u8]>>;

/// One table for each space, at [`Space::index`].
#[derive(Debug, Clone, Default)]
struct Tables([Table; Space::ALL.len()]);

#[derive(Debug, Default)]
struct State {
    tables: Arc<Tables>,
    bytes: u64,
    /// The handle that may write; handles are numbered from 1.
    owner: Option<u64>,
    handles: u64,
}

#[derive(Debug, Default)]
struct Disk {
    state: Mutex<State>,
    faults: Faults,
}

/// What survives a crash. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Disk>);

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens stores on this disk; refuses while another is open.
    #[must_use]
    pub fn opener(&self) -> MemoryOpener {
        MemoryOpener { disk: self.clone(), takes_over: false }
    }

    /// Opens stores on this disk and fences off the one that is open, as a store in a bucket does.
    #[must_use]
    pub fn opener_that_takes_over(&self) -> MemoryOpener {
        MemoryOpener { disk: self.clone(), takes_over: true }
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Kills the process that has the store open: its handle is dead from now on, what it committed is
    /// still there, and the next one may open.
    pub fn crash(&self) {
        self.0.state.lock().owner = None;
    }

    /// A second disk with the same rows, as a copy of the folder or an old backup would have.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.0.state.lock();
        let copied =
            State { tables: Arc::clone(&state.tables), bytes: state.bytes, ..State::default() };
        Self(Arc::new(Disk { state: Mutex::new(copied), faults: Faults::default() }))
    }

    /// Changes a row behind the store's back, as damage or a forger would; `None` takes it out.
    pub fn tamper(&self, space: Space, key: &[u8], value: Option<&[u8]>) {
        let mut state = self.0.state.lock();
        let table = &mut Arc::make_mut(&mut state.tables).0[space.index()];
        match value {
            Some(value) => table.insert(key.to_vec(), value.into()),
            None => table.remove(key),
        };
    }

    /// Every durable row, in the order of [`Space::ALL`] and of the keys: to compare two disks.
    #[must_use]
    pub fn contents(&self) -> Vec<(Space, Vec<u8>, Vec<u8>)> {
        let tables = Arc::clone(&self.0.state.lock().tables);
        let rows = Space::ALL.iter().flat_map(|&space| {
            tables.0[space.index()]
                .iter()
                .map(move |(key, value)| (space, key.clone(), value.to_vec()))
        });
        rows.collect()
    }
}

/// Opens a [`MemoryDisk`].
#[derive(Debug, Clone)]
pub struct MemoryOpener {
    disk: MemoryDisk,
    takes_over: bool,
}

impl StoreOpener for MemoryOpener {
    fn preview(&self) -> Result<Option<Box<dyn Preview>>, StoreError> {
        let tables = Arc::clone(&self.disk.0.state.lock().tables);
        let empty = tables.0.iter().all(BTreeMap::is_empty);
        Ok((!empty).then(|| Box::new(MemoryPreview(tables)) as Box<dyn Preview>))
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        let disk = Arc::clone(&self.disk.0);
        disk.faults.before_open()?;
        let mut state = disk.state.lock();
        if state.owner.is_some() && !self.takes_over {
            return Err(StoreError::Locked("the store in memory is open already".into()));
        }
        state.handles += 1;
        let handle = state.handles;
        state.owner = Some(handle);
        drop(state);
        let handle = Handle {
            disk,
            number: handle,
            open: RwLock::new(true),
            commits: Mutex::new(()),
            poison: Poison::default(),
        };
        Ok(Arc::new(MemoryStore { handle: Arc::new(handle), writer: Mutex::new(None) }))
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}

/// An open store in memory.
struct MemoryStore {
    handle: Arc<Handle>,
    /// Where commits take their time on their way, while others begin theirs.
    writer: Mutex<Option<Writer>>,
}

impl std::ops::Deref for MemoryStore {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

#[derive(Debug)]
struct Handle {
    disk: Arc<Disk>,
    number: u64,
    /// Read-locked during every operation, so that closing waits for them.
    open: RwLock<bool>,
    commits: Mutex<()>,
    poison: Poison,
}

impl Handle {
    /// The state to read. A handle that lost its store still reads what is there, except after a crash.
    fn tables(&self) -> Result<Arc<Tables>, StoreError> {
        self.disk.faults.before_read()?;
        let state = self.disk.state.lock();
        if state.owner.is_none() { Err(StoreError::Closed) } else { Ok(Arc::clone(&state.tables)) }
    }

    fn reading<T>(
        &self,
        run: impl FnOnce(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Recursive, because a visitor may well read further while somebody waits to close.
        let open = self.open.read_recursive();
        if *open { run(&*self.tables()?) } else { Err(StoreError::Closed) }
    }

    fn write(&self, batch: &Batch, drop: Option<(&[u8], &[u8])>) -> Result<(), StoreError> {
        let fault = self.disk.faults.before_commit();
        let mut state = self.disk.state.lock();
        match state.owner {
            Some(owner) if owner == self.number => {}
            Some(_) => {
                return Err(StoreError::Fenced("the store in memory was opened again".into()));
            }
            None => return Err(StoreError::Closed),
        }
        let bytes = state.bytes + batch.payload_bytes() as u64;
        if !self.disk.faults.has_room_for(bytes) {
            return Err(StoreError::Full("the store in memory is full".into()));
        }
        if fault.as_ref().is_none_or(|fault| fault.persisted) {
            apply(&mut state, batch);
            if let Some((from, to)) = drop {
                let bodies = &mut Arc::make_mut(&mut state.tables).0[Space::Bodies.index()];
                bodies.retain(|key, _| key.as_slice() < from || key.as_slice() >= to);
            }
        }
        fault.map_or(Ok(()), |fault| Err(fault.cause))
    }
}

fn apply(state: &mut State, batch: &Batch) {
    state.bytes += batch.payload_bytes() as u64;
    let tables = Arc::make_mut(&mut state.tables);
    for put in batch.puts() {
        tables.0[put.space.index()].insert(put.key.to_vec(), put.value.into());
    }
}

impl Read for MemoryStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|tables| Ok(tables.0[space.index()].get(key).map(|value| value.to_vec())))
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.reading(|tables| {
            scan_table(&tables.0[scan.space.index()], scan, visit);
            Ok(())
        })
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.handle.write_in_turn(batch, None)
    }

    fn submit(&self, batch: Batch, ticket: CommitTicket) {
        let latency = self.disk.faults.commit_latency();
        let mut writer = self.writer.lock();
        if writer.is_none() && latency.is_zero() {
            drop(writer);
            return ticket.settle(self.handle.write_in_turn(&batch, None));
        }
        let write = Write { due: Instant::now() + latency, batch, ticket };
        writer.get_or_insert_with(|| Writer::start(&self.handle)).submit(write);
    }

    fn drop_bodies(&self, from: &[u8], to: &[u8], note: &Batch) -> Result<(), StoreError> {
        self.handle.write_in_turn(note, Some((from, to)))
    }

    fn snapshot(&self, task: &mut SnapshotTask<'_>) -> Result<(), StoreError> {
        let open = self.open.read_recursive();
        if !*open {
            return Err(StoreError::Closed);
        }
        task(&MemorySnapshot { tables: self.tables()?, faults: &self.disk.faults })
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.reading(|_| {
            let bytes = self.disk.state.lock().bytes;
            Ok(StoreStats { disk_bytes: 0, memory_bytes: bytes })
        })
    }

    fn close(&self) -> Result<(), StoreError> {
        if let Some(writer) = self.writer.lock().take() {
            writer.finish();
        }
        let mut open = self.open.write();
        *open = false;
        self.give_up();
        Ok(())
    }
}

impl Handle {
    fn write_in_turn(&self, batch: &Batch, drop: Option<(&[u8], &[u8])>) -> Result<(), StoreError> {
        let open = self.open.read_recursive();
        if !*open {
            return Err(StoreError::Closed);
        }
        let _turn = self.commits.lock();
        self.poison.check()?;
        self.write(batch, drop).map_err(|error| match error {
            StoreError::Closed => StoreError::Closed,
            error => self.poison.note(error),
        })
    }

    fn give_up(&self) {
        let mut state = self.disk.state.lock();
        if state.owner == Some(self.number) {
            state.owner = None;
        }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.give_up();
    }
}

struct MemorySnapshot<'a> {
    tables: Arc<Tables>,
    faults: &'a Faults,
}

impl Read for MemorySnapshot<'_> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.faults.before_read()?;
        Ok(self.tables.0[space.index()].get(key).map(|value| value.to_vec()))
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.faults.before_read()?;
        scan_table(&self.tables.0[scan.space.index()], scan, visit);
        Ok(())
    }
}

/// The rows of a disk that is not open. No fault is scripted for it: those count the reads of an open
/// store.
struct MemoryPreview(Arc<Tables>);

impl Read for MemoryPreview {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.0[space.index()].get(key).map(|value| value.to_vec()))
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        scan_table(&self.0.0[scan.space.index()], scan, visit);
        Ok(())
    }
}

impl Preview for MemoryPreview {
    /// Memory has neither files nor logs: everything is looked at.
    fn settled(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
}

fn scan_table(table: &Table, scan: &Scan<'_>, visit: &mut Visitor<'_>) {
    if scan.is_empty() {
        return; // BTreeMap::range panics on bounds that cross.
    }
    let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (scan.from, scan.to);
    let rows = table.range::<[u8], _>(bounds);
    let mut visit = |(key, value): (&Vec<u8>, &Arc<[u8]>)| visit(key, value);
    let _: ControlFlow<()> = match scan.direction {
        Direction::Forward => rows.take(scan.rows_max).try_for_each(&mut visit),
        Direction::Backward => rows.rev().take(scan.rows_max).try_for_each(&mut visit),
    };
}
