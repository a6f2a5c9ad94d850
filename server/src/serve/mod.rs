//! The server's life: make or find the data folder, open the engine, listen, and stop in order.

mod files;
mod folder;
mod greeting;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use indelible_ledger::folder::FolderError;
use indelible_ledger::signer::KeyFileError;
use indelible_ledger::store::StoreOpener;
use indelible_ledger::{Engine, EngineConfig, OpenError};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::archiving::Archiving;
use crate::archiving::schedule::{self, Schedule};
use crate::auth::{TokenError, Tokens};
use crate::budget::{Budget, Disk};
use crate::config::{self, Config, ConfigError};
use crate::http::Api;
use crate::http::app::App;
use crate::http::recent::Recent;
use crate::listen::{self, Counters, stopped};
use crate::opening::{self, NotOpened, TooLong};
use crate::signers::{PublicKeyFile, SignerFilesError};
use crate::telemetry::{self, TelemetryError};

use files::Files;
pub use folder::{PUBLIC_KEY_FILE, SIGNING_KEY_FILE};

/// How often the token files are looked at.
const TOKENS_EVERY: Duration = Duration::from_secs(1);

/// Threads that may block beside those of reads and exports: for spools, archive runs and start-up.
const BLOCKING_THREADS_BESIDE: usize = 8;
/// Time that a blocking thread is kept without work. Each has memory of its own to allocate from, some
/// megabytes after reading large records, which goes with it.
const BLOCKING_IDLE: Duration = Duration::from_secs(2);

/// Time that a start which is under way gets when it is told to stop.
const START_GRACE: Duration = Duration::from_secs(2);

/// What the command line says; it overrides the configuration.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Address and port.
    pub listen: Option<SocketAddr>,
    /// Leave to listen where other machines can reach it.
    pub allow_remote: bool,
}

/// Why the server does not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logging cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The signers beside the data folder's own cannot be used as configured.
    #[error(transparent)]
    Signers(#[from] SignerFilesError),
    /// Key, name and data do not belong together.
    #[error("{0}")]
    Identity(String),
    /// The tokens cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The engine does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Opening takes too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The runtime or its signals cannot be set up.
    #[error("cannot set up the runtime: {0}")]
    Runtime(std::io::Error),
}

/// Runs the server until it is told to stop (SIGINT, SIGTERM), then stops in order.
///
/// # Errors
/// [`ServeError`], each text saying what to do.
pub fn serve(options: ServeOptions) -> Result<(), ServeError> {
    let mut config = Config::load(options.config.as_deref())?;
    if let Some(data) = options.data {
        config.data_dir = data;
    }
    if let Some(address) = options.listen {
        config.listen.address = address;
    }
    config.listen.allow_remote |= options.allow_remote;
    config.check()?;
    telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("indelible-http")
        .max_blocking_threads(blocking_threads(&config.limits))
        .thread_keep_alive(BLOCKING_IDLE)
        .build()
        .map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        // Before anybody can see that it runs: who does may stop it at once, and in order.
        let mut stop = StopSignals::new().map_err(ServeError::Runtime)?;
        let starting = start(config);
        tokio::pin!(starting);
        let (running, signal) = tokio::select! {
            running = &mut starting => (running?, None),
            signal = stop.next() => {
                tracing::info!(signal, "told to stop while starting");
                // Usually a moment later it can be stopped in order. What hangs is left to the end of the
                // process: nothing has been taken that could be lost.
                match tokio::time::timeout(START_GRACE, starting).await {
                    Ok(running) => (running?, Some(signal)),
                    Err(_) => {
                        tracing::warn!("the start does not come to its end; stopped without waiting");
                        return Ok(());
                    }
                }
            }
        };
        let signal = match signal {
            Some(signal) => signal,
            None => {
                print!("{}", running.greeting());
                stop.next().await
            }
        };
        tracing::info!(signal, "stopping: no new requests, what was taken is finished");
        running.stop().await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// The signals that end the server in order.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl From<NotOpened> for ServeError {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Open(error) => error.into(),
            NotOpened::TooLong(error) => error.into(),
            NotOpened::Thread => Self::Identity(error.to_string()),
        }
    }
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// A server that is running in this process.
pub struct Running {
    address: SocketAddr,
    data_dir: PathBuf,
    is_first_start: bool,
    vkey: String,
    further: Vec<PublicKeyFile>,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
    archiving: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens; the port is the real one, also when 0 was configured.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data folder, absolute where the system tells.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The public key of the data folder's own signer, as an auditor needs it.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// The engine behind it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.app.engine
    }

    /// What a person who started it wants to know.
    #[must_use]
    pub fn greeting(&self) -> String {
        greeting::text(self)
    }

    /// Stops: accepts no more, answers what was taken, finishes the engine's work, closes the store.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Err(error) = (&mut self.listening).await {
            tracing::error!(%error, "the listener did not come to its end");
        }
        if let Some(archiving) = &mut self.archiving {
            let _ = archiving.await;
        }
        self.app.engine.clone().close().await;
    }
}

/// Starts a server in the current runtime.
///
/// # Errors
/// [`ServeError`]; nothing runs then.
pub async fn start(config: Config) -> Result<Running, ServeError> {
    start_on(config, None).await
}

/// As [`start`], with another store than RocksDB; tests bring one whose every step can fail.
///
/// # Errors
/// [`ServeError`]; nothing runs then.
pub async fn start_with_store(
    config: Config,
    store: Box<dyn StoreOpener>,
) -> Result<Running, ServeError> {
    start_on(config, Some(store)).await
}

async fn start_on(
    config: Config,
    store: Option<Box<dyn StoreOpener>>,
) -> Result<Running, ServeError> {
    config.check()?;
    let mut config = config;
    let files = Files::shared_out(config.limits.connections_max);
    config.limits.connections_max = files.connections;
    let identity = folder::prepare(&config)?;
    let tokens = Tokens::open(&config.data_dir)?;
    let address = config.listen.address;
    // Before the engine: a port that is taken is the commonest mistake, and the quickest to tell.
    let listener =
        TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })?;
    let address = listener.local_addr().map_err(|error| ServeError::Listen { address, error })?;
    let mut engine_config = EngineConfig::new(&config.data_dir, identity.server_name.clone());
    engine_config.limits.store_files_max = files.tables;
    engine_config.access = config.data_access;
    engine_config.limits.queue_events_max = config.limits.queue_events_max;
    engine_config.limits.queue_bytes_max = config.limits.queue_bytes_max;
    engine_config.limits.batch_events_max = config.limits.batch_events_max;
    engine_config.limits.clock_jump_max = config.clock_jump_max;
    let engine =
        opening::engine(engine_config, identity.signers, store, config.open_timeout).await?;

    let (stop, stopping) = watch::channel(false);
    let limits = Arc::new(config.limits);
    let connections = Arc::new(Counters::default());
    let schedule = scheduled(&config.archive);
    let budget = Budget::new(limits.memory_bytes_max);
    let archiving = Arc::new(Archiving::new(
        engine.clone(),
        &config.data_dir,
        config.archive.vault_access,
        schedule.is_some(),
        stopping.clone(),
    ));
    let app = Arc::new(App {
        engine,
        absent_signers: identity.absent,
        limits: Arc::clone(&limits),
        tokens,
        connections: Arc::clone(&connections),
        metrics: Default::default(),
        metrics_public: config.listen.metrics_public,
        archive: config.archive.settled(address),
        archiving: Arc::clone(&archiving),
        stop: stopping.clone(),
        recent: Recent::new(budget.account()),
        budget,
        disk: Arc::new(Disk::new(
            Arc::from(config.data_dir.as_path()),
            limits.spool_total_bytes_max,
            limits.free_bytes_min,
        )),
        reads: Arc::new(Semaphore::new(limits.reads_max)),
        exports: Arc::new(Semaphore::new(limits.exports_max)),
        streams: Arc::new(Semaphore::new(limits.streams_max)),
    });
    tokio::spawn(refresh_tokens(Arc::clone(&app), stopping.clone()));
    let archiving = schedule.map(|schedule| tokio::spawn(schedule::keep(archiving, schedule)));
    let api = Api::new(Arc::clone(&app));
    let listening = tokio::spawn(listen::run(listener, limits, api, connections, stopping));
    tracing::info!(%address, data = %config.data_dir.display(), "listening");
    Ok(Running {
        address,
        data_dir: std::path::absolute(&config.data_dir).unwrap_or(config.data_dir),
        is_first_start: identity.is_first_start,
        vkey: identity.vkey,
        further: identity.further,
        app,
        stop,
        listening,
        archiving,
    })
}

fn scheduled(config: &config::Archive) -> Option<Schedule> {
    let (vault, every) = config.vault.clone().zip(config.schedule)?;
    Some(Schedule { vault, every, seal_after: config.seal_after.unwrap_or(every) })
}

/// Looks for changed tokens, so that a revoked one stops working without a restart.
async fn refresh_tokens(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut every = interval(TOKENS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_told = false;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = every.tick() => {}
        }
        match app.tokens.refresh() {
            Ok(true) => {
                is_told = false;
                tracing::info!("tokens read again");
            }
            Ok(false) => {}
            // Said once, not every second; the tokens of before stay in force.
            Err(error) if !is_told => {
                is_told = true;
                tracing::error!(%error, "changed tokens cannot be read; those of before stay in force");
            }
            Err(_) => {}
        }
    }
}

/// Threads that may block. Without a bound of its own the runtime would make up to 512, although so many
/// never do something at once.
fn blocking_threads(limits: &config::Limits) -> usize {
    limits.reads_max + limits.exports_max + BLOCKING_THREADS_BESIDE
}

impl Drop for Running {
    /// A server that is dropped without [`Running::stop`] takes no more requests.
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open = self.app.connections.open.load(Relaxed);
        f.debug_struct("Running")
            .field("address", &self.address)
            .field("data_dir", &self.data_dir)
            .field("connections", &open)
            .finish_non_exhaustive()
    }
}
