//! The hash chain: each record's digest covers the one before it, `docs/FORMAT.md` section 4.

use sha2::{Digest as _, Sha256};

use crate::hash::Digest;
use crate::sha256::{self, Sha256Stream};

/// `SHA-256(record bytes || prev)`; `prev` is the digest of the record before, `None` for record 0.
///
/// The record comes first so that its hashing can begin before its predecessor is known.
#[must_use]
pub fn record_digest(record: &[u8], prev: Option<&Digest>) -> Digest {
    Digest(sha256::of_two(record, prev.map(Digest::as_bytes)))
}

/// [`record_digest`], while a stream over the line that the record stands in is hashed in the same pass.
#[must_use]
pub fn record_digest_beside(
    record: &[u8],
    prev: Option<&Digest>,
    stream: &mut Sha256Stream,
    line: &[u8],
) -> Digest {
    Digest(stream.update_beside(line, record, prev.map(Digest::as_bytes)))
}

/// The digest of a record whose bytes `hash` has taken in.
pub(crate) fn finish(mut hash: Sha256, prev: Option<&Digest>) -> Digest {
    if let Some(prev) = prev {
        hash.update(prev.as_bytes());
    }
    Digest(hash.finalize().into())
}
