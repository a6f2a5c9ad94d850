//! The hash chain: each record's digest covers the one before it, `docs/FORMAT.md` section 4.

use sha2::{Digest as _, Sha256};

use crate::hash::Digest;

/// `SHA-256(record bytes || prev)`; `prev` is the digest of the record before, `None` for record 0.
///
/// The record comes first so that its hashing can begin before its predecessor is known.
#[must_use]
pub fn record_digest(record: &[u8], prev: Option<&Digest>) -> Digest {
    let mut hash = Sha256::new();
    hash.update(record);
    finish(hash, prev)
}

/// The digest of a record whose bytes `hash` has taken in.
pub(crate) fn finish(mut hash: Sha256, prev: Option<&Digest>) -> Digest {
    if let Some(prev) = prev {
        hash.update(prev.as_bytes());
    }
    Digest(hash.finalize().into())
}
