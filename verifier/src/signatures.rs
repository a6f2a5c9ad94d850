//! Signatures of records, checked in bulk and by name where one is bad.

use indelible_core::ed25519::{BULK_CHUNK, verify_bulk_report};
use indelible_core::hash::Digest;
use indelible_core::key::{KeyId, PublicKey, Signature, Trust};
use indelible_core::name::Origin;

/// Different key ids that are remembered of one stretch. An honest one has one or two.
pub(crate) const KEY_IDS_MAX: usize = 64;

/// What became of a signature that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for the bulk check.
    Pending,
    /// Its key is not among those that the auditor gave for this ledger.
    KeyUnknown,
}

struct Slot {
    id: KeyId,
    key: PublicKey,
    seen: bool,
    pending: Vec<(u64, Digest, Signature)>,
}

/// The signatures of a stretch of records.
pub(crate) struct Signatures {
    slots: Vec<Slot>,
    strangers: Vec<Box<str>>,
    bad: Vec<u64>,
    good: u64,
}

impl Signatures {
    /// Trusts the keys that `trust` has for `origin`; none where the origin is not known.
    pub(crate) fn new(trust: &Trust, origin: Option<&Origin>) -> Self {
        let mut slots: Vec<Slot> = Vec::new();
        for vkey in trust.vkeys() {
            let id = vkey.key().key_id();
            let known = slots.iter().any(|slot| slot.id == id);
            if !known && origin.is_some_and(|origin| vkey.trusts(origin)) {
                slots.push(Slot { id, key: *vkey.key(), seen: false, pending: Vec::new() });
            }
        }
        Self { slots, strangers: Vec::new(), bad: Vec::new(), good: 0 }
    }

    /// Hands in the signature of the record `seq`.
    pub(crate) fn add(
        &mut self,
        seq: u64,
        digest: Digest,
        kid: &str,
        signature: Signature,
    ) -> Fate {
        let Some(at) = self.slots.iter().position(|slot| slot.id.as_str() == kid) else {
            self.remember_stranger(kid);
            return Fate::KeyUnknown;
        };
        if let Some(slot) = self.slots.get_mut(at) {
            slot.seen = true;
            slot.pending.push((seq, digest, signature));
            if slot.pending.len() >= BULK_CHUNK {
                self.check(at);
            }
        }
        Fate::Pending
    }

    fn remember_stranger(&mut self, kid: &str) {
        if self.strangers.len() < KEY_IDS_MAX && !self.strangers.iter().any(|seen| **seen == *kid) {
            self.strangers.push(kid.into());
        }
    }

    fn check(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let items: Vec<(&[u8], &Signature)> = slot
            .pending
            .iter()
            .map(|(_, digest, signature)| (&digest.as_bytes()[..], signature))
            .collect();
        let wrong = verify_bulk_report(&slot.key, &items, seed());
        self.good += (items.len() - wrong.len()) as u64;
        self.bad.extend(wrong.iter().filter_map(|at| slot.pending.get(*at)).map(|(seq, ..)| *seq));
        slot.pending.clear();
    }

    /// Checks what waits. Needed in between only where a signature's fate explains something else.
    pub(crate) fn settle(&mut self) {
        for at in 0..self.slots.len() {
            self.check(at);
        }
    }

    /// Whether the signature of the record `seq` was found bad; call after [`Self::settle`].
    pub(crate) fn is_bad(&self, seq: u64) -> bool {
        self.bad.iter().rev().take(BULK_CHUNK).any(|bad| *bad == seq)
    }

    /// How many were good so far.
    pub(crate) fn good(&self) -> u64 {
        self.good
    }

    /// The records whose signatures were found bad since the last call.
    pub(crate) fn take_bad(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.bad)
    }

    /// The ids of all keys that occurred, trusted or not, sorted; at most [`KEY_IDS_MAX`] strangers.
    pub(crate) fn key_ids(&self) -> Vec<String> {
        let trusted = self.slots.iter().filter(|slot| slot.seen).map(|slot| slot.id.as_str());
        let strangers = self.strangers.iter().map(|id| &**id);
        let mut ids: Vec<String> = trusted.chain(strangers).map(str::to_owned).collect();
        ids.sort_unstable();
        ids
    }
}

/// 32 bytes that whoever made the vault could not foresee. Where the system has no entropy to give, the
/// hash of the batch alone decides (see `indelible_core::ed25519`), which is still sound.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let _ = getrandom::fill(&mut seed);
    seed
}
