//! Writing the head outside of the database: with every commit, and never in the way of one.
//!
//! A commit's head goes into the page cache (a microsecond or two), not to the disk. That is enough when
//! the process dies: the system still has it, so whatever the database loses is noticed by the next
//! start, to the commit. When the power goes, the head on the disk may be older, by as much as has passed
//! since it was last flushed.
//!
//! A page that changes while the disk takes it may arrive torn. So each flush leaves the slot that it
//! flushes alone from then on, and writing goes on in a slot that nobody relies on: at any moment one
//! slot is on the disk for sure.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::head::{self, HeadFile, SLOT_BYTES, SLOTS};
use super::{FolderError, files};

/// The open head file. Writing and flushing may go on at once, from two threads.
#[derive(Debug)]
pub struct HeadWriter {
    path: PathBuf,
    file: File,
    slots: Mutex<Slots>,
    /// Held while flushing, so that there is one at a time.
    flushing: Mutex<()>,
}

#[derive(Debug)]
struct Slots {
    latest: HeadFile,
    /// The slot whose head is on the disk.
    flushed: usize,
    /// The slot that is written into.
    active: usize,
    /// Whether the active slot holds something that no flush has begun for.
    dirty: bool,
    /// Whether `latest` may not be in the file, because a write or a flush failed.
    lost: bool,
}

impl HeadWriter {
    /// Begins a new file in the folder `dir`, which holds `first`, and is on the disk on return.
    pub(super) fn create(dir: &Path, first: HeadFile) -> Result<Self, FolderError> {
        let path = dir.join(head::NAME);
        files::replace_file(&path, &first.to_file())?;
        let opened = OpenOptions::new().write(true).open(&path);
        let file = opened.map_err(|error| FolderError::io(&path, error))?;
        let slots = Slots { latest: first, flushed: 0, active: 1, dirty: false, lost: false };
        Ok(Self { path, file, slots: Mutex::new(slots), flushing: Mutex::new(()) })
    }

    /// Puts a head into the file, where it survives this process. An older one than the last changes
    /// nothing.
    ///
    /// # Errors
    /// [`FolderError`]; the next [`HeadWriter::flush`] tries again.
    pub fn write(&self, head: &HeadFile) -> Result<(), FolderError> {
        let mut slots = self.slots.lock();
        if head.commit <= slots.latest.commit {
            return Ok(());
        }
        slots.latest = *head;
        self.put(&mut slots)
    }

    fn put(&self, slots: &mut Slots) -> Result<(), FolderError> {
        let place = (slots.active * SLOT_BYTES) as u64;
        let written = self.file.write_all_at(&slots.latest.to_slot(), place);
        slots.lost = written.is_err();
        slots.dirty = true;
        written.map_err(|error| FolderError::io(&self.path, error))
    }

    /// Brings the last head that was written to the disk.
    ///
    /// # Errors
    /// [`FolderError`] when that fails, or when the file was moved away or replaced; the head that was
    /// flushed before is still on the disk.
    pub fn flush(&self) -> Result<(), FolderError> {
        let _one_at_a_time = self.flushing.lock();
        let flushing = {
            let mut slots = self.slots.lock();
            if slots.lost {
                self.put(&mut slots)?;
            }
            if !slots.dirty {
                return self.check_place();
            }
            let flushing = slots.active;
            slots.active = third(flushing, slots.flushed);
            slots.dirty = false;
            flushing
        };
        let flushed = self.file.sync_data();
        let mut slots = self.slots.lock();
        match flushed {
            Ok(()) => slots.flushed = flushing,
            // The system takes the pages for written all the same: what is in the file must be written
            // into it once more.
            Err(error) => {
                slots.lost = true;
                return Err(FolderError::io(&self.path, error));
            }
        }
        drop(slots);
        self.check_place()
    }

    /// Whether the name still leads to this file.
    fn check_place(&self) -> Result<(), FolderError> {
        let failed = |error| FolderError::io(&self.path, error);
        let there = std::fs::metadata(&self.path).map_err(failed)?;
        let here = self.file.metadata().map_err(failed)?;
        if (there.dev(), there.ino()) == (here.dev(), here.ino()) {
            return Ok(());
        }
        let reason = "it was replaced while the server was running";
        Err(FolderError::Damaged { path: self.path.clone(), reason })
    }
}

/// The slot that is neither of the two.
fn third(one: usize, other: usize) -> usize {
    (0..SLOTS).find(|slot| *slot != one && *slot != other).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use indelible_core::hash::Digest;

    use super::*;
    use crate::rows::CommitNumber;

    fn head(commit: u64) -> HeadFile {
        HeadFile { commit: CommitNumber(commit), digest: Digest([commit as u8; 32]) }
    }

    #[test]
    fn the_slot_that_was_flushed_last_is_never_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(head::NAME);
        let writer = HeadWriter::create(dir.path(), head(0)).unwrap();
        for round in 1..20 {
            let on_the_disk = HeadFile::parse(&std::fs::read(&path).unwrap()).unwrap();
            for commit in [2 * round, 2 * round + 1] {
                writer.write(&head(commit)).unwrap();
                let mut file = std::fs::read(&path).unwrap();
                assert_eq!(HeadFile::parse(&file), Ok(head(commit)), "round {round}");
                // The page on its way to the disk is torn: the head before is still there.
                let active = writer.slots.lock().active * SLOT_BYTES;
                file[active + 40] ^= 1;
                assert_eq!(HeadFile::parse(&file), Ok(on_the_disk), "round {round}");
            }
            writer.flush().unwrap();
        }
    }

    #[test]
    fn an_older_head_changes_nothing_and_a_replaced_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(head::NAME);
        let writer = HeadWriter::create(dir.path(), head(5)).unwrap();
        writer.write(&head(4)).unwrap();
        writer.flush().unwrap();
        assert_eq!(HeadFile::parse(&std::fs::read(&path).unwrap()), Ok(head(5)));
        files::replace_file(&path, &head(3).to_file()).unwrap();
        writer.write(&head(6)).unwrap();
        let error = writer.flush().unwrap_err();
        assert!(error.to_string().contains("replaced"), "{error}");
    }
}
