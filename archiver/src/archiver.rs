//! One run: what is in the vault, what is missing there, segment after segment.

use std::path::PathBuf;

use indelible_core::key::{Trust, VKey};
use indelible_core::name::LedgerName;
use indelible_ledger::{Engine, LedgerInfo, Principal, Signer};

use crate::ahead::{Ahead, Cut};
use crate::cut::{self, Seal};
use crate::error::ArchiveError;
use crate::pack::{OwnKey, PLAIN_BYTES_CUT};
use crate::progress::Progress;
use crate::resume::{self, Held};
use crate::stored::Archived;
use crate::task::Task;
use crate::vault::Vault;
use crate::{news, ship, turn};

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
    /// How many records the ledger had when the run began, and those up to the last that the run
    /// appended itself.
    pub size: u64,
}

/// Brings vaults up to date with the ledgers of one engine.
#[derive(Debug, Clone)]
pub struct Archiver {
    engine: Engine,
    spool: PathBuf,
    plain_bytes_cut: u64,
}

impl Archiver {
    /// An archiver for the ledgers of `engine`. Segments are packed in anonymous files in the folder
    /// `spool` before they are shipped.
    #[must_use]
    pub fn new(engine: Engine, spool: PathBuf) -> Self {
        Self { engine, spool, plain_bytes_cut: PLAIN_BYTES_CUT }
    }

    /// The same archiver for runs that `principal` asked for.
    #[must_use]
    pub fn on_behalf_of(&self, principal: &Principal) -> Self {
        Self { engine: self.engine.on_behalf_of(principal), ..self.clone() }
    }

    /// Cuts segments after `plain_bytes` of lines; [`PLAIN_BYTES_CUT`] unless told otherwise, which is
    /// also the most.
    #[must_use]
    pub fn with_segment_bytes(self, plain_bytes: u64) -> Self {
        Self { plain_bytes_cut: plain_bytes.clamp(1, PLAIN_BYTES_CUT), ..self }
    }

    /// The engine whose ledgers it archives.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a run would cut a segment of the ledger, if the vault holds its first `held` records. Asks
    /// the engine alone, so it costs no more than a record's reading.
    ///
    /// # Errors
    /// [`ArchiveError::Engine`].
    pub fn is_due(&self, info: &LedgerInfo, held: u64, seal: Seal) -> Result<bool, ArchiveError> {
        Ok(cut::next(&self.engine, info, held, seal)?.is_some())
    }

    /// Ships everything of `ledger` that is not in `vault` yet, up to the records that are durable when
    /// the run begins and those that it appends itself.
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
        match self.resume(ledger, vault, progress) {
            Ok((task, held)) => {
                if cut::next(&self.engine, &task.info, held.end(), seal)?.is_none() {
                    return Ok(Summary::of(&task, held.end()));
                }
            }
            // A folder that somebody is writing into can look as if it had a hole.
            Err(ArchiveError::Foreign { .. }) => {}
            Err(error) => return Err(error),
        }
        // What was seen before the claim may be old by now.
        let _claim = vault.claim(ledger)?;
        let (task, held) = self.resume(ledger, vault, progress)?;
        if let Some(run) = held.runs.last() {
            // A run may have died between the manifest and this.
            turn::give_back(&task, run.first().get())?;
        }
        self.ship(task, held, seal).await
    }

    /// Segment after segment, until nothing is left to cut.
    ///
    /// What is not said yet of earlier segments is said before a segment is cut, so that the vault holds
    /// it too; but only while something waits that the run found and that is more than such news. So news
    /// never lead to more news: an unchanged ledger comes to rest, however many vaults it has, with all
    /// of it in each of them. And so the run ends under load: what arrives meanwhile moves its end only
    /// as long as it has not shipped what it found.
    async fn ship(
        &self,
        mut task: Task<'_>,
        held: Held,
        seal: Seal,
    ) -> Result<Summary, ArchiveError> {
        let found = task.info.size;
        let mut unsaid = news::unsaid(&task, &held)?;
        let mut last = held.last;
        let mut summary = Summary::of(&task, last.as_ref().map_or(0, Archived::end));
        let mut ahead = Ahead::default();
        let mut refused = None;
        task.progress.begin(task.ledger(), summary.size - summary.archived);
        while let Some(mut end) = cut::next(&self.engine, &task.info, summary.archived, seal)? {
            let may_speak = refused.is_none() && !unsaid.is_empty();
            if may_speak && news::more_waits(&task, summary.archived, found)? {
                // Evidence is not held up by a ledger that cannot be appended to.
                refused = news::say(&task, &mut unsaid).await.err();
                // Behind the whole commit: signed per commit, only its last record has a signature.
                task.info = self.engine.ledger(task.ledger())?;
                end = cut::next(&self.engine, &task.info, summary.archived, seal)?.unwrap_or(end);
            }
            let first = summary.archived;
            let turn = turn::take(&task, first, end)?;
            let cut = Cut { first, end: turn.end, plain_bytes: turn.plain_bytes_cut };
            let (run, packed) = ahead.take(&task, cut, summary.records)?;
            let archived = ship::segment(&task, last.as_ref(), run, packed).await?;
            turn::give_back(&task, first)?;
            let records = archived.end() - summary.archived;
            task.progress.shipped(records);
            summary.segments += 1;
            summary.records += records;
            summary.packed_bytes += archived.manifest.packed.size;
            summary.plain_bytes += archived.manifest.plain.size;
            summary.archived = archived.end();
            unsaid.push(news::of(&task, &archived));
            last = Some(archived);
        }
        summary.size = task.info.size;
        refused.map_or(Ok(summary), Err)
    }

    fn resume<'a>(
        &'a self,
        ledger: &LedgerName,
        vault: &'a dyn Vault,
        progress: &'a dyn Progress,
    ) -> Result<(Task<'a>, Held), ArchiveError> {
        // The vault first: what is in it was in the ledger before.
        let names = vault.list(ledger);
        let info = self.engine.ledger(ledger)?;
        let signer = self.engine.signer_of(ledger)?;
        let signer = signer.ok_or_else(|| ArchiveError::NoSigner {
            ledger: ledger.clone(),
            keys: info.keys.current().to_vec(),
        })?;
        let trust = trust(&info, &*signer)?;
        let task = Task {
            engine: &self.engine,
            own: OwnKey::new(signer.record_key()),
            spool: &self.spool,
            plain_bytes_cut: self.plain_bytes_cut,
            info,
            vault,
            trust,
            progress,
        };
        let held = resume::held(&task, &names?)?;
        Ok((task, held))
    }
}

/// The notes' key of the ledger's signer, under which manifests are read back as a verifier would.
fn trust(info: &LedgerInfo, signer: &dyn Signer) -> Result<Trust, ArchiveError> {
    let vkey = VKey::new(info.origin.as_str(), signer.note_key()).map_err(ArchiveError::Key)?;
    Ok(Trust::from_iter([vkey]))
}

impl Summary {
    /// What there is to say before anything is done.
    fn of(task: &Task<'_>, archived: u64) -> Self {
        Self {
            ledger: task.ledger().clone(),
            segments: 0,
            records: 0,
            packed_bytes: 0,
            plain_bytes: 0,
            archived,
            size: task.info.size,
        }
    }
}
