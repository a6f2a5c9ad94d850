//! Signers that misbehave on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use indelible_core::key::{Ed25519Signature, PublicKey, RecordKey, Signature};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::signer::{SignError, SignRequest, Signer};

/// Fails chosen calls. The others go to the signer within.
pub struct Failing<S> {
    within: S,
    calls: AtomicU64,
    fails: Mutex<BTreeMap<u64, SignError>>,
    broken: Mutex<Option<SignError>>,
}

impl<S: Signer> Failing<S> {
    /// Fails nothing yet.
    pub fn new(within: S) -> Self {
        Self { within, calls: AtomicU64::new(0), fails: Mutex::default(), broken: Mutex::new(None) }
    }

    /// The call that comes after `skip` others from now is refused, which nobody tries again.
    pub fn fail(&self, skip: u64) {
        self.fail_with(skip, SignError::Refused("told to fail".into()));
    }

    /// The call that comes after `skip` others from now fails with `error`.
    pub fn fail_with(&self, skip: u64, error: SignError) {
        self.fails.lock().insert(self.calls.load(SeqCst) + skip, error);
    }

    /// Every call fails with `error` from now on; `None` ends that.
    pub fn set_broken(&self, error: Option<SignError>) {
        *self.broken.lock() = error;
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }
}

#[async_trait]
impl<S: Signer> Signer for Failing<S> {
    fn record_key(&self) -> RecordKey {
        self.within.record_key()
    }

    fn note_key(&self) -> PublicKey {
        self.within.note_key()
    }

    /// Not in this process, so that a batch is one call.
    fn in_process(&self) -> bool {
        false
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        let call = self.calls.fetch_add(1, SeqCst);
        if let Some(error) = self.broken.lock().clone() {
            return Err(error);
        }
        if let Some(error) = self.fails.lock().remove(&call) {
            return Err(error);
        }
        self.within.sign(messages).await
    }

    async fn health(&self) -> Result<(), SignError> {
        self.broken.lock().clone().map_or(Ok(()), Err)
    }
}

/// Takes its time for every call.
pub struct Slow<S> {
    within: S,
    delay: Duration,
}

impl<S: Signer> Slow<S> {
    /// Waits `delay` before each call.
    pub fn new(within: S, delay: Duration) -> Self {
        Self { within, delay }
    }
}

#[async_trait]
impl<S: Signer> Signer for Slow<S> {
    fn record_key(&self) -> RecordKey {
        self.within.record_key()
    }

    fn note_key(&self) -> PublicKey {
        self.within.note_key()
    }

    fn in_process(&self) -> bool {
        false
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        // No timer of a runtime: the engine must not need one.
        let (wake, woken) = tokio::sync::oneshot::channel();
        let delay = self.delay;
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let _ = wake.send(());
        });
        let _ = woken.await;
        self.within.sign(messages).await
    }
}

/// Returns a signature with one bit changed, or one too few, when it is told to.
pub struct Lying<S> {
    within: Arc<S>,
    lie: Mutex<Option<Lie>>,
}

/// What a lying signer does to the signatures of its next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Changes one bit of the signature at this place.
    Bit(usize),
    /// Changes one bit of the last signature, which is a checkpoint's.
    LastBit,
    /// Leaves the last signature out.
    Missing,
    /// Swaps the first two.
    Swapped,
}

impl<S: Signer> Lying<S> {
    /// Tells the truth until told otherwise.
    pub fn new(within: S) -> Self {
        Self { within: Arc::new(within), lie: Mutex::new(None) }
    }

    /// The next call lies.
    pub fn lie_once(&self, lie: Lie) {
        *self.lie.lock() = Some(lie);
    }
}

#[async_trait]
impl<S: Signer> Signer for Lying<S> {
    fn record_key(&self) -> RecordKey {
        self.within.record_key()
    }

    fn note_key(&self) -> PublicKey {
        self.within.note_key()
    }

    fn in_process(&self) -> bool {
        false
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        let mut signatures = self.within.sign(messages).await?;
        let lie = self.lie.lock().take();
        let place = match lie {
            Some(Lie::Bit(place)) => Some(place),
            Some(Lie::LastBit) => signatures.len().checked_sub(1),
            Some(Lie::Missing) => {
                signatures.pop();
                None
            }
            Some(Lie::Swapped) if signatures.len() > 1 => {
                signatures.swap(0, 1);
                None
            }
            _ => None,
        };
        if let Some(Signature::Ed25519(Ed25519Signature(bytes))) =
            place.and_then(|place| signatures.get_mut(place))
        {
            bytes[7] ^= 1;
        }
        Ok(signatures)
    }
}

/// Does not answer while it is told to hang: neither to calls nor when asked for its health.
pub struct Hanging<S> {
    within: S,
    hangs: watch::Sender<bool>,
}

impl<S: Signer> Hanging<S> {
    /// Answers until told otherwise.
    pub fn new(within: S) -> Self {
        Self { within, hangs: watch::Sender::new(false) }
    }

    /// Hangs from now on, or goes on with everything that hung.
    pub fn set_hanging(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}

#[async_trait]
impl<S: Signer> Signer for Hanging<S> {
    fn record_key(&self) -> RecordKey {
        self.within.record_key()
    }

    fn note_key(&self) -> PublicKey {
        self.within.note_key()
    }

    fn in_process(&self) -> bool {
        false
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        // The sender lives as long as this signer does.
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
        self.within.sign(messages).await
    }

    async fn health(&self) -> Result<(), SignError> {
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
        Ok(())
    }
}
