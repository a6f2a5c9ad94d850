//! Every row of a database is checked against the records, and what follows from the records can be built
//! anew.

mod engine_support;

use std::collections::BTreeMap;

use engine_support::*;
use indelible_core::system::SignPer;
use indelible_ledger::Signer as _;
use indelible_ledger::derived::{Nature, RebuildError, TRUTH, check, rebuild};
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::store::{Read, Scan, Space, StoreError, StoreOpener as _, Visitor};
use indelible_ledger::testing::check_engine;

/// A database as a map that can be damaged.
#[derive(Clone)]
struct Rows(BTreeMap<(Space, Vec<u8>), Vec<u8>>);

impl Rows {
    fn of(store: &dyn Read) -> Self {
        let mut rows = BTreeMap::new();
        for space in Space::ALL {
            for (key, value) in store.rows(&Scan::all(space)).unwrap() {
                rows.insert((space, key), value);
            }
        }
        Self(rows)
    }

    fn only(&self, spaces: &[Space]) -> Self {
        let rows = self.0.iter().filter(|((space, _), _)| spaces.contains(space));
        Self(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl Read for Rows {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(space, key.to_vec())).cloned())
    }

    fn scan(&self, scan: &Scan<'_>, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        let rows: Vec<_> = self.0.iter().filter(|((space, _), _)| *space == scan.space).collect();
        let ordered: Box<dyn Iterator<Item = _>> = match scan.direction {
            indelible_ledger::store::Direction::Forward => Box::new(rows.into_iter()),
            indelible_ledger::store::Direction::Backward => Box::new(rows.into_iter().rev()),
        };
        for ((_, key), value) in ordered
            .filter(|((_, key), _)| !scan.is_before(key) && !scan.is_after(key))
            .take(scan.rows_max)
        {
            if visit(key, value).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Three ledgers, full tiles, clients' ids and the server's, commits of one ledger and of several.
fn database() -> Rows {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "orders", SignPer::Record);
    create(&engine, "metrics", SignPer::Commit);
    create(&engine, "empty", SignPer::Record);
    for round in 0..4 {
        let given = (0..150).map(|n| with_id(&format!("{round}-{n}"), n)).collect();
        append(&engine, "orders", given).unwrap();
        append(&engine, "metrics", (0..150).map(without_id).collect()).unwrap();
    }
    run(engine.close());
    place.check();
    let store = place.disk.opener().open().unwrap();
    Rows::of(&*store)
}

fn found(rows: &Rows) -> indelible_ledger::derived::Checked {
    check(rows, 100, &mut |_| ())
}

#[test]
fn a_sound_database_has_no_findings_and_every_row_is_looked_at() {
    let rows = database();
    let checked = found(&rows);
    assert!(checked.findings.is_empty(), "{:#?}", checked.findings);
    assert_eq!(checked.records, 3 + 2 * 600);
    for space in Space::ALL.into_iter().filter(|space| *space != Space::Blocks) {
        let there = rows.0.keys().filter(|(of, _)| *of == space).count() as u64;
        assert!(there > 0, "nothing of space {}", space.name());
        assert_eq!(checked.rows[space.index()], there, "space {}", space.name());
    }
}

/// A byte of a digest in the tables of a block; in their middle are signatures, which nobody checks here.
fn digest_in(tables: &[u8]) -> usize {
    let count = u32::from_be_bytes(tables[tables.len() - 5..][..4].try_into().unwrap());
    1 + 8 * count as usize + 9
}

#[test]
fn any_row_that_is_changed_or_taken_away_is_found_and_named() {
    let whole = database();
    let mut per_space = BTreeMap::new();
    for ((space, key), value) in &whole.0 {
        // Every row of the small spaces, some of the large ones.
        let seen = per_space.entry(*space).or_insert(0usize);
        *seen += 1;
        if *seen > 12 && !seen.is_multiple_of(53) {
            continue;
        }
        // In the middle of the identity are random bytes, which nothing repeats.
        let middle = match space {
            Space::Blocks => digest_in(value),
            _ if key == b"identity" => 0,
            _ => value.len() / 2,
        };
        let changes = [0, middle, value.len() - 1].map(|at| {
            let mut changed = value.clone();
            changed[at] ^= 1 << (*seen % 8);
            Some(changed)
        });
        for change in changes.into_iter().chain([None]) {
            let taken_away = change.is_none();
            let mut rows = whole.clone();
            match change {
                Some(value) => rows.0.insert((*space, key.clone()), value),
                None => rows.0.remove(&(*space, key.clone())),
            };
            let findings = found(&rows).findings;
            let at = format!("{} {key:?}, taken away: {taken_away}", space.name());
            assert!(!findings.is_empty(), "nothing found: {at}");
            let derived = !TRUTH.contains(space) || key.starts_with(b"kind:");
            if derived {
                assert_eq!(findings.count(Nature::Log), 0, "{at}: {findings:#?}");
                assert!(findings.kept().iter().any(|found| found.space == *space), "{at}");
            } else {
                assert!(findings.count(Nature::Log) > 0, "{at}: {findings:#?}");
            }
        }
    }
}

#[test]
fn records_that_are_missing_are_named_with_ledger_and_range() {
    let whole = database();
    let mut rows = whole.clone();
    let orders: Vec<_> =
        whole.0.keys().filter(|(space, _)| *space == Space::Blocks).cloned().collect();
    // The fourth commit is the first that adds events to `orders`.
    let fourth = orders.iter().find(|(_, key)| key[..8] == 4u64.to_be_bytes()).unwrap();
    rows.0.remove(fourth);
    let text: Vec<_> = found(&rows).findings.kept().iter().map(ToString::to_string).collect();
    assert!(
        text.iter().any(|text| text.starts_with("ledger orders, records 1 to 150: are missing")),
        "{text:#?}"
    );
}

#[test]
fn rows_that_no_record_asks_for_are_found() {
    let whole = database();
    let one = 1u64.to_be_bytes();
    let strays: [(Space, Vec<u8>, Vec<u8>); 10] = [
        (
            Space::Ids,
            [&one[..], b"never sent by any"].concat()[..24].to_vec(),
            [3u64; 3].map(u64::to_be_bytes).concat(),
        ),
        (Space::Bodies, [one, 5u64.to_be_bytes()].concat(), b"{}".to_vec()),
        (Space::Tiles, [one, 2u64.to_be_bytes()].concat(), vec![7; 8192]),
        (Space::Nodes, [&one[..], &[8], &2u64.to_be_bytes()].concat(), vec![7; 32]),
        (Space::Index, [one, 5u64.to_be_bytes()].concat(), vec![0; 24]),
        (Space::Heads, 9u64.to_be_bytes().to_vec(), whole.0[&(Space::Heads, one.to_vec())].clone()),
        (Space::Commits, 1000u64.to_be_bytes().to_vec(), vec![7; 32]),
        (Space::Ledgers, b"ghost".to_vec(), whole.0[&(Space::Ledgers, b"orders".to_vec())].clone()),
        (Space::Meta, b"kind:key_revoked".to_vec(), vec![1]),
        (Space::Ids, b"no key".to_vec(), vec![]),
    ];
    for (space, key, value) in strays {
        let mut rows = whole.clone();
        assert!(rows.0.insert((space, key), value).is_none());
        let findings = found(&rows).findings;
        assert!(findings.kept().iter().any(|found| found.space == space), "{findings:#?}");
    }
}

#[test]
fn a_database_is_built_anew_from_its_records_alone() {
    let whole = database();
    let mut truth = whole.only(&TRUTH);
    truth.0.retain(|(space, key), _| *space != Space::Meta || !key.starts_with(b"kind:"));
    let disk = MemoryDisk::new();
    let store = disk.opener().open().unwrap();
    rebuild(&truth, &*store, 10, &mut |_| ()).unwrap();
    let built = Rows::of(&*store);
    assert_eq!(built.0, whole.0);
    check_engine(&built, &[signer().note_key()]).unwrap();
}

#[test]
fn a_database_whose_records_are_damaged_is_not_built_anew() {
    let whole = database().only(&TRUTH);
    let blocks = whole.0.iter().filter(|((space, _), _)| *space != Space::Meta);
    for ((space, key), value) in blocks {
        let mut damaged = whole.clone();
        let mut changed = value.clone();
        let at = if *space == Space::Blocks { digest_in(value) } else { value.len() / 2 };
        changed[at] ^= 4;
        damaged.0.insert((*space, key.clone()), changed);
        let store = MemoryDisk::new().opener().open().unwrap();
        let refused = rebuild(&damaged, &*store, 10, &mut |_| ()).unwrap_err();
        assert!(matches!(refused, RebuildError::Log(_)), "{refused}");
    }
}
