//! Cuts, packs and ships segments of a ledger into a vault.
//!
//! One run of [`Archiver::archive`] brings a vault up to date with a ledger and may be interrupted at
//! any point, by a crash too: the next run continues. It rests on three rules:
//!
//! 1. **The vault says what is archived.** No state is kept elsewhere. The last manifest in the vault
//!    is opened, its signature checked and compared with the database; archiving goes on behind it.
//! 2. **Nothing counts before it was read back.** A segment is created, read back and hashed; only then
//!    is its manifest created, and read back too. A segment without a manifest means nothing.
//! 3. **Nothing is shipped unchecked.** Chain, digests and signatures are recomputed while packing.
//!
//! After that the ledger itself records the segment (`segment_archived`). Such records alone are no
//! reason to cut another segment, so a second run over an unchanged ledger changes nothing.
//!
//! The work is blocking reads and writes between a few awaited signatures. Run it where blocking is
//! allowed.

mod pack;
mod progress;
mod resume;
mod vault;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use indelible_core::hash::{Digest, Sha256Hash};
use indelible_core::key::{KeyError, PublicKey, Trust, VKey};
use indelible_core::limits::{MANIFEST_BYTES_MAX, SEGMENT_RECORDS_MAX};
use indelible_core::manifest::{Content, Manifest, ManifestError};
use indelible_core::name::{EventId, LedgerName, NameError, Origin, Seq};
use indelible_core::record::{Body, RecordView};
use indelible_core::segment::Run;
use indelible_core::system::{SegmentArchived, System};
use indelible_core::time::Timestamp;
use indelible_ledger::{AppendError, Direction, Engine, EventError, LedgerInfo, ReadError};
use sha2::{Digest as _, Sha256};

pub use pack::PackError;
pub use progress::{Progress, Silent};
pub use vault::{DirectoryVault, Upload, Vault, VaultError};

use pack::{Packed, Packer};
use resume::Archived;

/// Records read from the database at once.
const READ_RECORDS: usize = 1024;
/// Bytes read from the database at once.
const READ_BYTES: usize = 4 << 20;

/// When the end of a ledger that does not fill a segment is archived too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Never: only whole segments of 65,536 records.
    Whole,
    /// When the first record that waits is at least this old at the time given.
    OlderThan(Duration, Timestamp),
    /// Now.
    Now,
}

/// Why archiving stopped. What was archived before stays; the next run continues there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The ledger could not be read, or a checkpoint or manifest not be signed.
    #[error(transparent)]
    Engine(#[from] ReadError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database is damaged, or the spool file failed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// What is in the vault does not belong to this ledger, or has a hole.
    #[error(
        "{vault}, ledger {ledger}: {reason}. Nothing was written. Check it with `indelible-verify vault`, or archive into an empty vault"
    )]
    Foreign {
        /// The vault.
        vault: String,
        /// The ledger.
        ledger: LedgerName,
        /// What does not fit.
        reason: String,
    },
    /// The manifest that this run made is not one that a verifier would take.
    #[error("the manifest of records {} to {} cannot be used: {reason}", run.first(), run.last())]
    Manifest {
        /// The records of the segment.
        run: Run,
        /// What is wrong.
        reason: String,
    },
    /// The engine's key does not fit the ledger's origin.
    #[error("the engine's key cannot be used: {0}")]
    Key(#[source] KeyError),
    /// The segment is safe, but the ledger could not record that. The next run will.
    #[error("the segment is archived, but the ledger could not record it: {0}")]
    Record(#[source] AppendError),
    /// A spool file could not be made.
    #[error("no spool file in {}: {source}", .folder.display())]
    Spool {
        /// Where.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The ledger.
    pub ledger: LedgerName,
    /// Segments that this run added.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Their size in the vault, in bytes.
    pub packed_bytes: u64,
    /// Their plain size, in bytes.
    pub plain_bytes: u64,
    /// How many records of the ledger the vault holds now, from record 0 on.
    pub archived: u64,
    /// How many records the ledger had when the run began.
    pub size: u64,
}

/// Brings vaults up to date with the ledgers of one engine.
pub struct Archiver {
    engine: Engine,
    key: PublicKey,
    spool: PathBuf,
}

impl Archiver {
    /// An archiver for the ledgers of `engine`, which signs with `key`. Segments are packed in
    /// anonymous files in the folder `spool` before they are shipped.
    #[must_use]
    pub fn new(engine: Engine, key: PublicKey, spool: PathBuf) -> Self {
        Self { engine, key, spool }
    }

    /// Ships everything of `ledger` that is not in `vault` yet, up to the records that are durable when
    /// the run begins.
    ///
    /// # Errors
    /// See [`ArchiveError`]; calling again continues.
    pub async fn archive(
        &self,
        ledger: &LedgerName,
        vault: &dyn Vault,
        seal: Seal,
        progress: &dyn Progress,
    ) -> Result<Summary, ArchiveError> {
        let info = self.engine.ledger(ledger)?;
        let trust = self.trust(&info.origin)?;
        let mut last = resume::last_archived(&self.engine, &info, vault, &trust)?;
        if let Some(last) = &last {
            // A run may have ended between the manifest and this record; the id makes it one record.
            self.record(ledger, vault, last).await?;
        }
        let mut summary = Summary {
            ledger: ledger.clone(),
            segments: 0,
            records: 0,
            packed_bytes: 0,
            plain_bytes: 0,
            archived: last.as_ref().map_or(0, Archived::end),
            size: info.size,
        };
        progress.begin(ledger, info.size - summary.archived.min(info.size));
        while let Some(end) = self.next_cut(&info, summary.archived, seal)? {
            let archived = self.ship(&info, vault, &trust, last.as_ref(), end, progress).await?;
            self.record(ledger, vault, &archived).await?;
            summary.segments += 1;
            summary.records += archived.end() - summary.archived;
            summary.packed_bytes += archived.manifest.packed.size;
            summary.plain_bytes += archived.manifest.plain.size;
            summary.archived = archived.end();
            last = Some(archived);
        }
        progress.end();
        Ok(summary)
    }

    /// The engine's own key, under which manifests are read back as a verifier would.
    fn trust(&self, origin: &Origin) -> Result<Trust, ArchiveError> {
        let vkey = VKey::new(origin.as_str(), self.key.clone()).map_err(ArchiveError::Key)?;
        let mut trust = Trust::new();
        trust.add(vkey);
        Ok(trust)
    }

    /// Where the segment that begins at `start` ends (exclusive), or `None` when there is none to cut.
    fn next_cut(
        &self,
        info: &LedgerInfo,
        start: u64,
        seal: Seal,
    ) -> Result<Option<u64>, ArchiveError> {
        let whole = (start / SEGMENT_RECORDS_MAX + 1) * SEGMENT_RECORDS_MAX;
        if whole <= info.size {
            return Ok(Some(whole));
        }
        if start >= info.size {
            return Ok(None);
        }
        let waits = match seal {
            Seal::Whole => false,
            Seal::Now => self.first_waiting(info, start)?.is_some(),
            Seal::OlderThan(age, now) => self.first_waiting(info, start)?.is_some_and(|since| {
                u128::from(now.micros().saturating_sub(since.micros())) >= age.as_micros()
            }),
        };
        Ok(waits.then_some(info.size))
    }

    /// The time of the first record from `start` on that is more than the news of an archived segment.
    fn first_waiting(
        &self,
        info: &LedgerInfo,
        start: u64,
    ) -> Result<Option<Timestamp>, ArchiveError> {
        let mut next = start;
        while next < info.size {
            let records = self.read(&info.name, next)?;
            let Some(last) = records.last() else { break };
            next = last.seq.get() + 1;
            let waiting = records.iter().take_while(|record| record.seq.get() < info.size);
            if let Some(found) = waiting.into_iter().find(|record| !is_archive_news(&record.record))
            {
                return Ok(Some(found.time));
            }
        }
        Ok(None)
    }

    fn read(
        &self,
        ledger: &LedgerName,
        from: u64,
    ) -> Result<Vec<indelible_ledger::StoredRecord>, ArchiveError> {
        let Ok(from) = Seq::new(from) else { return Ok(Vec::new()) };
        Ok(self.engine.range(ledger, from, Direction::Forward, READ_RECORDS, READ_BYTES)?)
    }

    /// Packs, signs and stores one segment: from behind `last` up to `end` (exclusive), or earlier if
    /// it grows too large.
    async fn ship(
        &self,
        info: &LedgerInfo,
        vault: &dyn Vault,
        trust: &Trust,
        last: Option<&Archived>,
        end: u64,
        progress: &dyn Progress,
    ) -> Result<Archived, ArchiveError> {
        let start = last.map_or(0, Archived::end);
        let prev = last.map(|last| last.manifest.last_digest);
        let (run, mut packed) = self.pack(info, start, end, prev, progress)?;
        let manifest = self.manifest(info, run, &packed, last).await?;
        let unusable =
            |error: ManifestError| ArchiveError::Manifest { run, reason: error.to_string() };
        let text = manifest.signed_text().map_err(unusable)?;
        let ledger = &info.name;

        // 1. The segment. Until its manifest is there it means nothing.
        let Content { size, sha256 } = manifest.packed;
        let object = manifest.object_name();
        vault.create(ledger, &object, Upload { content: &mut packed.file, size, sha256 })?;
        check_stored(vault, ledger, &object, &manifest.packed)?;

        // 2. The manifest, which makes it count.
        let note = self.engine.sign_note(ledger, &text).await?;
        let Content { size, sha256 } = Content::of(note.as_bytes());
        let mut content = note.as_bytes();
        let upload = Upload { content: &mut content, size, sha256 };
        vault.create(ledger, &manifest.file_name(), upload)?;
        resume::open_manifest(vault, info, trust, run)
    }

    fn pack(
        &self,
        info: &LedgerInfo,
        start: u64,
        end: u64,
        prev: Option<Digest>,
        progress: &dyn Progress,
    ) -> Result<(Run, Packed), ArchiveError> {
        let out_of_numbers = |_| ReadError::OutOfRange { asked: end, size: info.size };
        let first = Seq::new(start).map_err(out_of_numbers)?;
        let mut packer = Packer::new(first, prev, &self.key, self.spool_file()?)?;
        let mut next = start;
        'cut: while next < end {
            let records = self.read(&info.name, next)?;
            if records.is_empty() {
                break;
            }
            for record in records.iter().take_while(|record| record.seq.get() < end) {
                packer.push(record)?;
                next = record.seq.get() + 1;
                if packer.is_large() {
                    break 'cut;
                }
            }
            progress.at(next - start);
        }
        let last = Seq::new(next.saturating_sub(1)).map_err(out_of_numbers)?;
        let run = Run::new(first, last).ok_or_else(|| out_of_numbers(NameError::Seq))?;
        Ok((run, packer.finish(last)?))
    }

    async fn manifest(
        &self,
        info: &LedgerInfo,
        run: Run,
        packed: &Packed,
        last: Option<&Archived>,
    ) -> Result<Manifest, ArchiveError> {
        let checkpoint = self.engine.checkpoint_at(&info.name, run.last().get() + 1).await?;
        Ok(Manifest {
            origin: info.origin.clone(),
            run,
            first_prev: packed.first_prev,
            last_digest: packed.last_digest,
            keys: packed.keys.clone(),
            packed: Content { sha256: packed.packed_sha256, size: packed.packed_size },
            plain: Content { sha256: packed.plain_sha256, size: packed.plain_size },
            previous: last.map(|last| last.manifest.text_sha256()),
            subtrees: packed.subtrees.subtrees().to_vec(),
            checkpoint: checkpoint.note,
        })
    }

    /// Lets the ledger itself say that the segment is safe. Idempotent by its id.
    async fn record(
        &self,
        ledger: &LedgerName,
        vault: &dyn Vault,
        archived: &Archived,
    ) -> Result<(), ArchiveError> {
        let manifest = &archived.manifest;
        let news = SegmentArchived {
            first_seq: manifest.run.first(),
            last_seq: manifest.run.last(),
            manifest_sha256: manifest.text_sha256(),
            segment_sha256: manifest.packed.sha256,
            vault: vault.name(),
        };
        let Some(id) = news_id(&news) else { return Ok(()) };
        match self.engine.append_system(ledger, System::SegmentArchived(news), id).await {
            // Another vault of the same name took the same segment; the ledger has said so once.
            Ok(_) | Err(AppendError::Event { error: EventError::Conflict { .. }, .. }) => Ok(()),
            Err(error) => Err(ArchiveError::Record(error)),
        }
    }

    /// A file without a name: it disappears with the process, whatever happens.
    fn spool_file(&self) -> Result<File, ArchiveError> {
        tempfile::tempfile_in(&self.spool)
            .map_err(|source| ArchiveError::Spool { folder: self.spool.clone(), source })
    }
}

/// The id of the record about an archived segment: the same for the same segment in the same vault.
fn news_id(news: &SegmentArchived) -> Option<EventId> {
    let vault = Sha256Hash(Sha256::digest(news.vault.as_bytes()).into()).to_hex();
    let manifest = news.manifest_sha256.to_hex();
    EventId::new(&format!("segment-archived-{}-{}", manifest.get(..32)?, vault.get(..16)?)).ok()
}

/// Whether a record says nothing but that a segment was archived.
fn is_archive_news(record: &[u8]) -> bool {
    RecordView::parse(record).is_ok_and(|view| match view.body {
        Body::System(system) => matches!(System::parse(system), Ok(System::SegmentArchived(_))),
        Body::Event(_) => false,
    })
}

/// Reads a stored object back and compares it with what it must be.
fn check_stored(
    vault: &dyn Vault,
    ledger: &LedgerName,
    name: &str,
    content: &Content,
) -> Result<(), VaultError> {
    let mut reader = vault.open(ledger, name, content.size)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 128 << 10];
    let mut size = 0u64;
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|source| VaultError::Io { place: name.into(), source })?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
    if size != content.size || Sha256Hash(hasher.finalize().into()) != content.sha256 {
        return Err(VaultError::Strange {
            place: name.into(),
            reason: "read back, it is not what was written; the storage is not to be trusted"
                .into(),
        });
    }
    Ok(())
}

/// Most bytes of a manifest that are read.
const MANIFEST_BYTES: u64 = MANIFEST_BYTES_MAX as u64;
