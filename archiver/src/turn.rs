//! Whose turn it is to cut the next segment, decided by the vault itself.
//!
//! Two runs that cut at different places would leave manifests that overlap, which nobody could ever mend
//! in write-once storage. Within a process a claim keeps them apart. Between processes there should never
//! be two, since one alone has the ledger's data folder; but a copied folder, or a second server with a
//! ledger of the same name, can meet the same vault, and locks mean nothing on network file systems and
//! object stores.
//!
//! So before a segment is packed, where it ends is written into the vault under a name that the segment's
//! beginning alone determines, created and never replaced. Whoever comes second does not choose: it finds
//! the end that was chosen and makes exactly the same segment. A run that dies leaves its choice, and the
//! next one carries it out; there is no owner, no clock and nothing that could block for ever. When the
//! manifest is there the choice is taken away; who is so slow that it chooses anew after that, looks once
//! more whether the manifest is there, and stops.

use std::io::Read as _;

use indelible_core::manifest::Content;
use indelible_core::segment::{FileName, TMP_PREFIX};

use crate::error::ArchiveError;
use crate::pack::PLAIN_BYTES_CUT;
use crate::task::Task;
use crate::vault::{Upload, VaultError};

/// First line of a choice.
const FORM: &str = "indelible turn 1";
/// More than any choice has: an origin has at most a few hundred bytes.
const BYTES_MAX: u64 = 4096;

fn name(first: u64) -> String {
    format!("{TMP_PREFIX}turn-{first:020}")
}

/// What was chosen for the segment that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Where it ends at the latest (exclusive).
    pub(crate) end: u64,
    /// Plain bytes after which it ends earlier.
    pub(crate) plain_bytes_cut: u64,
}

/// Chooses that the segment from `first` on ends at `end` (exclusive), or finds out what was chosen
/// before.
pub(crate) fn take(task: &Task<'_>, first: u64, end: u64) -> Result<Turn, ArchiveError> {
    let turn = Turn { end, plain_bytes_cut: task.plain_bytes_cut };
    let who = format!("{FORM}\n{}\n{}\n", task.info.origin.as_str(), task.key.key_id().as_str());
    let text = format!("{who}{} {}\n", turn.end, turn.plain_bytes_cut);
    let Content { size, sha256 } = Content::of(text.as_bytes());
    let mut content = text.as_bytes();
    let upload = Upload { content: &mut content, size, sha256 };
    let turn = match task.vault.create(task.ledger(), &name(first), upload) {
        Ok(()) => turn,
        Err(VaultError::Differs { .. }) => chosen(task, first, &who)?,
        Err(error) => return Err(error.into()),
    };
    // Whoever was faster has taken its choice away when its manifest was there.
    let is_done = |found: &FileName| match found {
        FileName::Manifest { run } => run.last().get() >= first,
        FileName::Object { .. } => false,
    };
    if task.vault.list(task.ledger())?.iter().any(is_done) {
        give_back(task, first)?;
        return Err(VaultError::Busy { place: task.vault.name() }.into());
    }
    Ok(turn)
}

/// What another run has chosen.
fn chosen(task: &Task<'_>, first: u64, who: &str) -> Result<Turn, ArchiveError> {
    let (name, size) = (name(first), task.info.size);
    let mut text = String::new();
    let opened = match task.vault.open(task.ledger(), &name, BYTES_MAX) {
        // Taken away meanwhile: the segment is complete.
        Err(VaultError::Missing { .. }) => {
            return Err(VaultError::Busy { place: task.vault.name() }.into());
        }
        opened => opened?,
    };
    opened
        .take(BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|source| VaultError::Io { place: name.clone(), source })?;
    let Some(choice) = text.strip_prefix(who) else {
        let reason = format!("{name} says that another server is archiving here");
        return Err(task.foreign(reason));
    };
    parse(choice).filter(|turn| turn.end > first && turn.end <= size).ok_or_else(|| {
        task.foreign(format!(
            "{name} chose an end that the ledger of {size} records does not have: the database is older \
             than its archive, or the file is damaged"
        ))
    })
}

fn parse(choice: &str) -> Option<Turn> {
    let (end, cut) = choice.strip_suffix('\n')?.split_once(' ')?;
    let turn = Turn { end: end.parse().ok()?, plain_bytes_cut: cut.parse().ok()? };
    (1..=PLAIN_BYTES_CUT).contains(&turn.plain_bytes_cut).then_some(turn)
}

/// The segment is complete: its manifest says from now on where it ends.
pub(crate) fn give_back(task: &Task<'_>, first: u64) -> Result<(), ArchiveError> {
    Ok(task.vault.discard(task.ledger(), &name(first))?)
}
