//! Signatures of records, checked in bulk under the keys that their `kid`s spell, and by name where one
//! is bad. Whether a key is trusted is not asked here: trust is judged in the order of the records.

use std::collections::HashMap;

use indelible_core::ed25519::verify_bulk_report_raw;
use indelible_core::hash::Digest;
use indelible_core::key::Signature;

/// The 32 bytes of a key, as a `kid` spells them.
pub(crate) type KeyBytes = [u8; 32];

/// The signatures of a batch of lines. A signature is known by the place that its owner gives it.
#[derive(Default)]
pub(crate) struct Signatures {
    /// Every key that occurred, in the order in which it did.
    keys: Vec<KeyBytes>,
    places: HashMap<KeyBytes, u32>,
    /// The key of the signature before, which is nearly always that of the next.
    last: Option<(KeyBytes, u32)>,
    /// Those that wait, by key. Emptied and filled again, so that memory is asked for once.
    waiting: HashMap<u32, Vec<(usize, Digest, Signature)>>,
    count: usize,
}

impl Signatures {
    /// Hands in a signature and gives the number of its key.
    pub(crate) fn add(
        &mut self,
        place: usize,
        digest: Digest,
        key: KeyBytes,
        signature: Signature,
    ) -> u32 {
        let number = match self.last {
            Some((last, number)) if last == key => number,
            _ => self.number(key),
        };
        self.last = Some((key, number));
        self.waiting.entry(number).or_default().push((place, digest, signature));
        self.count += 1;
        number
    }

    fn number(&mut self, key: KeyBytes) -> u32 {
        let next = self.keys.len() as u32;
        let number = *self.places.entry(key).or_insert(next);
        if number == next {
            self.keys.push(key);
        }
        number
    }

    /// How many wait to be checked.
    pub(crate) fn waiting(&self) -> usize {
        self.count
    }

    /// Checks what waits and gives the places of the bad ones, in no order.
    pub(crate) fn settle(&mut self) -> Vec<usize> {
        let mut bad = Vec::new();
        // Somebody who signs each line with another key must not fill memory with places for them.
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        for (number, waiting) in &mut self.waiting {
            let Some(key) = self.keys.get(*number as usize) else { continue };
            let items: Vec<(&[u8], &[u8; 64])> = waiting
                .iter()
                .map(|(_, digest, signature)| (&digest.as_bytes()[..], signature.as_bytes()))
                .collect();
            let wrong = verify_bulk_report_raw(key, &items, seed());
            bad.extend(wrong.iter().filter_map(|at| waiting.get(*at)).map(|(place, ..)| *place));
            waiting.clear();
        }
        self.count = 0;
        bad
    }

    /// Every key that occurred; its place is its number.
    pub(crate) fn into_keys(self) -> Vec<KeyBytes> {
        self.keys
    }
}

/// 32 bytes that whoever made the vault could not foresee. Where the system has no entropy to give, the
/// hash of the batch alone decides (see `indelible_core::ed25519`), which is still sound.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let _ = getrandom::fill(&mut seed);
    seed
}
