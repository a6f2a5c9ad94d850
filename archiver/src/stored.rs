//! Reading back what is in the vault: nothing counts before that.

use std::io::Read as _;

use indelible_core::hash::Sha256Hash;
use indelible_core::limits::MANIFEST_BYTES_MAX;
use indelible_core::manifest::{Content, Manifest};
use indelible_core::name::LedgerName;
use indelible_core::segment::{self, Run};
use sha2::{Digest as _, Sha256};

use crate::error::ArchiveError;
use crate::task::Task;
use crate::vault::{Vault, VaultError};

/// Bytes read back from the vault at once.
const CHECK_BYTES: usize = 128 << 10;

/// A segment whose manifest is in the vault and was checked.
pub(crate) struct Archived {
    pub(crate) manifest: Manifest,
}

impl Archived {
    /// The sequence number behind its last record.
    pub(crate) fn end(&self) -> u64 {
        self.manifest.run.last().get() + 1
    }
}

/// Opens a manifest as a verifier does: the signature first, then what it says.
pub(crate) fn open_manifest(task: &Task<'_>, run: Run) -> Result<Archived, ArchiveError> {
    let name = segment::manifest_name(run.first(), run.last());
    let mut bytes = Vec::new();
    task.vault
        .open(task.ledger(), &name, MANIFEST_BYTES_MAX as u64)?
        .take(MANIFEST_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| VaultError::Io { place: name.clone(), source })?;
    let manifest = Manifest::open(&bytes, &task.trust)
        .map_err(|error| task.foreign(format!("{name}: {error}")))?;
    if manifest.origin != task.info.origin || manifest.run != run {
        return Err(task.foreign(format!("{name} is about something else than its name says")));
    }
    Ok(Archived { manifest })
}

/// Reads a stored object back and compares it with what it must be.
pub(crate) fn check(
    vault: &dyn Vault,
    ledger: &LedgerName,
    name: &str,
    content: &Content,
) -> Result<(), VaultError> {
    let mut reader = vault.open(ledger, name, content.size)?.take(content.size + 1);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; CHECK_BYTES];
    let mut size = 0u64;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                size += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(VaultError::Io { place: name.into(), source }),
        }
    }
    if size != content.size || Sha256Hash(hasher.finalize().into()) != content.sha256 {
        return Err(VaultError::Changed { place: name.into() });
    }
    Ok(())
}
