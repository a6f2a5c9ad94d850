//! Who signs: one trait, many backends.
//!
//! The engine gives a signer everything that one commit needs in as few calls as it can: the digests
//! of records (`docs/FORMAT.md` section 5) and the texts of checkpoints (section 6). A signer may be
//! slow, may fail and, where it lives in another process, may even lie: the engine overlaps slow
//! signing with storing, commits nothing of a batch whose signing failed, and checks signatures before
//! it stores them.

mod local;
mod signers;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use async_trait::async_trait;
use indelible_core::hash::Digest;
use indelible_core::key::{PublicKey, RecordKey, Signature};

pub use local::{KeyFileError, LocalEd25519};
pub use signers::{SignerName, SignerNameError, Signers, SignersError};

/// What a signer is asked to sign: records' digests with the one key, notes with the other, which may be
/// the same.
#[derive(Debug, Clone, Copy)]
pub enum SignRequest<'a> {
    /// The digest of a record, for the record key. To Ed25519 and HMAC the 32 bytes are the message, to RSA
    /// and ECDSA they are the hash.
    Digest(&'a Digest),
    /// The text of a note (a checkpoint or a manifest), ending in LF, for the note key: its bytes are the
    /// message.
    Note(&'a str),
}

impl<'a> SignRequest<'a> {
    /// The bytes that the signature covers.
    #[must_use]
    pub fn message(&self) -> &'a [u8] {
        match self {
            Self::Digest(digest) => digest.as_bytes(),
            Self::Note(text) => text.as_bytes(),
        }
    }
}

/// Why there are no signatures. The engine writes nothing of what should have been signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The backend cannot be reached, is overloaded, or refuses for now: trying again may help.
    #[error("the signer is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// The backend refuses for good (key disabled, no permission): somebody must act.
    #[error("the signer refuses: {0}")]
    Refused(Arc<str>),
    /// What came back is not a valid signature of its message.
    #[error("the signer returned a wrong signature: {0}")]
    Wrong(Arc<str>),
}

/// A backend that signs records with one key and notes with one key, which may be one key.
///
/// The returned futures are polled on the engine's own threads. Where the engine was opened within a
/// tokio runtime, that runtime's timers and sockets can be used; a backend that cannot rely on it
/// spawns onto a runtime of its own. Several may be under way at once. A future that is not done at the
/// engine's deadline is dropped; one that blocks the thread that polls it holds up its own lane.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The key to every signature of this signer over a digest. Must never change during its life.
    fn record_key(&self) -> RecordKey;

    /// The key to every signature of this signer over a note: always Ed25519, as other people's tools
    /// expect. Must never change during its life.
    fn note_key(&self) -> PublicKey;

    /// Whether the private key is in this process, so that signing is computation and nothing else.
    /// Such a signer may be called from two threads at once with parts of a batch, and its signatures
    /// are checked by sample; every other one gets a batch in one call and is checked in full.
    fn in_process(&self) -> bool;

    /// Signs `messages`, one signature each, in their order: digests with the record key's algorithm, notes
    /// with Ed25519.
    ///
    /// # Errors
    /// [`SignError`] when any of them could not be signed; the others' signatures are dropped then.
    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError>;

    /// Whether signing can be expected to work, for readiness checks.
    ///
    /// # Errors
    /// Why it cannot.
    async fn health(&self) -> Result<(), SignError> {
        Ok(())
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future on this thread. A signer in this process is ready at the first poll, so that this
/// costs it nothing; any other parks the thread until it is woken.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}
