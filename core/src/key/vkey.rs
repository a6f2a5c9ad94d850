//! Public keys under names.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::{Algorithm, EcdsaKey, KeyError, PublicKey, RecordKey, RsaKey};
use crate::encoding::{base64, hex, unbase64, unhex};
use crate::name::Origin;

/// Longest name in a vkey, in bytes: an origin's limit, which C2SP's other implementations share.
pub const VKEY_NAME_BYTES_MAX: usize = crate::limits::ORIGIN_BYTES_MAX;

/// C2SP signed-note: the signature type of plain Ed25519.
pub const NOTE_TYPE_ED25519: u8 = 0x01;

/// C2SP signed-note: the signature type of all that have no number; what they are is said behind it.
/// Here: the name of an [`Algorithm`], LF, and the key. Such a key signs records and never counts for a
/// note.
pub const NOTE_TYPE_NAMED: u8 = 0xff;

/// A public key under a name: the C2SP signed-note verifier key `<name>+<8 hex>+<base64(material)>`.
///
/// The material of an Ed25519 key is `0x01 || key`; such a vkey counts for notes and records. That of
/// `ecdsa-p256` and `rsa-sha256` is `0xff || algorithm || 0x0A || key`, and counts for records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VKey {
    name: Box<str>,
    key: RecordKey,
}

impl VKey {
    /// Puts `key` under `name`.
    ///
    /// # Errors
    /// [`KeyError::VKeyName`] when a note could not carry the name, [`KeyError::Secret`] for an HMAC key.
    pub fn new(name: &str, key: impl Into<RecordKey>) -> Result<Self, KeyError> {
        let key = key.into();
        if matches!(key, RecordKey::HmacSha256(_)) {
            Err(KeyError::Secret)
        } else if is_note_name(name) {
            Ok(Self { name: name.into(), key })
        } else {
            Err(KeyError::VKeyName)
        }
    }

    /// Reads a vkey.
    ///
    /// # Errors
    /// [`KeyError`] when the shape, the name, the type or the hash is wrong, or the key is unfit (see
    /// [`PublicKey::from_bytes`], [`EcdsaKey::from_bytes`], [`RsaKey::from_spki`]).
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.starts_with("PRIVATE+KEY+") {
            return Err(KeyError::Secret);
        }
        // Base64 may contain '+': only the first two separate.
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(KeyError::VKeyShape);
        };
        if !is_note_name(name) {
            return Err(KeyError::VKeyName);
        }
        let hash: [u8; 4] = unhex(hash.as_bytes()).ok_or(KeyError::VKeyShape)?;
        let material = unbase64(key.as_bytes()).ok_or(KeyError::VKeyShape)?;
        let key = match material.split_first() {
            Some((&NOTE_TYPE_ED25519, key)) => {
                let key = key.try_into().map_err(|_| KeyError::VKeyShape)?;
                RecordKey::Ed25519(PublicKey::from_bytes(key)?)
            }
            Some((&NOTE_TYPE_NAMED, _)) => named_key(&material)?,
            Some((&other, _)) => return Err(KeyError::VKeyType(other)),
            None => return Err(KeyError::VKeyShape),
        };
        let vkey = Self::new(name, key)?;
        if material_hash(name, &material) == hash { Ok(vkey) } else { Err(KeyError::VKeyHash) }
    }

    /// Reads the text of a file such as `public.vkey`: one vkey and at most one LF after it.
    ///
    /// # Errors
    /// As [`VKey::parse`]; a second line is [`KeyError::VKeyShape`].
    pub fn parse_file(text: &str) -> Result<Self, KeyError> {
        Self::parse(text.strip_suffix('\n').unwrap_or(text))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key, which may sign records.
    #[must_use]
    pub const fn key(&self) -> &RecordKey {
        &self.key
    }

    /// The key, if it may sign notes too.
    #[must_use]
    pub const fn note_key(&self) -> Option<&PublicKey> {
        self.key.ed25519()
    }

    /// The four bytes that stand as 8 hex digits in the text.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 4] {
        material_hash(&self.name, &self.material())
    }

    /// Whether the key may speak for `origin`: a vkey named `N` does for the origin `N` and, when `N`
    /// has no slash, for every origin `N/<ledger name>` (`docs/FORMAT.md` section 5).
    #[must_use]
    pub fn trusts(&self, origin: &Origin) -> bool {
        speaks_for(&self.name, origin)
    }

    fn material(&self) -> Vec<u8> {
        match &self.key {
            RecordKey::Ed25519(key) => note_material(key).to_vec(),
            RecordKey::EcdsaP256(key) => named_material(Algorithm::EcdsaP256, key.as_bytes()),
            RecordKey::RsaSha256(key) => named_material(Algorithm::RsaSha256, key.as_spki()),
            // `new` makes none of a secret. Should one be made, it is not written.
            RecordKey::HmacSha256(_) => Vec::new(),
        }
    }
}

fn named_key(material: &[u8]) -> Result<RecordKey, KeyError> {
    match parse_named(material).ok_or(KeyError::VKeyAlgorithm)? {
        (Algorithm::EcdsaP256, key) => {
            let point = key.try_into().map_err(|_| KeyError::VKeyShape)?;
            EcdsaKey::from_bytes(point).map(RecordKey::EcdsaP256)
        }
        (Algorithm::RsaSha256, spki) => RsaKey::from_spki(spki).map(RecordKey::RsaSha256),
        (Algorithm::HmacSha256, _) => Err(KeyError::Secret),
        // It has a number, and so one spelling.
        (Algorithm::Ed25519, _) => Err(KeyError::VKeyAlgorithm),
    }
}

/// The material of a key that may sign notes.
pub(super) fn note_material(key: &PublicKey) -> [u8; 33] {
    let mut material = [NOTE_TYPE_ED25519; 33];
    material[1..].copy_from_slice(key.as_bytes());
    material
}

/// The material of a key that says its algorithm by name.
pub(super) fn named_material(algorithm: Algorithm, key: &[u8]) -> Vec<u8> {
    [&[NOTE_TYPE_NAMED], algorithm.as_str().as_bytes(), b"\n", key].concat()
}

/// What [`named_material`] wrote, of an algorithm that is known.
pub(super) fn parse_named(material: &[u8]) -> Option<(Algorithm, &[u8])> {
    let rest = material.strip_prefix(&[NOTE_TYPE_NAMED])?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let name = core::str::from_utf8(rest.get(..end)?).ok()?;
    Some((Algorithm::named(name)?, rest.get(end + 1..)?))
}

/// The first four bytes of `SHA-256(name || 0x0A || material)`, C2SP signed-note.
pub(super) fn material_hash(name: &str, material: &[u8]) -> [u8; 4] {
    let hash =
        Sha256::new().chain_update(name).chain_update(b"\n").chain_update(material).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Whether a key of this name may speak for `origin`.
pub(super) fn speaks_for(name: &str, origin: &Origin) -> bool {
    *name == **origin || *name == *origin.server()
}

impl fmt::Display for VKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(&self.key_hash()), base64(&self.material()))
    }
}

impl FromStr for VKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

/// Whether C2SP signed-note allows `name` as a key name. White space and '+' would end it early.
#[must_use]
pub fn is_note_name(name: &str) -> bool {
    (1..=VKEY_NAME_BYTES_MAX).contains(&name.len())
        && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control())
}
