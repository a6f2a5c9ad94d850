//! The walk over all blocks, in the order in which they were committed.

use std::collections::{BTreeMap, BTreeSet};

use indelible_core::hash::Digest;

use super::findings::{Finding, Nature};
use super::ledger::{Ledger, Row};
use super::scan::readable_rows;
use crate::engine::engine_digest;
use crate::engine::records::is_dropped;
use crate::rows::block::{self, Block, BlockPlace};
use crate::rows::index::{self, IndexRow};
use crate::rows::kind::KindRow;
use crate::rows::{CommitNumber, LedgerNumber, commit};
use crate::store::{Read, Space};

/// What is done with the rows that must be there.
pub(super) trait Sink {
    /// A row of the truth as it is stored: tables or bodies of a block.
    fn truth(&mut self, _space: Space, _key: &[u8], _value: &[u8]) {}

    /// Rows that must be there; takes them out of the list.
    fn rows(&mut self, rows: &mut Vec<Row>, shown: &dyn Fn(u64) -> String);

    /// Something is wrong with the records.
    fn wrong(&mut self, finding: Finding);

    /// The stored digest after a commit, from a sink that compares.
    fn stored_digest(&mut self, commit: CommitNumber) -> Option<Digest>;

    /// So many records have been walked over.
    fn at(&mut self, records: u64);
}

/// What the blocks add up to.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) ledgers: BTreeMap<u64, Ledger>,
    pub(super) commit: CommitNumber,
    /// The engine's digest, computed from the blocks alone.
    pub(super) digest: Digest,
    pub(super) records: u64,
    pub(super) kinds: BTreeSet<KindRow>,
    /// Records whose bodies were dropped: their digests are believed, and what follows from their bodies
    /// is not known.
    pub(super) dropped: u64,
}

impl Log {
    fn new() -> Self {
        Self {
            ledgers: BTreeMap::new(),
            commit: CommitNumber(0),
            digest: Digest([0; 32]),
            records: 0,
            kinds: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// What a ledger is called, for people.
    pub(super) fn shown(&self, number: u64) -> String {
        match self.ledgers.get(&number) {
            Some(ledger) => ledger.shown(number),
            None if number == 0 => String::new(),
            None => format!("number {number}"),
        }
    }
}

/// Walks over every block that can be read.
pub(super) fn walk(store: &dyn Read, sink: &mut dyn Sink) -> Log {
    let mut walk = Walk { store, sink, log: Log::new(), follows: None, open: None };
    let unreadable = std::cell::RefCell::new(Vec::new());
    readable_rows(
        store,
        Space::Blocks,
        &mut |key, value| {
            for finding in unreadable.take() {
                walk.sink.wrong(finding);
            }
            walk.block(key, value);
        },
        &mut |last, error| {
            let after = last.and_then(|key| block::parse_key(key).ok());
            let place = after.map_or_else(
                || "from the first one on".into(),
                |place| format!("after block {} of commit {}", place.ordinal, place.commit),
            );
            unreadable.borrow_mut().push(Finding {
                space: Space::Blocks,
                ledger: String::new(),
                records: None,
                what: format!("blocks of records cannot be read {place}: {error}"),
                nature: Nature::Log,
                unreadable: true,
            });
        },
    );
    for finding in unreadable.take() {
        walk.sink.wrong(finding);
    }
    walk.end_commit();
    walk.log
}

/// A commit whose blocks are going by.
struct Open {
    commit: CommitNumber,
    ordinals: u32,
    /// Ledger, size and last digest, as the engine's digest takes them.
    touched: BTreeMap<u64, (u64, u64, Digest)>,
}

struct Walk<'a> {
    store: &'a dyn Read,
    sink: &'a mut dyn Sink,
    log: Log,
    /// After a digest that does not fit its blocks: the stored one, from which later ones may follow.
    follows: Option<Digest>,
    open: Option<Open>,
}

impl Walk<'_> {
    fn wrong(&mut self, number: u64, records: Option<(u64, u64)>, what: String) {
        let ledger = self.log.shown(number);
        self.sink.wrong(Finding {
            space: Space::Blocks,
            ledger,
            records,
            what,
            nature: Nature::Log,
            unreadable: false,
        });
    }

    fn block(&mut self, key: &[u8], value: &[u8]) {
        let place = match block::parse_key(key) {
            Ok(place) => place,
            Err(error) => return self.wrong(0, None, error.to_string()),
        };
        self.begin(place);
        self.sink.truth(Space::Blocks, key, value);
        match Block::decode(value) {
            Ok(block) => self.records(place, &block),
            // Which records it had is found where the ledger goes on.
            Err(error) => {
                let (commit, ordinal) = (place.commit, place.ordinal);
                self.wrong(0, None, format!("block {ordinal} of commit {commit}: {error}"));
            }
        }
        if let Some(open) = &mut self.open {
            open.ordinals = place.ordinal.saturating_add(1);
        }
    }

    /// Ends the commit before, where the block is of a new one, and notices what lies in between.
    fn begin(&mut self, place: BlockPlace) {
        if self.open.as_ref().is_none_or(|open| open.commit != place.commit) {
            self.end_commit();
            let next = CommitNumber(self.log.commit.0 + 1);
            if place.commit.0 > next.0 {
                let last = place.commit.0 - 1;
                self.wrong(0, None, format!("the blocks of commits {next} to {last} are missing"));
                // What the digest was after them only the stored one can tell.
                self.follows = self.sink.stored_digest(CommitNumber(last));
            }
            self.log.commit = place.commit;
            let touched = BTreeMap::new();
            self.open = Some(Open { commit: place.commit, ordinals: 0, touched });
        }
        let expected = self.open.as_ref().map_or(0, |open| open.ordinals);
        if place.ordinal != expected {
            let commit = place.commit;
            let what = format!("block {expected} of commit {commit} is missing");
            self.wrong(0, None, what);
        }
    }

    fn records(&mut self, place: BlockPlace, block: &Block<'_>) {
        let number = block.ledger().0;
        let first = block.first_seq().get();
        let last = first + block.len() as u64 - 1;
        let size = self.log.ledgers.get(&number).map_or(0, |ledger| ledger.size);
        if first != size {
            let (from, to) = if first > size { (size, first - 1) } else { (first, last) };
            let what = if first > size { "are missing or damaged" } else { "are there twice" };
            self.wrong(number, Some((from, to)), what.into());
        }
        let bodies = self.bodies(number, block);
        let ledger = self.log.ledgers.entry(number).or_default();
        if first != size {
            ledger.tree = None;
            // The chain goes on from what the block says was before it.
            ledger.last_digest = block.prev();
        }
        ledger.enter(place.commit);
        let (mut rows, mut kinds, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        rows.push(index_row(place, block));
        for record in block.records() {
            let bytes = bodies.as_deref().map(|bodies| record.bytes_in(bodies));
            if let Err(what) = ledger.record(number, &record, bytes, &mut rows, &mut kinds) {
                wrong.push((record.seq.get(), what));
            }
        }
        let touched = ledger.last_digest.map(|digest| (number, ledger.size, digest));
        if let (Some(open), Some(touched)) = (&mut self.open, touched) {
            open.touched.insert(number, touched);
        }
        for (seq, what) in wrong {
            self.wrong(number, Some((seq, seq)), what);
        }
        self.log.records += block.len() as u64;
        self.log.kinds.extend(kinds);
        let log = &self.log;
        self.sink.rows(&mut rows, &|number| log.shown(number));
        self.sink.at(log.records);
    }

    /// The bodies of a block. Without them only the tables can be looked at.
    fn bodies(&mut self, number: u64, block: &Block<'_>) -> Option<Vec<u8>> {
        let first = block.first_seq();
        let key = block::bodies_key(block.ledger(), first);
        let (what, unreadable) = match self.store.get(Space::Bodies, &key) {
            Ok(Some(bodies)) => match block.check_bodies(&bodies) {
                Ok(()) => {
                    self.sink.truth(Space::Bodies, &key, &bodies);
                    return Some(bodies);
                }
                Err(error) => (error.to_string(), false),
            },
            Ok(None) => match is_dropped(self.store, block.ledger(), first) {
                Ok(true) => {
                    self.log.dropped += block.len() as u64;
                    return None;
                }
                Ok(false) => ("the bodies are missing".into(), false),
                Err(error) => (format!("the bodies are missing: {error}"), false),
            },
            Err(error) => (format!("the bodies cannot be read: {error}"), true),
        };
        let ledger = self.log.shown(number);
        let last = first.get() + block.len() as u64 - 1;
        let (records, nature) = (Some((first.get(), last)), Nature::Log);
        self.sink.wrong(Finding {
            space: Space::Bodies,
            ledger,
            records,
            what,
            nature,
            unreadable,
        });
        None
    }

    /// The chain over commits: what the engine's digest must be after the one that ends here.
    fn end_commit(&mut self) {
        let Some(Open { commit, touched, .. }) = self.open.take() else { return };
        let after = |before: &Digest| engine_digest(before, commit, touched.values().copied());
        let computed = after(&self.log.digest);
        self.log.digest = computed;
        let stored = self.sink.stored_digest(commit);
        let follows = self.follows.take().map(|before| after(&before));
        let digest = match follows {
            // Something before was lost or damaged and has been named; from here on it fits again.
            Some(follows) if stored == Some(follows) => follows,
            _ => computed,
        };
        if stored != Some(computed) {
            self.follows = stored;
        }
        let row = Row {
            space: Space::Commits,
            key: commit::key(commit).to_vec(),
            value: commit::encode(&digest).to_vec(),
            optional: false,
            ledger: 0,
            records: None,
        };
        self.sink.rows(&mut vec![row], &|_| format!("commit {commit}"));
    }
}

fn index_row(place: BlockPlace, block: &Block<'_>) -> Row {
    let number = block.ledger();
    let first = block.first_seq();
    let count = u32::try_from(block.len()).unwrap_or(u32::MAX);
    Row {
        space: Space::Index,
        key: index::key(LedgerNumber(number.0), first).to_vec(),
        value: IndexRow { place, count, first_time: block.first_time() }.encode().to_vec(),
        optional: false,
        ledger: number.0,
        records: Some((first.get(), first.get() + u64::from(count) - 1)),
    }
}
