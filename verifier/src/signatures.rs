//! Signatures of records, checked in bulk under the keys that their `kid`s name, and by name where one
//! is bad. Whether a key is trusted is not asked here: trust is judged in the order of the records.

use std::collections::HashMap;

use indelible_core::ed25519::verify_bulk_report_raw;
use indelible_core::encoding::{hex, unhex};
use indelible_core::hash::Digest;
use indelible_core::key::{KeyId, RecordSignature, Signature, SignatureCheck, Trust};
use indelible_core::name::Origin;

/// The key that signed a line, as its `kid` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SignedBy {
    /// The 32 bytes of an Ed25519 key. In place, as nearly all are: no line allocates for its key.
    Ed25519([u8; 32]),
    /// One of another algorithm.
    Other(KeyId),
    /// One that only a newer program can judge: of an algorithm that is not known, or of a line that
    /// carries certificates.
    Newer(KeyId),
}

impl SignedBy {
    /// The key that a `kid` of the right form names.
    pub(crate) fn new(kid: &str, certified: bool) -> Option<Self> {
        match kid.strip_prefix("ed25519:") {
            Some(digits) if !certified => unhex(digits.as_bytes()).map(Self::Ed25519),
            _ => KeyId::new(kid).ok().map(|id| Self::of(&id, certified)),
        }
    }

    pub(crate) fn of(id: &KeyId, certified: bool) -> Self {
        match id.public_key() {
            _ if certified || id.algorithm().is_none() => Self::Newer(id.clone()),
            Some(key) => Self::Ed25519(key),
            None => Self::Other(id.clone()),
        }
    }

    /// The key's id.
    pub(crate) fn id(&self) -> Option<KeyId> {
        match self {
            Self::Ed25519(key) => KeyId::new(&format!("ed25519:{}", hex(key))).ok(),
            Self::Other(id) | Self::Newer(id) => Some(id.clone()),
        }
    }

    /// Whether it is surely not trusted for a ledger. What only a newer program can judge may be.
    pub(crate) fn is_stranger(&self, trust: &Trust, origin: &Origin) -> bool {
        match self {
            Self::Ed25519(key) => !trust.trusts_ed25519(key, origin),
            Self::Other(id) => !trust.trusts(id, origin),
            Self::Newer(_) => false,
        }
    }
}

/// The signatures of a batch of lines. A signature is known by the place that its owner gives it.
#[derive(Default)]
pub(crate) struct Signatures {
    /// Every key that occurred, in the order in which it did.
    keys: Vec<SignedBy>,
    places: HashMap<SignedBy, u32>,
    /// The key of the signature before, which is nearly always that of the next.
    last: Option<(SignedBy, u32)>,
    waiting: HashMap<u32, Vec<Waiting>>,
    count: usize,
}

impl Signatures {
    /// Hands in a signature and gives the number of its key.
    pub(crate) fn add(
        &mut self,
        place: usize,
        digest: Digest,
        key: SignedBy,
        signature: Signature,
    ) -> u32 {
        let number = match &self.last {
            Some((last, number)) if *last == key => *number,
            _ => {
                let number = self.number(&key);
                self.last = Some((key, number));
                number
            }
        };
        self.waiting.entry(number).or_default().push((place, digest, signature));
        self.count += 1;
        number
    }

    fn number(&mut self, key: &SignedBy) -> u32 {
        let next = self.keys.len() as u32;
        let number = *self.places.entry(key.clone()).or_insert(next);
        if number == next {
            self.keys.push(key.clone());
        }
        number
    }

    /// How many wait to be checked.
    pub(crate) fn waiting(&self) -> usize {
        self.count
    }

    /// Checks what waits and gives the places of the bad ones, in no order.
    pub(crate) fn settle(&mut self, trust: &Trust) -> Vec<usize> {
        let mut bad = Vec::new();
        for (number, waiting) in self.waiting.drain() {
            let Some(key) = self.keys.get(number as usize) else { continue };
            match key {
                SignedBy::Ed25519(key) => bad.extend(wrong_ed25519(key, &waiting)),
                SignedBy::Other(id) => bad.extend(wrong_others(id, waiting, trust)),
                SignedBy::Newer(_) => {}
            }
        }
        self.count = 0;
        bad
    }

    /// Every key that occurred; its place is its number.
    pub(crate) fn into_keys(self) -> Vec<SignedBy> {
        self.keys
    }
}

/// A signature that waits to be checked, with the place that its owner gave it.
type Waiting = (usize, Digest, Signature);

fn wrong_ed25519(key: &[u8; 32], waiting: &[Waiting]) -> Vec<usize> {
    // A line of an Ed25519 key has been read with a signature of 64 bytes; another would fit nothing.
    let nothing = [0; 64];
    let items: Vec<(&[u8], &[u8; 64])> = waiting
        .iter()
        .map(|(_, digest, signature)| {
            let bytes = signature.ed25519().map_or(&nothing, |signature| signature.as_bytes());
            (&digest.as_bytes()[..], bytes)
        })
        .collect();
    let wrong = verify_bulk_report_raw(key, &items, seed());
    wrong.iter().filter_map(|at| waiting.get(*at)).map(|(place, ..)| *place).collect()
}

/// One by one: there is no sum to check for the other algorithms. Where a key that the id only names was
/// not given, nothing is wrong with the signature; that the key is missing is said where trust is judged.
fn wrong_others(id: &KeyId, waiting: Vec<Waiting>, trust: &Trust) -> Vec<usize> {
    let wrong = waiting.into_iter().filter_map(|(place, digest, signature)| {
        let signature = RecordSignature { key_id: id.clone(), signature };
        (trust.check(&digest, &signature) == SignatureCheck::DoesNotFit).then_some(place)
    });
    wrong.collect()
}

/// 32 bytes that whoever made the vault could not foresee. Where the system has no entropy to give, the
/// hash of the batch alone decides (see `indelible_core::ed25519`), which is still sound.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let _ = getrandom::fill(&mut seed);
    seed
}
