//! A piece of one ledger on its way to a worker, from an export or from a live ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indelible_core::hash::Digest;
use indelible_core::key::{RecordSignature, Signature, Trust};
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;

use crate::blocks::BLOCK_BYTES;
use crate::lines::{Batch, Before, Expected, Reader};
use crate::signatures::SignedBy;

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
    signature: Option<(SignedBy, Signature)>,
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
        let signature =
            signature.map(|signed| (SignedBy::of(&signed.key_id, false), signed.signature.clone()));
        self.records.push(Stored { end: self.bytes.len(), digest, signature });
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

    /// The digest stated last.
    pub(crate) fn last_digest(&self) -> Option<Digest> {
        self.records.last().map(|stored| stored.digest)
    }

    /// Bytes of memory, the working memory of its check included.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.records.len() * (size_of::<Stored>() + LINE_WORKING_BYTES)
    }
}

/// What is known of one line while it waits, in bytes.
pub(crate) const LINE_WORKING_BYTES: usize = 512;

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
    /// Number of the first leaf.
    pub(crate) begin: u64,
    pub(crate) before: Before,
    pub(crate) contents: Contents,
    pub(crate) origin: Arc<Origin>,
    /// Sizes of expected heads.
    pub(crate) marks: Arc<[u64]>,
    pub(crate) trust: Arc<Trust>,
    /// Set once nothing more is looked at.
    pub(crate) stop: Arc<AtomicBool>,
}

/// Checks a chunk. How it joins the one before is for whoever sees both.
pub(crate) fn check(job: &ChunkJob) -> Batch {
    if job.stop.load(Ordering::Relaxed) {
        return nothing(job.begin);
    }
    let mut reader = Reader::new(Expected {
        begin: job.begin,
        before: job.before,
        origin: &job.origin,
        marks: &job.marks,
        lines_max: u64::MAX,
        trust: &job.trust,
    });
    match &job.contents {
        Contents::Lines(lines) => {
            reader.block(lines);
        }
        Contents::Records(chunk) => {
            let mut begin = 0;
            for Stored { end, digest, signature } in &chunk.records {
                let record = chunk.bytes.get(begin..*end).unwrap_or_default();
                if !reader.stored(record, *digest, signature.clone()) {
                    break;
                }
                begin = *end;
            }
        }
    }
    reader.finish()
}

/// For a chunk that nobody will look at.
fn nothing(begin: u64) -> Batch {
    Batch {
        lines: Vec::new(),
        keys: Vec::new(),
        count: 0,
        bytes: 0,
        range: CompactRange::new(begin),
        recomputed: None,
        more: false,
    }
}
