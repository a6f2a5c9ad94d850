//! Why archiving stops.

use std::path::PathBuf;

use indelible_core::key::{KeyError, KeyId};
use indelible_core::name::LedgerName;
use indelible_core::segment::Run;
use indelible_ledger::{AppendError, ReadError};

use crate::pack::PackError;
use crate::vault::VaultError;

/// Why archiving stopped. What was archived before stays; the next run continues there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The ledger could not be read, or a checkpoint or manifest not be signed.
    #[error(transparent)]
    Engine(#[from] ReadError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database is damaged, or the spool file failed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// What is in the vault does not belong to this ledger, or has a hole.
    #[error(
        "{vault}, ledger {ledger}: {reason}. Nothing was written. Check it with `indelible-verify vault`, or archive into an empty vault"
    )]
    Foreign {
        /// The vault.
        vault: String,
        /// The ledger.
        ledger: LedgerName,
        /// What does not fit.
        reason: String,
    },
    /// The manifest that this run made is not one that a verifier would take.
    #[error("the manifest of records {} to {} cannot be used: {reason}", run.first(), run.last())]
    Manifest {
        /// The records of the segment.
        run: Run,
        /// What is wrong.
        reason: String,
    },
    /// No signer here has the ledger's key, so nobody could sign manifests.
    #[error(
        "ledger {ledger} is signed with {}, and no signer of this server has that key, so that no manifest can be signed. Give the server its key (`signing.keys`); nothing was written",
        names(.keys)
    )]
    NoSigner {
        /// The ledger.
        ledger: LedgerName,
        /// The keys that it says sign it.
        keys: Vec<KeyId>,
    },
    /// The signer's key does not fit the ledger's origin.
    #[error("the signer's key cannot be used: {0}")]
    Key(#[source] KeyError),
    /// The run has shipped its segments, but the ledger could not record one of before. The next run that
    /// ships something will.
    #[error("the segments are archived, but the ledger could not record an earlier one: {0}")]
    Record(#[source] AppendError),
    /// A spool file could not be made.
    #[error("no spool file in {}: {source}", folder.display())]
    Spool {
        /// Where.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Whoever follows the run has asked for its end.
    #[error("archiving was asked to stop; the next run continues")]
    Stopped,
}

fn names(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}
