//! One ledger while its blocks go by.

use indelible_core::chain::record_digest;
use indelible_core::hash::Digest;
use indelible_core::merkle::leaf_hash;
use indelible_core::name::{EventId, LedgerName, Origin};
use indelible_core::record::{Body, RecordView};
use indelible_core::system::Creation;
use indelible_core::time::Timestamp;

use super::kind_of;
use super::tree::{Grown, Tree};
use crate::rows::block::BlockRecord;
use crate::rows::id::{ContentHash, IdHash, IdRow};
use crate::rows::kind::KindRow;
use crate::rows::ledger::LedgerRow;
use crate::rows::{CommitNumber, LedgerNumber, id, ledger, node, tile};
use crate::server_id::ServerId;
use crate::store::Space;

/// A row that must be there.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) space: Space,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// An id of the server's form may have been given by a client, and has a row then.
    pub(super) optional: bool,
    /// The ledger; 0 for rows of none.
    pub(super) ledger: u64,
    /// The records that it is about.
    pub(super) records: Option<(u64, u64)>,
}

/// What is known of a ledger up to the last of its blocks.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) name: Option<LedgerName>,
    /// As record 0 has it.
    pub(super) origin: Option<Origin>,
    pub(super) size: u64,
    pub(super) last_digest: Option<Digest>,
    pub(super) last_time: Option<Timestamp>,
    pub(super) last_commit: Option<CommitNumber>,
    /// Time of the last record of the commit before the one that goes by.
    pub(super) time_before: Option<Timestamp>,
    /// `None` once records are missing: the tree over them is not known then.
    pub(super) tree: Option<Tree>,
}

impl Default for Ledger {
    /// Before record 0, with the empty tree.
    fn default() -> Self {
        Self {
            name: None,
            origin: None,
            size: 0,
            last_digest: None,
            last_time: None,
            last_commit: None,
            time_before: None,
            tree: Some(Tree::default()),
        }
    }
}

impl Ledger {
    /// What it is called, for people.
    pub(super) fn shown(&self, number: u64) -> String {
        self.name.as_ref().map_or_else(|| format!("number {number}"), ToString::to_string)
    }

    /// The next block is of this commit.
    pub(super) fn enter(&mut self, commit: CommitNumber) {
        if self.last_commit.replace(commit) != Some(commit) {
            self.time_before = self.last_time;
        }
    }

    /// Takes the next record. Adds the rows that follow from it to `rows`, what is wrong with it to
    /// `wrong`, and its kind to `kinds` where it is a system record. Of a record without its bytes only the
    /// digest and the time are known.
    pub(super) fn record(
        &mut self,
        number: u64,
        record: &BlockRecord<'_>,
        bytes: Option<&[u8]>,
        rows: &mut Vec<Row>,
        kinds: &mut Vec<KindRow>,
    ) -> Result<(), String> {
        let seq = record.seq.get();
        let computed = bytes.map(|bytes| record_digest(bytes, self.last_digest.as_ref()));
        let prev = self.last_digest.replace(record.digest);
        self.size = seq + 1;
        if let Some(tree) = &mut self.tree {
            let mut grown = Vec::new();
            tree.append(leaf_hash(&record.digest), &mut grown);
            rows.extend(grown.into_iter().filter_map(|grown| tree_row(number, grown)));
        }
        if record.prev != prev {
            return Err("the digest before it is not that of the record before".into());
        }
        let before = self.last_time.replace(record.time);
        if before.is_some_and(|before| record.time < before) {
            return Err("its time lies before that of the record before".into());
        }
        let Some(bytes) = bytes else { return Ok(()) };
        if computed != Some(record.digest) {
            return Err("it does not hash to its digest".into());
        }
        let view = RecordView::parse(bytes).map_err(|error| error.to_string())?;
        if view.seq != record.seq {
            return Err(format!("it says of itself to be record {}", view.seq));
        }
        if let Body::System(object) = view.body {
            kinds.push(kind_of(object).map_err(|error| error.to_string())?);
        }
        if seq == 0 {
            rows.push(self.created(number, &view)?);
        }
        if self.name.as_ref().is_some_and(|name| *view.ledger != **name) {
            return Err(format!("it says of itself to be of ledger {}", view.ledger));
        }
        if view.time != record.time {
            return Err(format!(
                "it says {}, but the tables of its block {}",
                view.time, record.time
            ));
        }
        let id = id_row(number, &view, self.time_before == Some(view.time));
        rows.push(id.ok_or("its id is none that an event can have")?);
        Ok(())
    }

    /// Record 0 says what the list of ledgers must say.
    fn created(&mut self, number: u64, view: &RecordView<'_>) -> Result<Row, String> {
        let Body::System(creation) = view.body else { return Err("it is no creation".into()) };
        let origin = Creation::parse(creation).map_err(|error| error.to_string())?.origin;
        let name = LedgerName::new(view.ledger).map_err(|error| error.to_string())?;
        let row = LedgerRow {
            number: LedgerNumber(number),
            created: view.time,
            creation: creation.to_vec(),
        };
        let row = Row {
            space: Space::Ledgers,
            key: ledger::key(&name).to_vec(),
            value: row.encode(),
            optional: false,
            ledger: number,
            records: Some((0, 0)),
        };
        if origin.ledger() != &*name {
            return Err(format!("it is the creation of {origin}"));
        }
        (self.name, self.origin) = (Some(name), Some(origin));
        Ok(row)
    }
}

/// The row of a record's id. An id that a server made has one only where an earlier commit has records of
/// the same time; but one that looks the same and was given by a client has one everywhere.
fn id_row(number: u64, view: &RecordView<'_>, shares_its_time: bool) -> Option<Row> {
    let id = EventId::new(&view.id).ok()?;
    let made = ServerId::parse(&id).and_then(ServerId::times);
    let row = IdRow { seq: view.seq, content: ContentHash::of_record(view) };
    Some(Row {
        space: Space::Ids,
        key: id::key(LedgerNumber(number), IdHash::of(&id)).to_vec(),
        value: row.encode().to_vec(),
        optional: !shares_its_time
            && made.is_some_and(|(first, last)| first <= view.time && view.time <= last),
        ledger: number,
        records: Some((view.seq.get(), view.seq.get())),
    })
}

fn tree_row(number: u64, grown: Grown) -> Option<Row> {
    let of = LedgerNumber(number);
    let (space, key, value, level, index) = match grown {
        Grown::Tile(index, leaves) => {
            let value = tile::encode(&leaves).ok()?;
            (Space::Tiles, tile::key(of, index).to_vec(), value, 8, index)
        }
        Grown::Node(level, index, hash) => {
            let key = node::key(of, level, index).to_vec();
            (Space::Nodes, key, node::encode(&hash).to_vec(), level, index)
        }
    };
    let records = Some((index << level, ((index + 1) << level) - 1));
    Some(Row { space, key, value, optional: false, ledger: number, records })
}
