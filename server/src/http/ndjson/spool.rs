//! Results that the client has not taken yet: first in memory, then in a file.
//!
//! A client may send a million events before it reads the first result, about 300 MB of them. Were the
//! server to stop reading when its buffers are full, both would wait for ever; were it to keep results
//! in memory, any client could take all of it. So what exceeds a small buffer goes to a file in the data
//! folder that has no name: nothing is left behind, whatever happens. The files of all requests together
//! have a total and leave a floor of free space ([`Disk`]); where there is no room, the few results that
//! are on their way stay in memory, and the server reads no more of the request.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::budget::{Disk, DiskGrant};

/// Bytes kept in memory for one request before its file is used.
pub(super) const MEMORY_BYTES_MAX: usize = 1 << 20;
/// Bytes read from the file at once.
const CHUNK_BYTES: u64 = 256 << 10;

/// A queue of bytes: in memory what is older, then the file, then in memory again what the disk had no
/// room for.
#[derive(Debug)]
pub(super) struct Spool {
    disk: Arc<Disk>,
    older: VecDeque<Bytes>,
    newer: VecDeque<Bytes>,
    memory_bytes: usize,
    file: Option<Arc<File>>,
    read: u64,
    written: u64,
    on_disk: DiskGrant,
    file_bytes_max: u64,
}

impl Spool {
    pub(super) fn new(disk: Arc<Disk>, file_bytes_max: u64) -> Self {
        Self {
            on_disk: disk.grant(),
            disk,
            older: VecDeque::new(),
            newer: VecDeque::new(),
            memory_bytes: 0,
            file: None,
            read: 0,
            written: 0,
            file_bytes_max,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.memory_bytes == 0 && self.read == self.written
    }

    /// Bytes held in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether no more should be added before the client takes some. The file only shrinks when it is
    /// empty, so its length is what counts.
    pub(super) fn is_full(&self) -> bool {
        self.written >= self.file_bytes_max || !self.newer.is_empty()
    }

    /// Adds bytes at the end, of which up to `memory_max` stay in memory.
    pub(super) async fn push(&mut self, bytes: Bytes, memory_max: usize) -> io::Result<()> {
        let fits = self.memory_bytes + bytes.len() <= memory_max || self.older.is_empty();
        if fits && self.read == self.written && self.newer.is_empty() {
            self.memory_bytes += bytes.len();
            self.older.push_back(bytes);
            return Ok(());
        }
        let length = bytes.len() as u64;
        if !self.newer.is_empty() || !self.on_disk.grow(length) {
            self.memory_bytes += bytes.len();
            self.newer.push_back(bytes);
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.create().await?,
        };
        let at = self.written;
        blocking(move || file.write_all_at(&bytes, at)).await?;
        self.written += length;
        Ok(())
    }

    /// Takes bytes from the beginning; nothing when it is empty.
    pub(super) async fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(bytes) = self.older.pop_front() {
            self.memory_bytes -= bytes.len();
            return Ok(Some(bytes));
        }
        let Some(file) = self.file.clone().filter(|_| self.read < self.written) else {
            std::mem::swap(&mut self.older, &mut self.newer);
            let bytes = self.older.pop_front();
            self.memory_bytes -= bytes.as_ref().map_or(0, Bytes::len);
            return Ok(bytes);
        };
        let (at, left) = (self.read, self.written - self.read);
        let length = left.min(CHUNK_BYTES);
        let is_last = length == left;
        let bytes = blocking(move || {
            let mut chunk = vec![0u8; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut chunk, at)?;
            if is_last {
                file.set_len(0)?;
            }
            Ok(Bytes::from(chunk))
        })
        .await?;
        (self.read, self.written) = if is_last { (0, 0) } else { (at + length, self.written) };
        if is_last {
            self.on_disk.clear();
        }
        Ok(Some(bytes))
    }

    async fn create(&mut self) -> io::Result<Arc<File>> {
        let dir = self.disk.dir();
        let file = Arc::new(blocking(move || tempfile::tempfile_in(dir)).await?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

/// Runs file work where it may block. Only the runtime's end can take the result away.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(dir: &tempfile::TempDir, bytes_max: u64) -> Arc<Disk> {
        Arc::new(Disk::new(dir.path().into(), bytes_max, 0))
    }

    async fn drain(spool: &mut Spool, out: &mut Vec<u8>, at_most: usize) {
        for _ in 0..at_most {
            match spool.pop().await.unwrap() {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => return,
            }
        }
    }

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_also_through_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(disk(&dir, 1 << 30), 1 << 30);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for round in 0..40u32 {
            // Ten pieces in, a few out: the queue runs from memory into the file and empties again.
            for piece in 0..10u32 {
                let bytes = (round * 10 + piece).to_le_bytes().repeat(20_000);
                sent.extend_from_slice(&bytes);
                spool.push(Bytes::from(bytes), MEMORY_BYTES_MAX).await.unwrap();
            }
            assert!(spool.memory_bytes <= MEMORY_BYTES_MAX);
            let at_most = if round % 7 == 6 { usize::MAX } else { round as usize % 3 };
            drain(&mut spool, &mut got, at_most).await;
        }
        drain(&mut spool, &mut got, usize::MAX).await;
        assert!(spool.is_empty());
        assert!(sent == got);
        assert_eq!(spool.file.unwrap().metadata().unwrap().len(), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_full_file_says_so_until_it_is_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(disk(&dir, 1 << 30), 1 << 20);
        while !spool.is_full() {
            spool.push(Bytes::from(vec![1; 100_000]), MEMORY_BYTES_MAX).await.unwrap();
        }
        drain(&mut spool, &mut Vec::new(), usize::MAX).await;
        assert!(!spool.is_full());
    }

    #[tokio::test]
    async fn where_the_disk_has_no_room_it_is_full_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(disk(&dir, 1 << 20), 1 << 30);
        let little = 256 << 10;
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for round in 0..4u8 {
            for piece in 0..12u8 {
                let bytes = vec![round * 12 + piece; 100_000];
                sent.extend_from_slice(&bytes);
                spool.push(Bytes::from(bytes), little).await.unwrap();
            }
            assert!(spool.is_full());
            drain(&mut spool, &mut got, if round == 3 { usize::MAX } else { 3 }).await;
        }
        assert!(sent == got && spool.is_empty() && !spool.is_full());
        assert_eq!(spool.disk.figures().0, 0);
    }
}
