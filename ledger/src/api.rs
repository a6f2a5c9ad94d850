//! What goes into an engine and what comes out: the values of its public methods.

use std::time::Duration;

use bytes::Bytes;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::json::Numbers;
use indelible_core::key::{LedgerKeys, RecordSignature};
use indelible_core::name::{EventId, LedgerName, Origin, Seq};
use indelible_core::record::PreparedEvent;
use indelible_core::system::{Principals, SignPer};
use indelible_core::time::Timestamp;

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
    /// The keys that it says sign it, by position.
    pub keys: LedgerKeys,
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
