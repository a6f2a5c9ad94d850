//! What may be set aside on disk: a total, a share for each who asks, and a floor of free space that is
//! left to the database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one request may set aside is what is free of the total divided by this.
const FREE_PER_SHARE: u64 = 2;

/// The budget on disk.
#[derive(Debug)]
pub struct Disk {
    dir: Arc<Path>,
    bytes_max: u64,
    free_min: u64,
    used: AtomicU64,
    refused: AtomicU64,
}

impl Disk {
    /// Up to `bytes_max` bytes in `dir`, while its file system has `free_min` bytes beside them.
    #[must_use]
    pub fn new(dir: Arc<Path>, bytes_max: u64, free_min: u64) -> Self {
        Self { dir, bytes_max, free_min, used: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Where files are made.
    #[must_use]
    pub fn dir(&self) -> Arc<Path> {
        Arc::clone(&self.dir)
    }

    /// Bytes set aside now, and how often more were refused.
    #[must_use]
    pub fn figures(&self) -> (u64, u64) {
        (self.used.load(Relaxed), self.refused.load(Relaxed))
    }

    /// Nothing yet.
    #[must_use]
    pub fn grant(self: &Arc<Self>) -> DiskGrant {
        DiskGrant { disk: Arc::clone(self), bytes: 0 }
    }

    /// Whether the file system has the floor free beside `more`. One that cannot be asked has not.
    fn is_above_floor(&self, more: u64) -> bool {
        self.free_min == 0
            || rustix::fs::statvfs(&*self.dir).is_ok_and(|fs| {
                fs.f_bavail.saturating_mul(fs.f_frsize) >= self.free_min.saturating_add(more)
            })
    }
}

/// Bytes on disk that are given back when this is dropped.
#[derive(Debug)]
pub struct DiskGrant {
    disk: Arc<Disk>,
    bytes: u64,
}

impl DiskGrant {
    /// Takes more; false, and nothing changed, where the total, the share or the floor forbid it.
    #[must_use]
    pub fn grow(&mut self, more: u64) -> bool {
        let (disk, own) = (&self.disk, self.bytes);
        let taken = disk.is_above_floor(more)
            && disk
                .used
                .try_update(Relaxed, Relaxed, |used| {
                    let free = disk.bytes_max.saturating_sub(used);
                    let fits = more <= free && own.saturating_add(more) <= free / FREE_PER_SHARE;
                    fits.then_some(used + more)
                })
                .is_ok();
        if taken {
            self.bytes += more;
        } else {
            disk.refused.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Gives everything back: the file is empty.
    pub fn clear(&mut self) {
        self.disk.used.fetch_sub(self.bytes, Relaxed);
        self.bytes = 0;
    }
}

impl Drop for DiskGrant {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_shared_and_the_floor_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(dir.path().into(), 1000, 0));
        let mut one = disk.grant();
        assert!(one.grow(300) && !one.grow(100));
        let mut two = disk.grant();
        assert!(two.grow(200) && !two.grow(200));
        drop(one);
        assert!(two.grow(100));
        assert_eq!(disk.figures(), (300, 2));
        two.clear();
        assert_eq!(disk.figures().0, 0);
        let full = Arc::new(Disk::new(dir.path().into(), 1000, u64::MAX));
        assert!(!full.grant().grow(1));
    }
}
