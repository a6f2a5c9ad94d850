//! Finding out where a store is. Nothing is replayed: each commit has written the engine's state and the
//! heads of its ledgers together with its records, so that the last commit says everything.

use indelible_core::hash::Digest;
use indelible_core::name::ServerName;
use indelible_core::time::Timestamp;

use super::records::{corrupt, last_row};
use crate::error::{OpenError, ReadError};
use crate::folder::HeadFile;
use crate::rows::kind::KindRow;
use crate::rows::meta::{IdentityRow, StateRow};
use crate::rows::{CommitNumber, commit};
use crate::store::{Batch, Read, Scan, Space, Store, StoreError};

/// The kind of every record 0.
const CREATION_KIND: &str = "ledger_created";

/// The kinds of system records that this program understands (`System::parse`).
const KNOWN_KINDS: [&str; 2] = [CREATION_KIND, "segment_archived"];

/// The state before the first commit.
const EMPTY: StateRow =
    StateRow { commit: CommitNumber(0), digest: Digest([0; 32]), ledgers: 0, records: 0 };

/// The engine's state after its last commit; `None` in a store that was never used.
pub(crate) fn read_state(store: &dyn Read) -> Result<Option<StateRow>, ReadError> {
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
pub(crate) fn check_continues(
    store: &dyn Read,
    known: &StateRow,
    found: &StateRow,
) -> Result<(), ReadError> {
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

/// Reads who the store is and where, and writes it into a store that was never used.
pub(crate) fn identify(
    store: &dyn Store,
    server_name: &ServerName,
    now: Timestamp,
) -> Result<StateRow, OpenError> {
    let identity = store.get(Space::Meta, IdentityRow::KEY)?;
    let state = read_state(store).map_err(open_error)?;
    match (identity, state) {
        (Some(value), Some(state)) => {
            let identity = IdentityRow::decode(&value).map_err(StoreError::from)?;
            if identity.server_name != *server_name {
                let (found, given) = (identity.server_name, server_name.clone());
                return Err(OpenError::OtherServer { found, given });
            }
            Ok(state)
        }
        (None, None) => {
            let mut engine_id = [0; 16];
            getrandom::fill(&mut engine_id)
                .map_err(|error| OpenError::Corrupt(format!("no random bytes: {error}")))?;
            let identity =
                IdentityRow { engine_id, created: now, server_name: server_name.clone() };
            let mut batch = Batch::new();
            batch.put(Space::Meta, IdentityRow::KEY, &identity.encode());
            batch.put(Space::Meta, StateRow::KEY, &EMPTY.encode());
            store.commit(&batch)?;
            Ok(EMPTY)
        }
        _ => Err(OpenError::Corrupt("half of what identifies it is missing".into())),
    }
}

/// Refuses a store that holds system records of kinds that this program does not know: what they say may
/// change what everything after them means, such as who may sign.
pub(crate) fn check_kinds(store: &dyn Read, state: &StateRow) -> Result<(), OpenError> {
    let mut listed = false;
    for (key, value) in store.rows(&Scan::all(Space::Meta))? {
        let Some(row) = KindRow::parse(&key, &value).map_err(StoreError::from)? else { continue };
        listed |= row.kind == CREATION_KIND;
        if !row.informative && !KNOWN_KINDS.contains(&row.kind.as_str()) {
            return Err(OpenError::UnknownKind { kind: row.kind });
        }
    }
    // Every ledger begins with a record of that kind.
    if listed || state.ledgers == 0 { Ok(()) } else { Err(OpenError::KindsMissing) }
}

/// Compares the store with the head that is kept outside of it.
pub(crate) fn check_head(
    store: &dyn Read,
    state: &StateRow,
    head: &HeadFile,
    folder: &std::path::Path,
) -> Result<(), OpenError> {
    let head_file = folder.join("head").display().to_string();
    if state.commit < head.commit {
        return Err(OpenError::HeadBehind {
            found: state.commit.0,
            expected: head.commit.0,
            head_file,
        });
    }
    let found = digest_at(store, head.commit).map_err(open_error)?;
    if found != Some(head.digest) {
        return Err(OpenError::HeadDiffers {
            commit: head.commit.0,
            found: found.map_or_else(|| "missing".into(), |digest| digest.to_hex()),
            expected: head.digest.to_hex(),
            head_file,
        });
    }
    Ok(())
}

/// What a failed read means while opening.
pub(crate) fn open_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Store(text) => OpenError::Store(StoreError::Io(text)),
        other => OpenError::Corrupt(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use indelible_core::system::System;

    use super::*;

    #[test]
    fn the_kinds_called_known_are_those_that_are_understood() {
        for kind in KNOWN_KINDS {
            let object = format!("{{\"kind\":\"{kind}\"}}");
            // A known kind has members of its own; only an unknown one is read without them.
            assert!(System::parse(object.as_bytes()).is_err(), "{kind}");
        }
        let unknown = System::parse(b"{\"kind\":\"key_revoked\"}").unwrap();
        assert_eq!(unknown.kind(), "key_revoked");
    }
}
