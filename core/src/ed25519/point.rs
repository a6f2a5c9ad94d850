//! Decoding of points and scalars, refusing every encoding but the one.
//!
//! RFC 8032 section 5.1.3 leaves room that implementations fill differently: a y-coordinate of p or
//! more, and a sign bit on x = 0. Both are refused here, so a point has exactly one encoding. Encoding
//! the point again and comparing would show the same but costs as much as decoding it.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

/// Why 32 bytes are not a key that a rule accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointFault {
    NotCanonical,
    NotOnCurve,
    SmallOrder,
}

/// A decoded public key: canonical, on the curve, not of small order. It may have a torsion component;
/// [`crate::key::PublicKey`] adds that check.
#[derive(Clone, Copy)]
pub(crate) struct KeyPoint {
    key: VerifyingKey,
}

impl KeyPoint {
    pub(crate) fn decode(bytes: &[u8; 32]) -> Result<Self, PointFault> {
        if !is_canonical(bytes) {
            return Err(PointFault::NotCanonical);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PointFault::NotOnCurve)?;
        if key.is_weak() { Err(PointFault::SmallOrder) } else { Ok(Self { key }) }
    }

    /// Whether the point lies in the subgroup of order L. Costs a scalar multiplication.
    pub(crate) fn is_torsion_free(&self) -> bool {
        self.key.to_edwards().is_torsion_free()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(super) fn point(&self) -> EdwardsPoint {
        self.key.to_edwards()
    }

    pub(super) fn dalek(&self) -> &VerifyingKey {
        &self.key
    }
}

/// A signature taken apart, with its challenge.
pub(super) struct Parts {
    /// R.
    pub(super) r: EdwardsPoint,
    /// S, below L.
    pub(super) s: Scalar,
    /// `k = SHA-512(R || A || M) mod L`.
    pub(super) k: Scalar,
    /// The 64 bytes of that hash before the reduction, bound to R, A and M by the hash.
    pub(super) challenge: [u8; 64],
}

impl Parts {
    /// `None` when R is not the canonical encoding of a point or S is not below L.
    pub(super) fn decode(key: &KeyPoint, message: &[u8], signature: &[u8; 64]) -> Option<Self> {
        let (r_bytes, s_bytes) = halves(signature);
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes))?;
        if !is_canonical(&r_bytes) {
            return None;
        }
        let r = CompressedEdwardsY(r_bytes).decompress()?;
        let hash = Sha512::new().chain_update(r_bytes).chain_update(key.as_bytes());
        let challenge: [u8; 64] = hash.chain_update(message).finalize().into();
        Some(Self { r, s, k: Scalar::from_bytes_mod_order_wide(&challenge), challenge })
    }
}

/// R and S of a signature.
fn halves(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0u8; 32], [0u8; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    (r, s)
}

/// Whether the bytes are the one encoding that their point has, if they are a point at all: y < p, and
/// no sign bit where x = 0, which is where y = 1 or y = p - 1.
pub(super) fn is_canonical(bytes: &[u8; 32]) -> bool {
    let (negative, top) = (bytes[31] & 0x80 != 0, bytes[31] & 0x7f);
    let middle = &bytes[1..31];
    // p = 2^255 - 19: ed ff .. ff 7f, low byte first.
    if top == 0x7f && middle.iter().all(|&byte| byte == 0xff) {
        bytes[0] < 0xec || (bytes[0] == 0xec && !negative)
    } else {
        !(negative && top == 0 && bytes[0] == 1 && middle.iter().all(|&byte| byte == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    /// What the quick test must agree with: encode the decoded point again.
    fn comes_back_the_same(bytes: &[u8; 32]) -> Option<bool> {
        CompressedEdwardsY(*bytes).decompress().map(|point| point.compress().0 == *bytes)
    }

    #[test]
    fn every_encoding_near_zero_one_and_p_is_judged_as_encoding_it_again_would() {
        let mut points = 0;
        for low in 0..=255u8 {
            for fill in [0x00, 0xff] {
                for top in [0x00, 0x80, 0x7f, 0xff] {
                    let mut bytes = [fill; 32];
                    (bytes[0], bytes[31]) = (low, top);
                    if let Some(same) = comes_back_the_same(&bytes) {
                        assert_eq!(is_canonical(&bytes), same, "{bytes:02x?}");
                        points += usize::from(!same);
                    }
                }
            }
        }
        // The y of p to p + 18 that are on the curve, with both signs, and the two with x = -0.
        assert!(points > 20, "only {points} encodings that are not canonical were met");
    }

    #[test]
    fn the_eight_points_of_small_order_have_a_canonical_encoding_and_are_no_keys() {
        for point in EIGHT_TORSION {
            let bytes = point.compress().0;
            assert!(is_canonical(&bytes));
            assert_eq!(KeyPoint::decode(&bytes).err(), Some(PointFault::SmallOrder));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_encodings_are_judged_as_encoding_them_again_would(bytes: [u8; 32]) {
            if let Some(same) = comes_back_the_same(&bytes) {
                prop_assert_eq!(is_canonical(&bytes), same);
            }
        }
    }
}
