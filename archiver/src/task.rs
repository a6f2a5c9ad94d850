//! What all steps of one run need: the ledger, the vault, and whom to tell.

use std::path::Path;

use indelible_core::key::Trust;
use indelible_core::name::LedgerName;
use indelible_ledger::{Engine, LedgerInfo};

use crate::error::ArchiveError;
use crate::pack::OwnKey;
use crate::progress::Progress;
use crate::vault::Vault;

/// A run over one ledger into one vault.
pub(crate) struct Task<'a> {
    pub(crate) engine: &'a Engine,
    /// The key of records that the ledger's own signer has.
    pub(crate) own: OwnKey,
    /// Where segments are packed before they are shipped.
    pub(crate) spool: &'a Path,
    pub(crate) plain_bytes_cut: u64,
    pub(crate) info: LedgerInfo,
    pub(crate) vault: &'a dyn Vault,
    pub(crate) trust: Trust,
    pub(crate) progress: &'a dyn Progress,
}

impl Task<'_> {
    pub(crate) fn engine(&self) -> &Engine {
        self.engine
    }

    pub(crate) fn ledger(&self) -> &LedgerName {
        &self.info.name
    }

    pub(crate) fn foreign(&self, reason: String) -> ArchiveError {
        ArchiveError::Foreign { vault: self.vault.name(), ledger: self.ledger().clone(), reason }
    }
}
