//! One segment's way into the vault.

use std::fs::File;
use std::io::Read;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::Sha256Hash;
use indelible_core::manifest::{Content, Manifest, ManifestError};
use indelible_core::merkle::CompactRange;
use indelible_core::name::{LedgerName, NameError, Seq};
use indelible_core::segment::Run;
use indelible_ledger::{Direction, ReadError};
use sha2::{Digest as _, Sha256};

use crate::archiver::Task;
use crate::error::ArchiveError;
use crate::pack::{PackError, Packed, Packer};
use crate::resume::{self, Archived};
use crate::turn::Turn;
use crate::vault::{Upload, Vault, VaultError};

/// Records read from the database at once.
const READ_RECORDS: usize = 1024;
/// Bytes read from the database at once.
const READ_BYTES: usize = 4 << 20;
/// Bytes read back from the vault at once.
const CHECK_BYTES: usize = 128 << 10;

/// Packs, signs and stores one segment: from behind `last` up to the end that was chosen, or earlier if it
/// grows too large. `done` records of the run were packed before.
pub(crate) async fn segment(
    task: &Task<'_>,
    last: Option<&Archived>,
    turn: Turn,
    done: u64,
) -> Result<Archived, ArchiveError> {
    let (run, mut packed) = pack(task, last, turn, done)?;
    let manifest = manifest(task, run, &packed, last).await?;
    let unusable = |error: ManifestError| ArchiveError::Manifest { run, reason: error.to_string() };
    let text = manifest.signed_text().map_err(unusable)?;
    let ledger = task.ledger();

    // 1. The segment. Until its manifest is there it means nothing.
    let Content { size, sha256 } = manifest.packed;
    let object = manifest.object_name();
    task.vault.create(ledger, &object, Upload { content: &mut packed.file, size, sha256 })?;
    check_stored(task.vault, ledger, &object, &manifest.packed)?;

    // 2. The manifest, which makes it count.
    let note = task.engine().sign_note(ledger, &text).await?;
    let Content { size, sha256 } = Content::of(note.as_bytes());
    let mut content = note.as_bytes();
    let upload = Upload { content: &mut content, size, sha256 };
    task.vault.create(ledger, &manifest.file_name(), upload)?;
    let stored = resume::open_manifest(task, run)?;
    if stored.manifest != manifest {
        let reason = format!("{}: read back, it is another manifest", manifest.file_name());
        return Err(task.foreign(reason));
    }
    Ok(stored)
}

fn pack(
    task: &Task<'_>,
    last: Option<&Archived>,
    turn: Turn,
    done: u64,
) -> Result<(Run, Packed), ArchiveError> {
    let (end, size) = (turn.end, task.info.size);
    let out_of_numbers = |_| ReadError::OutOfRange { asked: end, size };
    let first = Seq::new(last.map_or(0, Archived::end)).map_err(out_of_numbers)?;
    let prev = last.map(|last| last.manifest.last_digest);
    let mut packer = Packer::new(first, prev, &task.info, &task.archiver.own, spool_file(task)?)?;
    let mut next = first.get();
    'cut: while next < end {
        if task.progress.should_stop() {
            return Err(ArchiveError::Stopped);
        }
        let from = Seq::new(next).map_err(out_of_numbers)?;
        let (forward, ledger) = (Direction::Forward, task.ledger());
        let records = task.engine().range(ledger, from, forward, READ_RECORDS, READ_BYTES)?;
        if records.is_empty() {
            break;
        }
        for record in records.iter().take_while(|record| record.seq.get() < end) {
            packer.push(record)?;
            next = record.seq.get() + 1;
            // Behind a signed record only: signed per commit, a segment that ended elsewhere would have an
            // end that no signature of a record covers.
            let may_end = record.signature.is_some();
            if may_end && packer.plain_size() >= turn.plain_bytes_cut {
                break 'cut;
            }
        }
        task.progress.at(done + next - first.get());
    }
    let last = Seq::new(next.saturating_sub(1)).map_err(out_of_numbers)?;
    let run = Run::new(first, last).ok_or_else(|| out_of_numbers(NameError::Seq))?;
    Ok((run, packer.finish(last)?))
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

/// A file without a name: it disappears with the process, whatever happens.
fn spool_file(task: &Task<'_>) -> Result<File, ArchiveError> {
    let folder = &task.archiver.spool;
    tempfile::tempfile_in(folder)
        .map_err(|source| ArchiveError::Spool { folder: folder.clone(), source })
}

/// Reads a stored object back and compares it with what it must be.
pub(crate) fn check_stored(
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
