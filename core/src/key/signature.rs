//! Signatures, not yet checked.

use core::fmt;
use std::sync::Arc;

use super::rsa::{MODULUS_BYTES_MAX, MODULUS_BYTES_MIN};
use super::{Algorithm, KeyError, KeyId};
use crate::encoding::{base64, unbase64, unbase64_array};

/// Longest signature of any algorithm, of those to come as well, in bytes: a database keeps its length
/// in two.
pub const SIGNATURE_BYTES_MAX: usize = 65_535;

/// The 64 bytes `R || S` of an Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ed25519Signature(pub [u8; 64]);

impl Ed25519Signature {
    /// Length of the base64 text in bytes.
    pub const BASE64_LEN: usize = 88;

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Ed25519Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Signature({})", base64(&self.0))
    }
}

/// A record's signature, of any algorithm. Those of fixed length stand in place: reading and copying an
/// Ed25519 signature allocates nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Signature {
    /// `R || S`.
    Ed25519(Ed25519Signature),
    /// `r || s`, 32 bytes each, the most significant first.
    EcdsaP256([u8; 64]),
    /// The code.
    HmacSha256([u8; 32]),
    /// As many bytes as an RSA modulus has.
    RsaSha256(Arc<[u8]>),
    /// Of an algorithm that this program does not know.
    Other(Arc<[u8]>),
}

impl Signature {
    /// Takes the bytes of a signature by a key of this id.
    ///
    /// # Errors
    /// [`KeyError::Signature`] when the key's algorithm gives no signature of so many bytes.
    pub fn new(key_id: &KeyId, bytes: &[u8]) -> Result<Self, KeyError> {
        Self::of(key_id.algorithm(), bytes)
    }

    /// [`new`](Self::new) for the algorithm alone; `None` is one that is not known.
    pub(crate) fn of(algorithm: Option<Algorithm>, bytes: &[u8]) -> Result<Self, KeyError> {
        let fixed = |_| KeyError::Signature;
        match algorithm {
            Some(Algorithm::Ed25519) => {
                bytes.try_into().map(|bytes| Self::Ed25519(Ed25519Signature(bytes))).map_err(fixed)
            }
            Some(Algorithm::EcdsaP256) => bytes.try_into().map(Self::EcdsaP256).map_err(fixed),
            Some(Algorithm::HmacSha256) => bytes.try_into().map(Self::HmacSha256).map_err(fixed),
            Some(Algorithm::RsaSha256) => {
                let fits = (MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX).contains(&bytes.len());
                fits.then(|| Self::RsaSha256(bytes.into())).ok_or(KeyError::Signature)
            }
            None => {
                let fits = (1..=SIGNATURE_BYTES_MAX).contains(&bytes.len());
                fits.then(|| Self::Other(bytes.into())).ok_or(KeyError::Signature)
            }
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(signature) => &signature.0,
            Self::EcdsaP256(bytes) => bytes,
            Self::HmacSha256(bytes) => bytes,
            Self::RsaSha256(bytes) | Self::Other(bytes) => bytes,
        }
    }

    /// The algorithm; `None` for one that is not known.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Ed25519(_) => Some(Algorithm::Ed25519),
            Self::EcdsaP256(_) => Some(Algorithm::EcdsaP256),
            Self::HmacSha256(_) => Some(Algorithm::HmacSha256),
            Self::RsaSha256(_) => Some(Algorithm::RsaSha256),
            Self::Other(_) => None,
        }
    }

    /// The Ed25519 signature, if it is one.
    #[must_use]
    pub const fn ed25519(&self) -> Option<&Ed25519Signature> {
        match self {
            Self::Ed25519(signature) => Some(signature),
            _ => None,
        }
    }

    /// Padded base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        base64(self.as_bytes())
    }

    /// Reads the padded base64 of a signature by a key of this id.
    ///
    /// # Errors
    /// [`KeyError::Signature`] when `text` is anything else.
    pub fn from_base64(key_id: &KeyId, text: &str) -> Result<Self, KeyError> {
        Self::read(key_id.algorithm(), text.as_bytes()).ok_or(KeyError::Signature)
    }

    pub(crate) fn read(algorithm: Option<Algorithm>, text: &[u8]) -> Option<Self> {
        if algorithm == Some(Algorithm::Ed25519) {
            return unbase64_array(text).map(|bytes| Self::Ed25519(Ed25519Signature(bytes)));
        }
        // Before the bytes are decoded, a text far beyond any signature is refused by its length.
        if text.len() > SIGNATURE_BYTES_MAX.div_ceil(3) * 4 {
            return None;
        }
        Self::of(algorithm, &unbase64(text)?).ok()
    }
}

impl From<Ed25519Signature> for Signature {
    fn from(signature: Ed25519Signature) -> Self {
        Self::Ed25519(signature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_base64())
    }
}

/// What a signed record carries: the signature over its digest and the id of the key. Both are of one
/// algorithm, or what is written of them cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSignature {
    /// The key that signed.
    pub key_id: KeyId,
    /// Its signature over the 32 bytes of the digest.
    pub signature: Signature,
}
