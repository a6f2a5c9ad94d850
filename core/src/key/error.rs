//! What can be wrong with keys and their texts.

use super::{
    HMAC_SECRET_BYTES_MAX, HMAC_SECRET_BYTES_MIN, RSA_MODULUS_BITS_MAX, RSA_MODULUS_BITS_MIN,
    VKEY_NAME_BYTES_MAX,
};
use crate::ed25519::PointFault;

/// Why bytes or a text are not a key, a key id or a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The 32 bytes are a second spelling of a point.
    #[error("the public key is not in canonical encoding")]
    NotCanonical,
    /// The bytes are no point of the curve.
    #[error("the public key is not a point of the curve")]
    NotOnCurve,
    /// Anybody can make signatures for such a key.
    #[error("the public key is of small order, so anybody could sign for it")]
    SmallOrder,
    /// The key is not in the subgroup that key generation draws from.
    #[error("the public key has a torsion component; no proper key generation makes such a key")]
    Torsion,
    /// Not a DER SubjectPublicKeyInfo of a plain RSA key.
    #[error("the bytes are not the DER SubjectPublicKeyInfo of an RSA key (rsaEncryption)")]
    RsaEncoding,
    /// The modulus is too short or too long.
    #[error("an RSA modulus has {RSA_MODULUS_BITS_MIN} to {RSA_MODULUS_BITS_MAX} bits")]
    RsaModulus,
    /// The public exponent is not one that proper key generation gives.
    #[error("an RSA public exponent is an odd number from 65,537 to 4,294,967,295")]
    RsaExponent,
    /// The shared secret is too short or too long.
    #[error("an HMAC secret has {HMAC_SECRET_BYTES_MIN} to {HMAC_SECRET_BYTES_MAX} bytes")]
    HmacSecret,
    /// Not the name of an algorithm, a colon and the hex digits that it has.
    #[error(
        "a key id is the name of an algorithm, a colon and lower-case hex digits: 'ed25519:' and 64, 'ecdsa-p256:' and 66, 'rsa-sha256:' or 'hmac-sha256:' and 64"
    )]
    KeyId,
    /// Not a signature of its key's algorithm.
    #[error("a signature is the base64 of as many bytes as its algorithm gives")]
    Signature,
    /// Not `<name>+<8 hex>+<base64>`.
    #[error("a verifier key is written <name>+<8 lower-case hex digits>+<base64>, in one line")]
    VKeyShape,
    /// The name is empty, too long, or has a character that a note cannot carry.
    #[error(
        "the name in a verifier key is 1 to {VKEY_NAME_BYTES_MAX} bytes without '+', white space and control characters"
    )]
    VKeyName,
    /// The key is of another type than Ed25519 (0x01) and those that say their name (0xff).
    #[error(
        "the verifier key is of type 0x{0:02x}; Ed25519 (0x01), and rsa-sha256 and ecdsa-p256 by their names (0xff), are supported"
    )]
    VKeyType(u8),
    /// The key is of type 0xff and of an algorithm that this program does not know.
    #[error(
        "the verifier key is of type 0xff and not of an algorithm that this program knows (rsa-sha256, ecdsa-p256); a newer program may"
    )]
    VKeyAlgorithm,
    /// The 8 hex digits do not belong to the name and key: one of the three was changed or mistyped.
    #[error(
        "the 8 hex digits of the verifier key do not fit its name and key; was it copied completely?"
    )]
    VKeyHash,
    /// A secret where a public key belongs.
    #[error(
        "an hmac-sha256 key is a secret and never a verifier key: it is given as a file of its own"
    )]
    Secret,
    /// Not `PRIVATE+KEY+<name>+<8 hex>+<base64>` of an hmac-sha256 key.
    #[error(
        "an hmac-sha256 key is written PRIVATE+KEY+<name>+<8 lower-case hex digits>+<base64>, in one line"
    )]
    SecretShape,
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
