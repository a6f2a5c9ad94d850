//! One signature at a time.

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::traits::IsIdentity as _;

use super::point::{KeyPoint, Parts, is_canonical};
use crate::key::{Ed25519Signature, PublicKey};

/// Checks one signature by the rule for records (`docs/FORMAT.md` section 5): cofactored, the same
/// verdict as [`super::verify_bulk`].
#[must_use]
pub fn verify(key: &PublicKey, message: &[u8], signature: &Ed25519Signature) -> bool {
    holds(key.point(), message, &signature.0)
}

/// [`verify`] for a key given as bytes, applying exactly the rule: a key with a torsion component,
/// which [`PublicKey`] refuses, is judged like any other.
#[must_use]
pub fn verify_raw(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    KeyPoint::decode(key).is_ok_and(|key| holds(&key, message, signature))
}

/// Checks one signature by the strict rule, for checkpoints and manifests (`docs/FORMAT.md` section 5).
#[must_use]
pub fn verify_strict(key: &PublicKey, message: &[u8], signature: &Ed25519Signature) -> bool {
    holds_strictly(key.point(), message, &signature.0)
}

/// [`verify_strict`] for a key given as bytes, applying exactly the rule.
#[must_use]
pub fn verify_strict_raw(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    KeyPoint::decode(key).is_ok_and(|key| holds_strictly(&key, message, signature))
}

fn holds(key: &KeyPoint, message: &[u8], signature: &[u8; 64]) -> bool {
    Parts::decode(key, message, signature).is_some_and(|parts| parts_hold(key, &parts))
}

/// `[8]([S]B - [k]A - R) = 0`.
pub(super) fn parts_hold(key: &KeyPoint, parts: &Parts) -> bool {
    let minus_a = -key.point();
    let difference =
        EdwardsPoint::vartime_double_scalar_mul_basepoint(&parts.k, &minus_a, &parts.s) - parts.r;
    difference.mul_by_cofactor().is_identity()
}

/// ed25519-dalek's `verify_strict` refuses R and A of small order and S of L or more, and compares the
/// bytes of R with the encoding of `[S]B - [k]A`, so a non-canonical R fails as well. That A is
/// canonical was seen when it was decoded.
fn holds_strictly(key: &KeyPoint, message: &[u8], signature: &[u8; 64]) -> bool {
    debug_assert!(is_canonical(key.as_bytes()));
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.dalek().verify_strict(message, &signature).is_ok()
}
