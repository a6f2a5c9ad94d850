//! The key that signs notes, and may sign records too: Ed25519.

use core::fmt;
use core::hash::{Hash, Hasher};

use super::vkey::{material_hash, note_material};
use super::{KeyError, KeyId};
use crate::ed25519::KeyPoint;
use crate::encoding::hex;

/// An Ed25519 public key, decoded and found fit for use.
///
/// Beyond what the rules of [`crate::ed25519`] demand, it has no torsion component. To whoever knows
/// the secret of a key A, the seven keys A + T with T of small order are seven further names under
/// which he can sign, and their signatures pass the cofactored rule while strict verifiers refuse most
/// of them. No key generation yields such a key, so one that is offered is a mistake or a trick, and is
/// refused where keys come in rather than at each signature.
#[derive(Clone, Copy)]
pub struct PublicKey(KeyPoint);

impl PublicKey {
    /// Decodes and checks the 32 bytes of RFC 8032 section 5.1.2. Costs about as much as checking a
    /// signature: keep the result.
    ///
    /// # Errors
    /// [`KeyError`] when the encoding is not canonical or no point, or when the point is of small order
    /// or has a torsion component.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let point = KeyPoint::decode(bytes)?;
        if point.is_torsion_free() { Ok(Self(point)) } else { Err(KeyError::Torsion) }
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's id, `ed25519:<64 hex>`.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId::ed25519(self.as_bytes())
    }

    /// The key hash under which the key signs notes as `name`: the first four bytes of
    /// `SHA-256(name || 0x0A || 0x01 || key)`, C2SP signed-note.
    #[must_use]
    pub fn note_hash(&self, name: &str) -> [u8; 4] {
        material_hash(name, &note_material(self))
    }

    pub(crate) fn point(&self) -> &KeyPoint {
        &self.0
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex(self.as_bytes()))
    }
}
