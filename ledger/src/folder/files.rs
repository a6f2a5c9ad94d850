//! Writing small files so that a crash leaves the old one or the new one, never half of one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::FolderError;

/// Ends the names of files that are not finished. They mean nothing and may be deleted.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";
/// What is written under the folder's lock only, so that whoever holds it knows what is left of it.
const UNDER_LOCK: [&str; 4] = ["format.", "head.", "signing.key.", "public."];

/// Replaces `path` by a file with these bytes (mode 0600): written under another name, synced, renamed,
/// folder synced.
///
/// # Errors
/// [`FolderError`]; whatever stood at `path` is then still there.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let renamed = write_temporary(path, bytes)?.persist(path);
    renamed.map_err(|refused| FolderError::io(path, refused.error))?;
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
    match write_temporary(path, bytes)?.persist_noclobber(path) {
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        Err(refused) => Err(FolderError::io(path, refused.error)),
        Ok(_) => sync_folder(parent(path)),
    }
}

/// A synced file beside `path`, of mode 0600 and with a name that nobody else has; it goes when it is
/// dropped.
fn write_temporary(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, FolderError> {
    let mut prefix = OsString::from(path.file_name().unwrap_or_default());
    prefix.push(".");
    let write = || {
        let mut builder = tempfile::Builder::new();
        let mut file =
            builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX).tempfile_in(parent(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| FolderError::io(path, error))
}

/// Removes what an interrupted process left of files that are written under the folder's lock, which the
/// caller holds. A key that was never used is among them, so it should not lie around.
pub(super) fn remove_leftovers(dir: &Path) -> Result<(), FolderError> {
    for entry in fs::read_dir(dir).map_err(|error| FolderError::io(dir, error))? {
        let name = entry.map_err(|error| FolderError::io(dir, error))?.file_name();
        let text = name.to_string_lossy();
        let ours = UNDER_LOCK.iter().any(|prefix| text.starts_with(prefix));
        if ours && text.ends_with(TEMPORARY_SUFFIX) {
            remove_file(&dir.join(&name))?;
        }
    }
    Ok(())
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
