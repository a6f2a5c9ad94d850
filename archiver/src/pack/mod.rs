//! Packing a run of records into one segment file, checking every record on the way.
//!
//! The archiver ships evidence, so it trusts its own database no more than a stranger would: the chain,
//! the digests and the signatures of what it reads are checked before they are packed. A damaged
//! database shows here, not years later at the auditor's.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use indelible_core::ed25519;
use indelible_core::hash::{Digest, Sha256Hash};
use indelible_core::key::{
    Ed25519Signature, KeyId, RecordKey, RecordSignature, Signature, SignatureCheck, Trust,
};
use indelible_core::limits::SEGMENT_PLAIN_BYTES_MAX;
use indelible_core::manifest::Content;
use indelible_core::merkle::{self, CompactRange};
use indelible_core::name::Seq;
use indelible_core::record::RecordView;
use indelible_core::sha256::Sha256Stream;
use indelible_core::system::SignPer;
use indelible_core::time::Timestamp;
use indelible_core::{chain, segment};
use indelible_ledger::{LedgerInfo, StoredRecord};
use sha2::{Digest as _, Sha256};

/// Zstandard level. A third of what is left of a record is digest and signature, which no level packs, and
/// most of the rest is words that repeat and ids that do not: of such segments level 1 makes 2 to 8 percent
/// less than level 3, at 400 against 220 MB/s, and they are unpacked a tenth to a third faster.
const ZSTD_LEVEL: i32 = 1;

/// Plain bytes after which a segment is cut even before its last record: large events should not make
/// segments that an auditor cannot move. A line of 2 MiB beyond it is far from the format's limit.
pub const PLAIN_BYTES_CUT: u64 = SEGMENT_PLAIN_BYTES_MAX / 4;

/// Signatures that are checked together.
const SIGNATURES_AT_ONCE: usize = 2048;

const WRONG_SIGNATURE: &str = "its signature does not fit its digest";

/// Why a record of the database cannot be archived.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The database contradicts itself.
    #[error(
        "record {seq} in the database is damaged: {reason}. Nothing was archived from here on; run `indelible verify` and restore the database"
    )]
    Damaged {
        /// The record.
        seq: Seq,
        /// What does not fit.
        reason: String,
    },
    /// A record is signed with a key that cannot be had here. Nothing speaks against it.
    #[error(
        "record {seq} is signed with {key_id}, which cannot be checked here: {reason}. Nothing was archived from here on"
    )]
    Uncheckable {
        /// The record.
        seq: Seq,
        /// The key that it says signed it.
        key_id: KeyId,
        /// What is missing.
        reason: &'static str,
    },
    /// The spool file failed.
    #[error("the spool file cannot be written: {0}")]
    Spool(#[from] io::Error),
}

/// A packed segment in a spool file.
pub(crate) struct Packed {
    pub(crate) file: File,
    pub(crate) packed: Content,
    pub(crate) plain: Content,
    pub(crate) first_prev: Option<Digest>,
    pub(crate) last_digest: Digest,
    pub(crate) keys: BTreeSet<KeyId>,
    pub(crate) subtrees: CompactRange,
}

/// Takes records in order and packs them.
pub(crate) struct Packer<'k> {
    info: &'k LedgerInfo,
    own: &'k OwnKey,
    encoder: zstd::stream::write::Encoder<'static, Counted>,
    plain: Sha256Stream,
    plain_size: u64,
    first_prev: Option<Digest>,
    last: Option<Digest>,
    keys: BTreeSet<KeyId>,
    subtrees: CompactRange,
    next: Seq,
    last_time: Option<Timestamp>,
    /// Records since the last one with a signature of its own, within this segment.
    unsigned: u64,
    line: Vec<u8>,
    /// Signatures with the ledger's own key where that is Ed25519, which are checked in bulk.
    unchecked: Vec<(Seq, Digest, Ed25519Signature)>,
}

/// The key of the ledger's own signer, which signed most records.
#[derive(Debug, Clone)]
pub(crate) struct OwnKey {
    key: RecordKey,
    id: KeyId,
}

impl OwnKey {
    pub(crate) fn new(key: RecordKey) -> Self {
        Self { id: key.key_id(), key }
    }

    /// What the key is called.
    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }
}

impl<'k> Packer<'k> {
    /// A segment that begins at `first`, whose predecessor has the digest `prev`, spooled to `spool`.
    pub(crate) fn new(
        first: Seq,
        prev: Option<Digest>,
        info: &'k LedgerInfo,
        own: &'k OwnKey,
        spool: File,
    ) -> Result<Self, PackError> {
        let sink = Counted { file: BufWriter::new(spool), hasher: Sha256::new(), size: 0 };
        let mut encoder = zstd::stream::write::Encoder::new(sink, ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self {
            info,
            own,
            encoder,
            plain: Sha256Stream::new(),
            plain_size: 0,
            first_prev: prev,
            last: prev,
            keys: BTreeSet::new(),
            subtrees: CompactRange::new(first.get()),
            next: first,
            last_time: None,
            unsigned: 0,
            line: Vec::new(),
            unchecked: Vec::new(),
        })
    }

    /// Bytes of the lines so far.
    pub(crate) const fn plain_size(&self) -> u64 {
        self.plain_size
    }

    /// Checks one record and packs it.
    pub(crate) fn push(&mut self, stored: &StoredRecord) -> Result<(), PackError> {
        let damaged = |reason: String| PackError::Damaged { seq: stored.seq, reason };
        let view = RecordView::parse(&stored.record).map_err(|error| damaged(error.to_string()))?;
        if view.seq != self.next || stored.seq != self.next {
            return Err(damaged(format!("it says {}, {} is next", view.seq, self.next)));
        }
        if *view.ledger != *self.info.name {
            return Err(damaged(format!("it is one of ledger {}", view.ledger)));
        }
        if self.last_time.is_some_and(|last| view.time < last) {
            return Err(damaged("its time is before that of the record before".into()));
        }
        self.line.clear();
        let signature = stored.signature.as_ref();
        segment::push_line(&mut self.line, &stored.record, &stored.digest, signature);
        let (before, plain) = (self.last.as_ref(), &mut self.plain);
        let digest = chain::record_digest_beside(&stored.record, before, plain, &self.line);
        if stored.prev != self.last || digest != stored.digest {
            return Err(damaged("its digest does not follow from the record before".into()));
        }
        self.take_signature(stored)?;
        if self.unchecked.len() >= SIGNATURES_AT_ONCE {
            self.check_signatures()?;
        }
        self.plain_size += self.line.len() as u64;
        self.encoder.write_all(&self.line)?;
        self.subtrees.append(merkle::leaf_hash(&stored.digest));
        self.last = Some(stored.digest);
        self.last_time = Some(view.time);
        self.next = stored.seq.next().ok_or_else(|| damaged("no number follows it".into()))?;
        Ok(())
    }

    /// Sees to it that the record is signed as its ledger's settings say.
    ///
    /// With which key is not asked: the keys that a ledger names are those that it says sign it, and no
    /// list of those that may (`docs/FORMAT.md` section 5). Whom to trust is for the auditor; here it counts
    /// that the signature is that key's.
    fn take_signature(&mut self, stored: &StoredRecord) -> Result<(), PackError> {
        let seq = stored.seq;
        let damaged = |reason: String| Err(PackError::Damaged { seq, reason });
        let Some(signed) = &stored.signature else {
            self.unsigned += 1;
            return match self.info.sign_per {
                SignPer::Record => damaged("its signature is missing".into()),
                SignPer::Commit if self.unsigned > self.info.max_unsigned => {
                    damaged(format!("none of the last {} records is signed", self.unsigned))
                }
                SignPer::Commit => Ok(()),
            };
        };
        let is_own = signed.key_id == self.own.id;
        if let (true, RecordKey::Ed25519(_), Signature::Ed25519(signature)) =
            (is_own, &self.own.key, &signed.signature)
        {
            self.unchecked.push((seq, stored.digest, *signature));
        } else {
            self.check_now(stored, signed, is_own)?;
        }
        if self.keys.last() != Some(&signed.key_id) {
            self.keys.insert(signed.key_id.clone());
        }
        self.unsigned = 0;
        Ok(())
    }

    /// Checks a signature that cannot wait for others of its kind.
    fn check_now(
        &self,
        stored: &StoredRecord,
        signed: &RecordSignature,
        is_own: bool,
    ) -> Result<(), PackError> {
        let check = if !is_own {
            Trust::new().check(&stored.digest, signed)
        } else if self.own.key.verify(&stored.digest, &signed.signature) {
            SignatureCheck::Fits
        } else {
            SignatureCheck::DoesNotFit
        };
        let (seq, key_id) = (stored.seq, signed.key_id.clone());
        match check {
            SignatureCheck::Fits => Ok(()),
            SignatureCheck::DoesNotFit => {
                let reason = WRONG_SIGNATURE.into();
                Err(PackError::Damaged { seq, reason })
            }
            SignatureCheck::KeyMissing => {
                let reason = "its id does not spell the key, and it is not that of the ledger's signer; archive with \
                              the server that has it";
                Err(PackError::Uncheckable { seq, key_id, reason })
            }
            SignatureCheck::Newer => {
                let reason = "this program does not know the algorithm; a newer program is needed";
                Err(PackError::Uncheckable { seq, key_id, reason })
            }
        }
    }

    fn check_signatures(&mut self) -> Result<(), PackError> {
        let RecordKey::Ed25519(key) = &self.own.key else { return Ok(()) };
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let items: Vec<(&[u8], &Ed25519Signature)> =
            self.unchecked.iter().map(|(_, digest, sig)| (&digest.0[..], sig)).collect();
        if let Some(bad) = ed25519::verify_bulk_report(key, &items, seed).first()
            && let Some((seq, ..)) = self.unchecked.get(*bad)
        {
            return Err(PackError::Damaged { seq: *seq, reason: WRONG_SIGNATURE.into() });
        }
        self.unchecked.clear();
        Ok(())
    }

    /// Closes the segment after `last`, the record that was pushed last.
    pub(crate) fn finish(mut self, last: Seq) -> Result<Packed, PackError> {
        self.check_signatures()?;
        let Some(last_digest) = self.last.filter(|_| self.subtrees.end() == last.get() + 1) else {
            let reason = "the run of records ends early".into();
            return Err(PackError::Damaged { seq: last, reason });
        };
        let Counted { file, hasher, size } = self.encoder.finish()?;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Packed {
            file,
            packed: Content { sha256: Sha256Hash(hasher.finalize().into()), size },
            plain: Content { sha256: Sha256Hash(self.plain.finish()), size: self.plain_size },
            first_prev: self.first_prev,
            last_digest,
            keys: self.keys,
            subtrees: self.subtrees,
        })
    }
}

/// Counts and hashes what is written to the spool file.
struct Counted {
    file: BufWriter<File>,
    hasher: Sha256,
    size: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
