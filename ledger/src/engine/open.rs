//! Opening: lock the folder, look at the store and compare it with the head file, open it, start the
//! threads. Takes as long as reading the store's log does, however much is in the store.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use super::committing::Committing;
use super::entry::Ledgers;
use super::queue::Queue;
use super::sequencer::Sequencer;
use super::shared::{HeadFileHealth, Shared, StoreCell};
use super::signing::Signing;
use super::time::Time;
use super::{Engine, Inner, head_keeper, recovery, watch};
use crate::config::EngineConfig;
use crate::error::OpenError;
use crate::folder::{DataFolder, Guard, HeadFile, HeadWriter, database};
use crate::metrics::{EngineMetrics, Health};
use crate::principal::Principal;
use crate::rows::meta::StateRow;
use crate::signer::Signer;
use crate::store::rocks::{RocksConfig, RocksOpener};
use crate::store::{Store, StoreOpener};

/// Batches between two stages. The queue begins no more than a few, so nothing ever waits to be handed
/// on.
const STAGE_CAPACITY: usize = 8;

pub(super) fn with_rocksdb(
    config: EngineConfig,
    signer: Arc<dyn Signer>,
) -> Result<Engine, OpenError> {
    let mut rocks = RocksConfig::new(database(&config.dir));
    rocks.opening = config.opening.clone();
    rocks.open_files_max = config.limits.store_files_max;
    rocks.block_cache_bytes = config.limits.store_cache_bytes;
    with_store(config, signer, Arc::new(RocksOpener::new(rocks)))
}

pub(super) fn with_store(
    config: EngineConfig,
    signer: Arc<dyn Signer>,
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
    let shared = Arc::new(shared(config, signer, store, state, time, guard));
    let threads = start(&shared, opener, folder, Arc::new(head))?;
    let inner = Arc::new(Inner { shared, threads: Mutex::new(threads) });
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
    signer: Arc<dyn Signer>,
    store: Arc<dyn Store>,
    state: StateRow,
    time: Time,
    guard: Guard,
) -> Shared {
    let metrics = Arc::new(EngineMetrics::new());
    metrics.ledgers.set(state.ledgers);
    metrics.durable_commit.set(state.commit.0);
    let record_key = signer.record_key();
    Shared {
        key_id: record_key.key_id(),
        record_key,
        note_key: signer.note_key(),
        store: StoreCell::new(store),
        ledgers: Ledgers::new(config.limits.ledgers_in_memory_max),
        lookups: Arc::default(),
        queue: Queue::new(config.limits.clone(), Arc::clone(&metrics)),
        metrics,
        state: Mutex::new(state),
        health: Mutex::new(Health::Ready),
        time,
        guard,
        head_file: HeadFileHealth::default(),
        runtime: tokio::runtime::Handle::try_current().ok(),
        config,
        signer,
    }
}

/// Starts the stages from the last to the first. Each ends when the one before it has; the folder's lock
/// goes with the thread that keeps the head file, which ends last.
fn start(
    shared: &Arc<Shared>,
    opener: Arc<dyn StoreOpener>,
    folder: DataFolder,
    head: Arc<HeadWriter>,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let (to_sign, batches) = bounded(STAGE_CAPACITY);
    let (to_commit, commits) = bounded(STAGE_CAPACITY);
    let (keep_going, stop) = bounded(0);
    let sequencer = Sequencer::new(Arc::clone(shared), to_sign);
    let signing = Signing::new(Arc::clone(shared), to_commit).map_err(OpenError::Thread)?;
    let committing = Committing::new(Arc::clone(shared), opener, Arc::clone(&head));
    let (for_head, for_watch) = (Arc::clone(shared), Arc::clone(shared));
    let watch_until = stop.clone();
    Ok(vec![
        spawn(shared, "indelible-watch", move || watch::watch(&for_watch, &watch_until))?,
        spawn(shared, "indelible-head", move || {
            head_keeper::keep(&for_head, folder, &head, &stop)
        })?,
        spawn(shared, "indelible-commit", move || {
            committing.run(&commits);
            drop(keep_going);
        })?,
        spawn(shared, "indelible-sign", move || signing.run(batches))?,
        spawn(shared, "indelible-seq", move || sequencer.run())?,
    ])
}

fn spawn(
    shared: &Arc<Shared>,
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let watch = Watch { shared: Arc::clone(shared), name };
    let watched = move || {
        let _watch = watch;
        // A thread's first hash map asks the system for random bytes, and panics when there are none:
        // better now, while nothing has been taken, than in the middle of a batch.
        let _ = std::hash::RandomState::new();
        run();
    };
    std::thread::Builder::new().name(name.into()).spawn(watched).map_err(OpenError::Thread)
}

/// Notices when a thread of the engine panics. Without it the engine would look healthy, and whatever
/// waits in the queue would wait for ever. With it everybody hears of it and nothing more is taken; what
/// is durable is read by the next start.
struct Watch {
    shared: Arc<Shared>,
    name: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = format!("the thread {} has panicked; restart the server", self.name);
            tracing::error!("{reason}");
            *self.shared.health.lock() = Health::Poisoned { reason: reason.into() };
            self.shared.queue.abandon();
        }
    }
}
