//! What the threads of an engine share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_core::key::{KeyId, PublicKey, RecordKey};
use parking_lot::{Mutex, RwLock};

use super::entry::Ledgers;
use super::lookups::Lookups;
use super::queue::Queue;
use super::time::Time;
use crate::config::EngineConfig;
use crate::error::ReadError;
use crate::folder::{FolderGone, Guard};
use crate::metrics::{EngineMetrics, Health};
use crate::rows::meta::StateRow;
use crate::signer::Signer;
use crate::store::{Preview, Read, Store};

pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) signer: Arc<dyn Signer>,
    /// The key that signs records, and its id.
    pub(crate) record_key: RecordKey,
    pub(crate) key_id: KeyId,
    /// The key that signs notes.
    pub(crate) note_key: PublicKey,
    pub(crate) store: StoreCell,
    pub(crate) ledgers: Ledgers,
    pub(crate) queue: Queue,
    /// When groups on their way to the sequencer were looked up.
    pub(crate) lookups: Arc<Lookups>,
    pub(crate) metrics: Arc<EngineMetrics>,
    /// How far the engine is, durably.
    pub(crate) state: Mutex<StateRow>,
    pub(crate) health: Mutex<Health>,
    /// Judges the clock.
    pub(crate) time: Time,
    /// Notices when the folder is no longer the one that was opened.
    pub(crate) guard: Guard,
    pub(crate) head_file: HeadFileHealth,
    /// The runtime in which the engine was opened; signers may need its timers and sockets.
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

impl Shared {
    /// Why appends are refused, if they are.
    pub(crate) fn poisoned(&self) -> Option<Arc<str>> {
        match &*self.health.lock() {
            Health::Poisoned { reason } | Health::FolderGone { reason } => Some(Arc::clone(reason)),
            _ => None,
        }
    }

    /// How the engine is, the worst first.
    pub(crate) fn health(&self) -> Health {
        let health = self.health.lock().clone();
        if health != Health::Ready {
            return health;
        }
        if let Some(jump) = self.time.held() {
            return Health::ClockJumped(jump);
        }
        let patience = self.config.limits.head_interval * HEAD_INTERVALS_MISSED_MAX;
        match self.head_file.failing_for(patience) {
            Some(reason) => Health::HeadFileFailing { reason },
            None => Health::Ready,
        }
    }

    /// The folder is gone: the store is taken away from everybody, and nothing brings it back. Closing is
    /// left to the caller, since it waits for reads.
    pub(crate) fn give_up(&self, gone: &FolderGone) -> Option<Arc<dyn Store>> {
        let reason: Arc<str> = gone.to_string().into();
        tracing::error!("{reason}");
        *self.health.lock() = Health::FolderGone { reason: Arc::clone(&reason) };
        self.store.take(reason)
    }

    /// Whether the folder was given up.
    pub(crate) fn has_given_up(&self) -> bool {
        matches!(*self.health.lock(), Health::FolderGone { .. })
    }
}

/// Intervals of the head file that may be missed before the server is not ready any more. A head that is
/// some intervals old still shows nearly every rollback; one that never comes shows none.
const HEAD_INTERVALS_MISSED_MAX: u32 = 10;

/// Whether the head file can be written.
#[derive(Default)]
pub(crate) struct HeadFileHealth(Mutex<Option<(Instant, Arc<str>)>>);

impl HeadFileHealth {
    pub(crate) fn failed(&self, reason: &str) {
        let mut failing = self.0.lock();
        let since = failing.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *failing = Some((since, reason.into()));
    }

    pub(crate) fn succeeded(&self) {
        *self.0.lock() = None;
    }

    /// For how long it fails.
    pub(crate) fn failing(&self) -> Option<Duration> {
        self.0.lock().as_ref().map(|(since, _)| since.elapsed())
    }

    /// Why it fails, when it has for so long.
    fn failing_for(&self, patience: Duration) -> Option<Arc<str>> {
        let failing = self.0.lock();
        let (since, reason) = failing.as_ref()?;
        (since.elapsed() >= patience).then(|| Arc::clone(reason))
    }
}

/// The open store, or why there is none. Replaced when the store had to be opened again.
pub(crate) struct StoreCell(RwLock<Place>);

enum Place {
    Open(Arc<dyn Store>),
    /// Nothing can be written, for the reason. What was published before can be read, unless there is no
    /// view of it.
    Away {
        reason: Arc<str>,
        view: Option<Arc<dyn Preview>>,
    },
}

impl StoreCell {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(RwLock::new(Place::Open(store)))
    }

    /// For whoever writes, or relies on what will be written.
    pub(crate) fn get(&self) -> Result<Arc<dyn Store>, ReadError> {
        match &*self.0.read() {
            Place::Open(store) => Ok(Arc::clone(store)),
            Place::Away { reason, .. } => {
                Err(ReadError::Unavailable { reason: Arc::clone(reason) })
            }
        }
    }

    /// For reading what was published.
    pub(crate) fn reading(&self) -> Result<Arc<dyn Read + Send + Sync>, ReadError> {
        match &*self.0.read() {
            Place::Open(store) => Ok(Arc::clone(store) as Arc<dyn Read + Send + Sync>),
            Place::Away { view: Some(view), .. } => {
                Ok(Arc::clone(view) as Arc<dyn Read + Send + Sync>)
            }
            Place::Away { reason, view: None } => {
                Err(ReadError::Unavailable { reason: Arc::clone(reason) })
            }
        }
    }

    pub(crate) fn put(&self, store: Arc<dyn Store>) {
        *self.0.write() = Place::Open(store);
    }

    /// Lets reads go on while nothing can be written: `view` holds what was published and nothing else. It
    /// changes nothing where the store is open.
    pub(crate) fn show(&self, view: Arc<dyn Preview>) {
        if let Place::Away { view: shown, .. } = &mut *self.0.write() {
            *shown = Some(view);
        }
    }

    /// Takes the store out. Readers that have it already finish or are refused by the closed store.
    pub(crate) fn take(&self, reason: Arc<str>) -> Option<Arc<dyn Store>> {
        match std::mem::replace(&mut *self.0.write(), Place::Away { reason, view: None }) {
            Place::Open(store) => Some(store),
            Place::Away { .. } => None,
        }
    }
}
