//! What can go wrong, one enum for each family of operations. Each variant says what can be done.

use std::sync::Arc;
use std::time::Duration;

use indelible_core::key::KeyId;
use indelible_core::name::{EventId, LedgerName, Seq, ServerName};

use crate::api::{ClockJump, LedgerInfo};
use crate::signer::{SignError, SignerName, SignersError};
use crate::store::StoreError;

/// Why an engine does not open. Nothing has been changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data folder cannot be used: not there, read-only, of a newer version, or in use.
    #[error(transparent)]
    Folder(#[from] crate::folder::FolderError),
    /// The store does not open or cannot be read.
    #[error("the database cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The database is older than what was last published.
    #[error(
        "the database ends at commit {found}, but commit {expected} was already acknowledged to clients \
         ({head_file}). It is older than it was: probably a backup was restored, or a disk lost its last \
         writes. Appending to it would fork the history. Restore the newest copy of the database. Only if \
         the loss is understood and accepted, and every auditor told, remove {head_file} and start again"
    )]
    HeadBehind {
        /// The last commit in the database.
        found: u64,
        /// The last commit that the head file knows.
        expected: u64,
        /// The head file's path.
        head_file: String,
    },
    /// The database has another history than what was last published.
    #[error(
        "commit {commit} of the database is not the one that was acknowledged to clients: its digest is \
         {found}, {head_file} says {expected}. The database belongs to another history: another machine's \
         copy, or a fork after a restored backup. Restore the right database"
    )]
    HeadDiffers {
        /// The commit at which the two differ.
        commit: u64,
        /// The database's digest of everything up to it.
        found: String,
        /// The head file's.
        expected: String,
        /// The head file's path.
        head_file: String,
    },
    /// Commits between others are gone, or do not say what they said: a log was lost, cut or damaged.
    #[error(
        "the database is not whole: {missing}. A log of the database was probably lost, cut or damaged, and \
         what it held was acknowledged to clients. Nothing was changed. Keep a copy of the data folder as it \
         is, then put the missing file back, or restore the newest copy of the whole folder"
    )]
    Incomplete {
        /// What is missing or contradicts itself: ledger, range of records, commit.
        missing: String,
    },
    /// The folder was made under another server name.
    #[error(
        "this data folder belongs to the server name '{found}', the configuration says '{given}'. The name \
         is part of every signed record and cannot be changed; configure '{found}'"
    )]
    OtherServer {
        /// The name in the folder.
        found: ServerName,
        /// The name in the configuration.
        given: ServerName,
    },
    /// There are system records of a kind that this program does not know.
    #[error(
        "the ledgers hold system records of the kind '{kind}', which this program does not know: it could \
         not tell what they mean for the records after them. Use a newer version; nothing was changed"
    )]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// The list of kinds is not there.
    #[error(
        "the list of the kinds of system records is missing: the folder was written by an older version, \
         or the list is damaged. `indelible repair` makes it anew from the records"
    )]
    KindsMissing,
    /// What is stored contradicts itself.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The signers cannot be used together.
    #[error(transparent)]
    Signers(#[from] SignersError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why a group of events was not appended. Unless it says otherwise, nothing of the group exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The queue is full, for all or for this ledger.
    #[error("too many events are waiting; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The engine is being closed.
    #[error("the server is shutting down; try again later")]
    Closed,
    /// No such ledger; ledgers are created on purpose.
    #[error("there is no ledger '{0}'; create it first")]
    NotFound(LedgerName),
    /// A group without events.
    #[error("there is no event to append")]
    Empty,
    /// The group does not fit into one commit.
    #[error(
        "{events} events of {bytes} bytes are more than one group can have: at most {events_max} events and {bytes_max} bytes"
    )]
    TooLarge {
        /// Events in the group.
        events: usize,
        /// Their bytes.
        bytes: usize,
        /// Most events in a group.
        events_max: usize,
        /// Most bytes in a group.
        bytes_max: usize,
    },
    /// An event of an all-or-nothing group cannot be appended, so none was.
    #[error("event {index} of the group: {error}")]
    Event {
        /// Its place in the group, from 0.
        index: usize,
        /// What is wrong with it.
        error: EventError,
    },
    /// The ledger is signed with other keys than the one the engine has.
    #[error(
        "the ledger is signed with {}, this server signs with {}; start it with the ledger's key",
        list(expected),
        list(found)
    )]
    OtherKey {
        /// The keys that the ledger says sign it now.
        expected: Vec<KeyId>,
        /// The signers' keys.
        found: Vec<KeyId>,
    },
    /// Clients cannot write this system object, or it is not one.
    #[error("not a system record that can be appended: {0}")]
    System(&'static str),
    /// The batch could not be signed. Nothing of it exists; try again.
    #[error("{0}; nothing was written, try again")]
    Signing(SignError),
    /// The ledger's signer has failed so often that it is left alone for a while. Nothing was tried.
    #[error("the signer '{signer}' fails: {reason}; try again in {} ms", retry_after.as_millis())]
    SignerResting {
        /// The signer.
        signer: SignerName,
        /// What it said last.
        reason: Arc<str>,
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// Something before this group in the pipeline failed, so it was not written either; try again.
    #[error("not written, because {reason}; try again in {} ms", retry_after.as_millis())]
    Unavailable {
        /// What happened.
        reason: Arc<str>,
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// Something sent before this group in the same session failed, so nothing of this one was appended,
    /// or the order would not be the one in which they were sent. Send again from what failed first.
    #[error(
        "something sent before it was not appended, so nothing of this was; send again from there on"
    )]
    EarlierFailed {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The write failed in a way that leaves open whether it took place. Sent again with the same ids,
    /// the events are appended once; without ids, look first whether they are there.
    #[error("the outcome is unknown ({reason}); retry with the same ids")]
    OutcomeUnknown {
        /// What happened.
        reason: Arc<str>,
    },
    /// The clock has jumped ahead. Nothing is appended until it has come back or an operator accepts it.
    #[error(transparent)]
    Clock(#[from] ClockJump),
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn quoted(names: &[SignerName]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

fn list(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}

fn at(seq: Option<Seq>) -> String {
    seq.map_or_else(|| " of the same group".into(), |seq| format!(", at sequence number {seq}"))
}

impl AppendError {
    /// Whether the same request can succeed later without anybody changing anything about it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Closed
                | Self::Signing(_)
                | Self::SignerResting { .. }
                | Self::Unavailable { .. }
                | Self::EarlierFailed { .. }
                | Self::OutcomeUnknown { .. }
                | Self::Clock(_)
                | Self::Read(ReadError::Unavailable { .. })
        )
    }

    /// Whether what was sent behind the group must not be appended. Not so where the group is at fault:
    /// sent again it fails again, so that it has no place in the order.
    #[must_use]
    pub const fn breaks_order(&self) -> bool {
        !matches!(self, Self::Empty | Self::TooLarge { .. } | Self::Event { .. } | Self::System(_))
    }

    /// How long to wait before trying again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after }
            | Self::Unavailable { retry_after, .. }
            | Self::SignerResting { retry_after, .. }
            | Self::EarlierFailed { retry_after } => Some(*retry_after),
            Self::Closed | Self::Signing(_) => Some(Duration::from_secs(1)),
            // A person has to do something.
            Self::Clock(_) => Some(Duration::from_secs(30)),
            _ => None,
        }
    }
}

/// Why one event of a group was not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The id is taken by another event.
    #[error("id '{id}' already names another event{}", at(*seq))]
    Conflict {
        /// The id.
        id: EventId,
        /// Where the other event stands; `None` when it is an earlier one of the same group.
        seq: Option<Seq>,
    },
    /// The ledger has its last sequence number.
    #[error("the ledger is full: its last sequence number is used")]
    Full,
    /// The event does not make a record.
    #[error("the event does not make a record: {0}")]
    Record(Arc<str>),
}

/// Why a ledger was not created.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// It is already there, perhaps with another `sign_per`: look at it.
    #[error("the ledger '{}' exists already", .0.name)]
    Exists(Box<LedgerInfo>),
    /// No signer of this engine has that name.
    #[error("there is no signer '{name}' here; there is {}", quoted(.known))]
    UnknownSigner {
        /// The name that was asked for.
        name: SignerName,
        /// The names that there are.
        known: Vec<SignerName>,
    },
    /// The creation is an append like any other, and failed like one.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such ledger.
    #[error("there is no ledger '{0}'")]
    NotFound(LedgerName),
    /// The ledger does not reach that far (yet).
    #[error("{asked} is beyond the ledger's durable size of {size}")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// Durable records.
        size: u64,
    },
    /// The bounds of a proof are out of order.
    #[error("a tree of {from} leaves cannot be older than one of {to}")]
    OutOfOrder {
        /// The older size.
        from: u64,
        /// The newer size.
        to: u64,
    },
    /// The store is being reopened after an error.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// Why.
        reason: Arc<str>,
    },
    /// The store cannot be read.
    #[error("the database cannot be read: {0}")]
    Store(Arc<str>),
    /// What is stored contradicts itself.
    #[error("the database is damaged: {0}")]
    Corrupt(Arc<str>),
    /// The record's body was dropped after it was archived. Its digest, its signature and every proof are
    /// still here; the record itself is in the archive.
    #[error(
        "the body of record {seq} was dropped after it was archived; read it from the archive (its digest, \
         signature and proofs are still here)"
    )]
    BodyDropped {
        /// The record.
        seq: Seq,
    },
    /// The text must not be signed: it could stand for a checkpoint.
    #[error("this text is not signed: it could be taken for a checkpoint")]
    NotSignable,
    /// The signer failed.
    #[error(transparent)]
    Signing(#[from] SignError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        match error {
            // The handle was closed under a reader because the store is being opened again.
            StoreError::Closed => Self::Unavailable { reason: error.to_string().into() },
            StoreError::Corrupt(what) => Self::Corrupt(what),
            other => Self::Store(other.to_string().into()),
        }
    }
}
