//! The data folder: who may use it, which version wrote it, and the head outside of the database
//! (`docs/STORAGE.md` section 1).
//!
//! ```text
//! DIR/format       "indelible data 2\n", written before anything else
//! DIR/lock         held with flock while the folder is in use, as are DIR and DIR/db themselves
//! DIR/head         how far the database must be at least
//! DIR/db/          the database
//! DIR/signing.key, DIR/public.vkey, DIR/admin.token
//! ```
//!
//! A folder is taken over only when it is empty or says that it is ours: a mistyped path never fills
//! somebody's home with files.

mod access;
mod files;
mod guard;
mod head;
mod head_writer;

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use access::Access;
pub use files::{create_secret, replace_file};
pub(crate) use files::{read_small, remove_file};
pub use guard::{FolderGone, Guard};
pub use head::HeadFile;
pub use head_writer::HeadWriter;

use files::TEMPORARY_SUFFIX;

/// The version of the data folder that this program writes, and the only one it reads. Version 1 had a
/// head file that was behind, and a database whose logs outlived a restart; it was never released.
pub const DATA_VERSION: u32 = 2;

const LOCK: &str = "lock";
const FORMAT_PREFIX: &str = "indelible data ";
/// More than any format file has: a larger one is not ours.
const FORMAT_BYTES_MAX: usize = 64;

/// Why a data folder cannot be used. Each text names the path and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Written by a later version.
    #[error("the data folder {} is of version {found}, but this program knows versions up to {DATA_VERSION}; use the newer program, nothing was changed", .dir.display())]
    NewerFormat {
        /// The folder.
        dir: PathBuf,
        /// The version it names.
        found: u64,
    },
    /// Written by a version that was never released.
    #[error("the data folder {} is of version {found}, which only programs before the first release wrote; this program reads version {DATA_VERSION} alone and has changed nothing. Export its ledgers with the program that wrote it, and begin a new folder", .dir.display())]
    OlderFormat {
        /// The folder.
        dir: PathBuf,
        /// The version it names.
        found: u64,
    },
    /// Another process has it.
    #[error("the data folder {} is in use by another process; stop that one, or choose another folder", .dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// There are files in it, but no format file.
    #[error("{} is not empty and not a data folder ({} is in it); choose an empty folder, or one that this program created", .dir.display(), .found.display())]
    NotOurs {
        /// The folder.
        dir: PathBuf,
        /// Something that lies in it.
        found: PathBuf,
    },
    /// There is nothing, and nothing was to be created.
    #[error("there is no data folder at {}", .dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// A file stands where the folder should be.
    #[error("{} is a file, not a folder; choose another path", .dir.display())]
    NotAFolder {
        /// The path.
        dir: PathBuf,
    },
    /// A file of the folder has not the form that this program writes.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file that must not be overwritten is there already.
    #[error("{} exists already and is never overwritten; move it away first if it is no longer needed", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Not allowed.
    #[error("no permission for {}: {source}; give the user that runs this program read and write access", .path.display())]
    Permission {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may use it, more than was configured.
    #[error("{} may be used by others (mode {mode:04o}), and the data folder holds everybody's events; {command}, or allow it with data.mode", .path.display())]
    Exposed {
        /// The data folder.
        dir: PathBuf,
        /// The folder or the file in it.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What mends it.
        command: String,
    },
    /// Mounted read-only.
    #[error("{} lies on a read-only file system; mount it writable, or choose another folder", .path.display())]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
    },
    /// No room left.
    #[error("no space left for {}: {source}; free some space and start again", .path.display())]
    Full {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that the system refuses.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FolderError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { path, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path, source },
            io::ErrorKind::NotADirectory => Self::NotAFolder { dir: path },
            _ => Self::Io { path, source },
        }
    }
}

/// A data folder that this process alone may write. The lock ends when this is dropped or the process
/// dies, however it dies.
#[derive(Debug)]
pub struct DataFolder {
    dir: PathBuf,
    created: bool,
    /// Held, never read: closing them gives up the locks.
    locks: Locks,
}

/// The locks of a data folder. The file `lock` is the one that others ask for; but files can be removed,
/// and then a second process would lock a new one. So the folders themselves are locked, too.
#[derive(Debug)]
struct Locks {
    _folder: File,
    _file: File,
    database: Option<(PathBuf, File)>,
}

impl DataFolder {
    /// As [`DataFolder::open_for`], for the owner alone.
    ///
    /// # Errors
    /// [`FolderError`]; nothing is changed in a folder that is not ours, newer, in use, or open to others.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        Self::open_for(dir, Access::OWNER)
    }

    /// Opens the folder, creating it if there is none, and locks it. Whatever this process creates from
    /// then on, here or elsewhere, is for those alone whom `access` names, unless it is given another mode
    /// on purpose: RocksDB's files have no other mode than the process's umask leaves them.
    ///
    /// # Errors
    /// [`FolderError`]; nothing is changed in a folder that is not ours, newer, in use, or open to others.
    pub fn open_for(dir: &Path, access: Access) -> Result<Self, FolderError> {
        access.restrict_process();
        create_folder(dir, access)?;
        // Before the lock, since a later version may lock in another way; again after it, since another
        // process may just have been creating the folder.
        let _ = check_format(dir)?;
        access.check(dir)?;
        let locks = lock(dir)?;
        let created = !check_format(dir)?;
        files::remove_leftovers(dir)?;
        if created {
            let text = format!("{FORMAT_PREFIX}{DATA_VERSION}\n");
            replace_file(&dir.join("format"), text.as_bytes())?;
        }
        Ok(Self { dir: dir.to_path_buf(), created, locks })
    }

    /// Checks, without a lock and without writing, that `dir` is a data folder this program can read:
    /// for reading beside a running server.
    ///
    /// # Errors
    /// [`FolderError::Missing`] also for a folder that was never begun.
    pub fn check(dir: &Path) -> Result<(), FolderError> {
        let missing = || FolderError::Missing { dir: dir.to_path_buf() };
        match fs::metadata(dir) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(FolderError::NotAFolder { dir: dir.to_path_buf() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(FolderError::io(dir, error)),
        }
        if check_format(dir)? { Ok(()) } else { Err(missing()) }
    }

    /// Locks the folder of the database as well, creating it (mode 0700) if there is none.
    ///
    /// # Errors
    /// [`FolderError::Locked`] when another process has it, in this data folder or another.
    pub fn lock_database(&mut self, database: &Path) -> Result<(), FolderError> {
        let failed = |error| FolderError::io(database, error);
        match DirBuilder::new().mode(0o700).create(database) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => done.map_err(failed)?,
        }
        let file = File::open(database).map_err(failed)?;
        try_lock(&file, database)?;
        self.locks.database = Some((database.to_path_buf(), file));
        Ok(())
    }

    /// Puts another database in the place of the one that is there, in one step, and keeps that one under
    /// a name that is free: `db.damaged-1`, `db.damaged-2` and so on. Returns its path. Nothing may have
    /// either open.
    ///
    /// # Errors
    /// [`FolderError`]; both are then where they were, or exchanged.
    pub fn replace_database(&self, new: &Path) -> Result<PathBuf, FolderError> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let place = self.database();
        let kept = (1u32..).map(|number| self.dir.join(format!("db.damaged-{number}")));
        let kept = kept.into_iter().find(|path| fs::symlink_metadata(path).is_err());
        let kept = kept.unwrap_or_else(|| self.dir.join("db.damaged"));
        renameat_with(CWD, new, CWD, &place, RenameFlags::EXCHANGE)
            .map_err(|error| FolderError::io(&place, error.into()))?;
        files::sync_folder(&self.dir)?;
        fs::rename(new, &kept).map_err(|error| FolderError::io(&kept, error))?;
        files::sync_folder(&self.dir)?;
        Ok(kept)
    }

    /// What notices when the folder is no longer the one that was opened.
    ///
    /// # Errors
    /// [`FolderError`] when it is not even now.
    pub fn guard(&self) -> Result<Guard, FolderError> {
        let lock = self.dir.join(LOCK);
        let database = self.locks.database.as_ref().map(|(path, _)| path.as_path());
        Guard::new(&lock, database).map_err(|error| FolderError::io(&lock, error))
    }

    /// Whether another process holds the folder, asked for a moment and together with other askers.
    ///
    /// # Errors
    /// [`FolderError`] when that cannot be asked.
    pub fn is_in_use(dir: &Path) -> Result<bool, FolderError> {
        for path in [dir.to_path_buf(), dir.join(LOCK), database(dir)] {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FolderError::io(&path, error)),
            };
            match file.try_lock_shared() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(true),
                Err(TryLockError::Error(error)) => return Err(FolderError::io(&path, error)),
            }
        }
        Ok(false)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Whether this opening created it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.created
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database(&self.dir)
    }

    /// Makes the names in the folder durable. A process that died may have made one and not flushed it:
    /// this one sees it, and after a power cut it would be gone, with the key that signed meanwhile.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn flush_names(&self) -> Result<(), FolderError> {
        match files::sync_folder(files::parent(&self.dir)) {
            // A folder that this user may not list; whoever made ours in it has flushed its name.
            Ok(()) | Err(FolderError::Permission { .. }) => {}
            Err(error) => return Err(error),
        }
        files::sync_folder(&self.dir)
    }

    /// The head outside of the database; `None` before the first one was written.
    ///
    /// # Errors
    /// [`FolderError::Damaged`] for any other bytes than [`HeadWriter`] writes.
    pub fn read_head(&self) -> Result<Option<HeadFile>, FolderError> {
        head::read(&self.dir)
    }

    /// Replaces the head file by a new one that holds `first` and is on the disk on return, and keeps it
    /// open for writing.
    ///
    /// # Errors
    /// [`FolderError`]; the old head is then still there.
    pub fn begin_head(&self, first: HeadFile) -> Result<HeadWriter, FolderError> {
        HeadWriter::create(&self.dir, first)
    }
}

/// Where the database of the data folder `dir` is.
#[must_use]
pub fn database(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// The head outside of the database, read beside a running server.
///
/// # Errors
/// As [`DataFolder::read_head`].
pub fn read_head(dir: &Path) -> Result<Option<HeadFile>, FolderError> {
    head::read(dir)
}

fn create_folder(dir: &Path, access: Access) -> Result<(), FolderError> {
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(FolderError::NotAFolder { dir: dir.to_path_buf() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FolderError::io(dir, error)),
    }
    let parent = files::parent(dir);
    fs::create_dir_all(parent).map_err(|error| FolderError::io(parent, error))?;
    match DirBuilder::new().mode(access.folder_mode()).create(dir) {
        // Somebody else created it just now; the lock decides who goes on.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => done.map_err(|error| FolderError::io(dir, error))?,
    }
    files::sync_folder(parent)
}

/// `true` for a folder of a version that we know, `false` for an empty one.
fn check_format(dir: &Path) -> Result<bool, FolderError> {
    let path = dir.join("format");
    let text = match files::read_small(&path, FORMAT_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return refuse_foreign(dir).map(|()| false);
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
        Err(error) => return Err(FolderError::io(&path, error)),
    };
    let reason = "it does not say 'indelible data' and a version";
    let found = parse_format(&text).ok_or(FolderError::Damaged { path, reason })?;
    let dir = dir.to_path_buf();
    match found.cmp(&u64::from(DATA_VERSION)) {
        Ordering::Greater => Err(FolderError::NewerFormat { dir, found }),
        Ordering::Less => Err(FolderError::OlderFormat { dir, found }),
        Ordering::Equal => Ok(true),
    }
}

fn parse_format(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix(FORMAT_PREFIX)?.strip_suffix('\n')?;
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if canonical { digits.parse().ok() } else { None }
}

/// Without a format file only what an interrupted first start leaves may lie in the folder, and what
/// file systems put into the root of a disk.
fn refuse_foreign(dir: &Path) -> Result<(), FolderError> {
    let failed = |error| FolderError::io(dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let known = [OsStr::new(LOCK), OsStr::new("lost+found")].contains(&&*name)
            || name.to_string_lossy().ends_with(TEMPORARY_SUFFIX);
        if !known {
            return Err(FolderError::NotOurs { dir: dir.to_path_buf(), found: name.into() });
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<Locks, FolderError> {
    let folder = File::open(dir).map_err(|error| FolderError::io(dir, error))?;
    try_lock(&folder, dir)?;
    let path = dir.join(LOCK);
    let failed = |error| FolderError::io(&path, error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    try_lock(&file, dir)?;
    // Between opening and locking somebody may have put another file there.
    let (held, there) = (file.metadata().map_err(failed)?, fs::metadata(&path).map_err(failed)?);
    if (held.dev(), held.ino()) != (there.dev(), there.ino()) {
        return Err(FolderError::Locked { dir: dir.to_path_buf() });
    }
    Ok(Locks { _folder: folder, _file: file, database: None })
}

fn try_lock(file: &File, path: &Path) -> Result<(), FolderError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(FolderError::Locked { dir: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(FolderError::io(path, error)),
    }
}
