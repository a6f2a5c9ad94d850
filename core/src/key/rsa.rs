//! RSA with PKCS#1 v1.5 and SHA-256, which key management services and older systems sign with.
//!
//! Only checking happens here, with public values. The timing of private operations, of which the
//! library's earlier versions told too much (RUSTSEC-2023-0071), plays no part.

use core::fmt;
use std::sync::Arc;

use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, Pkcs1v15Sign};
use sha2::{Digest as _, Sha256};

use super::{Algorithm, KeyError, KeyId};
use crate::hash::Digest;

/// Shortest modulus in bits: what is shorter can be factored by a state.
pub const RSA_MODULUS_BITS_MIN: usize = 2048;

/// Longest modulus in bits: what is longer only costs the verifier time.
pub const RSA_MODULUS_BITS_MAX: usize = 8192;

pub(super) const MODULUS_BYTES_MIN: usize = RSA_MODULUS_BITS_MIN / 8;
pub(super) const MODULUS_BYTES_MAX: usize = RSA_MODULUS_BITS_MAX / 8;

const EXPONENTS: (u64, u64) = (65_537, u32::MAX as u64);

/// An RSA public key. It signs records only. Cheap to clone.
#[derive(Clone)]
pub struct RsaKey(Arc<Inner>);

struct Inner {
    spki: Box<[u8]>,
    key: rsa::PublicKey,
    id: KeyId,
}

impl RsaKey {
    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of an `rsaEncryption` key.
    ///
    /// # Errors
    /// [`KeyError::RsaEncoding`] for anything that DER does not write so, [`KeyError::RsaModulus`],
    /// [`KeyError::RsaExponent`].
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let key = rsa::PublicKey::from_public_key_der(der).map_err(|_| KeyError::RsaEncoding)?;
        let written = key.to_public_key_der().map_err(|_| KeyError::RsaEncoding)?;
        if written.as_bytes() != der {
            return Err(KeyError::RsaEncoding);
        }
        let bits = key.n().bit_width_vartime() as usize;
        if !(RSA_MODULUS_BITS_MIN..=RSA_MODULUS_BITS_MAX).contains(&bits) {
            return Err(KeyError::RsaModulus);
        }
        let (least, greatest) = EXPONENTS;
        let e = key.e();
        if *e < BoxedUint::from(least) || *e > BoxedUint::from(greatest) {
            return Err(KeyError::RsaExponent);
        }
        let id = KeyId::of(Algorithm::RsaSha256, &Sha256::digest(der));
        Ok(Self(Arc::new(Inner { spki: der.into(), key, id })))
    }

    /// The DER that it was read from.
    #[must_use]
    pub fn as_spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// The key's id, `rsa-sha256:<64 hex of the DER's SHA-256>`.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.0.id
    }

    /// Whether `signature` is one over the digest, which is taken for the hash and not hashed again.
    #[must_use]
    pub fn verify(&self, digest: &Digest, signature: &[u8]) -> bool {
        let scheme = Pkcs1v15Sign::new::<Sha256>();
        self.0.key.verify(scheme, digest.as_bytes(), signature).is_ok()
    }
}

impl PartialEq for RsaKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_spki() == other.as_spki()
    }
}

impl Eq for RsaKey {}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({})", self.key_id())
    }
}
