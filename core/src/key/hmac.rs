//! HMAC-SHA-256: one secret that signs and checks.

use core::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::vkey::{material_hash, named_material, parse_named};
use super::{Algorithm, KeyError, KeyId, is_note_name};
use crate::encoding::{base64, unbase64, unhex};
use crate::hash::Digest;
use crate::name::Origin;

/// Shortest secret in bytes: as long as the code.
pub const HMAC_SECRET_BYTES_MIN: usize = 32;

/// Longest secret in bytes: what is longer than SHA-256's block would be hashed first (RFC 2104 section
/// 3), so that two secrets were one key.
pub const HMAC_SECRET_BYTES_MAX: usize = 64;

/// What the id of a key is made of, so that it tells nothing of the secret.
const KEY_ID_MESSAGE: &[u8] = b"indelible hmac key id";

/// How the text of a secret begins, as C2SP writes private keys.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// A shared secret. Whoever can check with it can sign with it. It is never shown. Cheap to clone.
#[derive(Clone)]
pub struct HmacKey {
    secret: Arc<[u8]>,
    id: KeyId,
}

impl HmacKey {
    /// Takes a secret.
    ///
    /// # Errors
    /// [`KeyError::HmacSecret`] when it is too short or too long.
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if !(HMAC_SECRET_BYTES_MIN..=HMAC_SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(KeyError::HmacSecret);
        }
        let code = mac(secret, KEY_ID_MESSAGE)?.finalize().into_bytes();
        Ok(Self { secret: secret.into(), id: KeyId::of(Algorithm::HmacSha256, &code) })
    }

    /// The key's id, `hmac-sha256:<64 hex of HMAC-SHA-256(secret, "indelible hmac key id")>`.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// The code over a digest.
    #[must_use]
    pub fn sign(&self, digest: &Digest) -> [u8; 32] {
        // No key fails: its length was seen.
        mac(&self.secret, digest.as_bytes())
            .map_or([0; 32], |mac| mac.finalize().into_bytes().into())
    }

    /// Whether `code` is the code over the digest, compared in constant time: else one could be guessed
    /// byte by byte.
    #[must_use]
    pub fn verify(&self, digest: &Digest, code: &[u8; 32]) -> bool {
        mac(&self.secret, digest.as_bytes()).is_ok_and(|mac| mac.verify_slice(code).is_ok())
    }
}

fn mac(secret: &[u8], message: &[u8]) -> Result<Hmac<Sha256>, KeyError> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| KeyError::HmacSecret)?;
    Ok(mac.chain_update(message))
}

impl PartialEq for HmacKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for HmacKey {}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({})", self.id)
    }
}

/// A shared secret under a name, as it stands in a file of its own:
/// `PRIVATE+KEY+<name>+<8 hex>+<base64(0xff || "hmac-sha256" || 0x0A || secret)>`. It is neither shown nor
/// written by this program but where [`to_text`](Self::to_text) is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedHmacKey {
    name: Box<str>,
    key: HmacKey,
}

impl NamedHmacKey {
    /// Puts `key` under `name`.
    ///
    /// # Errors
    /// [`KeyError::VKeyName`] when the name is none of a vkey.
    pub fn new(name: &str, key: HmacKey) -> Result<Self, KeyError> {
        if is_note_name(name) {
            Ok(Self { name: name.into(), key })
        } else {
            Err(KeyError::VKeyName)
        }
    }

    /// Reads the text of a file: one key and at most one LF after it.
    ///
    /// # Errors
    /// [`KeyError`] when shape, name, algorithm, hash or secret is wrong.
    pub fn parse_file(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_prefix(SECRET_PREFIX).ok_or(KeyError::SecretShape)?;
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(material)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(KeyError::SecretShape);
        };
        let hash: [u8; 4] = unhex(hash.as_bytes()).ok_or(KeyError::SecretShape)?;
        let material = unbase64(material.as_bytes()).ok_or(KeyError::SecretShape)?;
        let secret = match parse_named(&material) {
            Some((Algorithm::HmacSha256, secret)) => secret,
            _ => return Err(KeyError::SecretShape),
        };
        let named = Self::new(name, HmacKey::new(secret)?)?;
        if material_hash(name, &material) == hash { Ok(named) } else { Err(KeyError::VKeyHash) }
    }

    /// The line of its file, without a line feed. It holds the secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        let material = named_material(Algorithm::HmacSha256, &self.key.secret);
        let hash = crate::encoding::hex(&material_hash(&self.name, &material));
        format!("{SECRET_PREFIX}{}+{hash}+{}", self.name, base64(&material))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &HmacKey {
        &self.key
    }

    /// As [`super::VKey::trusts`].
    #[must_use]
    pub fn trusts(&self, origin: &Origin) -> bool {
        super::vkey::speaks_for(&self.name, origin)
    }
}
