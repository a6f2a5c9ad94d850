//! What names a key in a record's line, a receipt, a manifest and a creation.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use super::algorithm::is_algorithm_name;
use super::{Algorithm, KeyError};
use crate::encoding::{hex, unhex};

/// Most hex digits behind the colon of a key id of an algorithm that this program does not know. With
/// the longest name it stays within 255 bytes, which a database keeps in one byte of length.
pub const KEY_ID_HEX_MAX: usize = 200;

/// What names a key in a record: the name of its algorithm, a colon and lower-case hex digits. Cheap to
/// clone.
///
/// Ids of Ed25519 and ECDSA keys spell the public key, those of RSA and HMAC keys a hash of it. An id is
/// a text of the right form; whether its bytes are a usable key is not known before the key's own type
/// has seen them. One of an algorithm that this program does not know is an id all the same
/// ([`algorithm`](Self::algorithm) is `None` then): what it signed is for a newer program to check.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Length of an Ed25519 key id in bytes.
    pub const ED25519_LEN: usize = 72;

    /// Checks `text` and takes a copy of it.
    ///
    /// # Errors
    /// [`KeyError::KeyId`] when it has not the form that `docs/FORMAT.md` section 5 gives.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        if is_key_id(text) { Ok(Self(text.into())) } else { Err(KeyError::KeyId) }
    }

    pub(super) fn ed25519(key: &[u8; 32]) -> Self {
        Self::of(Algorithm::Ed25519, key)
    }

    pub(super) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self(format!("{algorithm}:{}", hex(bytes)).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm's name, known or not.
    #[must_use]
    pub fn algorithm_name(&self) -> &str {
        self.0.split_once(':').map_or("", |(name, _)| name)
    }

    /// What kind of key it names; `None` for one that a newer program knows.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::named(self.algorithm_name())
    }

    /// The bytes of the Ed25519 public key, if it names one.
    #[must_use]
    pub fn public_key(&self) -> Option<[u8; 32]> {
        unhex(self.0.strip_prefix("ed25519:")?.as_bytes())
    }

    /// The 33 bytes of the ECDSA public key, if it names one; they need not be a point.
    pub(super) fn ecdsa_point(&self) -> Option<[u8; 33]> {
        unhex(self.0.strip_prefix("ecdsa-p256:")?.as_bytes())
    }
}

pub(crate) fn is_key_id(text: &str) -> bool {
    let Some((name, digits)) = text.split_once(':') else { return false };
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let fits = match Algorithm::named(name) {
        Some(algorithm) => digits.len() == 2 * algorithm.key_id_bytes(),
        None => is_algorithm_name(name) && (1..=KEY_ID_HEX_MAX).contains(&digits.len()),
    };
    is_hex && fits
}

impl AsRef<str> for KeyId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}
