//! What the threads of an engine share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use super::entry::Ledgers;
use super::lane::{Lane, Lanes, Latency};
use super::registry::Registry;
use super::time::Time;
use crate::config::EngineConfig;
use crate::error::ReadError;
use crate::folder::{FolderGone, Guard};
use crate::metrics::{EngineMetrics, Health, LaneHealth};
use crate::rows::meta::StateRow;
use crate::store::{Preview, Read, Store};

pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) lanes: Lanes,
    pub(crate) registry: Registry,
    pub(crate) store: StoreCell,
    /// How long the store takes for a commit, where it takes several at once.
    pub(crate) store_latency: Latency,
    pub(crate) ledgers: Ledgers,
    pub(crate) metrics: Arc<EngineMetrics>,
    /// How far the engine is, durably.
    pub(crate) state: Mutex<StateRow>,
    /// What concerns all lanes.
    pub(crate) health: Mutex<Health>,
    /// Judges the clock.
    pub(crate) time: Time,
    /// Notices when the folder is no longer the one that was opened.
    pub(crate) guard: Guard,
    pub(crate) head_file: HeadFileHealth,
    /// The runtime in which the engine was opened; signers may need its timers and sockets.
    pub(crate) runtime: Option<tokio::runtime::Handle>,
    /// The same where it has threads of its own, so that answers can be given within it.
    pub(crate) answering: Option<tokio::runtime::Handle>,
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
        let failing = self.failing_lanes();
        if let Some(reason) = &failing
            && self.lanes.iter().all(|lane| lane.health() != LaneHealth::Ready)
        {
            return Health::SignerFailing { reason: Arc::clone(reason) };
        }
        if let Some(jump) = self.time.held() {
            return Health::ClockJumped(jump);
        }
        let patience = self.config.limits.head_interval * HEAD_INTERVALS_MISSED_MAX;
        match (self.head_file.failing_for(patience), failing) {
            (Some(reason), _) => Health::HeadFileFailing { reason },
            (None, Some(reason)) => Health::SomeSignersFailing { reason },
            (None, None) => Health::Ready,
        }
    }

    /// Which signers fail, and why.
    fn failing_lanes(&self) -> Option<Arc<str>> {
        let failing = self.lanes.iter().filter_map(|lane| match lane.health() {
            LaneHealth::Ready => None,
            LaneHealth::Failing { reason } | LaneHealth::Stopped { reason } => Some((lane, reason)),
        });
        let mut failing: Vec<(&Arc<Lane>, Arc<str>)> = failing.collect();
        if self.lanes.len() == 1 {
            return failing.pop().map(|(_, reason)| reason);
        }
        let each = failing.iter().map(|(lane, reason)| format!("signer '{}': {reason}", lane.name));
        let text = each.collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then(|| text.into())
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

    /// A thread that all lanes need has panicked. Without this the engine would look healthy, and whatever
    /// waits in the queues would wait for ever. With it everybody hears of it and nothing more is taken;
    /// what is durable is read by the next start.
    pub(crate) fn has_panicked(&self, thread: &str) {
        let reason: Arc<str> =
            format!("the thread {thread} has panicked; restart the server").into();
        tracing::error!("{reason}");
        *self.health.lock() = Health::Poisoned { reason };
        for lane in self.lanes.iter() {
            lane.queue.abandon();
            lane.inbox.abandon();
        }
    }

    /// A thread of a lane has panicked: with one lane that is all of the engine, with several the others
    /// go on.
    pub(crate) fn lane_has_panicked(&self, lane: &Lane, thread: &str) {
        if self.lanes.len() == 1 {
            return self.has_panicked(thread);
        }
        let reason = format!("the thread {thread} has panicked; restart the server");
        tracing::error!(signer = %lane.name, "{reason}");
        lane.condition.stop(reason.into());
        lane.queue.abandon();
        lane.inbox.abandon();
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
