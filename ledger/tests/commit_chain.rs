//! The chain over commits: what is missing or contradicts itself is found, named, and not started on.

mod engine_support;

use std::sync::Arc;

use engine_support::*;
use indelible_core::system::SignPer;
use indelible_ledger::commit_chain::{self, Effort, Fault, Faults};
use indelible_ledger::rows::block::{self, BlockPlace};
use indelible_ledger::rows::{CommitNumber, LedgerNumber, commit, head, index, node, tile};
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::store::{Space, StoreOpener as _};
use indelible_ledger::{Engine, OpenError};

/// Two ledgers, created by the commits 1 and 2; then commit `n` of 3 to 62 adds ten records to "a" when
/// it is odd and to "b" when it is even.
fn scene() -> Place {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Commit);
    for n in 3..=62 {
        let events = (0..10).map(|e| with_id(&format!("{n}-{e}"), n)).collect();
        append(&engine, if n % 2 == 1 { "a" } else { "b" }, events).unwrap();
    }
    run(engine.close());
    place
}

fn check(disk: &MemoryDisk, after: u64, effort: Effort) -> commit_chain::Checked {
    let store = disk.opener().open().unwrap();
    let checked = commit_chain::check(&*store, CommitNumber(after), CommitNumber(62), effort);
    store.close().unwrap();
    checked.unwrap()
}

fn faults(disk: &MemoryDisk) -> Faults {
    check(disk, 0, Effort::WHOLE).faults
}

fn first_of(commit: u64) -> Vec<u8> {
    block::key(BlockPlace { commit: CommitNumber(commit), ordinal: 0 }).to_vec()
}

fn row_of(commit: u64) -> [u8; 8] {
    commit::key(CommitNumber(commit))
}

#[test]
fn a_whole_engine_has_no_faults_from_wherever_it_is_looked_at() {
    let place = scene();
    for after in [0, 1, 2, 3, 30, 61, 62] {
        for effort in [Effort::WHOLE, Effort::OPENING] {
            let checked = check(&place.disk, after, effort);
            assert!(checked.faults.is_empty(), "after {after}: {}", checked.faults);
            assert_eq!((checked.commits, checked.trees_left_out), (62 - after, 0));
        }
    }
    let checked = check(&place.disk, 0, Effort::WHOLE);
    assert_eq!((checked.records, checked.ledgers), (602, 2));
}

#[test]
fn lost_commits_are_named_with_the_records_that_went_with_them() {
    let place = scene();
    // Everything that the commits 20 to 29 wrote, as a log that was lost would have it.
    for n in 20..=29 {
        place.disk.tamper(Space::Commits, &row_of(n), None);
        place.disk.tamper(Space::Blocks, &first_of(n), None);
    }
    let found = faults(&place.disk);
    let lost = |ledger: &str, first, last, commit| Fault::RecordsMissing {
        ledger: format!("ledger '{ledger}'"),
        first,
        last,
        commit: CommitNumber(commit),
    };
    assert_eq!(
        found.kept(),
        [
            lost("b", 81, 130, 30),
            lost("a", 91, 140, 31),
            Fault::CommitsMissing { first: CommitNumber(20), last: CommitNumber(29) },
        ]
    );
    let error = place.open_with(Arc::new(signer())).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Incomplete { .. }), "{error:?}");
    for text in ["the commits 20 to 29 are missing", "ledger 'a' lacks the records 91 to 140"] {
        assert!(error.to_string().contains(text), "{text}: {error}");
    }
}

#[test]
fn every_single_row_that_is_missing_or_wrong_is_found_and_keeps_the_engine_from_starting() {
    let ledger = LedgerNumber(1);
    let wrong: [(&str, Space, Vec<u8>, Option<&[u8]>, &str); 12] = [
        ("a row of the chain", Space::Commits, row_of(30).into(), None, "commit 30 is missing"),
        ("another digest", Space::Commits, row_of(30).into(), Some(&[7; 32]), "commit 30 is not"),
        ("half a digest", Space::Commits, row_of(30).into(), Some(&[7; 16]), "chain over commits"),
        ("a block", Space::Blocks, first_of(30), None, "records of commit 30 are missing"),
        ("a damaged block", Space::Blocks, first_of(30), Some(b"x"), "block 0 of commit 30"),
        ("an index row", Space::Index, index::key(ledger, seq(11)).into(), None, "record 11"),
        (
            "a wrong index row",
            Space::Index,
            index::key(ledger, seq(11)).into(),
            Some(&[1; 24]),
            "11",
        ),
        ("a head", Space::Heads, head::key(ledger).into(), None, "head is missing"),
        ("a damaged head", Space::Heads, head::key(ledger).into(), Some(b"x"), "ledger 'a'"),
        ("a node", Space::Nodes, node::key(ledger, 8, 0).into(), Some(&[7; 32]), "its tree"),
        ("no node", Space::Nodes, node::key(ledger, 8, 0).into(), None, "ledger 'a'"),
        ("a tile", Space::Tiles, tile::key(ledger, 0).into(), None, "tile 0"),
    ];
    let place = scene();
    for (what, space, key, value, says) in wrong {
        let damaged = place.disk.copy();
        damaged.tamper(space, &key, value);
        let found = faults(&damaged).to_string();
        assert!(found.contains(says), "{what}: {found:?}");
        let opener = Box::new(damaged.opener());
        let engine = Engine::open_with_store(place.config(), Arc::new(signer()), opener);
        assert!(engine.is_err(), "{what}: it starts");
    }
}

#[test]
fn an_old_head_is_told_from_its_records() {
    let place = scene();
    let key = head::key(LedgerNumber(2));
    let old = {
        let place = Place::new();
        let engine = place.open();
        create(&engine, "a", SignPer::Record);
        create(&engine, "b", SignPer::Commit);
        run(engine.close());
        let rows = place.disk.contents();
        rows.into_iter().find(|row| row.0 == Space::Heads && row.1 == key).unwrap().2
    };
    place.disk.tamper(Space::Heads, &key, Some(&old));
    let found = faults(&place.disk).to_string();
    assert!(found.contains("ledger 'b'") && found.contains("1 records up to commit 2"), "{found}");
}

#[test]
fn a_hole_as_wide_as_numbers_go_is_stepped_over() {
    let place = scene();
    place.disk.tamper(Space::Commits, &row_of(1 << 52), Some(&[7; 32]));
    let store = place.disk.opener().open().unwrap();
    let through = CommitNumber(1 << 52);
    let checked = commit_chain::check(&*store, CommitNumber(0), through, Effort::WHOLE).unwrap();
    let last = CommitNumber((1 << 52) - 1);
    let first = Fault::CommitsMissing { first: CommitNumber(63), last };
    assert_eq!(checked.faults.kept()[0], first);
}
