//! Going over the commits in order, a stretch at a time.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use indelible_core::hash::Digest;
use indelible_core::name::Seq;

use super::faults::{Fault, Names};
use super::{Budget, Checked, Effort, damage};
use crate::engine::engine_digest;
use crate::engine::records::{is_dropped, load_block};
use crate::rows::block::{self, Block, BlockPlace};
use crate::rows::index::{self, IndexRow};
use crate::rows::{CommitNumber, LedgerNumber, commit};
use crate::store::{Read, Scan, Space, StoreError};

/// Commits that are looked at together: their rows in the chain and their places in the index are held in
/// memory, about a hundred bytes for each block.
const STRETCH_COMMITS: u64 = 1024;

/// Bodies that are read together: two megabytes of them where blocks are full.
const BODIES_AT_ONCE: usize = 64;

/// Where a ledger is after the commits so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    pub(super) size: u64,
    pub(super) last_digest: Digest,
    pub(super) commit: CommitNumber,
}

/// The first block of a ledger in the whole walk: what comes before it is not part of it.
struct Entrance {
    ledger: u64,
    first: Seq,
    prev: Option<Digest>,
    commit: CommitNumber,
}

/// A block's row in the index, as it should be.
struct Place {
    ledger: u64,
    first: Seq,
    row: IndexRow,
    /// How long its bodies must be.
    body_bytes: usize,
    commit: CommitNumber,
}

/// What one stretch of blocks holds.
#[derive(Default)]
struct Stretch {
    /// What each commit did, by ledger.
    commits: BTreeMap<u64, BTreeMap<u64, (u64, Digest)>>,
    entrances: Vec<Entrance>,
    places: Vec<Place>,
    next_ordinal: u32,
}

pub(super) struct Walk<'a> {
    store: &'a dyn Read,
    pub(super) budget: Budget,
    pub(super) checked: Checked,
    pub(super) names: Names,
    pub(super) reached: HashMap<u64, Reached>,
    next: u64,
    /// The digest after the commit before `next`; `None` behind a hole.
    before: Option<Digest>,
    /// Commits of which nothing was found, up to the one before `next`.
    missing: Option<(u64, u64)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        store: &'a dyn Read,
        after: CommitNumber,
        effort: Effort,
    ) -> Result<Self, StoreError> {
        let before = match after {
            CommitNumber(0) => Some(Digest([0; 32])),
            after => match store.get(Space::Commits, &commit::key(after))? {
                Some(value) => Some(commit::decode(&value)?),
                None => None,
            },
        };
        let mut walk = Self {
            store,
            budget: Budget(effort.lookups_max),
            checked: Checked::default(),
            names: Names::default(),
            reached: HashMap::new(),
            next: after.0 + 1,
            before,
            missing: None,
        };
        if walk.before.is_none() {
            walk.fault(Fault::RowMissing { commit: after });
        }
        Ok(walk)
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.checked.faults.add(fault);
    }

    pub(super) fn damaged(&mut self, ledger: u64, what: String) -> Result<(), StoreError> {
        let place = self.names.of(self.store, ledger)?;
        self.fault(Fault::Damaged { place, what });
        Ok(())
    }

    /// Goes on to the end of commit `through`.
    pub(super) fn go_through(&mut self, through: CommitNumber) -> Result<(), StoreError> {
        while self.next <= through.0 {
            self.skip_to_the_next_commit(through.0)?;
            if self.next > through.0 {
                break;
            }
            let last = (self.next + STRETCH_COMMITS - 1).min(through.0);
            self.stretch(last)?;
        }
        self.end_of_hole();
        Ok(())
    }

    /// Steps over a hole at once, however wide it is.
    fn skip_to_the_next_commit(&mut self, through: u64) -> Result<(), StoreError> {
        let (from, to) = (commit::key(CommitNumber(self.next)), commit::key(CommitNumber(through)));
        let row = self.store.first(&Scan::through(Space::Commits, &from, &to))?;
        let row = row.and_then(|(key, _)| commit::parse_key(&key).ok()).map(|number| number.0);
        let (from, to) = block_keys(self.next, through);
        let block = self.store.first(&Scan::through(Space::Blocks, &from, &to))?;
        let block = block.and_then(|(key, _)| block::parse_key(&key).ok());
        let block = block.map(|place| place.commit.0);
        let there = row.into_iter().chain(block).min().unwrap_or(through + 1);
        if there > self.next {
            self.note_missing(self.next, there - 1);
            self.next = there;
        }
        Ok(())
    }

    fn note_missing(&mut self, first: u64, last: u64) {
        self.missing = Some((self.missing.map_or(first, |(first, _)| first), last));
        self.before = None;
    }

    fn end_of_hole(&mut self) {
        if let Some((first, last)) = self.missing.take() {
            let (first, last) = (CommitNumber(first), CommitNumber(last));
            self.fault(Fault::CommitsMissing { first, last });
        }
    }

    /// The commits from `next` to `last`.
    fn stretch(&mut self, last: u64) -> Result<(), StoreError> {
        let rows = self.chain_rows(last)?;
        let stretch = self.blocks(last)?;
        for number in self.next..=last {
            self.commit(number, rows.get(&number), stretch.commits.get(&number));
        }
        self.next = last + 1;
        for entrance in &stretch.entrances {
            self.enter(entrance)?;
        }
        self.index(&stretch.places)?;
        self.bodies(&stretch.places)
    }

    fn chain_rows(&mut self, last: u64) -> Result<BTreeMap<u64, Digest>, StoreError> {
        let (from, to) = (commit::key(CommitNumber(self.next)), commit::key(CommitNumber(last)));
        let mut rows = BTreeMap::new();
        let mut damaged = Vec::new();
        self.store.scan(&Scan::through(Space::Commits, &from, &to), &mut |key, value| {
            match (commit::parse_key(key), commit::decode(value)) {
                (Ok(number), Ok(digest)) => drop(rows.insert(number.0, digest)),
                (_, Err(error)) | (Err(error), _) => damaged.push(error.to_string()),
            }
            ControlFlow::Continue(())
        })?;
        for what in damaged {
            let place = "the chain over commits".into();
            self.fault(Fault::Damaged { place, what });
        }
        Ok(rows)
    }

    fn blocks(&mut self, last: u64) -> Result<Stretch, StoreError> {
        let (from, to) = block_keys(self.next, last);
        let store = self.store;
        let mut stretch = Stretch::default();
        let mut failed = None;
        store.scan(
            &Scan::through(Space::Blocks, &from, &to),
            &mut |key, value| match self.block(&mut stretch, key, value) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        failed.map_or(Ok(stretch), Err)
    }

    fn block(&mut self, stretch: &mut Stretch, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let Ok(place) = block::parse_key(key) else {
            let what = "a block has a key that is none".into();
            self.fault(Fault::Damaged { place: "the blocks".into(), what });
            return Ok(());
        };
        let BlockPlace { commit, ordinal } = place;
        if !stretch.commits.contains_key(&commit.0) {
            stretch.next_ordinal = 0;
        }
        let of_commit = stretch.commits.entry(commit.0).or_default();
        if ordinal != stretch.next_ordinal {
            let what = format!("its block {} is missing", stretch.next_ordinal);
            self.checked.faults.add(Fault::Damaged { place: format!("commit {commit}"), what });
        }
        stretch.next_ordinal = ordinal.saturating_add(1);
        let block = match Block::decode(value) {
            Ok(block) => block,
            Err(error) => {
                let place = format!("block {ordinal} of commit {commit}");
                self.fault(Fault::Damaged { place, what: error.to_string() });
                return Ok(());
            }
        };
        let (LedgerNumber(ledger), first) = (block.ledger(), block.first_seq());
        let size = first.get() + block.len() as u64;
        // A block that was decoded has at least one record.
        let last_digest = block.digests().next_back().unwrap_or(Digest([0; 32]));
        of_commit.insert(ledger, (size, last_digest));
        self.checked.blocks += 1;
        self.checked.records += block.len() as u64;
        self.follows(stretch, &block, commit)?;
        self.reached.insert(ledger, Reached { size, last_digest, commit });
        let count = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let row = IndexRow { place, count, first_time: block.first_time() };
        let body_bytes = block.body_bytes();
        stretch.places.push(Place { ledger, first, row, body_bytes, commit });
        Ok(())
    }

    /// A block goes on where its ledger was.
    fn follows(
        &mut self,
        stretch: &mut Stretch,
        block: &Block<'_>,
        commit: CommitNumber,
    ) -> Result<(), StoreError> {
        let (LedgerNumber(ledger), first, prev) = (block.ledger(), block.first_seq(), block.prev());
        let Some(reached) = self.reached.get(&ledger).copied() else {
            stretch.entrances.push(Entrance { ledger, first, prev, commit });
            return Ok(());
        };
        if first.get() > reached.size {
            return self.records_missing(ledger, reached.size, first.get(), commit);
        }
        if first.get() < reached.size {
            let what = format!("record {first} stands twice, the second time in commit {commit}");
            return self.damaged(ledger, what);
        }
        if prev != Some(reached.last_digest) {
            let what = format!("record {first} in commit {commit} follows another record");
            return self.damaged(ledger, what);
        }
        Ok(())
    }

    fn records_missing(
        &mut self,
        ledger: u64,
        first: u64,
        end: u64,
        commit: CommitNumber,
    ) -> Result<(), StoreError> {
        let ledger = self.names.of(self.store, ledger)?;
        self.fault(Fault::RecordsMissing { ledger, first, last: end - 1, commit });
        Ok(())
    }

    /// One commit: its row in the chain against what its blocks say.
    fn commit(
        &mut self,
        number: u64,
        row: Option<&Digest>,
        blocks: Option<&BTreeMap<u64, (u64, Digest)>>,
    ) {
        let commit = CommitNumber(number);
        let digest = |before: &Digest, blocks: &BTreeMap<u64, (u64, Digest)>| {
            let heads = blocks.iter().map(|(ledger, (size, last))| (*ledger, *size, *last));
            engine_digest(before, commit, heads)
        };
        if row.is_none() && blocks.is_none() {
            return self.note_missing(number, number);
        }
        self.end_of_hole();
        self.checked.commits += 1;
        match (row, blocks) {
            (Some(row), Some(blocks)) => {
                if self.before.is_some_and(|before| digest(&before, blocks) != *row) {
                    self.fault(Fault::CommitDiffers { commit });
                }
                self.before = Some(*row);
            }
            (Some(row), None) => {
                self.fault(Fault::BlocksMissing { commit });
                self.before = Some(*row);
            }
            (None, Some(blocks)) => {
                self.fault(Fault::RowMissing { commit });
                self.before = self.before.map(|before| digest(&before, blocks));
            }
            (None, None) => {}
        }
    }

    /// What stands before the first block of a ledger.
    fn enter(&mut self, entrance: &Entrance) -> Result<(), StoreError> {
        let Entrance { ledger, first, prev, commit } = *entrance;
        let Some(before) = first.get().checked_sub(1).and_then(|seq| Seq::new(seq).ok()) else {
            return Ok(()); // Record 0: the block says that nothing comes before it.
        };
        if !self.budget.take(1) {
            return Ok(());
        }
        let block = match load_block(self.store, LedgerNumber(ledger), before) {
            Ok(Some(block)) => block,
            Ok(None) => {
                let end = self.end_before(ledger, first)?;
                return self.records_missing(ledger, end, first.get(), commit);
            }
            Err(error) => return self.damaged(ledger, damage(error)?),
        };
        let last = block.decode().map(|block| block.digests().next_back());
        let ends = block.first.get() + u64::from(block.count) == first.get();
        match last {
            Ok(last) if ends && last == prev => Ok(()),
            Ok(_) => {
                let what = format!("record {first} in commit {commit} follows another record");
                self.damaged(ledger, what)
            }
            Err(error) => self.damaged(ledger, damage(error)?),
        }
    }

    /// The end of the records of a ledger before `first`.
    fn end_before(&self, ledger: u64, first: Seq) -> Result<u64, StoreError> {
        let ledger = LedgerNumber(ledger);
        let (from, to) = (index::key(ledger, Seq::ZERO), index::key(ledger, first));
        let row = self.store.first(&Scan::between(Space::Index, &from, &to).backward())?;
        let Some((key, value)) = row else { return Ok(0) };
        let (first, row) = (index::parse_key(&key)?.1, IndexRow::decode(&value)?);
        Ok(first.get() + u64::from(row.count))
    }

    /// Every block has its bodies, unless they were dropped.
    fn bodies(&mut self, places: &[Place]) -> Result<(), StoreError> {
        for some in places.chunks(BODIES_AT_ONCE) {
            let keys: Vec<_> = some
                .iter()
                .map(|place| block::bodies_key(LedgerNumber(place.ledger), place.first))
                .collect();
            let keys: Vec<&[u8]> = keys.iter().map(<[u8; 16]>::as_slice).collect();
            for (place, bodies) in some.iter().zip(self.store.get_many(Space::Bodies, &keys)?) {
                let there = match bodies {
                    Some(bodies) if bodies.len() == place.body_bytes => continue,
                    Some(_) => "are not as long as its tables say",
                    None if self.was_dropped(place)? => continue,
                    None => "are missing",
                };
                let (first, commit) = (place.first, place.commit);
                let what = format!("the bodies of record {first} in commit {commit} {there}");
                self.damaged(place.ledger, what)?;
            }
        }
        Ok(())
    }

    fn was_dropped(&self, place: &Place) -> Result<bool, StoreError> {
        match is_dropped(self.store, LedgerNumber(place.ledger), place.first) {
            Ok(dropped) => Ok(dropped),
            // A row that says nothing: the bodies are missing without a reason.
            Err(error) => damage(error).map(|_| false),
        }
    }

    /// Every block has its row in the index.
    fn index(&mut self, places: &[Place]) -> Result<(), StoreError> {
        let keys: Vec<_> = places
            .iter()
            .map(|place| index::key(LedgerNumber(place.ledger), place.first))
            .collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 16]>::as_slice).collect();
        let rows = self.store.get_many(Space::Index, &keys)?;
        for (place, row) in places.iter().zip(rows) {
            let found = row.and_then(|value| IndexRow::decode(&value).ok());
            if found != Some(place.row) {
                let there = if found.is_some() { "is wrong" } else { "is missing" };
                let (first, commit) = (place.first, place.commit);
                let what = format!("the index row of record {first} in commit {commit} {there}");
                self.damaged(place.ledger, what)?;
            }
        }
        Ok(())
    }
}

/// The keys of all blocks of the commits from `first` to `last`.
fn block_keys(first: u64, last: u64) -> ([u8; 12], [u8; 12]) {
    let key = |commit, ordinal| block::key(BlockPlace { commit: CommitNumber(commit), ordinal });
    (key(first, 0), key(last, u32::MAX))
}
