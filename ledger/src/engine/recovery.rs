//! Finding out where a store is, and whether it is whole. Nothing is replayed: each commit has written
//! the engine's state and the heads of its ledgers together with its records, so that the last commit
//! says everything. But commits that were only in a log can be lost with it, with others before and after
//! them, so those are looked at one by one.
//!
//! All of it happens before the store is opened for writing, which throws the old logs away: whoever has
//! to be refused finds every file as it was. Opening the first time and opening again after a failure go
//! the same way.

use std::path::Path;
use std::sync::Arc;

use indelible_core::hash::Digest;
use indelible_core::name::ServerName;
use indelible_core::system::{Creation, System};
use indelible_core::time::Timestamp;

use super::records::{corrupt, last_row};
use super::shared::StoreCell;
use crate::commit_chain::{self, Effort};
use crate::error::{OpenError, ReadError};
use crate::folder::HeadFile;
use crate::rows::kind::KindRow;
use crate::rows::meta::{IdentityRow, StateRow};
use crate::rows::{CommitNumber, commit};
use crate::store::{Batch, Preview, Read, Scan, Space, Store, StoreError, StoreOpener};

/// The state before the first commit.
const EMPTY: StateRow =
    StateRow { commit: CommitNumber(0), digest: Digest([0; 32]), ledgers: 0, records: 0 };

/// The engine's state after its last commit; `None` in a store that was never used.
fn read_state(store: &dyn Read) -> Result<Option<StateRow>, ReadError> {
    let Some(value) = store.get(Space::Meta, StateRow::KEY)? else { return Ok(None) };
    let state = StateRow::decode(&value).map_err(StoreError::from)?;
    let last = match last_row(store, Space::Commits)? {
        Some((key, value)) => {
            let number = commit::parse_key(&key).map_err(StoreError::from)?;
            (number, commit::decode(&value).map_err(StoreError::from)?)
        }
        None => (EMPTY.commit, EMPTY.digest),
    };
    if last == (state.commit, state.digest) {
        Ok(Some(state))
    } else {
        Err(corrupt("its state and its list of commits do not end with the same commit"))
    }
}

/// The engine's digest after a commit.
fn digest_at(store: &dyn Read, number: CommitNumber) -> Result<Option<Digest>, ReadError> {
    if number == EMPTY.commit {
        return Ok(Some(EMPTY.digest));
    }
    let value = store.get(Space::Commits, &commit::key(number))?;
    Ok(value.map(|value| commit::decode(&value)).transpose().map_err(StoreError::from)?)
}

/// Checks that a store that was opened again holds everything that was published before.
fn check_continues(store: &dyn Read, known: &StateRow, found: &StateRow) -> Result<(), ReadError> {
    if found.commit < known.commit {
        return Err(corrupt(&format!(
            "it ends at commit {}, but commit {} was acknowledged",
            found.commit, known.commit
        )));
    }
    match digest_at(store, known.commit)? {
        Some(digest) if digest == known.digest => Ok(()),
        _ => Err(corrupt(&format!("its commit {} is not the one acknowledged", known.commit))),
    }
}

/// What a store holds before it is opened for writing, so that nothing has been changed if it must not be
/// gone on with. `None` where there is nothing yet.
///
/// # Errors
/// [`OpenError::OtherServer`], [`OpenError::Incomplete`], [`OpenError::HeadBehind`],
/// [`OpenError::HeadDiffers`], and whatever keeps it from being read.
pub(crate) fn examine(
    opener: &dyn StoreOpener,
    server_name: &ServerName,
    head: Option<&HeadFile>,
    head_file: &Path,
) -> Result<Option<StateRow>, OpenError> {
    let found = opener.preview()?;
    let (identity, state) = match &found {
        Some(store) => {
            (store.get(Space::Meta, IdentityRow::KEY)?, read_state(&**store).map_err(open_error)?)
        }
        None => (None, None),
    };
    if let Some(value) = &identity {
        let identity = IdentityRow::decode(value).map_err(StoreError::from)?;
        if identity.server_name != *server_name {
            let (found, given) = (identity.server_name, server_name.clone());
            return Err(OpenError::OtherServer { found, given });
        }
    }
    let Some((store, state)) = found.as_deref().zip(state) else {
        return match (identity, head.filter(|head| head.commit > EMPTY.commit)) {
            // A store that was never used, beside the head of one that was: it has been lost.
            (None, Some(head)) => Err(behind(&EMPTY, head, head_file)),
            (None, None) => Ok(None),
            (Some(_), _) => Err(OpenError::Corrupt("its state is missing".into())),
        };
    };
    if let Some(missing) = missing(store, &state).map_err(open_error)? {
        return Err(OpenError::Incomplete { missing });
    }
    if identity.is_none() {
        return Err(OpenError::Corrupt("who it is (its first row) is missing".into()));
    }
    check_kinds(store, &state)?;
    if let Some(head) = head {
        check_head(store, &state, head, head_file)?;
    }
    Ok(Some(state))
}

/// Refuses a store that holds system records of kinds that this program does not know: what they say may
/// change what everything after them means, such as who may sign.
fn check_kinds(store: &dyn Read, state: &StateRow) -> Result<(), OpenError> {
    let mut listed = false;
    for (key, value) in store.rows(&Scan::all(Space::Meta))? {
        let Some(row) = KindRow::parse(&key, &value).map_err(StoreError::from)? else { continue };
        listed |= row.kind == Creation::KIND;
        if !row.informative && !System::KINDS.contains(&row.kind.as_str()) {
            return Err(OpenError::UnknownKind { kind: row.kind });
        }
    }
    // Every ledger begins with a record of that kind.
    if listed || state.ledgers == 0 { Ok(()) } else { Err(OpenError::KindsMissing) }
}

/// What is missing among the commits that came out of logs. Those before lie in files that were flushed
/// when they were made, each with a checksum over every part.
fn missing(store: &dyn Preview, state: &StateRow) -> Result<Option<String>, ReadError> {
    let settled = match store.settled()? {
        Some(key) => commit::parse_key(&key).map_err(StoreError::from)?,
        None => EMPTY.commit,
    };
    let checked = commit_chain::check(store, settled, state.commit, Effort::OPENING)?;
    if checked.faults.is_empty() {
        tracing::debug!(
            from = settled.0,
            commits = checked.commits,
            ledgers = checked.ledgers,
            trees_left_out = checked.trees_left_out,
            "the commits of the log are whole"
        );
        return Ok(None);
    }
    Ok(Some(checked.faults.to_string()))
}

/// The same for a store whose handle failed: beside being whole, it must hold everything that was
/// published.
fn examine_again(
    opener: &dyn StoreOpener,
    known: &StateRow,
) -> Result<(StateRow, Arc<dyn Preview>), ReadError> {
    let found = opener.preview()?;
    let store: Arc<dyn Preview> =
        found.map(Arc::from).ok_or_else(|| corrupt("there is nothing any more where it was"))?;
    let state =
        read_state(&*store)?.ok_or_else(|| corrupt("it is empty, although it was in use"))?;
    if let Some(missing) = missing(&*store, &state)? {
        return Err(corrupt(&missing));
    }
    check_continues(&*store, known, &state)?;
    Ok((state, store))
}

/// Examines a store whose handle failed and opens it again. `before_opening` is called between the two:
/// from then on what the failed commit left behind counts as durable, since opening writes it anew.
///
/// On a full disk there is much that can be read and nothing that can be written, so a store that does not
/// open shows what was examined: `cell` serves reads from it until the next try. Not so when it holds more
/// than was published: what a failed commit left in a log may be in the page cache only, and nobody has
/// written it anew.
pub(crate) fn open_again(
    opener: &dyn StoreOpener,
    known: &StateRow,
    cell: &StoreCell,
    before_opening: impl FnOnce(),
) -> Result<(StateRow, Arc<dyn Store>), ReadError> {
    let (state, view) = examine_again(opener, known)?;
    if state == *known {
        cell.show(view);
    }
    before_opening();
    let store = open_examined(opener, &state)?;
    Ok((state, store))
}

/// Opens a store that was examined, and sees to it that it is still the same.
pub(crate) fn open_examined(
    opener: &dyn StoreOpener,
    examined: &StateRow,
) -> Result<Arc<dyn Store>, ReadError> {
    let store = opener.open()?;
    match read_state(&*store)? {
        Some(state) if state == *examined => Ok(store),
        _ => Err(corrupt("it changed while it was being opened")),
    }
}

/// Writes into a store that was never used who it is.
pub(crate) fn begin(
    opener: &dyn StoreOpener,
    server_name: &ServerName,
    now: Timestamp,
) -> Result<(Arc<dyn Store>, StateRow), OpenError> {
    let store = opener.open()?;
    let mut engine_id = [0; 16];
    getrandom::fill(&mut engine_id)
        .map_err(|error| OpenError::Corrupt(format!("no random bytes: {error}")))?;
    let identity = IdentityRow { engine_id, created: now, server_name: server_name.clone() };
    let mut batch = Batch::new();
    batch.put(Space::Meta, IdentityRow::KEY, &identity.encode());
    batch.put(Space::Meta, StateRow::KEY, &EMPTY.encode());
    store.commit(&batch)?;
    Ok((store, EMPTY))
}

/// Compares the store with the head that is kept outside of it.
fn check_head(
    store: &dyn Read,
    state: &StateRow,
    head: &HeadFile,
    head_file: &Path,
) -> Result<(), OpenError> {
    if state.commit < head.commit {
        return Err(behind(state, head, head_file));
    }
    let found = digest_at(store, head.commit).map_err(open_error)?;
    if found != Some(head.digest) {
        return Err(OpenError::HeadDiffers {
            commit: head.commit.0,
            found: found.map_or_else(|| "missing".into(), |digest| digest.to_hex()),
            expected: head.digest.to_hex(),
            head_file: head_file.display().to_string(),
        });
    }
    Ok(())
}

fn behind(state: &StateRow, head: &HeadFile, head_file: &Path) -> OpenError {
    OpenError::HeadBehind {
        found: state.commit.0,
        expected: head.commit.0,
        head_file: head_file.display().to_string(),
    }
}

/// What a failed read means while opening.
pub(super) fn open_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Store(text) => OpenError::Store(StoreError::Io(text)),
        other => OpenError::Corrupt(other.to_string()),
    }
}
