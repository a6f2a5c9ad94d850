//! Noticing that the folder under a running engine is not the one that it opened.
//!
//! A file that was deleted or moved away can still be written for as long as it is open, and everything
//! looks fine until the process ends. So before anything is acknowledged the paths are asked whether they
//! still lead to the files that are being written: five questions to the system for each commit, about a
//! microsecond each beside a flush of hundreds.
//!
//! * `lock` and the database's folder are the ones that were opened.
//! * The newest log lies in the folder, and has grown by the commit. A log that has not grown while
//!   there is no newer one is not the one that was written.
//! * `CURRENT` and the manifest that it names are there; they change rarely, and only by replacement.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

/// The folder is not the one that was opened. For good: whoever notices writes nothing more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what}. Nothing more is taken, since it would be written where no restart finds it; stop the server, \
     put the folder back, and start again"
)]
pub struct FolderGone {
    what: String,
}

fn gone(what: impl Into<String>) -> FolderGone {
    FolderGone { what: what.into() }
}

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A path and the file that it must lead to.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    file: FileId,
}

impl Place {
    fn new(path: &Path) -> io::Result<Self> {
        let file = FileId::of(&fs::metadata(path)?);
        Ok(Self { path: path.to_owned(), file })
    }

    fn check(&self, what: &str) -> Result<(), FolderGone> {
        match fs::metadata(&self.path) {
            Ok(found) if FileId::of(&found) == self.file => Ok(()),
            Ok(_) => Err(gone(format!("{what} was replaced by another"))),
            Err(error) => Err(gone(format!("{what} is gone ({})", error.kind()))),
        }
    }
}

/// The log that commits are written to.
#[derive(Debug)]
struct Log {
    number: u64,
    place: Place,
    bytes: u64,
}

/// The file `CURRENT` as it was read, and the manifest that it names.
#[derive(Debug)]
struct Current {
    file: FileId,
    changed: (i64, i64),
    manifest: Place,
}

#[derive(Debug, Default)]
struct Seen {
    log: Option<Log>,
    current: Option<Current>,
}

/// Holds what the paths of an open data folder must lead to.
#[derive(Debug)]
pub struct Guard {
    lock: Place,
    database: Option<Place>,
    seen: Mutex<Seen>,
}

impl Guard {
    /// Begins with the lock that was just taken, and the folder of the database where there is one.
    pub(super) fn new(lock: &Path, database: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            lock: Place::new(lock)?,
            database: database.map(Place::new).transpose()?,
            seen: Mutex::default(),
        })
    }

    /// After a commit was written and before it is acknowledged.
    ///
    /// # Errors
    /// [`FolderGone`]: whether the commit will be there after a restart is not known.
    pub fn after_commit(&self) -> Result<(), FolderGone> {
        self.check(true)
    }

    /// At any other time.
    ///
    /// # Errors
    /// [`FolderGone`].
    pub fn look(&self) -> Result<(), FolderGone> {
        self.check(false)
    }

    /// The database is about to be opened again, and will have other files.
    pub fn forget_files(&self) {
        *self.seen.lock() = Seen::default();
    }

    /// The files of the database with these names are all there.
    ///
    /// # Errors
    /// [`FolderGone`], naming the first that is not.
    pub fn check_files(&self, names: &[String]) -> Result<(), FolderGone> {
        let Some(database) = &self.database else { return Ok(()) };
        for name in names {
            let path = database.path.join(name.trim_start_matches('/'));
            if let Err(error) = fs::metadata(&path) {
                return Err(gone(format!("the database's file {name} is gone ({})", error.kind())));
            }
        }
        Ok(())
    }

    fn check(&self, has_grown: bool) -> Result<(), FolderGone> {
        self.lock.check("the data folder or its lock")?;
        let Some(database) = &self.database else { return Ok(()) };
        database.check("the folder of the database")?;
        let mut seen = self.seen.lock();
        check_log(&mut seen.log, &database.path, has_grown)?;
        check_current(&mut seen.current, &database.path).or_else(|_| {
            // The manifest may just have been replaced, between one question and the next.
            seen.current = None;
            check_current(&mut seen.current, &database.path)
        })
    }
}

/// The log is still there and, after a commit, longer; or there is a newer one. Only a commit changes what
/// is known: a look in between would see the growth that the commit is about to ask for.
fn check_log(log: &mut Option<Log>, database: &Path, has_grown: bool) -> Result<(), FolderGone> {
    let mut is_there = false;
    if let Some(log) = log
        && let Ok(found) = fs::metadata(&log.place.path)
        && FileId::of(&found) == log.place.file
    {
        is_there = true;
        if !has_grown {
            return Ok(());
        }
        if found.len() > log.bytes {
            log.bytes = found.len();
            return Ok(());
        }
    }
    let newest = newest_log(database).map_err(|error| {
        gone(format!("the database's folder cannot be listed ({})", error.kind()))
    })?;
    let before = log.as_ref().map_or(0, |log| log.number);
    let Some(newest) = newest.filter(|newest| newest.number > before) else {
        return Err(gone("the database's write log is gone, or another file is in its place"));
    };
    if has_grown {
        // An empty one may follow a log that was written out and deleted meanwhile.
        if newest.bytes == 0 && (is_there || log.is_none()) {
            return Err(gone("the database's newest write log is not the one that is written"));
        }
        *log = Some(newest);
    }
    Ok(())
}

fn newest_log(database: &Path) -> io::Result<Option<Log>> {
    let mut newest: Option<u64> = None;
    for entry in fs::read_dir(database)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        newest = newest.max(number.and_then(|number| number.parse().ok()));
    }
    let Some(number) = newest else { return Ok(None) };
    let path = database.join(format!("{number:06}.log"));
    let bytes = fs::metadata(&path)?.len();
    Ok(Some(Log { number, place: Place::new(&path)?, bytes }))
}

/// `CURRENT` is as it was, or names a manifest that is there.
fn check_current(current: &mut Option<Current>, database: &Path) -> Result<(), FolderGone> {
    let path = database.join("CURRENT");
    let lost =
        |error: io::Error| gone(format!("the database's file CURRENT is gone ({})", error.kind()));
    let found = fs::metadata(&path).map_err(lost)?;
    let changed = (found.mtime(), found.mtime_nsec());
    if let Some(known) = current
        && known.file == FileId::of(&found)
        && known.changed == changed
    {
        return known.manifest.check("the database's manifest");
    }
    let name = fs::read_to_string(&path).map_err(lost)?;
    let manifest = Place::new(&database.join(name.trim_end()))
        .map_err(|error| gone(format!("the database's manifest is gone ({})", error.kind())))?;
    *current = Some(Current { file: FileId::of(&found), changed, manifest });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf, Guard) {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        fs::create_dir(&db).unwrap();
        fs::write(dir.path().join("lock"), "").unwrap();
        fs::write(db.join("000004.log"), "a").unwrap();
        fs::write(db.join("MANIFEST-000003"), "").unwrap();
        fs::write(db.join("CURRENT"), "MANIFEST-000003\n").unwrap();
        let guard = Guard::new(&dir.path().join("lock"), Some(&db)).unwrap();
        guard.look().unwrap();
        guard.after_commit().unwrap();
        (dir, db, guard)
    }

    fn write(path: &Path) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(b"more").unwrap();
    }

    #[test]
    fn a_log_that_grows_and_is_followed_by_another_is_fine() {
        let (_dir, db, guard) = folder();
        for _ in 0..3 {
            write(&db.join("000004.log"));
            guard.after_commit().unwrap();
            guard.look().unwrap();
        }
        write(&db.join("000007.log"));
        guard.after_commit().unwrap();
        fs::remove_file(db.join("000004.log")).unwrap();
        guard.look().unwrap();
        fs::write(db.join("MANIFEST-000009"), "").unwrap();
        fs::write(db.join("dbtmp"), "MANIFEST-000009\n").unwrap();
        fs::rename(db.join("dbtmp"), db.join("CURRENT")).unwrap();
        fs::remove_file(db.join("MANIFEST-000003")).unwrap();
        guard.look().unwrap();
        write(&db.join("000007.log"));
        guard.after_commit().unwrap();
    }

    #[test]
    fn a_look_between_a_commit_and_its_check_takes_nothing_away_from_it() {
        let (_dir, db, guard) = folder();
        for number in [4, 4, 7, 7] {
            write(&db.join(format!("{number:06}.log")));
            guard.look().unwrap();
            guard.look().unwrap();
            guard.after_commit().unwrap();
        }
        // Rotated and written out before the check came to it.
        fs::write(db.join("000009.log"), "").unwrap();
        write(&db.join("000007.log"));
        guard.look().unwrap();
        guard.after_commit().unwrap();
        fs::remove_file(db.join("000007.log")).unwrap();
        guard.look().unwrap();
        guard.after_commit().unwrap();
    }

    #[test]
    fn a_commit_that_shows_in_no_log_of_the_folder_is_noticed() {
        let (_dir, db, guard) = folder();
        guard.after_commit().unwrap_err();
        let (_dir, db2, guard2) = folder();
        fs::rename(db2.join("000004.log"), db2.join("away")).unwrap();
        fs::write(db2.join("000004.log"), "as long as one likes").unwrap();
        guard2.after_commit().unwrap_err();
        fs::write(db.join("000005.log"), "").unwrap();
        guard.after_commit().unwrap_err();
    }

    #[test]
    fn whatever_is_taken_away_is_noticed_without_a_commit() {
        let takes: [fn(&Path); 8] = [
            |dir| fs::remove_file(dir.join("lock")).unwrap(),
            |dir| fs::rename(dir.join("db"), dir.join("elsewhere")).unwrap(),
            |dir| fs::remove_dir_all(dir.join("db")).unwrap(),
            |dir| fs::remove_file(dir.join("db/000004.log")).unwrap(),
            |dir| fs::remove_file(dir.join("db/CURRENT")).unwrap(),
            |dir| fs::remove_file(dir.join("db/MANIFEST-000003")).unwrap(),
            |dir| {
                fs::rename(dir.join("db"), dir.join("old")).unwrap();
                fs::create_dir(dir.join("db")).unwrap();
            },
            |dir| {
                fs::remove_file(dir.join("lock")).unwrap();
                // Made while the other name is taken, or the inode could be the same again.
                fs::write(dir.join("lock.new"), "").unwrap();
                fs::write(dir.join("lock"), "").unwrap();
            },
        ];
        for (number, take) in takes.iter().enumerate() {
            let (dir, _, guard) = folder();
            let _held = fs::File::open(dir.path().join("lock")).unwrap();
            take(dir.path());
            guard.look().expect_err(&number.to_string());
        }
    }
}
