//! Who besides its owner may use a folder and the files in it.
//!
//! The records of an audit ledger say who did what; a copy of the database is a copy of all of them. So
//! everything is for its owner alone unless it is configured otherwise, RocksDB's files too, whose modes
//! only the process's umask decides.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use super::FolderError;

/// Bits of a mode that give others than the owner something.
const OTHERS: u32 = 0o077;
/// Folders in the data folder whose files are looked at: the database, and damaged ones that were kept.
const DATABASE_PREFIX: &str = "db";

/// The modes that folders and files may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    /// The owner alone: folders of mode 0700, files of mode 0600.
    pub const OWNER: Self = Self(0o700);

    /// Folders of `mode`, and files of the same without the right to execute. `None` where the owner would
    /// lack a right, or everybody could write.
    #[must_use]
    pub const fn new(mode: u32) -> Option<Self> {
        let is_sound = mode & 0o700 == 0o700 && mode & 0o002 == 0 && mode <= 0o777;
        if is_sound { Some(Self(mode)) } else { None }
    }

    /// The mode of folders.
    #[must_use]
    pub const fn folder_mode(self) -> u32 {
        self.0
    }

    /// The mode of files.
    #[must_use]
    pub const fn file_mode(self) -> u32 {
        self.0 & 0o666
    }

    /// From now on nothing that this process creates gives others more than this, whoever creates it.
    pub(super) fn restrict_process(self) {
        rustix::process::umask(Mode::from_raw_mode(!self.0 & 0o777));
    }

    /// Refuses what gives others more than this: the folder itself, or the first such file in it.
    ///
    /// # Errors
    /// [`FolderError::Exposed`], with the command that mends it.
    pub fn check(self, dir: &Path) -> Result<(), FolderError> {
        let found = fs::metadata(dir).map_err(|error| FolderError::io(dir, error))?;
        self.refuse(dir, dir, &found)?;
        self.check_files(dir, dir)
    }

    fn check_files(self, dir: &Path, folder: &Path) -> Result<(), FolderError> {
        let failed = |error| FolderError::io(folder, error);
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                // Gone since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FolderError::io(&path, error)),
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if found.is_file() {
                self.refuse(dir, &path, &found)?;
            } else if found.is_dir() && folder == dir && name.starts_with(DATABASE_PREFIX) {
                self.refuse(dir, &path, &found)?;
                self.check_files(dir, &path)?;
            }
        }
        Ok(())
    }

    fn refuse(self, dir: &Path, path: &Path, found: &fs::Metadata) -> Result<(), FolderError> {
        let mode = found.mode() & 0o7777;
        if self.allows(mode) {
            return Ok(());
        }
        let (dir, path, command) = (dir.to_path_buf(), path.to_path_buf(), self.command(dir));
        Err(FolderError::Exposed { dir, path, mode, command })
    }

    /// Whether a mode gives others no more than this.
    #[must_use]
    pub const fn allows(self, mode: u32) -> bool {
        mode & OTHERS & !self.0 == 0
    }

    /// The command that takes from others what they may not have.
    #[must_use]
    pub fn command(self, dir: &Path) -> String {
        let (group, other) = ((self.0 >> 3) & 7, self.0 & 7);
        let taken = |who: char, bits: u32| {
            let lost: String = [('r', 4), ('w', 2), ('x', 1)]
                .into_iter()
                .filter_map(|(letter, bit)| (bits & bit == 0).then_some(letter))
                .collect();
            (!lost.is_empty()).then(|| format!("{who}-{lost}"))
        };
        let parts = if (group, other) == (0, 0) {
            vec!["go-rwx".to_owned()]
        } else {
            [taken('g', group), taken('o', other)].into_iter().flatten().collect()
        };
        format!("chmod -R {} {}", parts.join(","), quoted(dir))
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = PathBuf::from(path).display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl Default for Access {
    fn default() -> Self {
        Self::OWNER
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}
