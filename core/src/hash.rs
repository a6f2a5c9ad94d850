//! The 32-byte values of the ledger, one type for each meaning, so that a leaf hash can never stand
//! where a digest is meant.

use core::fmt;
use core::str::FromStr;

use crate::encoding::{base64, hex, unbase64_array, unhex};

/// A value that should have been 64 hex digits or 44 base64 characters of 32 bytes was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the {0} of 32 bytes")]
pub struct HashParseError(&'static str);

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Lower-case hex, 64 digits.
            #[must_use]
            pub fn to_hex(&self) -> String {
                hex(&self.0)
            }

            /// Padded base64, 44 characters.
            #[must_use]
            pub fn to_base64(&self) -> String {
                base64(&self.0)
            }

            /// Reads 64 lower-case hex digits.
            ///
            /// # Errors
            /// When `text` is anything else.
            pub fn from_hex(text: &str) -> Result<Self, HashParseError> {
                unhex(text.as_bytes()).map(Self).ok_or(HashParseError("lower-case hex"))
            }

            /// Reads padded base64 of 32 bytes.
            ///
            /// # Errors
            /// When `text` is anything else.
            pub fn from_base64(text: &str) -> Result<Self, HashParseError> {
                unbase64_array(text.as_bytes()).map(Self).ok_or(HashParseError("base64"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_hex())
            }
        }

        impl FromStr for $name {
            type Err = HashParseError;
            fn from_str(text: &str) -> Result<Self, HashParseError> {
                Self::from_hex(text)
            }
        }
    };
}

hash_type! {
    /// The digest of a record: `SHA-256(record bytes || previous digest)`, `docs/FORMAT.md` section 4.
    Digest
}
hash_type! {
    /// The hash of a leaf: `SHA-256(0x00 || digest)`, RFC 6962 section 2.1.
    LeafHash
}
hash_type! {
    /// The hash of a node or root of the Merkle tree, RFC 6962 section 2.1.
    NodeHash
}
hash_type! {
    /// A plain SHA-256 of a file or text, such as a segment's or a manifest's.
    Sha256Hash
}

impl From<LeafHash> for NodeHash {
    /// A tree of one leaf has the leaf hash as its root.
    fn from(leaf: LeafHash) -> Self {
        Self(leaf.0)
    }
}
