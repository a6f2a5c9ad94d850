//! A key in this process, from a PEM file: what a first start makes, and what small installations keep.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use indelible_core::encoding::{base64, unbase64};
use indelible_core::key::{PublicKey, Signature};

use super::{SignError, SignRequest, Signer};
use crate::folder::{FolderError, create_secret};

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
const PEM_LINE: usize = 64;

/// Larger files are not read: an Ed25519 key takes 119 bytes, an RSA key of 8,192 bits 6,400.
const KEY_FILE_BYTES_MAX: u64 = 16 << 10;

/// PKCS#8 version 1 of an Ed25519 key up to its seed, RFC 8410 section 7: a sequence of the version 0,
/// the algorithm 1.3.101.112 and the octet string in the octet string.
const PKCS8_ED25519_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// DER of the object identifiers of other keys that people put into PEM files, to name them in errors.
const OTHER_KEYS: [(&[u8], &str); 5] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "an RSA key"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "an elliptic curve (ECDSA) key"),
    (&[0x2b, 0x65, 0x71], "an Ed448 key"),
    (&[0x2b, 0x65, 0x6e], "an X25519 key, which cannot sign"),
    (&[0x2b, 0x65, 0x6f], "an X448 key, which cannot sign"),
];

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be written, or is there already.
    #[error(transparent)]
    Write(FolderError),
    /// Others than the owner may read or write the file.
    #[error(
        "{} may be read or changed by others (mode {mode:04o}); make it yours alone with chmod 600",
        .path.display()
    )]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what a key file looks like.
    #[error(
        "{} is not an Ed25519 private key in PEM (PKCS#8, 'BEGIN PRIVATE KEY'): {reason}",
        .path.display()
    )]
    NotAKey {
        /// The key file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The system gave no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(String),
}

/// An Ed25519 key in this process. aws-lc-rs signs; what comes out is checked elsewhere, by other code.
pub struct LocalEd25519 {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
    public: PublicKey,
}

impl LocalEd25519 {
    /// A fresh key from the system's random bytes.
    ///
    /// # Errors
    /// [`KeyFileError::Random`] when the system has none.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| KeyFileError::Random(error.to_string()))?;
        Self::from_seed(seed)
    }

    /// The key that a seed of 32 bytes determines, RFC 8032 section 5.1.5.
    ///
    /// # Errors
    /// [`KeyFileError::Random`] when the seed yields no usable key; no such seed is known.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyFileError> {
        let unusable = |error: &dyn std::fmt::Display| KeyFileError::Random(error.to_string());
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| unusable(&error))?;
        let bytes = pair.public_key().as_ref().try_into().unwrap_or([0; 32]);
        let public = PublicKey::from_bytes(&bytes).map_err(|error| unusable(&error))?;
        Ok(Self { pair, seed, public })
    }

    /// Reads a key file as `openssl genpkey -algorithm ed25519` and [`Self::save`] write it.
    ///
    /// # Errors
    /// [`KeyFileError`] when the file cannot be read, when others than its owner can read or write it,
    /// or when it holds anything but one Ed25519 private key; another kind of key is named.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        let not_a_key = |reason: String| KeyFileError::NotAKey { path: path.to_owned(), reason };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let mode = metadata.mode() & 0o7777;
        if !metadata.is_file() {
            return Err(not_a_key("it is not a regular file".into()));
        }
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        let read = file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text);
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(not_a_key("it is not text".into()));
            }
            other => other.map_err(io)?,
        };
        Self::from_seed(seed_from_pem(&text).map_err(not_a_key)?)
    }

    /// Writes the key into a new file of mode 0600 and waits until it is on the disk. The file is there
    /// whole or not at all, whatever happens meanwhile. Never writes over a file that is there: a lost key
    /// cannot be had again.
    ///
    /// # Errors
    /// [`KeyFileError::Write`], also when the file exists.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        create_secret(path, self.to_pem().as_bytes()).map_err(KeyFileError::Write)
    }

    /// The private key as PEM text, PKCS#8 version 1 (RFC 8410 section 7).
    fn to_pem(&self) -> String {
        let der = [&PKCS8_ED25519_HEAD[..], &self.seed].concat();
        format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", base64(&der))
    }

    fn sign_one(&self, message: &[u8]) -> Result<Signature, SignError> {
        // The pair's signature is always 64 bytes.
        let bytes: [u8; 64] = self
            .pair
            .sign(message)
            .as_ref()
            .try_into()
            .map_err(|_| SignError::Wrong("it is not of 64 bytes".into()))?;
        Ok(Signature(bytes))
    }
}

#[async_trait]
impl Signer for LocalEd25519 {
    fn key(&self) -> PublicKey {
        self.public
    }

    fn in_process(&self) -> bool {
        true
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        messages.iter().map(|request| self.sign_one(request.message())).collect()
    }
}

/// The seed in a PEM file of one PKCS#8 key.
fn seed_from_pem(text: &str) -> Result<[u8; 32], String> {
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(format!("it is larger than {KEY_FILE_BYTES_MAX} bytes"));
    }
    let label = |line: &str| line.strip_prefix("-----BEGIN ").map(|rest| rest.to_owned());
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| label(line).is_none());
    match lines.next() {
        Some(PEM_BEGIN) => {}
        Some(line) => {
            return Err(format!(
                "it begins with '{}'",
                line.chars().take(PEM_LINE).collect::<String>()
            ));
        }
        None => return Err("there is no BEGIN line".into()),
    }
    let mut body = String::new();
    loop {
        match lines.next() {
            Some(PEM_END) => break,
            Some(line) => body.push_str(line),
            None => return Err("there is no END line".into()),
        }
    }
    if lines.any(|line| label(line).is_some()) {
        return Err("there is more than one key in it".into());
    }
    let der = unbase64(body.as_bytes()).ok_or("what stands between the lines is not base64")?;
    seed_from_pkcs8(&der)
}

fn seed_from_pkcs8(der: &[u8]) -> Result<[u8; 32], String> {
    if let Some((head, seed)) = der.split_at_checked(PKCS8_ED25519_HEAD.len())
        && head == PKCS8_ED25519_HEAD
        && let Ok(seed) = seed.try_into()
    {
        return Ok(seed);
    }
    for (oid, name) in OTHER_KEYS {
        if der.windows(oid.len()).any(|window| window == oid) {
            return Err(format!("it holds {name}"));
        }
    }
    // Version 2 carries the public key too; aws-lc-rs checks that the two belong together.
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
        .map_err(|_| "its content is not an Ed25519 key".to_owned())?;
    let seed = pair.seed().and_then(|seed| {
        use aws_lc_rs::encoding::AsBigEndian as _;
        seed.as_be_bytes()
    });
    let unreadable = || "its content is not an Ed25519 key".to_owned();
    seed.map_err(|_| unreadable())?.as_ref().try_into().map_err(|_| unreadable())
}
