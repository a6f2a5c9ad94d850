//! Many signatures of one key at once, four to five times as fast as one by one.
//!
//! For random coefficients z the single equation
//!
//! ```text
//! [8]( sum z_i R_i  +  (sum z_i k_i) A  -  (sum z_i S_i) B ) = 0
//! ```
//!
//! holds if every signature's own equation holds, and with a chance of at most 2^-128 if any does not.
//! As all signatures are of one key, A and B come in once each: what remains per signature is to decode
//! R, to hash, and a share of one multiplication of many points by 128-bit scalars.
//!
//! **Where the coefficients come from.** They must not be known to whoever made the signatures, or two
//! bad ones can be made to cancel out. They are derived by hashing a seed from the caller (this crate
//! has no randomness) together with the key and every signature and message of the batch. An attacker
//! who does not know the seed cannot aim at all. One who does cannot either: the coefficients depend on
//! the very bytes that would have to be fitted to them, as in a Fiat-Shamir proof.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha256};

use super::point::{KeyPoint, Parts};
use super::single::parts_hold;
use crate::key::{PublicKey, Signature};

/// Signatures that go into one equation. Larger batches are checked in pieces of this size: beyond it
/// nothing gets faster, and the working memory (about half a kilobyte each) would grow.
pub const BULK_CHUNK: usize = 4096;

/// A run this short is checked one by one: the sum would cost as much.
const SINGLY_MAX: usize = 4;

/// How many times the size of a chunk the search for its bad signatures may sum up, before it checks
/// what is left one by one. Finding a few bad ones takes about 2 to 4; with many bad ones halving is
/// wasted work.
const SEARCH_SUMS_MAX: usize = 6;

/// Says first what the bytes hashed are for, so that no other hash can stand for this one.
const TRANSCRIPT_LABEL: &[u8] = b"indelible ed25519 bulk v1\n";

/// Checks many signatures of one key by the rule for records (`docs/FORMAT.md` section 5). `true` when
/// each is good; an empty batch is. Quickest with 256 to 4,096 items a call.
///
/// `seed` is 32 bytes that those who made the signatures could not foresee, fresh for each call.
#[must_use]
pub fn verify_bulk(key: &PublicKey, items: &[(&[u8], &Signature)], seed: [u8; 32]) -> bool {
    all_hold(key.point(), items, |signature| &signature.0, &seed)
}

/// [`verify_bulk`] for a key given as bytes, applying exactly the rule as [`super::verify_raw`] does. A
/// key that the rule refuses makes every signature bad, so only an empty batch is good then.
#[must_use]
pub fn verify_bulk_raw(key: &[u8; 32], items: &[(&[u8], &[u8; 64])], seed: [u8; 32]) -> bool {
    items.is_empty()
        || KeyPoint::decode(key).is_ok_and(|key| all_hold(&key, items, |bytes| bytes, &seed))
}

/// The places of the bad signatures among `items`, ascending; empty when all are good. As quick as
/// [`verify_bulk`] when all are good, and never more than about twice as slow as checking one by one.
#[must_use]
pub fn verify_bulk_report(
    key: &PublicKey,
    items: &[(&[u8], &Signature)],
    seed: [u8; 32],
) -> Vec<usize> {
    find_bad(key.point(), items, |signature| &signature.0, &seed)
}

/// [`verify_bulk_report`] for a key given as bytes, applying exactly the rule.
#[must_use]
pub fn verify_bulk_report_raw(
    key: &[u8; 32],
    items: &[(&[u8], &[u8; 64])],
    seed: [u8; 32],
) -> Vec<usize> {
    match KeyPoint::decode(key) {
        Ok(key) => find_bad(&key, items, |bytes| bytes, &seed),
        Err(_) => (0..items.len()).collect(),
    }
}

fn all_hold<S>(
    key: &KeyPoint,
    items: &[(&[u8], &S)],
    bytes: impl Fn(&S) -> &[u8; 64],
    seed: &[u8; 32],
) -> bool {
    items.chunks(BULK_CHUNK).all(|chunk| {
        let decode =
            |(message, signature): &(&[u8], &S)| Parts::decode(key, message, bytes(signature));
        match chunk.iter().map(decode).collect::<Option<Vec<_>>>() {
            Some(parts) if parts.len() <= SINGLY_MAX => parts.iter().all(|p| parts_hold(key, p)),
            Some(parts) => sum_holds(key, &parts, &coefficients(key, &parts, seed)),
            None => false,
        }
    })
}

fn find_bad<S>(
    key: &KeyPoint,
    items: &[(&[u8], &S)],
    bytes: impl Fn(&S) -> &[u8; 64],
    seed: &[u8; 32],
) -> Vec<usize> {
    let mut bad = Vec::new();
    for (number, chunk) in items.chunks(BULK_CHUNK).enumerate() {
        let first = number * BULK_CHUNK;
        // Only what could be decoded goes into the sums; `places` says where it stood.
        let (mut parts, mut places) = (Vec::with_capacity(chunk.len()), Vec::new());
        for (place, (message, signature)) in chunk.iter().enumerate() {
            match Parts::decode(key, message, bytes(signature)) {
                Some(decoded) => {
                    parts.push(decoded);
                    places.push(first + place);
                }
                None => bad.push(first + place),
            }
        }
        let coefficients = coefficients(key, &parts, seed);
        let budget = parts.len() * SEARCH_SUMS_MAX;
        let mut search =
            Search { key, parts: &parts, coefficients: &coefficients, budget, bad: vec![] };
        search.range(0, parts.len());
        bad.extend(search.bad.iter().filter_map(|&place| places.get(place)));
    }
    bad.sort_unstable();
    bad
}

/// The search for the bad signatures of one chunk by halving.
struct Search<'a> {
    key: &'a KeyPoint,
    parts: &'a [Parts],
    coefficients: &'a [Scalar],
    /// Signatures that may still go into sums; bounds the work whatever the attacker planted.
    budget: usize,
    bad: Vec<usize>,
}

impl Search<'_> {
    /// Finds the bad ones of `begin..end`. Returns whether there were any.
    fn range(&mut self, begin: usize, end: usize) -> bool {
        let len = end - begin;
        if len <= SINGLY_MAX || len > self.budget {
            return self.singly(begin, end);
        }
        self.budget -= len;
        if sum_holds(self.key, &self.parts[begin..end], &self.coefficients[begin..end]) {
            return false;
        }
        self.halves(begin, end);
        true
    }

    /// Finds the bad ones of a range that is known to have some.
    fn halves(&mut self, begin: usize, end: usize) {
        if end - begin <= SINGLY_MAX {
            self.singly(begin, end);
            return;
        }
        let middle = begin + (end - begin) / 2;
        if self.range(begin, middle) {
            self.range(middle, end);
        } else {
            // The left half is good, so the right half has the bad ones: no need to sum it.
            self.halves(middle, end);
        }
    }

    fn singly(&mut self, begin: usize, end: usize) -> bool {
        let before = self.bad.len();
        for place in begin..end {
            if !parts_hold(self.key, &self.parts[place]) {
                self.bad.push(place);
            }
        }
        self.bad.len() > before
    }
}

/// Whether `[8](sum z_i R_i + (sum z_i k_i) A - (sum z_i S_i) B) = 0`. Reducing the key's scalar modulo
/// L is right even for a key with a torsion component: the cofactor takes that component out.
fn sum_holds(key: &KeyPoint, parts: &[Parts], coefficients: &[Scalar]) -> bool {
    let (mut of_key, mut of_base) = (Scalar::ZERO, Scalar::ZERO);
    for (part, z) in parts.iter().zip(coefficients) {
        of_key += z * part.k;
        of_base -= z * part.s;
    }
    let scalars = coefficients.iter().chain([&of_key, &of_base]);
    let (key, base) = (key.point(), ED25519_BASEPOINT_POINT);
    let points = parts.iter().map(|part| &part.r).chain([&key, &base]);
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
}

/// A 128-bit coefficient for each signature. The transcript holds R, A and M through the challenge's
/// full 64 bytes, and S; one hash of its digest and a counter yields two coefficients.
fn coefficients(key: &KeyPoint, parts: &[Parts], seed: &[u8; 32]) -> Vec<Scalar> {
    let mut transcript = Sha256::new();
    transcript.update(TRANSCRIPT_LABEL);
    transcript.update(seed);
    transcript.update(key.as_bytes());
    transcript.update((parts.len() as u64).to_be_bytes());
    for part in parts {
        transcript.update(part.challenge);
        transcript.update(part.s.as_bytes());
    }
    let root = transcript.finalize();
    let pairs = (0..parts.len().div_ceil(2) as u64).flat_map(|counter| {
        let hash = Sha256::new().chain_update(root).chain_update(counter.to_be_bytes()).finalize();
        let (mut low, mut high) = ([0u8; 16], [0u8; 16]);
        low.copy_from_slice(&hash[..16]);
        high.copy_from_slice(&hash[16..]);
        [low, high]
    });
    pairs.take(parts.len()).map(|bytes| Scalar::from(u128::from_le_bytes(bytes))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PublicKey;
    use ed25519_dalek::{Signer as _, SigningKey};

    const SEED: [u8; 32] = [0; 32];

    /// Moves errors into the first two signatures that cancel out under `z`: S0 + z1, S1 - z0.
    fn fit(parts: &mut [Parts], z: &[Scalar]) {
        parts[0].s += z[1];
        parts[1].s -= z[0];
    }

    #[test]
    fn knowing_the_seed_does_not_help_since_the_coefficients_follow_the_signatures() {
        let signing = SigningKey::from_bytes(&[8; 32]);
        let key = PublicKey::from_bytes(signing.verifying_key().as_bytes()).unwrap();
        let messages: Vec<[u8; 1]> = (0..16).map(|n| [n]).collect();
        let parts = || -> Vec<Parts> {
            let sign = |m: &[u8; 1]| signing.sign(m).to_bytes();
            messages.iter().filter_map(|m| Parts::decode(key.point(), m, &sign(m))).collect()
        };
        let mut forged = parts();
        let known = coefficients(key.point(), &forged, &SEED);
        assert!(sum_holds(key.point(), &forged, &known));
        fit(&mut forged, &known);
        // The attack is real: with coefficients fixed beforehand the forged batch passes.
        assert!(sum_holds(key.point(), &forged, &known));
        // It fails as S goes into the coefficients, and chasing them does not end.
        for _ in 0..50 {
            let now = coefficients(key.point(), &forged, &SEED);
            assert!(!sum_holds(key.point(), &forged, &now));
            forged = parts();
            fit(&mut forged, &now);
        }
    }

    #[test]
    fn every_input_changes_every_coefficient() {
        let signing = SigningKey::from_bytes(&[8; 32]);
        let other = SigningKey::from_bytes(&[9; 32]);
        let key = PublicKey::from_bytes(signing.verifying_key().as_bytes()).unwrap();
        let other = PublicKey::from_bytes(other.verifying_key().as_bytes()).unwrap();
        let parts = |last: &[u8]| -> Vec<Parts> {
            [&b"a"[..], b"b", last]
                .iter()
                .filter_map(|m| Parts::decode(key.point(), m, &signing.sign(m).to_bytes()))
                .collect()
        };
        let base = coefficients(key.point(), &parts(b"c"), &SEED);
        let mut other_s = parts(b"c");
        other_s[2].s += Scalar::ONE;
        // Another message under the same S.
        let mut other_challenge = parts(b"c");
        other_challenge[2].challenge[0] ^= 1;
        for changed in [
            coefficients(key.point(), &parts(b"d"), &SEED),
            coefficients(key.point(), &parts(b"c"), &[1; 32]),
            coefficients(other.point(), &parts(b"c"), &SEED),
            coefficients(key.point(), &other_s, &SEED),
            coefficients(key.point(), &other_challenge, &SEED),
        ] {
            assert!(base.iter().zip(&changed).all(|(a, b)| a != b));
        }
        assert!(base[0] != base[1] && base[1] != base[2] && base[0] != base[2]);
    }
}
