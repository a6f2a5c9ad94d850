//! Bodies lie in files of their own: a lost or damaged one is noticed, and bodies that are dropped give
//! their room back without others being written anew.

mod engine_support;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_support::*;
use indelible_core::name::ServerName;
use indelible_core::system::SignPer;
use indelible_ledger::derived;
use indelible_ledger::folder::database;
use indelible_ledger::store::rocks::{RocksConfig, RocksOpener};
use indelible_ledger::store::{Batch, Read as _, Space, Store as _, StoreError, StoreOpener as _};
use indelible_ledger::{
    AppendError, Archived, Atomicity, Direction, Engine, EngineConfig, Health, ReadError,
};

fn files(database: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(database).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

/// Bytes that no compression makes smaller.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).take(bytes.div_ceil(8)).flatten().take(bytes).collect()
}

fn key(ledger: u64, seq: u64) -> Vec<u8> {
    [ledger.to_be_bytes(), seq.to_be_bytes()].concat()
}

/// A database with a hundred bodies of one ledger in files.
fn with_files(dir: &Path) -> (RocksOpener, Vec<PathBuf>) {
    let opener = RocksOpener::new(RocksConfig::new(dir.join("db")));
    let store = opener.open().unwrap();
    for seq in 0..100 {
        let mut batch = Batch::new();
        batch.put_owned(Space::Bodies, &key(1, seq), noise(4096, seq + 1));
        store.commit(&batch).unwrap();
    }
    store.close().unwrap();
    // Opening writes what was in the log into files.
    opener.open().unwrap().close().unwrap();
    let blobs = files(&dir.join("db"), "blob");
    assert!(bytes(&blobs) > 100 * 4096, "{blobs:?}");
    (opener, blobs)
}

#[test]
fn a_file_of_bodies_that_is_gone_or_shorter_keeps_the_database_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    let (opener, blobs) = with_files(dir.path());
    let kept = fs::read(&blobs[0]).unwrap();
    let cut = |bytes: u64| {
        OpenOptions::new().write(true).open(&blobs[0]).unwrap().set_len(bytes).unwrap();
    };
    let losses: [&dyn Fn(); 4] = [
        &|| fs::remove_file(&blobs[0]).unwrap(),
        &|| cut(0),
        &|| cut(kept.len() as u64 / 2),
        &|| cut(kept.len() as u64 - 1),
    ];
    for (case, lose) in losses.iter().enumerate() {
        lose();
        let looked = opener.preview().err();
        assert!(matches!(looked, Some(StoreError::Corrupt(_))), "{case}: {looked:?}");
        let opened = opener.open().err();
        assert!(matches!(opened, Some(StoreError::Corrupt(_))), "{case}: {opened:?}");
        fs::write(&blobs[0], &kept).unwrap();
        let store = opener.open().unwrap();
        assert_eq!(store.get(Space::Bodies, &key(1, 7)).unwrap(), Some(noise(4096, 8)), "{case}");
        store.close().unwrap();
    }
}

#[test]
fn a_flipped_bit_in_a_body_is_damage_and_not_another_body() {
    let dir = tempfile::tempdir().unwrap();
    let (opener, blobs) = with_files(dir.path());
    let kept = fs::read(&blobs[0]).unwrap();
    for place in (64..kept.len() - 64).step_by(kept.len() / 23) {
        let mut changed = kept.clone();
        changed[place] ^= 0x10;
        fs::write(&blobs[0], &changed).unwrap();
        let store = opener.open().unwrap();
        let mut damaged = 0;
        for seq in 0..100 {
            match store.get(Space::Bodies, &key(1, seq)) {
                Ok(body) => assert_eq!(body, Some(noise(4096, seq + 1)), "{place}"),
                Err(StoreError::Corrupt(_)) => damaged += 1,
                Err(error) => panic!("{place}: {error}"),
            }
        }
        assert_eq!(damaged, 1, "{place}");
        store.close().unwrap();
    }
}

#[test]
fn a_file_of_bodies_that_is_taken_away_under_a_running_engine_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        || EngineConfig::new(dir.path().join("data"), ServerName::new("test.example").unwrap());
    let engine = Engine::open(config(), Arc::new(signer())).unwrap();
    create(&engine, "a", SignPer::Commit);
    append(&engine, "a", (0..1_000).map(without_id).collect()).unwrap();
    run(engine.close());
    let engine = Engine::open(config(), Arc::new(signer())).unwrap();
    // It has looked about once before anything is taken away.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let blobs = files(&database(&dir.path().join("data")), "blob");
    fs::remove_file(&blobs[0]).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while engine.health().is_ready() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let Health::FolderGone { reason } = engine.health() else {
        panic!("{:?}", engine.health());
    };
    assert!(reason.contains(".blob"), "{reason}");
    run(engine.close());
}

#[test]
fn dropping_half_of_the_bodies_gives_half_of_the_room_back_and_writes_next_to_nothing() {
    const BODY_BYTES: usize = 256 << 10;
    let mib: u64 =
        std::env::var("INDELIBLE_TEST_DROP_MIB").map_or(96, |text| text.parse().unwrap());
    let bodies = mib * 4;
    let dir = tempfile::tempdir().unwrap();
    let opener = RocksOpener::new(RocksConfig::new(dir.path().join("db")));
    let store = opener.open_rocks().unwrap();
    for seq in 0..bodies {
        let mut batch = Batch::new();
        batch.put_owned(Space::Bodies, &key(1, seq), noise(BODY_BYTES, seq + 1));
        store.commit(&batch).unwrap();
    }
    store.close().unwrap();
    let store = opener.open_rocks().unwrap();
    let before = bytes(&files(&dir.path().join("db"), "blob"));
    assert!(before > mib << 20);
    store.drop_bodies(&key(1, 0), &key(1, bodies / 2), &Batch::new()).unwrap();
    // Files that are of no use any more are deleted beside everything else.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut after = u64::MAX;
    while after > before * 6 / 10 && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(50));
        after = bytes(&files(&dir.path().join("db"), "blob"));
    }
    let written = store.write_stats().unwrap();
    println!("{mib} MiB: {before} bytes before, {after} after, {written:?}");
    // A file in the middle, of which some is still needed, stays whole.
    assert!(after <= before * 6 / 10 + (20 << 20), "{before} bytes before, {after} after");
    assert!(written.compacted_bytes + written.flushed_bytes < before / 50, "{written:?}");
    assert_eq!(store.get(Space::Bodies, &key(1, bodies / 2 - 1)).unwrap(), None);
    let kept = store.get(Space::Bodies, &key(1, bodies / 2)).unwrap();
    assert!(kept == Some(noise(BODY_BYTES, bodies / 2 + 1)));
    store.close().unwrap();
    let store = opener.open().unwrap();
    assert_eq!(store.get(Space::Bodies, &key(1, 0)).unwrap(), None);
    assert!(store.get(Space::Bodies, &key(1, bodies - 1)).unwrap().is_some());
    store.close().unwrap();
}

#[test]
fn a_record_whose_body_was_dropped_is_still_proven_and_still_known() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Commit);
    for n in 0..30 {
        let events = (0..20).map(|e| with_id(&format!("{n}-{e}"), n * 20 + e)).collect();
        append(&engine, "a", events).unwrap();
        append(&engine, "b", vec![without_id(n)]).unwrap();
    }
    let name_a = name("a");
    let receipt = engine.receipt(&name_a, seq(50)).unwrap().unwrap();
    let proof = engine.inclusion_proof(&name_a, seq(50), 601).unwrap();
    let beyond = engine.drop_bodies(&name_a, 0..700, &Archived::and_checked()).unwrap_err();
    assert!(matches!(beyond, ReadError::OutOfRange { .. }), "{beyond}");
    // Records 1 to 20 are of the second commit, and so on; what is cut in two stays.
    let dropped = engine.drop_bodies(&name_a, 0..310, &Archived::and_checked()).unwrap();
    assert_eq!(dropped, 1..301);
    for n in [1, 50, 300] {
        let error = engine.get(&name_a, seq(n)).unwrap_err();
        assert_eq!(error, ReadError::BodyDropped { seq: seq(n) });
    }
    assert_eq!(engine.get(&name_a, seq(301)).unwrap().unwrap().seq, seq(301));
    assert!(engine.get(&name_a, seq(0)).unwrap().is_some());
    let range = |from| engine.range(&name_a, seq(from), Direction::Forward, 100, usize::MAX);
    assert_eq!(range(0).unwrap().len(), 1);
    assert_eq!(range(7).unwrap_err(), ReadError::BodyDropped { seq: seq(7) });
    assert_eq!(engine.inclusion_proof(&name_a, seq(50), 601).unwrap(), proof);
    assert_eq!(
        engine.receipt(&name_a, seq(50)).unwrap_err(),
        ReadError::BodyDropped { seq: seq(50) }
    );
    let later = engine.receipt(&name_a, seq(400)).unwrap().unwrap();
    later.verify(&trust(&engine, "a")).unwrap();
    // Sent again it is the same record, and another event with its id conflicts.
    let again = append_one(&engine, "a", with_id("2-9", 49)).unwrap();
    assert!(again.duplicate);
    assert_eq!((again.seq, again.digest), (seq(50), receipt.digest));
    let other = engine.submit(&name_a, vec![with_id("2-9", 50)], Atomicity::AllOrNothing);
    let error = other.unwrap().wait().unwrap_err();
    assert!(matches!(error, AppendError::Event { .. }), "{error}");
    run(engine.close());
    // Everything that can still be computed is, and it is said what cannot.
    let store = place.disk.opener().open().unwrap();
    let checked = derived::check(&*store, 100, &mut |_| ());
    assert!(checked.findings.is_empty(), "{:#?}", checked.findings);
    assert_eq!(checked.dropped, 300);
    store.close().unwrap();
    // Bodies that are missing without having been dropped are damage.
    let damaged = place.disk.copy();
    damaged.tamper(Space::Bodies, &key(1, 321), None);
    let store = damaged.opener().open().unwrap();
    let checked = derived::check(&*store, 100, &mut |_| ());
    assert!(checked.findings.kept().iter().any(|found| found.space == Space::Bodies));
    store.close().unwrap();
    run(place.open().close());
}
