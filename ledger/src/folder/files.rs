//! Writing small files so that a crash leaves the old one or the new one, never half of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::FolderError;

/// Ends the names of files that are not finished. They mean nothing and may be deleted.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Replaces `path` by a file with these bytes (mode 0600): written under another name, synced, renamed,
/// folder synced.
///
/// # Errors
/// [`FolderError`]; whatever stood at `path` is then still there.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let temporary = write_temporary(path, bytes)?;
    fs::rename(&temporary, path).map_err(|error| FolderError::io(path, error))?;
    sync_folder(parent(path))
}

/// Creates a file that only its owner can read (mode 0600), for a key or a token. It appears complete
/// or not at all, is durable on return, and never replaces another.
///
/// # Errors
/// [`FolderError::Exists`] when there is one already, whatever is in it.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let exists = || FolderError::Exists { path: path.to_path_buf() };
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists());
    }
    let temporary = write_temporary(path, bytes)?;
    // Unlike a rename, a link refuses when the name is taken.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
        done => done.map_err(|error| FolderError::io(path, error))?,
    }
    removed.map_err(|error| FolderError::io(&temporary, error))?;
    sync_folder(parent(path))
}

fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, FolderError> {
    let mut name = path.as_os_str().to_os_string();
    name.push(TEMPORARY_SUFFIX);
    let temporary = PathBuf::from(name);
    let write = || {
        // What an interrupted earlier try left may have other permissions, or be a link elsewhere.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| FolderError::io(&temporary, error))?;
    Ok(temporary)
}

/// Removes a file, durably. One that is not there is fine.
pub(crate) fn remove_file(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done.map_err(|error| FolderError::io(path, error))?,
    }
    sync_folder(parent(path))
}

/// The folder that `path` lies in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| FolderError::io(folder, error))
}

/// Reads a file of at most `bytes_max` bytes; a larger one is [`io::ErrorKind::InvalidData`].
pub(crate) fn read_small(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(io::ErrorKind::InvalidData.into()) } else { Ok(bytes) }
}
