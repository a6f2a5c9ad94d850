//! A lane: one signer and the ledgers that it signs for, with a queue, a sequencer and epochs of their
//! own. What fails in a lane holds up nobody else; only committing is shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use indelible_core::key::{KeyId, PublicKey, RecordKey};
use parking_lot::Mutex;

use super::condition::Condition;
use super::lookups::Lookups;
use super::queue::Queue;
use super::signing::{Inbox, LocalSigning};
use crate::config::EngineLimits;
use crate::metrics::{EngineMetrics, LaneHealth, LaneInfo};
use crate::signer::{Signer, SignerName, Signers};

pub(crate) struct Lane {
    pub(crate) index: usize,
    pub(crate) name: SignerName,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) keys: SignerKeys,
    pub(crate) key_id: KeyId,
    pub(crate) queue: Queue,
    pub(crate) condition: Condition,
    /// When groups on their way to the sequencer were looked up.
    pub(crate) lookups: Arc<Lookups>,
    /// What is sequenced and waits for its signatures.
    pub(crate) inbox: Inbox,
    /// Signing on whichever thread has a batch, where the key is in this process.
    pub(crate) local: Option<Mutex<LocalSigning>>,
    /// Of which epochs a batch failed, by where it failed.
    pub(crate) failed_signing: FailedEpochs,
    pub(crate) failed_committing: FailedEpochs,
    /// How long the signer takes, where it is not in this process.
    pub(crate) sign_latency: Latency,
    /// Nothing waits for signatures any longer than until then.
    closing: Mutex<Option<Instant>>,
    pub(crate) signatures: AtomicU64,
    pub(crate) sign_failures: AtomicU64,
}

impl Lane {
    fn new(
        index: usize,
        (name, signer): (SignerName, Arc<dyn Signer>),
        limits: &EngineLimits,
        metrics: &Arc<EngineMetrics>,
    ) -> std::io::Result<Self> {
        let keys = SignerKeys { record: signer.record_key(), note: signer.note_key() };
        let local = signer.in_process().then(|| LocalSigning::new(Arc::clone(&signer), limits));
        Ok(Self {
            index,
            name,
            key_id: keys.record.key_id(),
            keys,
            queue: Queue::new(limits.clone(), Arc::clone(metrics)),
            condition: Condition::new(limits),
            lookups: Arc::default(),
            inbox: Inbox::default(),
            local: local.transpose()?.map(Mutex::new),
            failed_signing: FailedEpochs::default(),
            failed_committing: FailedEpochs::default(),
            sign_latency: Latency::default(),
            closing: Mutex::new(None),
            signatures: AtomicU64::new(0),
            sign_failures: AtomicU64::new(0),
            signer,
        })
    }

    /// Takes nothing more, and waits for signatures until `deadline` at the latest.
    pub(crate) fn close(&self, deadline: Instant) {
        self.closing.lock().get_or_insert(deadline);
        self.queue.close();
        self.inbox.ring();
    }

    /// When waiting for signatures ends because the engine is closing.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        *self.closing.lock()
    }

    pub(crate) fn info(&self) -> LaneInfo {
        LaneInfo {
            name: self.name.clone(),
            key_id: self.key_id.clone(),
            health: self.health(),
            batches_in_flight: self.queue.in_flight() as u64,
            signatures: self.signatures.load(SeqCst),
            sign_failures: self.sign_failures.load(SeqCst),
            last_error: self.condition.last_error(),
        }
    }

    pub(crate) fn health(&self) -> LaneHealth {
        self.condition.health()
    }
}

/// The keys of a signer, which may be one.
#[derive(Clone)]
pub(crate) struct SignerKeys {
    /// Signs records.
    pub(crate) record: RecordKey,
    /// Signs notes.
    pub(crate) note: PublicKey,
}

/// The lanes of an engine, the default one first.
pub(crate) struct Lanes(Vec<Arc<Lane>>);

impl Lanes {
    /// # Errors
    /// When a signing thread cannot be started.
    pub(crate) fn new(
        signers: &Signers,
        limits: &EngineLimits,
        metrics: &Arc<EngineMetrics>,
    ) -> std::io::Result<Self> {
        let named = signers.named().enumerate();
        let lanes = named.map(|(index, signer)| Lane::new(index, signer, limits, metrics));
        Ok(Self(lanes.map(|lane| lane.map(Arc::new)).collect::<Result<_, _>>()?))
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<Lane>> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The lane of ledgers whose creator names no signer.
    pub(crate) fn default(&self) -> Option<&Arc<Lane>> {
        self.0.first()
    }

    pub(crate) fn named(&self, name: &SignerName) -> Option<&Arc<Lane>> {
        self.0.iter().find(|lane| lane.name == *name)
    }

    /// The lane that signs for a ledger with these keys.
    pub(crate) fn of(&self, keys: &[KeyId]) -> Option<&Arc<Lane>> {
        self.0.iter().find(|lane| keys.contains(&lane.key_id))
    }
}

/// The last epoch of which a batch has failed at some stage. Everything of that epoch that comes later
/// is chained to the batch that failed.
#[derive(Default)]
pub(crate) struct FailedEpochs(AtomicU64);

impl FailedEpochs {
    pub(crate) fn note(&self, epoch: u64) {
        self.0.fetch_max(epoch + 1, SeqCst);
    }

    pub(crate) fn contain(&self, epoch: u64) -> bool {
        epoch < self.0.load(SeqCst)
    }
}

/// A latency as it was lately: an average in which old values fade by a quarter with each new one.
#[derive(Default)]
pub(crate) struct Latency(AtomicU64);

impl Latency {
    pub(crate) fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 8);
        // Races lose a sample, which does not matter.
        let before = self.0.load(SeqCst);
        let after = if before == 0 { took } else { (before * 3 + took) / 4 };
        self.0.store(after, SeqCst);
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(SeqCst))
    }
}
