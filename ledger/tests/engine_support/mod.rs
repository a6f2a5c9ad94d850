//! What the tests of the engine share: a folder, a disk in memory, and short ways to say things.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use indelible_core::key::{PublicKey, Trust, VKey};
use indelible_core::name::{EventId, LedgerName, Seq, ServerName};
use indelible_core::record::PreparedEvent;
use indelible_core::system::SignPer;
use indelible_ledger::store::StoreOpener as _;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::testing::{Checked, check_engine};
use indelible_ledger::{
    Accepted, AppendError, Appended, Atomicity, Engine, EngineConfig, EngineLimits, EventError,
    LedgerInfo, LocalEd25519, OpenError, Signer, Submission,
};

pub const SEED: [u8; 32] = [42; 32];

pub fn signer() -> LocalEd25519 {
    LocalEd25519::from_seed(SEED).unwrap()
}

pub fn name(text: &str) -> LedgerName {
    LedgerName::new(text).unwrap()
}

pub fn id(text: &str) -> EventId {
    EventId::new(text).unwrap()
}

pub fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

pub fn event(number: u64) -> PreparedEvent {
    PreparedEvent::new(format!("{{\"n\":{number}}}").as_bytes()).unwrap()
}

pub fn with_id(text: &str, number: u64) -> Submission {
    Submission::new(Some(id(text)), event(number))
}

pub fn without_id(number: u64) -> Submission {
    Submission::new(None, event(number))
}

pub fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A data folder and a disk in memory that both survive the engine.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub disk: MemoryDisk,
    pub limits: EngineLimits,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    pub fn new() -> Self {
        let limits = EngineLimits {
            head_interval: Duration::from_millis(20),
            reopen_backoff_max: Duration::from_millis(50),
            ..EngineLimits::default()
        };
        Self { folder: tempfile::tempdir().unwrap(), disk: MemoryDisk::new(), limits }
    }

    pub fn config(&self) -> EngineConfig {
        let server = ServerName::new("test.example").unwrap();
        let mut config = EngineConfig::new(self.folder.path().join("data"), server);
        config.limits = self.limits.clone();
        config
    }

    pub fn open(&self) -> Engine {
        self.open_with(Arc::new(signer())).unwrap()
    }

    pub fn open_with(&self, signer: Arc<dyn Signer>) -> Result<Engine, OpenError> {
        self.open_as(self.config(), signer)
    }

    pub fn open_as(
        &self,
        config: EngineConfig,
        signer: Arc<dyn Signer>,
    ) -> Result<Engine, OpenError> {
        Engine::open_with_store(config, signer, Box::new(self.disk.opener()))
    }

    /// Checks everything that survived. The engine must be closed.
    pub fn check(&self) -> Checked {
        self.check_keys(&[signer().note_key()])
    }

    /// The same where several keys have signed.
    pub fn check_keys(&self, keys: &[PublicKey]) -> Checked {
        self.disk.faults().clear();
        let store = self.disk.opener().open().unwrap();
        let checked = check_engine(&*store, keys).unwrap();
        store.close().unwrap();
        checked
    }
}

pub fn create(engine: &Engine, ledger: &str, sign_per: SignPer) -> LedgerInfo {
    run(engine.create_ledger(name(ledger), sign_per)).unwrap()
}

pub fn append(
    engine: &Engine,
    ledger: &str,
    events: Vec<Submission>,
) -> Result<Appended, AppendError> {
    engine.submit(&name(ledger), events, Atomicity::AllOrNothing)?.wait()
}

pub fn append_each(
    engine: &Engine,
    ledger: &str,
    events: Vec<Submission>,
) -> Vec<Result<Accepted, EventError>> {
    engine.submit(&name(ledger), events, Atomicity::Each).unwrap().wait().unwrap().results
}

pub fn append_one(
    engine: &Engine,
    ledger: &str,
    event: Submission,
) -> Result<Accepted, AppendError> {
    append(engine, ledger, vec![event])
        .map(|done| done.results.into_iter().next().unwrap().unwrap())
}

/// Sends the same events again until the engine is over its failure.
pub fn append_until_done(engine: &Engine, ledger: &str, text: &str, number: u64) -> Accepted {
    for _ in 0..500 {
        match append_one(engine, ledger, with_id(text, number)) {
            Ok(accepted) => return accepted,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the engine does not recover: {:?}", engine.health());
}

pub fn trust(engine: &Engine, ledger: &str) -> Trust {
    let origin = engine.ledger(&name(ledger)).unwrap().origin;
    let mut trust = Trust::default();
    trust.add(VKey::new(&origin, signer().note_key()).unwrap());
    trust
}
