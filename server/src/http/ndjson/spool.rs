//! Results that the client has not taken yet: first in memory, then in a file.
//!
//! A client may send a million events before it reads the first result, about 300 MB of them. Were the
//! server to stop reading when its buffers are full, both would wait for ever; were it to keep results
//! in memory, any client could take all of it. So what exceeds a small buffer goes to a file in the data
//! folder that is unlinked as soon as it is open: nothing is left behind, whatever happens.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use tokio::task::spawn_blocking;

/// Bytes kept in memory for one request before its file is used.
pub(super) const MEMORY_BYTES_MAX: usize = 1 << 20;
/// Bytes read from the file at once.
const CHUNK_BYTES: u64 = 256 << 10;

static NEXT_NAME: AtomicU64 = AtomicU64::new(0);

/// A queue of bytes: in memory what is older, in the file what is newer.
#[derive(Debug)]
pub(super) struct Spool {
    dir: Arc<Path>,
    memory: VecDeque<Bytes>,
    memory_bytes: usize,
    file: Option<Arc<File>>,
    read: u64,
    written: u64,
    file_bytes_max: u64,
}

impl Spool {
    pub(super) fn new(dir: Arc<Path>, file_bytes_max: u64) -> Self {
        Self {
            dir,
            memory: VecDeque::new(),
            memory_bytes: 0,
            file: None,
            read: 0,
            written: 0,
            file_bytes_max,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.read == self.written
    }

    /// Whether no more may be added before the client takes some. The file only shrinks when it is
    /// empty, so its length is what counts.
    pub(super) fn is_full(&self) -> bool {
        self.written >= self.file_bytes_max
    }

    /// Adds bytes at the end.
    pub(super) async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        let fits = self.memory_bytes + bytes.len() <= MEMORY_BYTES_MAX || self.memory.is_empty();
        if fits && self.read == self.written {
            self.memory_bytes += bytes.len();
            self.memory.push_back(bytes);
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.create().await?,
        };
        let (at, length) = (self.written, bytes.len() as u64);
        blocking(move || file.write_all_at(&bytes, at)).await?;
        self.written += length;
        Ok(())
    }

    /// Takes bytes from the beginning; nothing when it is empty.
    pub(super) async fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(bytes) = self.memory.pop_front() {
            self.memory_bytes -= bytes.len();
            return Ok(Some(bytes));
        }
        let Some(file) = self.file.clone().filter(|_| self.read < self.written) else {
            return Ok(None);
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
        Ok(Some(bytes))
    }

    async fn create(&mut self) -> io::Result<Arc<File>> {
        let dir = Arc::clone(&self.dir);
        let file = blocking(move || {
            let number = NEXT_NAME.fetch_add(1, Relaxed);
            let path = dir.join(format!(".spool-{}-{number}", std::process::id()));
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(Arc::new(file))
        })
        .await?;
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
        let mut spool = Spool::new(dir.path().into(), 1 << 30);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for round in 0..40u32 {
            // Ten pieces in, a few out: the queue runs from memory into the file and empties again.
            for piece in 0..10u32 {
                let bytes = (round * 10 + piece).to_le_bytes().repeat(20_000);
                sent.extend_from_slice(&bytes);
                spool.push(Bytes::from(bytes)).await.unwrap();
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
        let mut spool = Spool::new(dir.path().into(), 1 << 20);
        while !spool.is_full() {
            spool.push(Bytes::from(vec![1; 100_000])).await.unwrap();
        }
        drain(&mut spool, &mut Vec::new(), usize::MAX).await;
        assert!(!spool.is_full());
    }
}
