//! The keys that an auditor gives on a command line: as text, or as files. Shared secrets only as files.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use indelible_core::key::{KeyError, NamedHmacKey, Trust, VKey};
use indelible_core::limits::NOTE_BYTES_MAX;

use crate::render::printable;

/// Largest file of keys in bytes: some two thousand vkeys.
pub const KEY_FILE_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// Largest file of a shared secret in bytes: name and secret take 400 at most.
pub const HMAC_FILE_BYTES_MAX: usize = 4 << 10;

/// Why a key could not be taken. The texts can be shown as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GivenKeyError {
    /// Neither a vkey nor a file.
    #[error("{}: there is no such file, and it is no key: {source}", printable(given))]
    Neither {
        /// What was given.
        given: String,
        /// Why it is no vkey.
        source: KeyError,
    },
    /// The file could not be read.
    #[error("{}: {source}", shown(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is larger than [`KEY_FILE_BYTES_MAX`], or [`HMAC_FILE_BYTES_MAX`].
    #[error("{} has more than {max} bytes", shown(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that it may have.
        max: usize,
    },
    /// Others than its owner may read or change the file of a shared secret.
    #[error(
        "{} holds a shared secret and may be read or changed by others (mode {mode:04o}); make it yours alone with chmod 600",
        shown(path)
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the file is no vkey.
    #[error("{}, line {line}: {source}", shown(path))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// Why the line is no vkey.
        source: KeyError,
    },
    /// The file is neither UTF-8 nor, with a byte order mark, UTF-16.
    #[error("{} is no text in UTF-8", shown(_0))]
    NoText(PathBuf),
    /// The file has nothing but empty lines and comments.
    #[error("{} holds no key", shown(_0))]
    Empty(PathBuf),
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Trusts a key that was given as a vkey (`docs/FORMAT.md` section 5) or as the path of a file.
///
/// # Errors
/// As [`GivenKeyError`] says; then no key was added.
pub fn add_given(trust: &mut Trust, given: &str) -> Result<(), GivenKeyError> {
    let source = match VKey::parse(given.trim()) {
        Ok(vkey) => {
            trust.add(vkey);
            return Ok(());
        }
        Err(source) => source,
    };
    // What the system says counts: a file that exists and may not be read is not a missing one, and a
    // text that can be no path at all was meant as a key.
    match std::fs::metadata(given) {
        Err(error) if is_no_path(&error) => {
            Err(GivenKeyError::Neither { given: given.to_owned(), source })
        }
        _ => add_file(trust, Path::new(given)),
    }
}

/// Whether nothing of this name can be there, as against something that may not be looked at.
fn is_no_path(error: &io::Error) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
}

/// Trusts the keys in a file: a vkey in each line, which may stand among empty lines and lines that
/// begin with `#`. Line ends of either kind, a byte order mark and, behind one, UTF-16 are read, as
/// editors write them.
///
/// # Errors
/// As [`GivenKeyError`] says; then no key was added.
pub fn add_file(trust: &mut Trust, path: &Path) -> Result<(), GivenKeyError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| GivenKeyError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() > KEY_FILE_BYTES_MAX {
        return Err(GivenKeyError::TooLarge { path: path.to_owned(), max: KEY_FILE_BYTES_MAX });
    }
    let text = text(&bytes).ok_or_else(|| GivenKeyError::NoText(path.to_owned()))?;
    let mut vkeys = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let invalid =
            |source| GivenKeyError::Invalid { path: path.to_owned(), line: index + 1, source };
        vkeys.push(VKey::parse(line).map_err(invalid)?);
    }
    if vkeys.is_empty() {
        return Err(GivenKeyError::Empty(path.to_owned()));
    }
    vkeys.into_iter().for_each(|vkey| trust.add(vkey));
    Ok(())
}

/// Trusts whoever holds the shared secret in a file: one line, which nobody but its owner may read
/// (`docs/FORMAT.md` section 5).
///
/// # Errors
/// As [`GivenKeyError`] says; then no key was added.
pub fn add_hmac_file(trust: &mut Trust, path: &Path) -> Result<(), GivenKeyError> {
    let unreadable = |source| GivenKeyError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // Of the file that was opened, whatever its name leads to by now.
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(GivenKeyError::Permissions { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(HMAC_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > HMAC_FILE_BYTES_MAX {
        return Err(GivenKeyError::TooLarge { path: path.to_owned(), max: HMAC_FILE_BYTES_MAX });
    }
    let text = str::from_utf8(&bytes).map_err(|_| GivenKeyError::NoText(path.to_owned()))?;
    let secret = NamedHmacKey::parse_file(text).map_err(|source| GivenKeyError::Invalid {
        path: path.to_owned(),
        line: 1,
        source,
    })?;
    trust.add_secret(secret);
    Ok(())
}

/// The text of a file that an editor may have written.
fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        rest.is_empty().then(|| String::from_utf16(&units).ok().map(Cow::Owned)).flatten()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => str::from_utf8(rest).ok().map(Cow::Borrowed),
        rest => str::from_utf8(rest).ok().map(Cow::Borrowed),
    }
}
