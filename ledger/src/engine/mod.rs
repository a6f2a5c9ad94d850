//! The engine: many ledgers, a lane for each signer, one place that commits.
//!
//! ```text
//!         one lane for each signer                        for all lanes
//! submit -> queue -> sequencer -> signing ----+---------> committing -> answers
//!           fair     ids, seq,    digests,    |           one synced
//!           bounded  time, hash,  check-      |           write, then
//!                    tree         points      |           published
//! submit -> queue -> sequencer -> signing ----+
//! ```
//!
//! Sequencing and signing are a thread each in every lane; while one batch is stored the next is signed
//! and the one after is sequenced. A batch serves every ledger of its lane that has something queued, and
//! a commit everything that is signed, so ten thousand ledgers with one event each cost a few flushes, not
//! ten thousand. What fails in a lane fails there only. Reads never enter a lane: they see what is durable.

pub(crate) mod answer;
mod batch;
mod committing;
mod condition;
mod dropping;
mod entry;
mod fair;
mod head_keeper;
mod ids;
mod lane;
mod ledgers;
mod lookup;
mod lookups;
pub(crate) mod nodes;
mod open;
mod originals;
mod partial_tile;
mod queue;
mod read;
pub(crate) mod records;
mod recovery;
mod refusing;
mod registry;
mod resolve;
mod rows_of_commit;
pub(crate) mod run;
mod running;
mod sealing;
mod sequencer;
mod session;
mod shared;
mod signing;
mod submitting;
mod time;
mod tip;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indelible_core::name::LedgerName;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use self::answer::{Appended, Pending};
use self::committing::Desk;
use self::running::Running;
use self::shared::Shared;
use crate::api::{ClockJump, ClockState, LedgerInfo};
use crate::config::EngineConfig;
use crate::error::{AppendError, OpenError, ReadError};
use crate::folder::FolderError;
use crate::metrics::{EngineMetrics, Health, LaneInfo};
use crate::principal::Principal;
use crate::signer::{Signer, SignerName, Signers};
use crate::store::StoreOpener;

pub(crate) use self::batch::engine_digest;
pub use self::dropping::Archived;
pub(crate) use self::records::get as get_record;
pub use self::session::Session;

/// An open engine. Clones share it; it closes with [`Engine::close`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    /// Who writes through this clone.
    principal: Principal,
}

struct Inner {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    running: Arc<Running>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    signer: Arc<dyn Signer>,
}

impl Inner {
    /// Takes nothing more. What was taken is finished; signatures are waited for a while only.
    fn stop_taking(&self) {
        let until = Instant::now() + self.shared.config.limits.sign_close_deadline;
        self.shared.lanes.iter().for_each(|lane| lane.close(until));
    }

    /// Lets the lanes finish what they took, and closes the store.
    fn shut_down(&self) {
        self.stop_taking();
        let limit = self.shared.config.limits.close_deadline;
        let all_ended = self.running.wait(limit);
        let threads = std::mem::take(&mut *self.threads.lock());
        if !all_ended {
            return self.leave_hanging(threads, limit);
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the engine has panicked");
            }
        }
        *self.shared.health.lock() = Health::Closed;
        if let Some(store) = self.shared.store.take("the engine is closed".into())
            && let Err(error) = store.close()
        {
            tracing::error!(%error, "the database did not close cleanly; everything committed is safe");
        }
    }

    /// A write or a signer does not come back. Whoever waits is told; the threads that hang are left to
    /// the end of the process, and the folder's lock with them.
    fn leave_hanging(&self, threads: Vec<JoinHandle<()>>, limit: Duration) {
        let names: Vec<&str> = threads
            .iter()
            .filter(|thread| !thread.is_finished())
            .filter_map(|thread| thread.thread().name())
            .collect();
        let seconds = limit.as_secs_f32();
        tracing::error!(
            threads = names.join(", "),
            "closing does not wait any longer for what has hung for {seconds} s (close_deadline); what was              acknowledged is safe, the next start reads the rest"
        );
        let reason: Arc<str> =
            "the server was shut down while the disk did not answer to a write".into();
        *self.shared.health.lock() = Health::Poisoned { reason: Arc::clone(&reason) };
        self.desk.give_up_writes(&self.shared, &reason);
        for lane in self.shared.lanes.iter() {
            refusing::refuse(lane.queue.take_all(), &AppendError::Closed);
            lane.queue.abandon();
            lane.inbox.abandon();
        }
        *self.shared.health.lock() = Health::Closed;
        // Not closed, which would wait for the write that hangs.
        drop(self.shared.store.take("the engine is closed".into()));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("dir", &self.inner.shared.config.dir).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the engine in `config.dir`, creating it if there is none, with RocksDB as its store.
    ///
    /// # Errors
    /// [`OpenError`]; nothing has been changed then, and the text says what to do.
    pub fn open(config: EngineConfig, signer: Arc<dyn Signer>) -> Result<Self, OpenError> {
        open::with_rocksdb(config, Signers::new(signer))
    }

    /// As [`Engine::open`] with several signers, each with ledgers of its own. One that fails or is slow
    /// holds up its own ledgers only; all share the store and its commits.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(
        config: EngineConfig,
        signers: Signers,
        store: Option<Box<dyn StoreOpener>>,
    ) -> Result<Self, OpenError> {
        match store {
            Some(store) => open::with_store(config, signers, store.into()),
            None => open::with_rocksdb(config, signers),
        }
    }

    /// As [`Engine::open`] with another store; tests bring one in memory, whose every step can fail.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with_store(
        config: EngineConfig,
        signer: Arc<dyn Signer>,
        store: Box<dyn StoreOpener>,
    ) -> Result<Self, OpenError> {
        open::with_store(config, Signers::new(signer), store.into())
    }

    /// The same engine, through which `principal` writes: what is submitted, created and recorded through
    /// it is theirs, in records (where the ledger's say so), in log lines and in the shares of the queue.
    /// Without this it is the program's own.
    #[must_use]
    pub fn on_behalf_of(&self, principal: &Principal) -> Self {
        Self { inner: Arc::clone(&self.inner), principal: principal.clone() }
    }

    /// Whether the engine can do its work.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// The signers, and how each is.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneInfo> {
        self.inner.shared.lanes.iter().map(|lane| lane.info()).collect()
    }

    /// For how long the head file could not be written; `None` when it can.
    #[must_use]
    pub fn head_file_failing(&self) -> Option<Duration> {
        self.inner.shared.head_file.failing()
    }

    /// How the clock stands to the ledgers.
    #[must_use]
    pub fn clock(&self) -> ClockState {
        self.inner.shared.time.look()
    }

    /// An operator says that the clock is right although it has jumped: appends are taken again. Returns
    /// the jump that was accepted, `None` when there was none.
    ///
    /// # Errors
    /// [`FolderError`] when the note of the jump in the data folder cannot be removed.
    pub fn accept_clock(&self) -> Result<Option<ClockJump>, FolderError> {
        self.inner.shared.time.accept()
    }

    /// What the engine counts.
    #[must_use]
    pub fn metrics(&self) -> Arc<EngineMetrics> {
        Arc::clone(&self.inner.shared.metrics)
    }

    /// How the engine was configured.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.inner.shared.config
    }

    /// Whether the ledger is signed by the signer of that name; `None` stands for any.
    #[must_use]
    pub fn is_signed_by(&self, ledger: &LedgerInfo, name: Option<&SignerName>) -> bool {
        let lane = self.inner.shared.lanes.of(ledger.keys.current());
        name.is_none_or(|name| lane.is_some_and(|lane| lane.name == *name))
    }

    /// The signer of ledgers whose creator names none.
    #[must_use]
    pub fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.inner.signer)
    }

    /// The signer of a ledger; `None` when none here has its key.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn signer_of(&self, ledger: &LedgerName) -> Result<Option<Arc<dyn Signer>>, ReadError> {
        let entry = lookup::entry(&self.inner.shared, ledger)?;
        let lane = self.inner.shared.lanes.of(entry.keys.current());
        Ok(lane.map(|lane| Arc::clone(&lane.signer)))
    }

    /// Takes nothing more, finishes and answers what was taken, writes the head file, closes the store.
    /// Other clones are of no use afterwards.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        // Before anything waits, so that nobody can submit from now on.
        self.inner.stop_taking();
        let inner = Arc::clone(&self.inner);
        let spawned = std::thread::Builder::new().name("indelible-close".into()).spawn(move || {
            inner.shut_down();
            let _ = done.send(());
        });
        match spawned {
            Ok(_) => {
                let _ = closed.await;
            }
            // Without a thread to wait in, this one has to.
            Err(_) => self.inner.shut_down(),
        }
    }
}
