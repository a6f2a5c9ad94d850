//! A vault in a directory: one folder for each ledger, files that are created once.
//!
//! A file appears under its name only when it is complete and flushed: it is written under a `.tmp-`
//! name, flushed, given its name by a step that refuses to replace, and the folder is flushed. A
//! crash leaves at most a `.tmp-` file, which means nothing and is removed by the next archiver that
//! writes there. Files are made read-only, which stops accidents, not attackers; the signatures are for
//! those. No symbolic link is followed below the vault's root: a link could lead to where others write.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indelible_core::hash::Sha256Hash;
use indelible_core::name::LedgerName;
use indelible_core::segment::{FileName, TMP_PREFIX};
use indelible_ledger::folder::Access;
use rustix::fs::{Advice, OFlags, fadvise};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{Claim, Upload, Vault, VaultError};

/// Bytes copied at once.
const COPY_BYTES: usize = 128 << 10;

/// Random characters in the name of an unfinished file.
const DRAFT_CHARS: usize = 16;

/// A vault in a directory of this machine.
#[derive(Debug, Clone)]
pub struct DirectoryVault {
    root: PathBuf,
    access: Access,
}

impl DirectoryVault {
    /// As [`DirectoryVault::open_for`], for the owner alone.
    ///
    /// # Errors
    /// As there.
    pub fn open(root: &Path) -> Result<Self, VaultError> {
        Self::open_for(root, Access::OWNER)
    }

    /// The vault at `root`, created with its parents when it is not there, for those whom `access` names.
    ///
    /// # Errors
    /// [`VaultError::Io`] when the folder cannot be made or is not a folder, [`VaultError::Exposed`] when
    /// it is open to others.
    pub fn open_for(root: &Path, access: Access) -> Result<Self, VaultError> {
        make_folder(root, access)?;
        let root = fs::canonicalize(root).map_err(|source| failed(root, source))?;
        let vault = Self { root, access };
        vault.check_access(&vault.root)?;
        Ok(vault)
    }

    /// Refuses a folder that is open to others than was configured: what is in it are everybody's events.
    fn check_access(&self, folder: &Path) -> Result<(), VaultError> {
        let found = fs::metadata(folder).map_err(|source| failed(folder, source))?;
        let mode = found.mode() & 0o7777;
        if self.access.allows(mode) {
            return Ok(());
        }
        let command = self.access.command(&self.root);
        Err(VaultError::Exposed { place: folder.display().to_string(), mode, command })
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, ledger: &LedgerName) -> PathBuf {
        self.root.join(ledger.as_str())
    }

    /// The ledger's folder, held open; `None` when there is none.
    fn held(&self, ledger: &LedgerName) -> Result<Option<File>, VaultError> {
        let path = self.folder(ledger);
        let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
        match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory || is_link(&error) => {
                Err(strange(&path, "it is not a folder"))
            }
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// The ledger's folder, made when there is none.
    fn made(&self, ledger: &LedgerName) -> Result<File, VaultError> {
        if let Some(folder) = self.held(ledger)? {
            return Ok(folder);
        }
        let path = self.folder(ledger);
        make_folder(&path, self.access)?;
        self.held(ledger)?.ok_or_else(|| failed(&path, io::ErrorKind::NotFound.into()))
    }
}

impl Vault for DirectoryVault {
    fn name(&self) -> String {
        format!("directory {}", self.root.display())
    }

    fn list(&self, ledger: &LedgerName) -> Result<Vec<FileName>, VaultError> {
        let Some(held) = self.held(ledger)? else { return Ok(Vec::new()) };
        let folder = self.folder(ledger);
        // What an interrupted run left may not be safe yet, and is about to be built upon.
        held.sync_all().map_err(|source| failed(&folder, source))?;
        sync_folder(&self.root)?;
        let entries = fs::read_dir(&folder).map_err(|source| failed(&folder, source))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| failed(&folder, source))?;
            names.extend(entry.file_name().to_str().and_then(FileName::parse));
        }
        Ok(names)
    }

    fn claim(&self, ledger: &LedgerName) -> Result<Claim, VaultError> {
        let held = self.made(ledger)?;
        let folder = self.folder(ledger);
        self.check_access(&folder)?;
        let found = held.metadata().map_err(|source| failed(&folder, source))?;
        let claim = Claimed::new(found.dev(), found.ino())
            .ok_or_else(|| VaultError::Busy { place: folder.display().to_string() })?;
        remove_drafts(&folder)?;
        Ok(Box::new(claim))
    }

    fn create(
        &self,
        ledger: &LedgerName,
        name: &str,
        upload: Upload<'_>,
    ) -> Result<(), VaultError> {
        self.made(ledger)?;
        let folder = self.folder(ledger);
        let target = folder.join(name);
        if target.symlink_metadata().is_ok() {
            return self.same(ledger, name, &upload);
        }
        let draft = Draft::write(&folder, self.access, upload.content)?;
        if (draft.size, draft.sha256) != (upload.size, upload.sha256) {
            return Err(strange(&target, "what was written is not what was to be written"));
        }
        match draft.publish(&target)? {
            Published::Done => Ok(()),
            // Somebody else was faster; what counts is what is there.
            Published::Taken => self.same(ledger, name, &upload),
        }
    }

    fn discard(&self, ledger: &LedgerName, name: &str) -> Result<(), VaultError> {
        let path = self.folder(ledger).join(name);
        if !name.starts_with(TMP_PREFIX) {
            return Err(strange(&path, "only what is unfinished is ever taken away"));
        }
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(&path, source)),
            _ => Ok(()),
        }
    }

    fn open(
        &self,
        ledger: &LedgerName,
        name: &str,
        bytes_max: u64,
    ) -> Result<Box<dyn Read + Send>, VaultError> {
        let path = self.folder(ledger).join(name);
        if self.held(ledger)?.is_none() {
            return Err(VaultError::Missing { place: path.display().to_string() });
        }
        Ok(Box::new(open_plain(&path, bytes_max)?))
    }
}

impl DirectoryVault {
    /// Checks that the object that is there is the one that was to be written.
    fn same(&self, ledger: &LedgerName, name: &str, upload: &Upload<'_>) -> Result<(), VaultError> {
        let path = self.folder(ledger).join(name);
        let mut file = open_plain(&path, upload.size).map_err(|error| {
            if matches!(error, VaultError::Strange { .. }) { differs(&path) } else { error }
        })?;
        let mut hasher = Sha256::new();
        let size = copy(&mut file, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })
        .map_err(|source| failed(&path, source))?;
        let found = Sha256Hash(hasher.finalize().into());
        if (size, found) != (upload.size, upload.sha256) {
            return Err(differs(&path));
        }
        // Whoever made it may have been interrupted before it was safe.
        file.sync_all().map_err(|source| failed(&path, source))?;
        sync_folder(&self.folder(ledger))
    }
}

/// The folders that runs of this process are writing into, by device and inode: a folder has many paths.
static CLAIMED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// The claim on a folder. It is kept in memory, so it ends with the process, however that ends, and no
/// reader of the vault can hold one (anybody who may open a folder can lock it with `flock`). Other
/// processes have no engine for the ledger: its data folder is locked. What a second server does here that
/// has a ledger of the same name is decided by `turn`.
struct Claimed((u64, u64));

impl Claimed {
    fn new(device: u64, inode: u64) -> Option<Self> {
        let folder = (device, inode);
        // Not before it is known: what is made here is given back when it is dropped.
        let is_new = claimed().insert(folder);
        is_new.then(|| Self(folder))
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

/// The set is whole even if somebody panicked while holding it.
fn claimed() -> MutexGuard<'static, BTreeSet<(u64, u64)>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file on its way into the vault. Removed again when it is dropped unpublished.
struct Draft {
    file: NamedTempFile,
    size: u64,
    sha256: Sha256Hash,
}

enum Published {
    Done,
    Taken,
}

impl Draft {
    fn write(folder: &Path, access: Access, content: &mut dyn Read) -> Result<Self, VaultError> {
        let failed_here = |source| failed(folder, source);
        let mut file = tempfile::Builder::new()
            .prefix(TMP_PREFIX)
            .rand_bytes(DRAFT_CHARS)
            .tempfile_in(folder)
            .map_err(failed_here)?;
        // Whatever the process's umask is: readers are let in by configuration alone.
        let mode = access.file_mode() & 0o444;
        file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed_here)?;
        let mut hasher = Sha256::new();
        let size = copy(content, &mut |bytes| {
            hasher.update(bytes);
            file.write_all(bytes)
        })
        .map_err(failed_here)?;
        file.as_file().sync_all().map_err(failed_here)?;
        // So that what is read back comes from the disk. Only a wish, and so is its success.
        let _ = fadvise(file.as_file(), 0, None, Advice::DontNeed);
        Ok(Self { file, size, sha256: Sha256Hash(hasher.finalize().into()) })
    }

    /// Gives the file its name, never replacing another.
    fn publish(self, target: &Path) -> Result<Published, VaultError> {
        match self.file.persist_noclobber(target) {
            Ok(_) => {}
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Published::Taken);
            }
            Err(refused) => return Err(failed(target, refused.error)),
        }
        sync_folder(target.parent().unwrap_or(Path::new(".")))?;
        Ok(Published::Done)
    }
}

/// Opens a regular file without following a link.
fn open_plain(path: &Path, bytes_max: u64) -> Result<File, VaultError> {
    // O_NONBLOCK, so that a pipe in the place of a file cannot hang the reader.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(
            |source| match source.kind() {
                io::ErrorKind::NotFound => {
                    VaultError::Missing { place: path.display().to_string() }
                }
                _ if is_link(&source) => strange(path, "it is a symbolic link"),
                _ => failed(path, source),
            },
        )?;
    let meta = file.metadata().map_err(|source| failed(path, source))?;
    if !meta.is_file() {
        return Err(strange(path, "it is not a regular file"));
    }
    if meta.len() > bytes_max {
        return Err(strange(
            path,
            &format!("{} bytes, at most {bytes_max} are allowed", meta.len()),
        ));
    }
    Ok(file)
}

fn copy(from: &mut dyn Read, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0u8; COPY_BYTES];
    let mut total = 0u64;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                to(buffer.get(..count).unwrap_or_default())?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Removes the unfinished files of archivers that were interrupted. Nobody is writing: the folder is
/// claimed.
fn remove_drafts(folder: &Path) -> Result<(), VaultError> {
    for entry in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let entry = entry.map_err(|source| failed(folder, source))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(is_draft) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

/// Exactly the names that [`Draft`] makes; other files that begin like them are somebody else's.
fn is_draft(name: &str) -> bool {
    name.strip_prefix(TMP_PREFIX).is_some_and(|rest| {
        rest.len() == DRAFT_CHARS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Makes a folder and flushes the entry of every folder that it made, so that a crash cannot take away
/// a folder that already holds evidence.
fn make_folder(path: &Path, access: Access) -> Result<(), VaultError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent, access)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            let mode = Permissions::from_mode(access.folder_mode());
            fs::set_permissions(path, mode).map_err(|source| failed(path, source))?;
            sync_folder(parent.unwrap_or(Path::new(".")))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(source) => Err(failed(path, source)),
    }
}

fn sync_folder(path: &Path) -> Result<(), VaultError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> VaultError {
    VaultError::Io { place: path.display().to_string(), source }
}

fn differs(path: &Path) -> VaultError {
    VaultError::Differs { place: path.display().to_string() }
}

fn strange(path: &Path, reason: &str) -> VaultError {
    VaultError::Strange { place: path.display().to_string(), reason: reason.into() }
}
