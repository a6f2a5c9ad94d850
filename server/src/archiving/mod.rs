//! Archiving from inside the server, on request and on a schedule. Knows nothing of HTTP.

mod fares;
pub(crate) mod schedule;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indelible_archiver::{ArchiveError, Archiver, DirectoryVault, Progress, Seal, Summary};
use indelible_core::name::LedgerName;
use indelible_ledger::folder::Access;
use indelible_ledger::signer::block_on;
use indelible_ledger::{Engine, Principal};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

pub(crate) use fares::Archived;

/// Archive runs at the same time: one for the schedule, one for a request. Each packs and checks with a
/// thread of its own, which appends have to do without.
const RUNS_MAX: usize = 2;

/// What every run needs, and how all of them fare.
pub struct Archiving {
    archiver: Archiver,
    vault_access: Access,
    /// Runs that may go on at the same time.
    pub(crate) places: Arc<Semaphore>,
    /// How archiving fares.
    pub(crate) archived: Archived,
    /// Whether it runs on a schedule.
    pub(crate) is_scheduled: bool,
    stop: watch::Receiver<bool>,
}

impl Archiving {
    /// Archives the ledgers of `engine` until `stop` says true; segments are packed in files in `spool`.
    pub(crate) fn new(
        engine: Engine,
        spool: &Path,
        vault_access: Access,
        is_scheduled: bool,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            archiver: Archiver::new(engine, spool.to_owned()),
            vault_access,
            places: Arc::new(Semaphore::new(RUNS_MAX)),
            archived: Archived::default(),
            is_scheduled,
            stop,
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// One run, on a thread that may block; `by` asked for it, or the schedule did.
    ///
    /// # Errors
    /// [`ArchiveError`]; the next run continues.
    pub(crate) async fn run(
        self: &Arc<Self>,
        by: Option<Principal>,
        ledger: LedgerName,
        to: PathBuf,
        seal: Seal,
    ) -> Result<Summary, ArchiveError> {
        let archiving = Arc::clone(self);
        let runtime = Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let vault = DirectoryVault::open_for(&to, archiving.vault_access)?;
            // Not the runtime's own `block_on`: its first use on a thread panics where the system has no
            // random bytes.
            let _context = runtime.enter();
            let progress = UntilStop(&archiving);
            let archiver = match &by {
                Some(principal) => archiving.archiver.on_behalf_of(principal),
                None => archiving.archiver.clone(),
            };
            block_on(archiver.archive(&ledger, &vault, seal, &progress))
        });
        // A run that panicked has written nothing that counts, and the next one continues.
        done.await.unwrap_or(Err(ArchiveError::Stopped))
    }
}

/// Counts what a run ships, and ends it when the server stops; the next run continues.
struct UntilStop<'a>(&'a Archiving);

impl Progress for UntilStop<'_> {
    fn begin(&self, ledger: &LedgerName, records: u64) {
        tracing::debug!(%ledger, records, "archiving");
    }

    fn at(&self, _records: u64) {}

    fn shipped(&self, records: u64) {
        self.0.archived.count(records);
    }

    fn should_stop(&self) -> bool {
        self.0.is_stopping()
    }
}
