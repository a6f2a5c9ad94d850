//! The heads of the ledgers and the engine's state: what no record repeats, held against the records.

use std::collections::BTreeMap;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::note::SignedNote;

use super::findings::{Finding, Findings, Nature};
use super::ledger::Ledger;
use super::scan::readable_rows;
use super::walk::Log;
use crate::rows::head::{self, HeadRow};
use crate::rows::meta::{IdentityRow, StateRow};
use crate::store::{Read, Space};

/// Checks every head, the identity and the state, and counts the rows that are right.
pub(super) fn check(
    store: &dyn Read,
    log: &Log,
    findings: &mut Findings,
    rows: &mut [u64; Space::ALL.len()],
) {
    let mut check = Check { log, findings };
    let heads = check.heads(store);
    let mut right = [0; 2];
    for (number, row) in &heads {
        right[0] += u64::from(check.head(*number, row));
    }
    for number in log.ledgers.keys().filter(|number| !heads.contains_key(number)) {
        check.wrong(Space::Heads, *number, None, "the head is missing".into());
    }
    right[1] += u64::from(check.identity(store)) + u64::from(check.state(store));
    for (space, right) in [Space::Heads, Space::Meta].into_iter().zip(right) {
        if let Some(count) = rows.get_mut(space.index()) {
            *count += right;
        }
    }
}

struct Check<'a> {
    log: &'a Log,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn wrong(&mut self, space: Space, number: u64, records: Option<(u64, u64)>, what: String) {
        let ledger = if number == 0 { String::new() } else { self.log.shown(number) };
        let (nature, unreadable) = (Nature::Log, false);
        self.findings.add(Finding { space, ledger, records, what, nature, unreadable });
    }

    fn unreadable(&mut self, space: Space, what: String) {
        let (ledger, records, nature) = (String::new(), None, Nature::Log);
        self.findings.add(Finding { space, ledger, records, what, nature, unreadable: true });
    }

    /// All heads that can be read; one that cannot be decoded is there all the same.
    fn heads(&mut self, store: &dyn Read) -> BTreeMap<u64, Option<HeadRow>> {
        let (mut heads, mut wrong, mut unreadable) = (BTreeMap::new(), Vec::new(), Vec::new());
        readable_rows(
            store,
            Space::Heads,
            &mut |key, value| {
                let Ok(number) = head::parse_key(key) else {
                    return wrong.push((0, "a head's key is no ledger number".to_owned()));
                };
                let row = HeadRow::decode(value);
                if let Err(error) = &row {
                    wrong.push((number.0, error.to_string()));
                }
                heads.insert(number.0, row.ok());
            },
            &mut |_, error| unreadable.push(format!("heads cannot be read: {error}")),
        );
        wrong.into_iter().for_each(|(number, what)| self.wrong(Space::Heads, number, None, what));
        unreadable.into_iter().for_each(|what| self.unreadable(Space::Heads, what));
        heads
    }

    /// Whether a head is that of the records.
    fn head(&mut self, number: u64, row: &Option<HeadRow>) -> bool {
        let Some(row) = row else { return false };
        let log = self.log;
        let Some(ledger) = log.ledgers.get(&number) else {
            let last = row.size - 1;
            let what = "are missing or damaged, all that there were".into();
            self.wrong(Space::Blocks, number, Some((0, last)), what);
            return false;
        };
        if row.size > ledger.size {
            let what = "are missing or damaged".into();
            self.wrong(Space::Blocks, number, Some((ledger.size, row.size - 1)), what);
            return false;
        }
        let right = differs(row, ledger);
        if let Some(what) = right {
            self.wrong(Space::Heads, number, None, format!("the head {what}"));
        }
        right.is_none()
    }

    fn identity(&mut self, store: &dyn Read) -> bool {
        let row = store.get(Space::Meta, IdentityRow::KEY).map_err(|error| error.to_string());
        let row = row.and_then(|row| row.ok_or_else(|| "it is missing".to_owned()));
        let row = row.and_then(|row| IdentityRow::decode(&row).map_err(|error| error.to_string()));
        let row = row.and_then(|row| {
            let mut origins = self.log.ledgers.values().filter_map(|ledger| ledger.origin.as_ref());
            match origins.find(|origin| origin.server() != &*row.server_name) {
                Some(origin) => Err(format!("it is of {}, but {origin} is here", row.server_name)),
                None => Ok(()),
            }
        });
        if let Err(what) = &row {
            self.wrong(Space::Meta, 0, None, format!("the database's identity: {what}"));
        }
        row.is_ok()
    }

    fn state(&mut self, store: &dyn Read) -> bool {
        let row = store.get(Space::Meta, StateRow::KEY).map_err(|error| error.to_string());
        let row = row.and_then(|row| row.ok_or_else(|| "it is missing".to_owned()));
        let row = row.and_then(|row| StateRow::decode(&row).map_err(|error| error.to_string()));
        let state = match row {
            Ok(state) => state,
            Err(what) => {
                self.wrong(Space::Meta, 0, None, format!("the engine's state: {what}"));
                return false;
            }
        };
        let log = self.log;
        let what = if state.commit > log.commit {
            let next = log.commit.0 + 1;
            format!("the blocks of commits {next} to {} are missing", state.commit)
        } else if state.commit < log.commit {
            format!(
                "there are blocks up to commit {}, but the state ends at {}",
                log.commit, state.commit
            )
        } else if state.digest != log.digest {
            "the records do not add up to the engine's digest: some were changed or are missing"
                .into()
        } else if (state.ledgers, state.records) != (log.ledgers.len() as u64, log.records) {
            format!(
                "the state counts {} ledgers and {} records, but {} and {} are there",
                state.ledgers,
                state.records,
                log.ledgers.len(),
                log.records
            )
        } else {
            return true;
        };
        self.wrong(Space::Meta, 0, None, what);
        false
    }
}

/// In what a head differs from the records.
fn differs(row: &HeadRow, ledger: &Ledger) -> Option<&'static str> {
    if row.size != ledger.size {
        return Some("ends before the records do");
    }
    if Some(row.last_digest) != ledger.last_digest {
        return Some("has another digest than the last record");
    }
    if Some(row.last_time) != ledger.last_time {
        return Some("has another time than the last record");
    }
    if Some(row.commit) != ledger.last_commit {
        return Some("names another commit than that of the last record");
    }
    // Without all of its records the tree is not known; what is missing has been named.
    let tree = ledger.tree.as_ref()?;
    let frontier = tree.frontier();
    if row.frontier != frontier.subtrees() {
        return Some("has another tree than the records");
    }
    let note = SignedNote::parse(row.note.as_bytes()).ok();
    let checkpoint = note.and_then(|note| Checkpoint::parse(note.text()).ok());
    let Some(checkpoint) = checkpoint else { return Some("has no readable checkpoint") };
    if checkpoint.size != row.size || Some(checkpoint.root) != frontier.root() {
        return Some("has a checkpoint of another tree");
    }
    let of = ledger.origin.as_ref() == Some(&checkpoint.origin);
    if of { None } else { Some("has a checkpoint of another ledger") }
}
