//! The keys that an auditor gives on a command line: as text, or as files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use indelible_core::key::{KeyError, Trust, VKey};
use indelible_core::limits::NOTE_BYTES_MAX;

/// Largest file of keys in bytes: some two thousand vkeys.
pub const KEY_FILE_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// Why a key could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GivenKeyError {
    /// Neither a vkey nor a file.
    #[error("{given}: there is no such file, and it is no key: {source}")]
    Neither {
        /// What was given.
        given: String,
        /// Why it is no vkey.
        source: KeyError,
    },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is larger than [`KEY_FILE_BYTES_MAX`].
    #[error("{} has more than {KEY_FILE_BYTES_MAX} bytes", _0.display())]
    TooLarge(PathBuf),
    /// A line of the file is no vkey.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why the line is no vkey.
        source: KeyError,
    },
    /// The file has nothing but empty lines and comments.
    #[error("{} holds no key", _0.display())]
    Empty(PathBuf),
}

/// Trusts a key that was given as a vkey (`docs/FORMAT.md` section 5) or as the path of a file.
///
/// # Errors
/// As [`GivenKeyError`] says; then no key was added.
pub fn add_given(trust: &mut Trust, given: &str) -> Result<(), GivenKeyError> {
    match VKey::parse(given) {
        Ok(vkey) => trust.add(vkey),
        Err(_) if Path::new(given).exists() => add_file(trust, Path::new(given))?,
        Err(source) => return Err(GivenKeyError::Neither { given: given.to_owned(), source }),
    }
    Ok(())
}

/// Trusts the keys in a file: a vkey in each line, which may stand among empty lines and lines that
/// begin with `#`.
///
/// # Errors
/// As [`GivenKeyError`] says; then no key was added.
pub fn add_file(trust: &mut Trust, path: &Path) -> Result<(), GivenKeyError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| GivenKeyError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() > KEY_FILE_BYTES_MAX {
        return Err(GivenKeyError::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let vkeys: Result<Vec<_>, _> = lines.map(VKey::parse).collect();
    let vkeys = vkeys.map_err(|source| GivenKeyError::Invalid { path: path.to_owned(), source })?;
    if vkeys.is_empty() {
        return Err(GivenKeyError::Empty(path.to_owned()));
    }
    vkeys.into_iter().for_each(|vkey| trust.add(vkey));
    Ok(())
}
