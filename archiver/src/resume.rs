//! Finding out where a vault stands, and whether it belongs to the ledger at all.

use std::io::Read;

use indelible_core::key::Trust;
use indelible_core::manifest::Manifest;
use indelible_core::segment::{self, FileName, Run};
use indelible_ledger::{Engine, LedgerInfo};

use crate::vault::{Vault, VaultError};
use crate::{ArchiveError, MANIFEST_BYTES, check_stored};

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

/// The last segment that counts. Its manifest, its file and its place in the ledger's history are
/// checked; the ones before it only by name, for a hole among them must not be built upon.
pub(crate) fn last_archived(
    engine: &Engine,
    info: &LedgerInfo,
    vault: &dyn Vault,
    trust: &Trust,
) -> Result<Option<Archived>, ArchiveError> {
    let mut runs: Vec<Run> = vault
        .list(&info.name)?
        .iter()
        .filter_map(|name| match name {
            FileName::Manifest { run } => Some(*run),
            FileName::Object { .. } => None,
        })
        .collect();
    runs.sort_unstable();
    let mut next = 0;
    for run in &runs {
        if run.first().get() != next {
            let reason = format!(
                "the manifests have a hole or overlap at record {next}: the next one is {}",
                segment::manifest_name(run.first(), run.last())
            );
            return Err(foreign(vault, info, reason));
        }
        next = run.last().get() + 1;
    }
    let Some(run) = runs.last() else { return Ok(None) };
    if next > info.size {
        let reason = format!(
            "it holds {next} records, the ledger only has {}: the database is older than its archive",
            info.size
        );
        return Err(foreign(vault, info, reason));
    }
    let archived = open_manifest(vault, info, trust, *run)?;
    let stored = engine.get(&info.name, run.last())?.map(|record| record.digest);
    if stored != Some(archived.manifest.last_digest) {
        let reason = format!("record {} there is not the one in the ledger", run.last());
        return Err(foreign(vault, info, reason));
    }
    check_stored(vault, &info.name, &archived.manifest.object_name(), &archived.manifest.packed)?;
    Ok(Some(archived))
}

/// Opens a manifest as a verifier does: the signature first, then what it says.
pub(crate) fn open_manifest(
    vault: &dyn Vault,
    info: &LedgerInfo,
    trust: &Trust,
    run: Run,
) -> Result<Archived, ArchiveError> {
    let name = segment::manifest_name(run.first(), run.last());
    let mut bytes = Vec::new();
    vault
        .open(&info.name, &name, MANIFEST_BYTES)?
        .read_to_end(&mut bytes)
        .map_err(|source| VaultError::Io { place: name.clone(), source })?;
    let manifest = Manifest::open(&bytes, trust)
        .map_err(|error| foreign(vault, info, format!("{name}: {error}")))?;
    if manifest.origin != info.origin || manifest.run != run {
        return Err(foreign(
            vault,
            info,
            format!("{name} is about something else than its name says"),
        ));
    }
    Ok(Archived { manifest })
}

fn foreign(vault: &dyn Vault, info: &LedgerInfo, reason: String) -> ArchiveError {
    ArchiveError::Foreign { vault: vault.name(), ledger: info.name.clone(), reason }
}
