//! The signers beside the one of the data folder: their key files, which the configuration names, and
//! their public keys, which the folder keeps for auditors and for whatever reads the folder.
//!
//! The public key that is kept also says, on every later start, whether a name still means the same key:
//! with another key under its name a signer's ledgers could not be continued.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indelible_core::key::{PublicKey, VKey};
use indelible_ledger::folder::{FolderError, replace_file};
use indelible_ledger::signer::{KeyFileError, Signer, SignersError};
use indelible_ledger::{LocalEd25519, SignerName, Signers};

use crate::serve::PUBLIC_KEY_FILE;

/// Around a further signer's name in the name of its public key's file, in the data folder.
const PUBLIC_KEY_PREFIX: &str = "public.";
const PUBLIC_KEY_SUFFIX: &str = ".vkey";

/// Why signers cannot be used as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerFilesError {
    /// A key file cannot be used.
    #[error("signing.keys, signer '{name}': {source}")]
    KeyFile {
        /// The signer.
        name: SignerName,
        /// What is wrong.
        source: KeyFileError,
    },
    /// Two signers have one name or one key.
    #[error("signing.keys: {0}")]
    Together(#[from] SignersError),
    /// A name stood for another key before.
    #[error(
        "signing.keys, signer '{name}': {} holds another key than the one in {}, which is this signer's since \
         its first start. Put the right key file back; a new key needs a new name, and the ledgers of the \
         old one can only be read without it",
        .key_file.display(), .vkey_file.display()
    )]
    OtherKey {
        /// The signer.
        name: SignerName,
        /// The key file that is configured.
        key_file: PathBuf,
        /// The public key of before.
        vkey_file: PathBuf,
    },
    /// A public key in the data folder cannot be used.
    #[error("{}: {reason}", .path.display())]
    PublicKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The data folder refuses.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Signers with which a server can work, and those that it has to do without.
pub(crate) struct Loaded {
    /// All that are there, the data folder's own first.
    pub(crate) signers: Signers,
    /// The public keys of the others.
    further: Vec<(SignerName, PathBuf, PublicKey)>,
    /// Those whose key file is not there. Their ledgers can be read, and nobody else's suffer.
    pub(crate) absent: Vec<(SignerName, PathBuf)>,
}

/// Reads the key files that are configured beside the key `own`.
///
/// # Errors
/// [`SignerFilesError`] for whatever cannot be meant; a file that is not there is no error.
pub(crate) fn load(
    own: LocalEd25519,
    files: &[(SignerName, PathBuf)],
) -> Result<Loaded, SignerFilesError> {
    let (mut further, mut absent) = (Vec::new(), Vec::new());
    let mut signers = Signers::new(Arc::new(own));
    for (name, path) in files {
        let signer = match LocalEd25519::load(path) {
            Ok(signer) => Arc::new(signer),
            Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                absent.push((name.clone(), path.clone()));
                continue;
            }
            Err(source) => return Err(SignerFilesError::KeyFile { name: name.clone(), source }),
        };
        further.push((name.clone(), path.clone(), signer.note_key()));
        signers = signers.with(name.clone(), signer)?;
    }
    Ok(Loaded { signers, further, absent })
}

impl Loaded {
    /// Compares each public key with the one that the data folder `dir` keeps.
    ///
    /// # Errors
    /// [`SignerFilesError::OtherKey`], and what keeps a file from being read.
    pub(crate) fn check(&self, dir: &Path) -> Result<(), SignerFilesError> {
        self.further.iter().try_for_each(|signer| kept(dir, signer).map(drop))
    }

    /// As [`check`](Self::check), and keeps the public keys that are new under the server's name. Returns
    /// where each is.
    ///
    /// # Errors
    /// [`SignerFilesError`].
    pub(crate) fn keep(
        &self,
        dir: &Path,
        server: &str,
    ) -> Result<Vec<PublicKeyFile>, SignerFilesError> {
        // All are checked before any is written.
        self.check(dir)?;
        let keep = |signer: &(SignerName, PathBuf, PublicKey)| {
            let (name, _, key) = signer;
            let path = path(dir, name);
            let vkey = match kept(dir, signer)? {
                Some(vkey) => vkey,
                None => {
                    let vkey = VKey::new(server, *key).map_err(|error| unusable(&path, &error))?;
                    replace_file(&path, format!("{vkey}\n").as_bytes())?;
                    vkey
                }
            };
            Ok(PublicKeyFile { name: name.clone(), path, vkey })
        };
        self.further.iter().map(keep).collect()
    }
}

/// The public key of a further signer in the data folder.
#[derive(Debug, Clone)]
pub(crate) struct PublicKeyFile {
    pub(crate) name: SignerName,
    pub(crate) path: PathBuf,
    pub(crate) vkey: VKey,
}

/// Where a further signer's public key is.
fn path(dir: &Path, name: &SignerName) -> PathBuf {
    dir.join(format!("{PUBLIC_KEY_PREFIX}{name}{PUBLIC_KEY_SUFFIX}"))
}

/// The public key of an earlier start, if there was one; it must be the same.
fn kept(
    dir: &Path,
    (name, key_file, key): &(SignerName, PathBuf, PublicKey),
) -> Result<Option<VKey>, SignerFilesError> {
    let path = path(dir, name);
    let Some(vkey) = read(&path)? else { return Ok(None) };
    if vkey.note_key() == Some(key) {
        return Ok(Some(vkey));
    }
    let (name, key_file) = (name.clone(), key_file.clone());
    Err(SignerFilesError::OtherKey { name, key_file, vkey_file: path })
}

fn read(path: &Path) -> Result<Option<VKey>, SignerFilesError> {
    match std::fs::read_to_string(path) {
        Ok(text) => VKey::parse_file(&text).map(Some).map_err(|error| unusable(path, &error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> SignerFilesError {
    SignerFilesError::PublicKey { path: path.to_owned(), reason: error.to_string() }
}

/// The public keys of further signers that a data folder keeps, by name. Also of those that are not
/// configured any more: their ledgers are still there.
///
/// # Errors
/// [`SignerFilesError::PublicKey`].
pub(crate) fn public_keys(dir: &Path) -> Result<Vec<PublicKeyFile>, SignerFilesError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unusable(dir, &error))? {
        let entry = entry.map_err(|error| unusable(dir, &error))?;
        let file = entry.file_name();
        let name = file
            .to_str()
            .filter(|file| *file != PUBLIC_KEY_FILE)
            .and_then(|file| file.strip_prefix(PUBLIC_KEY_PREFIX))
            .and_then(|rest| rest.strip_suffix(PUBLIC_KEY_SUFFIX))
            .and_then(|name| SignerName::new(name).ok());
        let Some(name) = name else { continue };
        if let Some(vkey) = read(&entry.path())? {
            found.push(PublicKeyFile { name, path: entry.path(), vkey });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}
