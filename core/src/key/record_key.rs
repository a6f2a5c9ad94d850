//! The key that signs records.

use super::{Algorithm, EcdsaKey, HmacKey, KeyId, PublicKey, RsaKey, Signature};
use crate::ed25519;
use crate::hash::Digest;

/// A key that signs records, of any algorithm, fit for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKey {
    /// Ed25519; it may sign notes too.
    Ed25519(PublicKey),
    /// ECDSA over P-256.
    EcdsaP256(EcdsaKey),
    /// RSA with PKCS#1 v1.5.
    RsaSha256(RsaKey),
    /// HMAC: the secret itself.
    HmacSha256(HmacKey),
}

impl RecordKey {
    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::EcdsaP256(_) => Algorithm::EcdsaP256,
            Self::RsaSha256(_) => Algorithm::RsaSha256,
            Self::HmacSha256(_) => Algorithm::HmacSha256,
        }
    }

    /// The key's id.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        match self {
            Self::Ed25519(key) => key.key_id(),
            Self::EcdsaP256(key) => key.key_id().clone(),
            Self::RsaSha256(key) => key.key_id().clone(),
            Self::HmacSha256(key) => key.key_id().clone(),
        }
    }

    /// Whether the signature is this key's over the digest, by its algorithm's rule for records
    /// (`docs/FORMAT.md` section 5). One of another algorithm is not.
    #[must_use]
    pub fn verify(&self, digest: &Digest, signature: &Signature) -> bool {
        match (self, signature) {
            (Self::Ed25519(key), Signature::Ed25519(signature)) => {
                ed25519::verify(key, digest.as_bytes(), signature)
            }
            (Self::EcdsaP256(key), Signature::EcdsaP256(bytes)) => key.verify(digest, bytes),
            (Self::RsaSha256(key), Signature::RsaSha256(bytes)) => key.verify(digest, bytes),
            (Self::HmacSha256(key), Signature::HmacSha256(code)) => key.verify(digest, code),
            _ => false,
        }
    }

    /// The Ed25519 key, if it is one.
    #[must_use]
    pub const fn ed25519(&self) -> Option<&PublicKey> {
        match self {
            Self::Ed25519(key) => Some(key),
            _ => None,
        }
    }
}

impl From<PublicKey> for RecordKey {
    fn from(key: PublicKey) -> Self {
        Self::Ed25519(key)
    }
}

impl From<EcdsaKey> for RecordKey {
    fn from(key: EcdsaKey) -> Self {
        Self::EcdsaP256(key)
    }
}

impl From<RsaKey> for RecordKey {
    fn from(key: RsaKey) -> Self {
        Self::RsaSha256(key)
    }
}

impl From<HmacKey> for RecordKey {
    fn from(key: HmacKey) -> Self {
        Self::HmacSha256(key)
    }
}
