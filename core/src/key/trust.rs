//! Whom an auditor trusts for what.

use super::{
    Algorithm, EcdsaKey, KeyId, NamedHmacKey, PublicKey, RecordKey, RecordSignature, Signature,
    VKey,
};
use crate::ed25519;
use crate::hash::Digest;
use crate::name::Origin;

/// The keys that an auditor has from elsewhere than the thing he checks. Several, as keys are rotated
/// and old records stay signed with old keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    vkeys: Vec<VKey>,
    secrets: Vec<NamedHmacKey>,
}

/// How a signature stands to its digest and the key that its id names. Whether that key is trusted for
/// the ledger is another question: [`Trust::trusts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// It is that key's over the digest.
    Fits,
    /// It is not.
    DoesNotFit,
    /// The id is a hash of the key, and no such key was given.
    KeyMissing,
    /// It is of an algorithm that this program does not know.
    Newer,
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

    /// Trusts whoever holds this secret, oneself included.
    pub fn add_secret(&mut self, secret: NamedHmacKey) {
        if !self.secrets.contains(&secret) {
            self.secrets.push(secret);
        }
    }

    /// Every vkey that was added, in that order.
    #[must_use]
    pub fn vkeys(&self) -> &[VKey] {
        &self.vkeys
    }

    /// Every shared secret that was added, in that order.
    #[must_use]
    pub fn secrets(&self) -> &[NamedHmacKey] {
        &self.secrets
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vkeys.is_empty() && self.secrets.is_empty()
    }

    /// Whether the key of this id may sign records of `origin`.
    #[must_use]
    pub fn trusts(&self, key_id: &KeyId, origin: &Origin) -> bool {
        match key_id.public_key() {
            Some(key) => self.trusts_ed25519(&key, origin),
            None => {
                let vkeys = self.vkeys.iter().filter(|vkey| vkey.trusts(origin));
                let secrets = self.secrets.iter().filter(|secret| secret.trusts(origin));
                vkeys.map(|vkey| vkey.key().key_id()).any(|id| id == *key_id)
                    || secrets.map(|secret| secret.key().key_id()).any(|id| id == key_id)
            }
        }
    }

    /// [`trusts`](Self::trusts) for the bytes of an Ed25519 key. Allocates nothing: it is asked of every
    /// record.
    #[must_use]
    pub fn trusts_ed25519(&self, key: &[u8; 32], origin: &Origin) -> bool {
        self.note_keys(origin).any(|trusted| trusted.as_bytes() == key)
    }

    /// Every key that may sign notes of `origin`.
    pub fn note_keys<'a>(&'a self, origin: &Origin) -> impl Iterator<Item = &'a PublicKey> {
        self.vkeys.iter().filter(|vkey| vkey.trusts(origin)).filter_map(VKey::note_key)
    }

    /// Whether keys were given for `origin`, and all of them sign records only.
    #[must_use]
    pub fn lacks_note_key(&self, origin: &Origin) -> bool {
        self.note_keys(origin).next().is_none()
            && (self.vkeys.iter().any(|vkey| vkey.trusts(origin))
                || self.secrets.iter().any(|secret| secret.trusts(origin)))
    }

    /// Checks a record's signature under the key that its id names, by that algorithm's rule for records
    /// (`docs/FORMAT.md` section 5). Where the id spells the key, under that one, given or not.
    #[must_use]
    pub fn check(
        &self,
        digest: &Digest,
        RecordSignature { key_id, signature }: &RecordSignature,
    ) -> SignatureCheck {
        let holds = match key_id.algorithm() {
            None => return SignatureCheck::Newer,
            Some(Algorithm::Ed25519) => {
                let key = key_id.public_key().unwrap_or_default();
                signature
                    .ed25519()
                    .is_some_and(|sig| ed25519::verify_raw(&key, digest.as_bytes(), sig.as_bytes()))
            }
            Some(Algorithm::EcdsaP256) => match (key_id.ecdsa_point(), signature) {
                (Some(point), Signature::EcdsaP256(bytes)) => {
                    EcdsaKey::from_bytes(&point).is_ok_and(|key| key.verify(digest, bytes))
                }
                _ => false,
            },
            Some(Algorithm::RsaSha256 | Algorithm::HmacSha256) => match self.given(key_id) {
                Some(key) => key.verify(digest, signature),
                None => return SignatureCheck::KeyMissing,
            },
        };
        if holds { SignatureCheck::Fits } else { SignatureCheck::DoesNotFit }
    }

    /// The key with this id, under whatever name it was given.
    fn given(&self, key_id: &KeyId) -> Option<RecordKey> {
        let public = self.vkeys.iter().map(VKey::key).find(|key| key.key_id() == *key_id);
        public.cloned().or_else(|| {
            let secret = self.secrets.iter().find(|secret| secret.key().key_id() == key_id)?;
            Some(RecordKey::HmacSha256(secret.key().clone()))
        })
    }
}

impl FromIterator<VKey> for Trust {
    fn from_iter<I: IntoIterator<Item = VKey>>(vkeys: I) -> Self {
        let mut trust = Self::new();
        vkeys.into_iter().for_each(|vkey| trust.add(vkey));
        trust
    }
}
