//! The algorithms that records are signed with.

use core::fmt;

/// Longest name of an algorithm in bytes, of those to come as well: some three times the longest of today.
pub const ALGORITHM_NAME_BYTES_MAX: usize = 32;

/// A signature algorithm of records. Notes are always signed with Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519, RFC 8032, pure: the digest is the message.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 section 8.2: the digest is the hash.
    RsaSha256,
    /// ECDSA over P-256, FIPS 186-5: the digest is the hash.
    EcdsaP256,
    /// HMAC-SHA-256, RFC 2104: the digest is the message.
    HmacSha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::RsaSha256, Self::EcdsaP256, Self::HmacSha256];

    /// The name that stands as `alg` in JSON and before the colon of a key id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::RsaSha256 => "rsa-sha256",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// The algorithm of this name; `None` for every name that this program does not know.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Bytes behind the colon of a key id.
    pub(super) const fn key_id_bytes(self) -> usize {
        match self {
            Self::Ed25519 | Self::RsaSha256 | Self::HmacSha256 => 32,
            Self::EcdsaP256 => 33,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `name` can be that of an algorithm, be it of a later version: `[a-z][a-z0-9-]{0,31}`.
pub(super) fn is_algorithm_name(name: &str) -> bool {
    name.len() <= ALGORITHM_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
