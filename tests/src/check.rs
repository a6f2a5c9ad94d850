//! Holding what is there against what was acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet};

use indelible_core::chain::record_digest;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::{Digest, NodeHash};
use indelible_core::json::{Limits, canonicalize};
use indelible_core::key::Trust;
use indelible_core::merkle::{CompactRange, consistency, leaf_hash};
use indelible_core::record::{Body, RecordView};

use crate::client::Client;
use crate::workload::Book;

/// A ledger that was read whole and recomputed.
#[derive(Debug)]
pub struct Replayed {
    /// Every record's bytes.
    pub records: Vec<Vec<u8>>,
    /// Their digests.
    pub digests: Vec<Digest>,
    /// Roots after each record: `roots[n]` is that of the tree of `n` leaves.
    pub roots: Vec<NodeHash>,
}

/// Reads a ledger and recomputes its chain and tree.
#[track_caller]
#[must_use]
pub fn replay(client: &mut Client, ledger: &str) -> Replayed {
    let records = client.records(ledger);
    let mut range = CompactRange::new(0);
    let mut roots = vec![range.root().expect("a range from 0 has a root")];
    let mut digests: Vec<Digest> = Vec::new();
    for (seq, record) in records.iter().enumerate() {
        let view = RecordView::parse(record).expect("a record");
        assert_eq!(view.seq.get(), seq as u64, "sequence numbers have no gaps");
        assert_eq!(view.ledger, ledger);
        let digest = record_digest(record, digests.last());
        range.append(leaf_hash(&digest));
        roots.push(range.root().expect("a range from 0 has a root"));
        digests.push(digest);
    }
    Replayed { records, digests, roots }
}

/// Everything that the writers of one ledger were promised holds.
#[track_caller]
pub fn books_balance(client: &mut Client, ledger: &str, books: &[&Book], trust: &Trust) {
    let replayed = replay(client, ledger);
    let mut ids: HashMap<String, u64> = HashMap::new();
    let mut contents: HashSet<&[u8]> = HashSet::new();
    for (seq, record) in replayed.records.iter().enumerate().skip(1) {
        let view = RecordView::parse(record).expect("a record");
        let before = ids.insert(view.id.to_string(), seq as u64);
        assert_eq!(before, None, "{ledger}: the id {} stands twice", view.id);
        if let Body::Event(event) = view.body {
            assert!(contents.insert(event), "{ledger}: an event stands twice, at {seq} again");
        }
    }
    let mut surely = 0;
    for book in books {
        assert_eq!(book.ledger, ledger);
        let mut last = None;
        for (event, ack) in &book.acknowledged {
            let name = event.id.as_deref().unwrap_or(&ack.id);
            assert_eq!(
                ids.get(name),
                Some(&ack.seq),
                "{ledger}: {name} was acknowledged at {}",
                ack.seq
            );
            let at = ack.seq as usize;
            assert_eq!(replayed.digests[at], ack.digest, "{ledger}: the digest of {name} changed");
            let view = RecordView::parse(&replayed.records[at]).expect("a record");
            let sent = canonicalize(event.event.as_bytes(), Limits::EVENT).expect("it was taken");
            assert_eq!(view.body, Body::Event(&sent), "{ledger}: the event {name} changed");
            assert!(last < Some(ack.seq), "{ledger}: {name} at {} overtook {last:?}", ack.seq);
            last = Some(ack.seq);
        }
        surely += book.acknowledged.len();
        for checkpoint in &book.checkpoints {
            agrees(&replayed, checkpoint);
        }
    }
    let perhaps: usize = books.iter().map(|book| book.unknown.len()).sum();
    let events = contents.len();
    assert!(
        (surely..=surely + perhaps).contains(&events),
        "{ledger}: {events} events are there, {surely} were acknowledged, {perhaps} more were sent"
    );
    let newest = open(&client.checkpoint(ledger), trust);
    assert_eq!(newest.size, replayed.records.len() as u64);
    agrees(&replayed, &newest);
}

/// A checkpoint is about exactly these records.
#[track_caller]
pub fn agrees(replayed: &Replayed, checkpoint: &Checkpoint) {
    let root = replayed.roots.get(checkpoint.size as usize);
    assert_eq!(root, Some(&checkpoint.root), "a checkpoint of {} leaves", checkpoint.size);
}

/// Opens a checkpoint by the strict rule.
#[track_caller]
#[must_use]
pub fn open(note: &str, trust: &Trust) -> Checkpoint {
    Checkpoint::open_any(note.as_bytes(), trust).unwrap_or_else(|error| panic!("{error}: {note}"))
}

/// The newest checkpoint of each ledger that was ever seen.
#[derive(Debug, Default)]
pub struct Witness {
    seen: BTreeMap<String, Checkpoint>,
}

impl Witness {
    /// Takes a ledger's newest checkpoint, after the server has proven that it grew out of the one
    /// before, and returns its size.
    #[track_caller]
    pub fn look(&mut self, client: &mut Client, ledger: &str, trust: &Trust) -> u64 {
        let new = open(&client.checkpoint(ledger), trust);
        let size = new.size;
        if let Some(old) = self.seen.get(ledger) {
            assert!(old.size <= size, "{ledger} shrank from {} to {size}", old.size);
            let proof = client.consistency(ledger, old.size, size);
            consistency::verify(old.size, size, &old.root, &new.root, &proof)
                .unwrap_or_else(|error| panic!("{ledger}: {} to {size}: {error}", old.size));
        }
        self.seen.insert(ledger.to_owned(), new);
        size
    }
}
