//! ECDSA over P-256, for devices that sign nothing else.

use core::fmt;

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature as Parts, VerifyingKey};

use super::{Algorithm, KeyError, KeyId};
use crate::encoding::hex;
use crate::hash::Digest;

/// A public key of ECDSA over P-256 (FIPS 186-5). It signs records only.
#[derive(Clone)]
pub struct EcdsaKey {
    compressed: [u8; 33],
    key: VerifyingKey,
    id: KeyId,
}

impl EcdsaKey {
    /// Decodes a point in its compressed form, SEC 1 section 2.3.3: 0x02 or 0x03 and the 32 bytes of x.
    ///
    /// # Errors
    /// [`KeyError::NotCanonical`] for another form, [`KeyError::NotOnCurve`] when no point has this x.
    pub fn from_bytes(compressed: &[u8; 33]) -> Result<Self, KeyError> {
        // The library reads a third form of 33 bytes, which names no parity.
        if !matches!(compressed, [2 | 3, ..]) {
            return Err(KeyError::NotCanonical);
        }
        let key = VerifyingKey::from_sec1_bytes(compressed).map_err(|_| KeyError::NotOnCurve)?;
        let id = KeyId::of(Algorithm::EcdsaP256, compressed);
        Ok(Self { compressed: *compressed, key, id })
    }

    /// The 33 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.compressed
    }

    /// The key's id, `ecdsa-p256:<66 hex>`.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// Whether `r || s` is a signature over the digest, which is taken for the hash and not hashed
    /// again. s must be in the lower half: of every signature (r, s) anybody can make (r, n - s), and two
    /// spellings of one signature would be two records' worth of evidence.
    #[must_use]
    pub fn verify(&self, digest: &Digest, signature: &[u8; 64]) -> bool {
        Parts::from_slice(signature).is_ok_and(|parts| {
            parts.normalize_s() == parts
                && self.key.verify_prehash(digest.as_bytes(), &parts).is_ok()
        })
    }
}

impl PartialEq for EcdsaKey {
    fn eq(&self, other: &Self) -> bool {
        self.compressed == other.compressed
    }
}

impl Eq for EcdsaKey {}

impl fmt::Debug for EcdsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcdsaKey({})", hex(&self.compressed))
    }
}
