//! A piece of one ledger on its way to a worker, from an export or from a live ledger.

use std::sync::Arc;

use indelible_core::hash::Digest;
use indelible_core::key::RecordSignature;
use indelible_core::name::Origin;

use crate::blocks::BLOCK_BYTES;
use crate::context::Context;
use crate::stretch::{Before, Expected, Stretch, StretchCheck};

/// Records with their digests and signatures as a store keeps them, in order and without gap.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    records: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    end: usize,
    digest: Digest,
    signature: Option<RecordSignature>,
}

impl Chunk {
    /// An empty chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record with what is stored beside it.
    pub fn push(&mut self, record: &[u8], digest: Digest, signature: Option<&RecordSignature>) {
        self.bytes.extend_from_slice(record);
        let (end, signature) = (self.bytes.len(), signature.cloned());
        self.records.push(Stored { end, digest, signature });
    }

    /// Whether the chunk is of a good size to be handed over.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// What a chunk is made of.
#[derive(Debug)]
pub(crate) enum Contents {
    /// Whole lines of a segment.
    Lines(Vec<u8>),
    /// Records of a live ledger.
    Records(Chunk),
}

/// Work for a worker.
#[derive(Debug)]
pub(crate) struct ChunkJob {
    /// How many records came before.
    pub(crate) begin: u64,
    pub(crate) contents: Contents,
    pub(crate) origin: Arc<Origin>,
    /// Sizes of expected heads.
    pub(crate) marks: Arc<[u64]>,
}

/// Checks a chunk. How it joins the one before is for whoever sees both.
pub(crate) fn check(job: &ChunkJob, context: &Context) -> Stretch {
    let is_first = job.begin == 0;
    let expected = Expected {
        begin: job.begin,
        any_first_seq: !is_first,
        before: if is_first { Before::Digest(None) } else { Before::Elsewhere },
        ledger: job.origin.ledger(),
        origin: Some(&*job.origin),
        marks: &job.marks,
        findings_max: context.findings_max,
        lines_max: u64::MAX,
    };
    let mut check = StretchCheck::new(expected, &context.trust);
    match &job.contents {
        Contents::Lines(lines) => {
            check.block(lines);
        }
        Contents::Records(chunk) => {
            let mut begin = 0;
            for Stored { end, digest, signature } in &chunk.records {
                let record = chunk.bytes.get(begin..*end).unwrap_or_default();
                let signature =
                    signature.as_ref().map(|signed| (signed.key_id.as_str(), signed.signature));
                check.record(record, *digest, signature);
                begin = *end;
            }
        }
    }
    check.finish()
}
