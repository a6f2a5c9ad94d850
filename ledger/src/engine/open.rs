//! Opening: lock the folder, look at the store and compare it with the head file, open it, start the
//! threads. Takes as long as reading the store's log does, however much is in the store.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use super::committing::{Committing, Desk};
use super::entry::Ledgers;
use super::lane::{Lane, Lanes, Latency};
use super::records::last_row;
use super::registry::Registry;
use super::running::{Running, Runs};
use super::sequencer::Sequencer;
use super::shared::{HeadFileHealth, Shared, StoreCell};
use super::signing::Stage;
use super::time::Time;
use super::{Engine, Inner, head_keeper, recovery, watch};
use crate::config::EngineConfig;
use crate::error::OpenError;
use crate::folder::{DataFolder, Guard, HeadFile, database};
use crate::metrics::{EngineMetrics, Health};
use crate::principal::Principal;
use crate::rows::head;
use crate::rows::meta::StateRow;
use crate::signer::Signers;
use crate::store::rocks::{RocksConfig, RocksOpener};
use crate::store::{Read, Space, Store, StoreError, StoreOpener};

pub(super) fn with_rocksdb(config: EngineConfig, signers: Signers) -> Result<Engine, OpenError> {
    let mut rocks = RocksConfig::new(database(&config.dir));
    rocks.opening = config.opening.clone();
    rocks.open_files_max = config.limits.store_files_max;
    rocks.block_cache_bytes = config.limits.store_cache_bytes;
    with_store(config, signers, Arc::new(RocksOpener::new(rocks)))
}

pub(super) fn with_store(
    config: EngineConfig,
    signers: Signers,
    opener: Arc<dyn StoreOpener>,
) -> Result<Engine, OpenError> {
    config.opening.set("taking the folder's locks");
    let mut folder = DataFolder::open_for(&config.dir, config.access)?;
    if let Some(database) = opener.folder() {
        folder.lock_database(database)?;
    }
    let guard = folder.guard()?;
    let time = Time::new(Arc::clone(&config.clock), config.limits.clock_jump_max, &config.dir)?;
    config.opening.set("looking at the database");
    let (store, state) = open_store(&config, &folder, &*opener)?;
    // The database's own folder may have been made just now.
    folder.flush_names()?;
    let head = folder.begin_head(HeadFile { commit: state.commit, digest: state.digest })?;
    let signer = signers.default_signer();
    let shared = Arc::new(shared(config, &signers, store, state, time, guard)?);
    let running = Arc::new(Running::default());
    let committing = Committing::new(Arc::clone(&shared), opener, Arc::new(head));
    let limits = shared.config.limits.clone();
    let desk = Arc::new(Desk::new(committing, shared.lanes.len(), limits));
    let threads = start(&shared, &desk, folder, &running)?;
    let threads = Mutex::new(threads);
    let inner = Arc::new(Inner { shared, desk, running, threads, signer });
    Ok(Engine { inner, principal: Principal::program() })
}

/// Looks at the store before anything in it is changed, then opens it.
fn open_store(
    config: &EngineConfig,
    folder: &DataFolder,
    opener: &dyn StoreOpener,
) -> Result<(Arc<dyn Store>, StateRow), OpenError> {
    let head = folder.read_head()?;
    let head_file = folder.path().join("head");
    let found = recovery::examine(opener, &config.server_name, head.as_ref(), &head_file)?;
    let Some(state) = found else {
        return recovery::begin(opener, &config.server_name, config.clock.now());
    };
    if head.is_none() && state.commit.0 > 0 {
        tracing::warn!(
            commit = state.commit.0,
            "there is no head file, so a database that was set back would not be noticed this time"
        );
    }
    let store = recovery::open_examined(opener, &state).map_err(recovery::open_error)?;
    Ok((store, state))
}

fn shared(
    config: EngineConfig,
    signers: &Signers,
    store: Arc<dyn Store>,
    state: StateRow,
    time: Time,
    guard: Guard,
) -> Result<Shared, OpenError> {
    let metrics = Arc::new(EngineMetrics::new());
    metrics.ledgers.set(state.ledgers);
    metrics.durable_commit.set(state.commit.0);
    let runtime = tokio::runtime::Handle::try_current().ok();
    let has_threads = |runtime: &tokio::runtime::Handle| {
        runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread
    };
    Ok(Shared {
        lanes: Lanes::new(signers, &config.limits, &metrics).map_err(OpenError::Thread)?,
        registry: Registry::new(last_ledger(&*store)?),
        store: StoreCell::new(store),
        store_latency: Latency::default(),
        ledgers: Ledgers::new(config.limits.ledgers_in_memory_max),
        metrics,
        state: Mutex::new(state),
        health: Mutex::new(Health::Ready),
        time,
        guard,
        head_file: HeadFileHealth::default(),
        answering: runtime.clone().filter(has_threads),
        runtime,
        config,
    })
}

/// The highest number of any ledger. Every ledger has a head from its creation on, by its number.
fn last_ledger(store: &dyn Read) -> Result<u64, OpenError> {
    let last = last_row(store, Space::Heads).map_err(recovery::open_error)?;
    let number = last.map(|(key, _)| head::parse_key(&key)).transpose();
    Ok(number.map_err(StoreError::from)?.map_or(0, |number| number.0))
}

/// Starts the stages from the last to the first. Each ends when the one before it has; the folder's lock
/// goes with the thread that keeps the head file, which ends last.
fn start(
    shared: &Arc<Shared>,
    desk: &Arc<Desk>,
    folder: DataFolder,
    running: &Arc<Running>,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let (keep_going, stop) = bounded::<()>(0);
    let mut threads = Vec::new();
    let mut start = |name: &str, lane: Option<&Arc<Lane>>, run: Box<dyn FnOnce() + Send>| {
        threads.push(spawn(shared, running, name, lane, run)?);
        Ok::<(), OpenError>(())
    };
    let (for_watch, until) = (Arc::clone(shared), stop.clone());
    start("indelible-watch", None, Box::new(move || watch::watch(&for_watch, &until)))?;
    let (for_disk, for_desk, until) = (Arc::clone(shared), Arc::clone(desk), stop.clone());
    let watch_disk = move || watch::watch_writes(&for_disk, &for_desk, &until);
    start("indelible-disk", None, Box::new(watch_disk))?;
    let (for_head, head) = (Arc::clone(shared), desk.head());
    let keep = move || head_keeper::keep(&for_head, folder, &head, &stop);
    start("indelible-head", None, Box::new(keep))?;
    let for_commit = Arc::clone(desk);
    let commit = move || {
        Committing::run(&for_commit);
        drop(keep_going);
    };
    start("indelible-commit", None, Box::new(commit))?;
    for lane in shared.lanes.iter() {
        let stage =
            Stage { shared: Arc::clone(shared), lane: Arc::clone(lane), desk: Arc::clone(desk) };
        let (signing, ended) = (stage.clone(), LaneEnds(Arc::clone(desk)));
        let of = |what: &str| match lane.index {
            0 => format!("indelible-{what}"),
            _ => format!("indelible-{what}-{}", lane.name),
        };
        let sign = move || {
            let _ended = ended;
            signing.run();
        };
        start(&of("sign"), Some(lane), Box::new(sign))?;
        let sequence = move || {
            let _closes = InboxCloses(Arc::clone(&stage.lane));
            Sequencer::new(stage).run();
        };
        start(&of("seq"), Some(lane), Box::new(sequence))?;
    }
    Ok(threads)
}

/// Tells the desk that a lane hands nothing over any more, however its thread ends.
struct LaneEnds(Arc<Desk>);

impl Drop for LaneEnds {
    fn drop(&mut self) {
        self.0.lane_has_ended();
    }
}

/// Lets a lane's signing end when its sequencer has, however that ends.
struct InboxCloses(Arc<Lane>);

impl Drop for InboxCloses {
    fn drop(&mut self) {
        self.0.inbox.close();
    }
}

fn spawn(
    shared: &Arc<Shared>,
    running: &Arc<Running>,
    name: &str,
    lane: Option<&Arc<Lane>>,
    run: Box<dyn FnOnce() + Send>,
) -> Result<JoinHandle<()>, OpenError> {
    let watch = Watch { shared: Arc::clone(shared), name: name.into(), lane: lane.cloned() };
    let runs: Runs = Running::one_more(running);
    let watched = move || {
        let _runs = runs;
        let _watch = watch;
        // A thread's first hash map asks the system for random bytes, and panics when there are none:
        // better now, while nothing has been taken, than in the middle of a batch.
        let _ = std::hash::RandomState::new();
        run();
    };
    std::thread::Builder::new().name(name.into()).spawn(watched).map_err(OpenError::Thread)
}

/// Notices when a thread of the engine panics.
struct Watch {
    shared: Arc<Shared>,
    name: String,
    lane: Option<Arc<Lane>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            match &self.lane {
                Some(lane) => self.shared.lane_has_panicked(lane, &self.name),
                None => self.shared.has_panicked(&self.name),
            }
        }
    }
}
