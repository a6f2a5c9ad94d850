//! Opening a database with a deadline.
//!
//! RocksDB cannot be told to stop opening, and on some damaged files it never ends. So it opens in a
//! thread of its own, which is left behind when it takes too long; the process says what it was doing and
//! ends.

use std::sync::mpsc;
use std::time::Duration;

use indelible_ledger::store::StoreOpener;
use indelible_ledger::{Engine, EngineConfig, OpenError, OpeningStep, Signers};
use tokio::sync::oneshot;

/// Opening did not end in time.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database did not open within {} s (data.open_timeout); it was {step}. This takes less than a second \
     on sound files, so they are probably damaged, or the disk hangs. Keep a copy of the data folder as it \
     is, then restore from a backup or the archive",
    .timeout.as_secs()
)]
pub struct TooLong {
    /// The time that it had.
    pub timeout: Duration,
    /// What it was doing.
    pub step: &'static str,
}

/// Why an engine was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("the thread that opens the engine cannot be started, or is gone")]
    Thread,
}

/// Opens an engine in the current runtime, with RocksDB or another store, and gives up when that takes
/// longer than `timeout`.
///
/// # Errors
/// [`NotOpened`].
pub(crate) async fn engine(
    config: EngineConfig,
    signers: Signers,
    store: Option<Box<dyn StoreOpener>>,
    timeout: Duration,
) -> Result<Engine, NotOpened> {
    let step = config.opening.clone();
    let runtime = tokio::runtime::Handle::current();
    let opened = start(move || {
        // Signers may need the runtime that the engine is opened in.
        let _context = runtime.enter();
        Engine::open_with(config, signers, store)
    });
    match tokio::time::timeout(timeout, opened).await {
        Ok(Ok(done)) => Ok(done?),
        Ok(Err(_)) => Err(NotOpened::Thread),
        Err(_) => Err(TooLong { timeout, step: step.get() }.into()),
    }
}

/// Runs `open` in a thread of its own. The receiver fails when the thread cannot be started or panics.
fn start<T: Send + 'static>(open: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (done, opened) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("indelible-open".into()).spawn(move || {
        // Whoever waited may have given up.
        let _ = done.send(open());
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "a thread cannot be started");
    }
    opened
}

/// Runs `open`, and waits at most `timeout` for it.
///
/// # Errors
/// [`TooLong`], also when the thread cannot be started.
pub(crate) fn within<T: Send + 'static>(
    timeout: Duration,
    step: &OpeningStep,
    open: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TooLong> {
    let (done, opened) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("indelible-open".into()).spawn(move || {
        let _ = done.send(open());
    });
    let too_long = || TooLong { timeout, step: step.get() };
    spawned.map_err(|_| too_long())?;
    opened.recv_timeout(timeout).map_err(|_| too_long())
}
