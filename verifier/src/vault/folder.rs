//! Opening what lies in a folder that somebody else filled.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};

/// A folder that is held open, so that its path cannot be led elsewhere while it is read.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// Not a regular file. A link could lead anywhere and a pipe could wait for ever: neither is opened.
    #[error("it is a {0}, and only regular files are read")]
    Kind(&'static str),
    /// The operating system says no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for OpenError {
    fn from(errno: rustix::io::Errno) -> Self {
        match errno {
            rustix::io::Errno::NOENT => Self::Missing,
            rustix::io::Errno::LOOP => Self::Kind("symbolic link"),
            other => Self::Io(other.into()),
        }
    }
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other(&'static str),
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        FileType::Fifo => Kind::Other("named pipe"),
        FileType::Socket => Kind::Other("socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Other("device"),
        _ => Kind::Other("file of an unknown kind"),
    }
}

impl Folder {
    /// Opens the folder that the auditor named, following links as he would expect.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a folder in this one; a link is refused.
    pub(crate) fn folder(&self, name: &OsStr) -> Result<Self, OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Opens a regular file in this folder and says how long it is.
    pub(crate) fn file(&self, name: &str) -> Result<(File, u64), OpenError> {
        // Looked at before it is opened: opening alone can already do something to a device.
        let before = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        regular(FileType::from_raw_mode(before.st_mode))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty())?;
        let stat = fstat(&file)?;
        regular(FileType::from_raw_mode(stat.st_mode))?;
        Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// Reads a file of at most `bytes_max`; one byte more comes back where it is longer.
    pub(crate) fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, OpenError> {
        let (file, _) = self.file(name)?;
        let mut bytes = Vec::new();
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Calls `each` with the name and kind of every entry until it answers `false`.
    pub(crate) fn list(&self, mut each: impl FnMut(&OsStr, Kind) -> bool) -> io::Result<()> {
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say it in the listing.
                FileType::Unknown => self.kind(name)?,
                kind => kind_of(kind),
            };
            if !each(as_os_str(name), kind) {
                break;
            }
        }
        Ok(())
    }

    /// Whether there is a folder or a link of this name, or it cannot be known.
    pub(crate) fn may_hold(&self, name: &str) -> bool {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                matches!(kind_of(FileType::from_raw_mode(stat.st_mode)), Kind::Folder | Kind::Link)
            }
            Err(error) => error != rustix::io::Errno::NOENT,
        }
    }

    fn kind(&self, name: &CStr) -> io::Result<Kind> {
        let stat = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(kind_of(FileType::from_raw_mode(stat.st_mode)))
    }
}

fn as_os_str(name: &CStr) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name.to_bytes())
}

fn regular(kind: FileType) -> Result<(), OpenError> {
    match kind_of(kind) {
        Kind::File => Ok(()),
        Kind::Folder => Err(OpenError::Kind("folder")),
        Kind::Link => Err(OpenError::Kind("symbolic link")),
        Kind::Other(what) => Err(OpenError::Kind(what)),
    }
}
