//! Rows that should not be there.
//!
//! Every row that must be there has been counted where it was right. Counting all rows then tells, at the
//! price of one scan, whether there are others; only if so each is looked at.

use indelible_core::limits::TILE_WIDTH;
use indelible_core::name::EventId;
use indelible_core::record::RecordView;

use super::check::name;
use super::findings::{Finding, Findings, Nature};
use super::scan::readable_rows;
use super::walk::Log;
use crate::engine::get_record;
use crate::error::ReadError;
use crate::rows::block::Block;
use crate::rows::id::{IdHash, IdRow};
use crate::rows::index::IndexRow;
use crate::rows::kind::KindRow;
use crate::rows::meta::{IdentityRow, StateRow};
use crate::rows::{LedgerNumber, block, commit, dropped, head, id, index, ledger, node, tile};
use crate::store::{Read, Space};

/// Looks for rows too many in every space but that of the blocks, which the walk has gone over.
pub(super) fn check(
    store: &dyn Read,
    log: &Log,
    right: &[u64; Space::ALL.len()],
    findings: &mut Findings,
) {
    for space in Space::ALL.into_iter().filter(|space| *space != Space::Blocks) {
        let mut count = 0;
        let mut holes = Vec::new();
        readable_rows(store, space, &mut |_, _| count += 1, &mut |_, error| {
            holes.push(format!("rows cannot be read: {error}"));
        });
        for what in holes {
            let (ledger, nature) = (String::new(), nature(space, &[]));
            findings.add(Finding { space, ledger, records: None, what, nature, unreadable: true });
        }
        if count > right.get(space.index()).copied().unwrap_or(0) {
            name_them(store, log, space, findings);
        }
    }
}

/// A head or an unknown fact cannot be worked out from the records, and nobody may drop one.
fn nature(space: Space, key: &[u8]) -> Nature {
    match space {
        Space::Meta if KindRow::is_key(key) => Nature::Derived,
        Space::Heads | Space::Meta | Space::Blocks | Space::Bodies => Nature::Log,
        _ => Nature::Derived,
    }
}

fn name_them(store: &dyn Read, log: &Log, space: Space, findings: &mut Findings) {
    let mut strays = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        if belongs(store, log, space, key, value) != Some(true) {
            strays.push((ledger_of(space, key).unwrap_or(0), key.to_vec()));
        }
    };
    readable_rows(store, space, visit, &mut |_, _| {});
    for (number, key) in strays {
        let ledger = if number == 0 { String::new() } else { log.shown(number) };
        let what =
            format!("{} is there although no record asks for it: {}", name(space), hex(&key));
        let nature = nature(space, &key);
        findings.add(Finding { space, ledger, records: None, what, nature, unreadable: false });
    }
}

/// The ledger that a key names.
fn ledger_of(space: Space, key: &[u8]) -> Option<u64> {
    match space {
        Space::Index | Space::Bodies | Space::Ids | Space::Tiles | Space::Nodes | Space::Heads => {
            key.first_chunk().copied().map(u64::from_be_bytes)
        }
        _ => None,
    }
}

/// Whether the records ask for a row of this key; `None` where it is no key. Whether the value is right
/// has been looked at before.
fn belongs(store: &dyn Read, log: &Log, space: Space, key: &[u8], value: &[u8]) -> Option<bool> {
    let size = |number: LedgerNumber| log.ledgers.get(&number.0).map_or(0, |ledger| ledger.size);
    match space {
        Space::Blocks => Some(true),
        Space::Meta => {
            // What kinds there were among dropped bodies nobody can tell any more.
            let known = log.kinds.iter().any(|kind| kind.key() == key)
                || (log.dropped > 0 && KindRow::is_key(key));
            Some(known || key == IdentityRow::KEY || key == StateRow::KEY || dropped::is_key(key))
        }
        Space::Ledgers => {
            let name = ledger::parse_key(key).ok()?;
            Some(log.ledgers.values().any(|ledger| ledger.name.as_ref() == Some(&name)))
        }
        Space::Heads => {
            let number = head::parse_key(key).ok()?;
            Some(log.ledgers.contains_key(&number.0))
        }
        Space::Index => {
            let (number, first) = index::parse_key(key).ok()?;
            let row = IndexRow::decode(value).ok()?;
            let stored = store.get(Space::Blocks, &block::key(row.place)).ok()??;
            let block = Block::decode(&stored).ok()?;
            Some(block.ledger() == number && block.first_seq() == first)
        }
        Space::Bodies => {
            let (number, first) = block::parse_bodies_key(key).ok()?;
            let row = store.get(Space::Index, &index::key(number, first)).ok()??;
            IndexRow::decode(&row).ok().map(|_| true)
        }
        Space::Ids => {
            let (number, id) = id::parse_key(key).ok()?;
            let seq = IdRow::decode(value).ok()?.seq;
            let record = match get_record(store, number, seq) {
                // Whose id it was nobody can tell any more.
                Err(ReadError::BodyDropped { .. }) => return Some(true),
                record => record.ok()??,
            };
            let view = RecordView::parse(&record.record).ok()?;
            Some(IdHash::of(&EventId::new(&view.id).ok()?) == id)
        }
        Space::Tiles => {
            let (number, tile) = tile::parse_key(key).ok()?;
            Some(tile < size(number) / TILE_WIDTH)
        }
        Space::Nodes => {
            let (number, level, at) = node::parse_key(key).ok()?;
            Some(at < size(number) >> level)
        }
        Space::Commits => {
            let number = commit::parse_key(key).ok()?;
            Some(number.0 >= 1 && number <= log.commit)
        }
    }
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
