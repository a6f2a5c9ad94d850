//! The two rules against everything that tells Ed25519 verifiers apart: keys and signatures with
//! components of small order, second spellings of points and scalars, and errors made to cancel out.

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use indelible_core::ed25519::{
    BULK_CHUNK, verify, verify_bulk, verify_bulk_raw, verify_bulk_report, verify_bulk_report_raw,
    verify_raw, verify_strict, verify_strict_raw,
};
use indelible_core::key::{Ed25519Signature, KeyError, PublicKey};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

const SEED: [u8; 32] = [7; 32];

/// L, the order of the subgroup, low byte first.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Second spellings that lenient decoders take: 1 with the sign bit, p - 1 with the sign bit, p, p + 1
/// and p + 1 with the sign bit. Each is a point of small order.
fn second_spellings() -> [[u8; 32]; 5] {
    let mut one = [0; 32];
    (one[0], one[31]) = (1, 0x80);
    let near_p = |low, top| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, top);
        bytes
    };
    [one, near_p(0xec, 0xff), near_p(0xed, 0x7f), near_p(0xee, 0x7f), near_p(0xee, 0xff)]
}

/// A signer who does not follow the book: he chooses every value freely.
struct Signer {
    secret: Scalar,
    public: [u8; 32],
}

impl Signer {
    fn new(secret: u64, torsion: usize) -> Self {
        let secret = Scalar::from(secret).invert();
        let point = &secret * ED25519_BASEPOINT_TABLE + EIGHT_TORSION[torsion];
        Self { secret, public: point.compress().0 }
    }

    /// `R || S` with S made to fit whatever R the caller wants, given that R = rB + a point of small order.
    fn answer(&self, r_bytes: [u8; 32], r: Scalar, message: &[u8]) -> [u8; 64] {
        let hash =
            Sha512::new().chain_update(r_bytes).chain_update(self.public).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        join(r_bytes, (r + k * self.secret).to_bytes())
    }

    fn sign(&self, flaw: Flaw, message: &[u8]) -> [u8; 64] {
        let r = Scalar::from_bytes_mod_order_wide(&Sha512::digest(message).into());
        let point: EdwardsPoint = &r * ED25519_BASEPOINT_TABLE;
        let good = self.answer(point.compress().0, r, message);
        let (r_bytes, s_bytes) = split(good);
        match flaw {
            Flaw::None => good,
            Flaw::TorsionInR(t) => self.answer((point + EIGHT_TORSION[t]).compress().0, r, message),
            Flaw::SmallR(t) => self.answer(EIGHT_TORSION[t].compress().0, Scalar::ZERO, message),
            Flaw::SecondSpellingOfR(i) => self.answer(second_spellings()[i], Scalar::ZERO, message),
            Flaw::SPlusL(times) => {
                let mut s = s_bytes;
                (0..times).for_each(|_| s = add(s, L));
                join(r_bytes, s)
            }
            Flaw::SOff(by) => {
                let s = Scalar::from_bytes_mod_order(s_bytes) + Scalar::from(by);
                join(r_bytes, s.to_bytes())
            }
            Flaw::SOffBack(by) => {
                let s = Scalar::from_bytes_mod_order(s_bytes) - Scalar::from(by);
                join(r_bytes, s.to_bytes())
            }
            Flaw::Bit(bit) => {
                let mut flipped = good;
                flipped[bit / 8] ^= 1 << (bit % 8);
                flipped
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// R has a component of small order; S fits.
    TorsionInR(usize),
    /// R is of small order altogether; S fits.
    SmallR(usize),
    /// R is spelt in a second way; S fits the bytes as they are.
    SecondSpellingOfR(usize),
    /// S is L, or several L, too large.
    SPlusL(u8),
    /// S is wrong by so much.
    SOff(u64),
    /// S is wrong by as much in the other direction: the sum of both errors is nothing.
    SOffBack(u64),
    /// One bit of the signature is flipped.
    Bit(usize),
}

impl Flaw {
    /// What the rule for records says, by its own text, when the key is acceptable.
    fn is_accepted(self) -> bool {
        matches!(self, Self::None | Self::TorsionInR(_) | Self::SmallR(_))
    }

    /// What the strict rule says when the key has no torsion component.
    fn is_accepted_strictly(self) -> bool {
        matches!(self, Self::None | Self::TorsionInR(0))
    }
}

fn split(signature: [u8; 64]) -> ([u8; 32], [u8; 32]) {
    (signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap())
}

fn join(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    signature
}

fn add(a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|i| {
        let sum = u16::from(a[i]) + u16::from(b[i]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

fn any_flaw() -> impl Strategy<Value = Flaw> {
    prop_oneof![
        4 => Just(Flaw::None),
        2 => (0..8usize).prop_map(Flaw::TorsionInR),
        1 => (0..8usize).prop_map(Flaw::SmallR),
        1 => (0..5usize).prop_map(Flaw::SecondSpellingOfR),
        1 => (1..16u8).prop_map(Flaw::SPlusL),
        1 => Just(Flaw::SOff(5)),
        1 => Just(Flaw::SOffBack(5)),
        1 => (0..512usize).prop_map(Flaw::Bit),
    ]
}

fn messages(count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|i| Sha512::digest(i.to_be_bytes())[..32].try_into().unwrap()).collect()
}

fn signed(signer: &Signer, flaws: &[Flaw]) -> Vec<([u8; 32], [u8; 64])> {
    let messages = messages(flaws.len());
    messages.into_iter().zip(flaws).map(|(m, flaw)| (m, signer.sign(*flaw, &m))).collect()
}

fn raw_items(signed: &[([u8; 32], [u8; 64])]) -> Vec<(&[u8], &[u8; 64])> {
    signed.iter().map(|(message, signature)| (&message[..], signature)).collect()
}

/// Checks that every way of asking gives the verdicts `expected`.
fn judge(public: &[u8; 32], signed: &[([u8; 32], [u8; 64])], seed: [u8; 32], expected: &[bool]) {
    let singly: Vec<bool> = signed.iter().map(|(m, s)| verify_raw(public, m, s)).collect();
    assert_eq!(singly, expected, "one by one");
    let items = raw_items(signed);
    let all = expected.iter().all(|&good| good);
    assert_eq!(verify_bulk_raw(public, &items, seed), all, "in bulk");
    let bad: Vec<usize> = (0..expected.len()).filter(|&place| !expected[place]).collect();
    assert_eq!(verify_bulk_report_raw(public, &items, seed), bad, "the report");
    // The part that is good must be good as a batch of its own, whatever torsion it carries.
    let good: Vec<_> = items.iter().zip(expected).filter(|(_, e)| **e).map(|(i, _)| *i).collect();
    assert!(verify_bulk_raw(public, &good, seed), "the good ones in bulk");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bulk_and_single_never_disagree_whatever_the_torsion(
        secret in 1..u64::MAX,
        torsion in 0..8usize,
        flaws in prop::collection::vec(any_flaw(), 0..40),
        seed: [u8; 32],
    ) {
        let signer = Signer::new(secret, torsion);
        let expected: Vec<bool> = flaws.iter().map(|flaw| flaw.is_accepted()).collect();
        judge(&signer.public, &signed(&signer, &flaws), seed, &expected);
    }

    #[test]
    fn what_the_strict_rule_accepts_the_rule_for_records_accepts_too(
        secret in 1..u64::MAX,
        torsion in 0..8usize,
        flaw in any_flaw(),
        message: [u8; 32],
    ) {
        let signer = Signer::new(secret, torsion);
        let signature = signer.sign(flaw, &message);
        let strict = verify_strict_raw(&signer.public, &message, &signature);
        if torsion == 0 {
            prop_assert_eq!(strict, flaw.is_accepted_strictly());
        }
        prop_assert!(!strict || verify_raw(&signer.public, &message, &signature));
    }

    #[test]
    fn a_key_and_its_bytes_give_the_same_verdicts(
        secret in 1..u64::MAX,
        flaws in prop::collection::vec(any_flaw(), 1..20),
        seed: [u8; 32],
    ) {
        let signer = Signer::new(secret, 0);
        let key = PublicKey::from_bytes(&signer.public).unwrap();
        let signed = signed(&signer, &flaws);
        let signatures: Vec<Ed25519Signature> = signed.iter().map(|(_, s)| Ed25519Signature(*s)).collect();
        let items: Vec<(&[u8], &Ed25519Signature)> =
            signed.iter().zip(&signatures).map(|((m, _), s)| (&m[..], s)).collect();
        for (message, signature) in &items {
            let raw = verify_raw(&signer.public, message, &signature.0);
            prop_assert_eq!(verify(&key, message, signature), raw);
            let raw = verify_strict_raw(&signer.public, message, &signature.0);
            prop_assert_eq!(verify_strict(&key, message, signature), raw);
        }
        let raw = raw_items(&signed);
        prop_assert_eq!(verify_bulk(&key, &items, seed), verify_bulk_raw(&signer.public, &raw, seed));
        prop_assert_eq!(
            verify_bulk_report(&key, &items, seed),
            verify_bulk_report_raw(&signer.public, &raw, seed)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_report_names_exactly_the_planted_bad_ones(
        count in 1..400usize,
        planted in prop::collection::btree_map(0..400usize, any_flaw(), 0..30),
        seed: [u8; 32],
    ) {
        let signer = Signer::new(99, 0);
        let mut flaws = vec![Flaw::None; count];
        for (place, flaw) in planted {
            if let Some(there) = flaws.get_mut(place) {
                *there = flaw;
            }
        }
        let expected: Vec<bool> = flaws.iter().map(|flaw| flaw.is_accepted()).collect();
        judge(&signer.public, &signed(&signer, &flaws), seed, &expected);
    }
}

#[test]
fn no_seed_lets_errors_cancel_out() {
    let signer = Signer::new(3, 0);
    let mut flaws = [Flaw::None; 8];
    (flaws[2], flaws[5]) = (Flaw::SOff(1), Flaw::SOffBack(1));
    let signed = signed(&signer, &flaws);
    for number in 0..3000u64 {
        let seed: [u8; 32] = Sha512::digest(number.to_be_bytes())[..32].try_into().unwrap();
        assert!(!verify_bulk_raw(&signer.public, &raw_items(&signed), seed), "seed {number}");
    }
    for seed in [[0; 32], [0xff; 32]] {
        assert!(!verify_bulk_raw(&signer.public, &raw_items(&signed), seed));
    }
}

#[test]
fn the_same_bad_signature_many_times_stays_bad() {
    // With coefficients that do not differ from place to place, L equal errors of small order or a
    // multiple of 8 of them could vanish.
    let signer = Signer::new(11, 3);
    let message = [1; 32];
    for flaw in [Flaw::SOff(1), Flaw::Bit(300)] {
        for count in [5, 8, 16, 64] {
            let signed = vec![(message, signer.sign(flaw, &message)); count];
            judge(&signer.public, &signed, SEED, &vec![false; count]);
        }
    }
}

#[test]
fn batches_longer_than_a_chunk_are_checked_to_their_end() {
    let signer = Signer::new(17, 0);
    let count = BULK_CHUNK + 7;
    let mut flaws = vec![Flaw::None; count];
    let good = signed(&signer, &flaws);
    judge(&signer.public, &good, SEED, &vec![true; count]);
    for place in [0, BULK_CHUNK - 1, BULK_CHUNK, count - 1] {
        flaws[place] = Flaw::SOff(1);
        let mut one_bad = good.clone();
        one_bad[place].1 = signer.sign(Flaw::Bit(260), &one_bad[place].0);
        assert!(!verify_bulk_raw(&signer.public, &raw_items(&one_bad), SEED), "bad at {place}");
    }
    let expected: Vec<bool> = flaws.iter().map(|flaw| flaw.is_accepted()).collect();
    judge(&signer.public, &signed(&signer, &flaws), SEED, &expected);
}

#[test]
fn a_batch_of_nothing_but_bad_ones_is_reported_whole() {
    let signer = Signer::new(23, 0);
    let count = 1000;
    judge(&signer.public, &signed(&signer, &vec![Flaw::SOff(1); count]), SEED, &vec![false; count]);
}

#[test]
fn keys_of_small_order_sign_nothing() {
    let message = [9; 32];
    // [8]S*B = [8]R holds for S = 0 and R of small order under any such key.
    for key in EIGHT_TORSION {
        let key = key.compress().0;
        for r in EIGHT_TORSION {
            let signature = join(r.compress().0, [0; 32]);
            assert!(!verify_raw(&key, &message, &signature));
            assert!(!verify_strict_raw(&key, &message, &signature));
            assert!(!verify_bulk_raw(&key, &[(&message[..], &signature); 6], SEED));
            assert_eq!(verify_bulk_report_raw(&key, &[(&message[..], &signature)], SEED), [0]);
        }
        assert_eq!(PublicKey::from_bytes(&key), Err(KeyError::SmallOrder));
    }
}

#[test]
fn second_spellings_of_keys_are_refused() {
    for key in second_spellings() {
        let signature = join(EIGHT_TORSION[0].compress().0, [0; 32]);
        assert!(!verify_raw(&key, b"m", &signature));
        assert!(!verify_strict_raw(&key, b"m", &signature));
        assert!(!verify_bulk_raw(&key, &[(&b"m"[..], &signature); 6], SEED));
        assert_eq!(PublicKey::from_bytes(&key), Err(KeyError::NotCanonical));
    }
    // A batch of nothing has nothing bad in it, even under a key that cannot sign.
    assert!(verify_bulk_raw(&second_spellings()[0], &[], SEED));
}

#[test]
fn keys_with_a_torsion_component_can_be_checked_but_not_enrolled() {
    for torsion in 1..8 {
        let signer = Signer::new(5, torsion);
        let signature = signer.sign(Flaw::None, b"message");
        assert!(verify_raw(&signer.public, b"message", &signature));
        assert_eq!(PublicKey::from_bytes(&signer.public), Err(KeyError::Torsion));
    }
    assert!(PublicKey::from_bytes(&Signer::new(5, 0).public).is_ok());
}

#[test]
fn bytes_that_are_no_point_are_no_key() {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::NotOnCurve));
    assert!(!verify_raw(&bytes, b"m", &[0; 64]));
}

#[test]
fn signatures_by_another_implementation_are_accepted_by_both_rules() {
    use ed25519_dalek::Signer as _;
    let signing = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let key = PublicKey::from_bytes(signing.verifying_key().as_bytes()).unwrap();
    let messages: Vec<Vec<u8>> = (0..300).map(|length| vec![length as u8; length]).collect();
    let signatures: Vec<Ed25519Signature> =
        messages.iter().map(|message| Ed25519Signature(signing.sign(message).to_bytes())).collect();
    let items: Vec<(&[u8], &Ed25519Signature)> =
        messages.iter().map(Vec::as_slice).zip(&signatures).collect();
    for (message, signature) in &items {
        assert!(verify(&key, message, signature) && verify_strict(&key, message, signature));
    }
    assert!(verify_bulk(&key, &items, SEED));
    assert!(verify_bulk_report(&key, &items, SEED).is_empty());
    let swapped: Vec<(&[u8], &Ed25519Signature)> =
        messages.iter().map(Vec::as_slice).zip(signatures.iter().rev()).collect();
    assert_eq!(verify_bulk_report(&key, &swapped, SEED), (0..300).collect::<Vec<_>>());
}
