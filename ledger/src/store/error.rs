//! How a store fails, by what can be done about it.

use std::io;
use std::sync::Arc;

/// Why a store could not be opened, read or written. Each class has a different remedy, and the text
/// says which.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room left.
    #[error(
        "no space left for the database: {0}; free some space (or raise the quota or file size limit), then start again"
    )]
    Full(Arc<str>),
    /// The file system is mounted read-only.
    #[error(
        "the file system of the database is read-only: {0}; mount it writable, then start again"
    )]
    ReadOnly(Arc<str>),
    /// Not allowed to read or write.
    #[error(
        "no permission for the database: {0}; give the user that runs this program read and write access to the data folder"
    )]
    Permission(Arc<str>),
    /// Another process (or another handle in this one) has the store open.
    #[error(
        "the database is in use: {0}; stop the other process, or give this one another data folder"
    )]
    Locked(Arc<str>),
    /// Another writer has taken the store over; this handle may never write again.
    #[error("another writer has taken over the database: {0}")]
    Fenced(Arc<str>),
    /// The store was written by a later version of this program.
    #[error(
        "the database was written by a newer version: {0}; use that version, nothing was changed"
    )]
    NewerFormat(Arc<str>),
    /// Stored bytes are not what was written.
    #[error(
        "the database is damaged: {0}; keep a copy of the data folder as it is, then restore from a backup or the archive"
    )]
    Corrupt(Arc<str>),
    /// A commit failed; it may or may not be durable. Open the store again and look.
    #[error(
        "a commit failed, and whether it is durable is unknown until the database is opened again: {cause}"
    )]
    UnknownOutcome {
        /// What went wrong.
        cause: Box<StoreError>,
    },
    /// An earlier commit on this handle failed; see [`StoreError::UnknownOutcome`].
    #[error("the database takes no commits on this handle since an earlier one failed: {0}")]
    Poisoned(Arc<str>),
    /// The handle was closed.
    #[error("the database is closed")]
    Closed,
    /// Any other failure of the disk or the operating system.
    #[error("the database cannot be read or written: {0}")]
    Io(Arc<str>),
}

type Class = fn(Arc<str>) -> StoreError;

/// What may be said first in a system's message to tell the classes apart. RocksDB hands errors of the
/// operating system on as text only.
const TEXTS: [(&str, Class); 9] = [
    ("No space left on device", StoreError::Full),
    ("NoSpace", StoreError::Full),
    ("Disk quota exceeded", StoreError::Full),
    ("File too large", StoreError::Full),
    ("Read-only file system", StoreError::ReadOnly),
    ("Permission denied", StoreError::Permission),
    ("Operation not permitted", StoreError::Permission),
    ("lock hold by current process", StoreError::Locked),
    ("While lock file", StoreError::Locked),
];

impl StoreError {
    /// Sorts an error of the operating system.
    #[must_use]
    pub fn from_io(error: &io::Error, doing: &str) -> Self {
        let text: Arc<str> = format!("{doing}: {error}").into();
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full(text),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(text),
            io::ErrorKind::PermissionDenied => Self::Permission(text),
            _ => Self::Io(text),
        }
    }

    /// Sorts an error that is known by its text only.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let class = TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, class)| *class);
        class.unwrap_or(Self::Io)(text.into())
    }

    /// Whether the commit that failed with this may be durable nevertheless.
    #[must_use]
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::UnknownOutcome { .. } | Self::Fenced(_))
    }

    /// The first cause, below [`StoreError::UnknownOutcome`].
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::UnknownOutcome { cause } => cause.cause(),
            other => other,
        }
    }

    /// The same as the answer to a commit.
    pub(crate) fn of_commit(self) -> Self {
        match self {
            Self::Fenced(_) | Self::Closed | Self::Poisoned(_) | Self::UnknownOutcome { .. } => {
                self
            }
            cause => Self::UnknownOutcome { cause: Box::new(cause) },
        }
    }
}
