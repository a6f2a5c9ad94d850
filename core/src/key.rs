//! Public keys, their names, and which of them an auditor trusts for what (`docs/FORMAT.md` section 5).

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::ed25519::{KeyPoint, PointFault};
use crate::encoding::{base64, hex, unbase64, unbase64_array, unhex};
use crate::name::Origin;

/// Longest name in a vkey, in bytes: an origin's limit, which C2SP's other implementations share.
pub const VKEY_NAME_BYTES_MAX: usize = crate::limits::ORIGIN_BYTES_MAX;

/// C2SP signed-note: the signature type of plain Ed25519.
pub const NOTE_TYPE_ED25519: u8 = 0x01;

/// A signature algorithm of records. `rsa-sha256` and `hmac-sha256` are reserved names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519, RFC 8032, pure.
    Ed25519,
}

impl Algorithm {
    /// The name that stands as `alg` in JSON and before the colon of a key id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why bytes or a text are not a key, a key id or a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The 32 bytes are a second spelling of a point.
    #[error("the public key is not in canonical encoding")]
    NotCanonical,
    /// The 32 bytes are no point of the curve.
    #[error("the public key is not a point of the curve")]
    NotOnCurve,
    /// Anybody can make signatures for such a key.
    #[error("the public key is of small order, so anybody could sign for it")]
    SmallOrder,
    /// The key is not in the subgroup that key generation draws from.
    #[error("the public key has a torsion component; no proper key generation makes such a key")]
    Torsion,
    /// Not `ed25519:` and 64 lower-case hex digits.
    #[error("a key id is 'ed25519:' and the 64 lower-case hex digits of the public key")]
    KeyId,
    /// Not 64 bytes in base64.
    #[error("a signature is the base64 of 64 bytes")]
    Signature,
    /// Not `<name>+<8 hex>+<base64>`.
    #[error("a verifier key is written <name>+<8 lower-case hex digits>+<base64>, in one line")]
    VKeyShape,
    /// The name is empty, too long, or has a character that a note cannot carry.
    #[error(
        "the name in a verifier key is 1 to {VKEY_NAME_BYTES_MAX} bytes without '+', white space and control characters"
    )]
    VKeyName,
    /// The key is of another type than Ed25519 (0x01).
    #[error("the verifier key is of type 0x{0:02x}; only Ed25519 (0x01) is supported")]
    VKeyType(u8),
    /// The 8 hex digits do not belong to the name and key: one of the three was changed or mistyped.
    #[error(
        "the 8 hex digits of the verifier key do not fit its name and key; was it copied completely?"
    )]
    VKeyHash,
}

impl From<PointFault> for KeyError {
    fn from(fault: PointFault) -> Self {
        match fault {
            PointFault::NotCanonical => Self::NotCanonical,
            PointFault::NotOnCurve => Self::NotOnCurve,
            PointFault::SmallOrder => Self::SmallOrder,
        }
    }
}

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
        KeyId(format!("ed25519:{}", hex(self.as_bytes())).into())
    }

    /// The key hash under which the key signs notes as `name`: the first four bytes of
    /// `SHA-256(name || 0x0A || 0x01 || key)`, C2SP signed-note.
    #[must_use]
    pub fn note_hash(&self, name: &str) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', NOTE_TYPE_ED25519])
            .chain_update(self.as_bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
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

/// What names a key in a record, `ed25519:<64 hex digits of the public key>`. Cheap to clone.
///
/// A key id is a text of the right form; whether its 32 bytes are a usable key is not known before
/// [`PublicKey::from_bytes`] has seen them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Length of an Ed25519 key id in bytes.
    pub const ED25519_LEN: usize = 72;

    /// Checks `text` and takes a copy of it.
    ///
    /// # Errors
    /// [`KeyError::KeyId`] when it is not `ed25519:` and 64 lower-case hex digits.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        match key_bytes(text) {
            Some(_) => Ok(Self(text.into())),
            None => Err(KeyError::KeyId),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of key it names.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    /// The public key's bytes, where the id spells them out.
    #[must_use]
    pub fn public_key(&self) -> Option<[u8; 32]> {
        key_bytes(&self.0)
    }
}

fn key_bytes(text: &str) -> Option<[u8; 32]> {
    unhex(text.strip_prefix("ed25519:")?.as_bytes())
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

/// The 64 bytes `R || S` of an Ed25519 signature, not yet checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// Length of the base64 text in bytes.
    pub const BASE64_LEN: usize = 88;

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Padded base64, 88 characters.
    #[must_use]
    pub fn to_base64(&self) -> String {
        base64(&self.0)
    }

    /// Reads padded base64 of 64 bytes.
    ///
    /// # Errors
    /// [`KeyError::Signature`] when `text` is anything else.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        unbase64_array(text.as_bytes()).map(Self).ok_or(KeyError::Signature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_base64())
    }
}

/// What a signed record carries: the signature over its digest and the id of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSignature {
    /// The key that signed.
    pub key_id: KeyId,
    /// Ed25519 over the 32 bytes of the digest.
    pub signature: Signature,
}

/// A public key under a name: the C2SP signed-note verifier key
/// `<name>+<8 hex>+<base64(0x01 || public key)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VKey {
    name: Box<str>,
    key: PublicKey,
}

impl VKey {
    /// Puts `key` under `name`.
    ///
    /// # Errors
    /// [`KeyError::VKeyName`] when a note could not carry the name.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, KeyError> {
        if is_note_name(name) {
            Ok(Self { name: name.into(), key })
        } else {
            Err(KeyError::VKeyName)
        }
    }

    /// Reads a vkey.
    ///
    /// # Errors
    /// [`KeyError`] when the shape, the name, the type or the hash is wrong, or the key is unfit (see
    /// [`PublicKey::from_bytes`]).
    pub fn parse(text: &str) -> Result<Self, KeyError> {
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
            Some((&NOTE_TYPE_ED25519, key)) => key.try_into().map_err(|_| KeyError::VKeyShape)?,
            Some((&other, _)) => return Err(KeyError::VKeyType(other)),
            None => return Err(KeyError::VKeyShape),
        };
        let vkey = Self { name: name.into(), key: PublicKey::from_bytes(key)? };
        if vkey.key_hash() == hash { Ok(vkey) } else { Err(KeyError::VKeyHash) }
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

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The four bytes that stand as 8 hex digits in the text.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 4] {
        self.key.note_hash(&self.name)
    }

    /// Whether the key may speak for `origin`: a vkey named `N` does for the origin `N` and, when `N`
    /// has no slash, for every origin `N/<ledger name>` (`docs/FORMAT.md` section 5).
    #[must_use]
    pub fn trusts(&self, origin: &Origin) -> bool {
        *self.name == **origin || *self.name == *origin.server()
    }
}

impl fmt::Display for VKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = [NOTE_TYPE_ED25519; 33];
        material[1..].copy_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex(&self.key_hash()), base64(&material))
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

/// The keys that an auditor has from elsewhere than the thing he checks. Several, as keys are rotated
/// and old records stay signed with old keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    vkeys: Vec<VKey>,
}

impl Trust {
    /// Trusts nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts one more key; one that is already there changes nothing.
    pub fn add(&mut self, vkey: VKey) {
        if !self.vkeys.contains(&vkey) {
            self.vkeys.push(vkey);
        }
    }

    /// Everything that was added, in that order.
    #[must_use]
    pub fn vkeys(&self) -> &[VKey] {
        &self.vkeys
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vkeys.is_empty()
    }

    /// The key with this id, if it may speak for `origin`.
    #[must_use]
    pub fn find(&self, key_id: &KeyId, origin: &Origin) -> Option<&PublicKey> {
        let bytes = key_id.public_key()?;
        self.keys_for(origin).find(|key| *key.as_bytes() == bytes)
    }

    /// Every key that may speak for `origin`.
    pub fn keys_for<'a>(&'a self, origin: &Origin) -> impl Iterator<Item = &'a PublicKey> {
        self.vkeys.iter().filter(|vkey| vkey.trusts(origin)).map(|vkey| &vkey.key)
    }
}

impl FromIterator<VKey> for Trust {
    fn from_iter<I: IntoIterator<Item = VKey>>(vkeys: I) -> Self {
        let mut trust = Self::new();
        vkeys.into_iter().for_each(|vkey| trust.add(vkey));
        trust
    }
}
