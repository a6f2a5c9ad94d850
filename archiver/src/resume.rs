//! Finding out where a vault stands, and whether it belongs to the ledger at all.

use std::collections::BTreeSet;

use indelible_core::manifest::Manifest;
use indelible_core::segment::{self, FileName, Run};

use crate::error::ArchiveError;
use crate::stored::{self, Archived};
use crate::task::Task;

/// What a vault holds of a ledger, from record 0 on and without a hole.
pub(crate) struct Held {
    /// The segments that count, in order.
    pub(crate) runs: Vec<Run>,
    /// The last of them.
    pub(crate) last: Option<Archived>,
}

impl Held {
    /// How many records that is.
    pub(crate) fn end(&self) -> u64 {
        self.last.as_ref().map_or(0, Archived::end)
    }
}

/// The segments that count. Of the last one its manifest, its file and its place in the ledger's history
/// are checked; of the ones before it only that they are there, for a hole must not be built upon.
/// Checking a vault wholly is the verifier's work.
pub(crate) fn held(task: &Task<'_>, names: &[FileName]) -> Result<Held, ArchiveError> {
    let mut manifests = Vec::new();
    let mut objects = BTreeSet::new();
    for name in names {
        match name {
            FileName::Manifest { run } => manifests.push(*run),
            FileName::Object { run, .. } => {
                objects.insert(*run);
            }
        }
    }
    manifests.sort_unstable();
    let mut next = 0;
    for run in &manifests {
        let (first, last) = (run.first(), run.last());
        if first.get() != next {
            return Err(task.foreign(format!(
                "the manifests have a hole or overlap at record {next}: the next one is {}",
                segment::manifest_name(first, last)
            )));
        }
        if !objects.contains(run) {
            let name = segment::manifest_name(first, last);
            return Err(task.foreign(format!("the segment of {name} is missing")));
        }
        next = last.get() + 1;
    }
    let Some(run) = manifests.last() else { return Ok(Held { runs: manifests, last: None }) };
    if next > task.info.size {
        return Err(task.foreign(format!(
            "it holds {next} records, the ledger only has {}: the database is older than its archive",
            task.info.size
        )));
    }
    let archived = stored::open_manifest(task, *run)?;
    let there = task.engine().get(task.ledger(), run.last())?.map(|record| record.digest);
    if there != Some(archived.manifest.last_digest) {
        let reason = format!("record {} there is not the one in the ledger", run.last());
        return Err(task.foreign(reason));
    }
    let Manifest { packed, .. } = &archived.manifest;
    stored::check(task.vault, task.ledger(), &archived.manifest.object_name(), packed)?;
    Ok(Held { runs: manifests, last: Some(archived) })
}
