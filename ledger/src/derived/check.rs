//! Checking every row of every space.

use indelible_core::hash::Digest;

use super::findings::{Finding, Findings, Nature};
use super::heads;
use super::ledger::Row;
use super::strays;
use super::walk::{Log, Sink, walk};
use crate::rows::{CommitNumber, commit};
use crate::store::{Read, Space};

/// What a check saw and found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What is wrong.
    pub findings: Findings,
    /// Records that were walked over.
    pub records: u64,
    /// Of those, records whose bodies were dropped: their digests were taken from the tables of their
    /// blocks and could not be computed anew.
    pub dropped: u64,
    /// The last commit that has blocks.
    pub commit: CommitNumber,
    /// Ledgers that have records.
    pub ledgers: u64,
    /// Rows that must be there and are right, by [`Space::index`].
    pub rows: [u64; Space::ALL.len()],
}

/// Checks every row of every space, of one state of the store: present rows right, rows that must be
/// there present, none too many. Signatures are not checked. Needs memory for each ledger (some ten
/// kilobytes) and none for each record. `progress` hears how many records have been walked over.
///
/// What cannot be read becomes a finding, so there is always an answer.
pub fn check(store: &dyn Read, findings_max: usize, progress: &mut dyn FnMut(u64)) -> Checked {
    let findings = Findings::new(findings_max);
    let mut compare = Compare { store, findings, rows: [0; Space::ALL.len()], progress };
    let log = walk(store, &mut compare);
    compare.kinds(&log);
    let mut findings = compare.findings;
    let mut rows = compare.rows;
    heads::check(store, &log, &mut findings, &mut rows);
    strays::check(store, &log, &rows, &mut findings);
    Checked {
        findings,
        records: log.records,
        dropped: log.dropped,
        commit: log.commit,
        ledgers: log.ledgers.len() as u64,
        rows,
    }
}

struct Compare<'a> {
    store: &'a dyn Read,
    findings: Findings,
    rows: [u64; Space::ALL.len()],
    progress: &'a mut dyn FnMut(u64),
}

impl Compare<'_> {
    /// The list of kinds must name every kind that there is.
    fn kinds(&mut self, log: &Log) {
        let row = |kind: &crate::rows::kind::KindRow| Row {
            space: Space::Meta,
            key: kind.key(),
            value: crate::rows::kind::KindRow::VALUE.to_vec(),
            optional: false,
            ledger: 0,
            records: None,
        };
        let mut rows: Vec<Row> = log.kinds.iter().map(row).collect();
        self.rows(&mut rows, &|_| String::new());
    }

    /// Compares the rows of one space, read together.
    fn space(&mut self, space: Space, rows: &[&Row], shown: &dyn Fn(u64) -> String) {
        let keys: Vec<&[u8]> = rows.iter().map(|row| row.key.as_slice()).collect();
        let stored = match self.store.get_many(space, &keys) {
            Ok(stored) => stored.into_iter().map(Ok).collect(),
            // One that cannot be read fails all of them: ask one by one.
            Err(_) => keys.iter().map(|key| self.store.get(space, key)).collect::<Vec<_>>(),
        };
        for (row, stored) in rows.iter().zip(stored) {
            let (what, unreadable) = match stored {
                Ok(Some(value)) if value == row.value => {
                    if let Some(count) = self.rows.get_mut(space.index()) {
                        *count += 1;
                    }
                    continue;
                }
                Ok(None) if row.optional => continue,
                Ok(None) => (format!("{} is missing", name(space)), false),
                Ok(Some(_)) => (format!("{} is not what the records say", name(space)), false),
                Err(error) => (format!("{} cannot be read: {error}", name(space)), true),
            };
            let (nature, records) = (Nature::Derived, row.records);
            let ledger = if row.ledger == 0 { String::new() } else { shown(row.ledger) };
            let what = if row.ledger == 0 { with_key(space, row, what) } else { what };
            self.findings.add(Finding { space, ledger, records, what, nature, unreadable });
        }
    }
}

/// What a row of a space is, for people.
pub(super) const fn name(space: Space) -> &'static str {
    match space {
        Space::Meta => "an entry of the list of kinds",
        Space::Ledgers => "the ledger's entry in the list of ledgers",
        Space::Heads => "the head",
        Space::Blocks => "the block",
        Space::Bodies => "the bodies of a block",
        Space::Index => "the index entry of the block",
        Space::Ids => "the entry of the id",
        Space::Tiles => "the tile of leaf hashes",
        Space::Nodes => "the tree node",
        Space::Commits => "the digest after the commit",
    }
}

fn with_key(space: Space, row: &Row, what: String) -> String {
    match (space, commit::parse_key(&row.key)) {
        (Space::Commits, Ok(number)) => format!("commit {number}: {what}"),
        _ => format!("{}: {what}", String::from_utf8_lossy(&row.key)),
    }
}

impl Sink for Compare<'_> {
    fn truth(&mut self, space: Space, _: &[u8], _: &[u8]) {
        if space == Space::Bodies
            && let Some(count) = self.rows.get_mut(space.index())
        {
            *count += 1;
        }
    }

    fn rows(&mut self, rows: &mut Vec<Row>, shown: &dyn Fn(u64) -> String) {
        for space in Space::ALL {
            let of_space: Vec<&Row> = rows.iter().filter(|row| row.space == space).collect();
            if !of_space.is_empty() {
                self.space(space, &of_space, shown);
            }
        }
        rows.clear();
    }

    fn wrong(&mut self, finding: Finding) {
        self.findings.add(finding);
    }

    fn stored_digest(&mut self, number: CommitNumber) -> Option<Digest> {
        let value = self.store.get(Space::Commits, &commit::key(number)).ok()??;
        commit::decode(&value).ok()
    }

    fn at(&mut self, records: u64) {
        (self.progress)(records);
    }
}
