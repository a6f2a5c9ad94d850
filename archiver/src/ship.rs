//! One segment's way into the vault.

use indelible_core::checkpoint::Checkpoint;
use indelible_core::manifest::{Content, Manifest, ManifestError};
use indelible_core::merkle::CompactRange;
use indelible_core::segment::Run;

use crate::error::ArchiveError;
use crate::pack::{PackError, Packed};
use crate::stored::{self, Archived};
use crate::task::Task;
use crate::vault::Upload;

/// Signs and stores one packed segment, which is to follow `last`.
pub(crate) async fn segment(
    task: &Task<'_>,
    last: Option<&Archived>,
    run: Run,
    mut packed: Packed,
) -> Result<Archived, ArchiveError> {
    if packed.first_prev != last.map(|last| last.manifest.last_digest) {
        // It was packed on what the database says of the record before.
        let reason = "the record before it is not the one in the archive".into();
        return Err(PackError::Damaged { seq: run.first(), reason }.into());
    }
    let manifest = manifest(task, run, &packed, last).await?;
    let unusable = |error: ManifestError| ArchiveError::Manifest { run, reason: error.to_string() };
    let text = manifest.signed_text().map_err(unusable)?;
    let ledger = task.ledger();

    // 1. The segment. Until its manifest is there it means nothing.
    let Content { size, sha256 } = manifest.packed;
    let object = manifest.object_name();
    task.vault.create(ledger, &object, Upload { content: &mut packed.file, size, sha256 })?;
    stored::check(task.vault, ledger, &object, &manifest.packed)?;

    // 2. The manifest, which makes it count.
    let note = task.engine().sign_note(ledger, &text).await?;
    let Content { size, sha256 } = Content::of(note.as_bytes());
    let mut content = note.as_bytes();
    let upload = Upload { content: &mut content, size, sha256 };
    task.vault.create(ledger, &manifest.file_name(), upload)?;
    let archived = stored::open_manifest(task, run)?;
    if archived.manifest != manifest {
        let reason = format!("{}: read back, it is another manifest", manifest.file_name());
        return Err(task.foreign(reason));
    }
    Ok(archived)
}

async fn manifest(
    task: &Task<'_>,
    run: Run,
    packed: &Packed,
    last: Option<&Archived>,
) -> Result<Manifest, ArchiveError> {
    let signed = task.engine().checkpoint_at(task.ledger(), run.last().get() + 1).await?;
    check_tree(task, run, packed, last, &signed.checkpoint)?;
    Ok(Manifest {
        origin: task.info.origin.clone(),
        run,
        first_prev: packed.first_prev,
        last_digest: packed.last_digest,
        keys: packed.keys.clone(),
        packed: packed.packed,
        plain: packed.plain,
        previous: last.map(|last| last.manifest.text_sha256()),
        subtrees: packed.subtrees.subtrees().to_vec(),
        checkpoint: signed.note,
    })
}

/// Whether the checkpoint is the tree of the archive before, grown by this segment's leaves. Its root
/// comes from stored nodes; a damaged one would be signed here and found only by the auditor.
fn check_tree(
    task: &Task<'_>,
    run: Run,
    packed: &Packed,
    last: Option<&Archived>,
    checkpoint: &Checkpoint,
) -> Result<(), ArchiveError> {
    let begin = run.first().get();
    let damaged = |reason: &str| PackError::Damaged { seq: run.first(), reason: reason.into() };
    let before = task.engine().subtrees(task.ledger(), 0, begin)?;
    let mut tree =
        CompactRange::from_parts(0, begin, before).map_err(|error| damaged(&error.to_string()))?;
    if let Some(last) = last {
        let stated = last.manifest.stated_checkpoint();
        let stated = stated.map_err(|error| damaged(&error.to_string()))?;
        if tree.root() != Some(stated.root) {
            return Err(damaged("the tree before it is not the one in the archive").into());
        }
    }
    tree.append_range(&packed.subtrees).map_err(|error| damaged(&error.to_string()))?;
    if tree.root() != Some(checkpoint.root) || tree.end() != checkpoint.size {
        return Err(damaged("the stored tree is not that of the records").into());
    }
    Ok(())
}
