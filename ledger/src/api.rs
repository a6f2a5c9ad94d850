//! What goes into an engine and what comes out: the values of its public methods.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::json::Numbers;
use indelible_core::key::{KeyId, RecordSignature};
use indelible_core::name::{EventId, LedgerName, Origin, Seq};
use indelible_core::receipt::Receipt;
use indelible_core::record::PreparedEvent;
use indelible_core::system::{Principals, SignPer};
use indelible_core::time::Timestamp;
use tokio::sync::oneshot;

use crate::engine::run::{Answer, Outcome, SignedRun};
use crate::error::{AppendError, EventError};
use crate::signer::SignerName;

/// One event to append.
#[derive(Debug)]
pub struct Submission {
    /// What makes it the same event when it is sent again; `None` lets the engine make an id.
    pub id: Option<EventId>,
    /// The event, made canonical on the caller's thread.
    pub event: PreparedEvent,
}

/// What becomes of the other events of a group when one of them cannot be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomicity {
    /// None is appended, and the group's answer is that event's error.
    AllOrNothing,
    /// They are appended; each event has its own result.
    Each,
}

/// What record 0 fixes for ever, as far as its creator decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Which records carry a signature of their own.
    pub sign_per: SignPer,
    /// What becomes of numbers that a double does not carry, where a client does not say.
    pub numbers: Numbers,
    /// What records say of who wrote them.
    pub principals: Principals,
    /// Who signs the ledger; `None` is the engine's default signer.
    pub signer: Option<SignerName>,
}

/// Numbers that a double does not carry are refused, records do not say who wrote them, and the default
/// signer signs.
impl From<SignPer> for LedgerSettings {
    fn from(sign_per: SignPer) -> Self {
        Self { sign_per, numbers: Numbers::Exact, principals: Principals::Off, signer: None }
    }
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending sequence numbers.
    Forward,
    /// Descending sequence numbers.
    Backward,
}

/// An event that is in the ledger, durable and signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its place.
    pub seq: Seq,
    /// Its id: the client's, or the one that the engine made.
    pub id: EventId,
    /// Its time.
    pub time: Timestamp,
    /// Its digest.
    pub digest: Digest,
    /// Its own signature, where the ledger's `sign_per` gives it one.
    pub signature: Option<RecordSignature>,
    /// Whether the event was there before; the other fields are those of the first time.
    pub duplicate: bool,
}

/// The answer to a group: durable, signed, and covered by `checkpoint`.
#[derive(Debug, Clone)]
pub struct Appended {
    /// One for each event, in the order of submission. All `Ok` after [`Atomicity::AllOrNothing`].
    pub results: Vec<Result<Accepted, EventError>>,
    /// A checkpoint that includes every event of the results.
    pub checkpoint: Arc<SignedCheckpoint>,
    run: Option<Arc<SignedRun>>,
    record: Option<Vec<u8>>,
}

impl Appended {
    /// The receipt of the event at `index` of the results, from memory: there for the new event of a
    /// group of one. `None` in larger groups, for an event that was refused, for a duplicate, and where
    /// record 0 belongs into the receipt and has not been read yet: [`crate::Engine::receipt`] reads
    /// these from the store.
    #[must_use]
    pub fn receipt(&self, index: usize) -> Option<Receipt> {
        let accepted = self.results.get(index)?.as_ref().ok().filter(|one| !one.duplicate)?;
        let run = self.run.as_ref()?;
        let place = u32::try_from(accepted.seq.get().checked_sub(run.first.get())?).ok()?;
        run.receipt(place, self.record.clone()?)
    }
}

/// A group that has been taken. Resolves when it is durable, or has failed.
///
/// Dropping it does not take the group back.
#[derive(Debug)]
#[must_use = "the group's outcome is only known when this resolves"]
pub struct Pending(pub(crate) oneshot::Receiver<Answer>);

impl Pending {
    /// Waits on this thread, for callers without an async runtime.
    ///
    /// # Errors
    /// As the future itself.
    pub fn wait(self) -> Result<Appended, AppendError> {
        crate::signer::block_on(self)
    }
}

impl Future for Pending {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| match answer {
            Ok(Ok(done)) => {
                // Built here, on the caller's thread: the pipeline's threads do as little as possible.
                let run = done.run;
                let results = match done.outcome {
                    Outcome::Fresh(indices) => {
                        let accept =
                            |index| run.as_ref().and_then(|run| run.accepted(index)).map(Ok);
                        indices.filter_map(accept).collect()
                    }
                    Outcome::Mixed(results) => results
                        .into_iter()
                        .filter_map(|one| one.into_result(run.as_deref()))
                        .collect(),
                };
                let checkpoint = done.checkpoint.ok_or(AppendError::Empty)?;
                Ok(Appended { results, checkpoint, run, record: done.record })
            }
            Ok(Err(error)) => Err(error),
            // The engine's threads are gone without an answer, which only a panic of theirs can do.
            Err(_) => Err(AppendError::OutcomeUnknown { reason: "the engine has stopped".into() }),
        })
    }
}

/// A record as it is stored, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record's bytes as they were hashed, `docs/FORMAT.md` section 3.
    pub record: Bytes,
    /// Its digest.
    pub digest: Digest,
    /// The digest of the record before; `None` for record 0.
    pub prev: Option<Digest>,
    /// Its own signature, where it has one.
    pub signature: Option<RecordSignature>,
    /// Its place.
    pub seq: Seq,
    /// Its time.
    pub time: Timestamp,
}

/// A checkpoint and the note that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The whole signed note, C2SP tlog-checkpoint.
    pub note: String,
}

/// A ledger, as of its last durable commit.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerInfo {
    /// Its name.
    pub name: LedgerName,
    /// Its name for the world.
    pub origin: Origin,
    /// Which records carry a signature of their own.
    pub sign_per: SignPer,
    /// Most records in a row without a signature of their own.
    pub max_unsigned: u64,
    /// What becomes of numbers that a double does not carry, where a client does not say.
    pub numbers: Numbers,
    /// What records say of who wrote them.
    pub principals: Principals,
    /// The key ids in record 0.
    pub keys: Vec<KeyId>,
    /// Durable records.
    pub size: u64,
    /// The time of record 0.
    pub created: Timestamp,
    /// The time of the last record.
    pub last_time: Timestamp,
    /// The digest of the last record.
    pub last_digest: Digest,
    /// The root of the tree over all durable records.
    pub root: NodeHash,
}

/// The clock said more than had passed since the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock has jumped {} s ahead since the last record. What is appended now would carry that time for \
     ever. Set the clock right, or, if it is right, accept it with `indelible clock accept`",
    .ahead.as_secs()
)]
pub struct ClockJump {
    /// How far it was ahead of what it should have said.
    pub ahead: Duration,
    /// How far it may be; zero when the jump was seen before the last start.
    pub max: Duration,
    /// What it said.
    pub seen: Timestamp,
}

/// How the clock stands to the ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// What it says.
    pub now: Timestamp,
    /// How far the newest time in any ledger is ahead of it. New records of that ledger get its time until
    /// the clock has caught up.
    pub ledgers_ahead: Duration,
    /// The jump for which appends are refused.
    pub held: Option<ClockJump>,
}
