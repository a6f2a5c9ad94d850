//! The faults that the store in memory can be told to have: the engine's tests stand on them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indelible_ledger::store::memory::{CommitFault, MemoryDisk};
use indelible_ledger::store::{Batch, CommitTicket, Scan, Space, Store, StoreError, StoreOpener};

fn row(key: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::Meta, key, b"value");
    batch
}

fn open(disk: &MemoryDisk) -> Arc<dyn Store> {
    disk.opener().open().unwrap()
}

#[test]
fn a_failed_commit_poisons_the_handle_and_only_a_new_one_tells_what_is_durable() {
    for (fault, durable) in
        [(CommitFault::persisted(), true), (CommitFault::not_persisted(), false)]
    {
        let disk = MemoryDisk::new();
        disk.faults().fail_commit(1, fault);
        let store = open(&disk);
        store.commit(&row(b"a")).unwrap();
        let error = store.commit(&row(b"b")).unwrap_err();
        assert!(matches!(error, StoreError::UnknownOutcome { .. }), "{error:?}");
        assert!(error.outcome_is_unknown());
        let later = store.commit(&row(b"c")).unwrap_err();
        assert!(matches!(later, StoreError::Poisoned(_)), "{later:?}");
        assert!(later.to_string().contains("scripted"), "{later}");
        store.close().unwrap();
        let store = open(&disk);
        assert_eq!(store.get(Space::Meta, b"b").unwrap().is_some(), durable);
        assert_eq!(store.get(Space::Meta, b"c").unwrap(), None);
        store.commit(&row(b"d")).unwrap();
    }
}

#[test]
fn a_crash_keeps_what_was_committed_and_kills_the_handle() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    store.commit(&row(b"a")).unwrap();
    disk.crash();
    assert!(matches!(store.commit(&row(b"b")), Err(StoreError::Closed)));
    assert!(matches!(store.get(Space::Meta, b"a"), Err(StoreError::Closed)));
    let next = open(&disk);
    assert!(next.get(Space::Meta, b"a").unwrap().is_some());
    // The dead handle's end must not take the lock from the living one.
    drop(store);
    assert!(matches!(disk.opener().open().err(), Some(StoreError::Locked(_))));
    next.commit(&row(b"c")).unwrap();
}

#[test]
fn a_writer_that_was_fenced_off_never_writes_again() {
    let disk = MemoryDisk::new();
    let old = open(&disk);
    let new = disk.opener_that_takes_over().open().unwrap();
    let error = old.commit(&row(b"a")).unwrap_err();
    assert!(matches!(error, StoreError::Fenced(_)), "{error:?}");
    assert!(matches!(old.commit(&row(b"a")), Err(StoreError::Poisoned(_))));
    new.commit(&row(b"b")).unwrap();
    assert_eq!(disk.contents().len(), 1);
}

#[test]
fn a_full_disk_is_named_and_room_helps_after_reopening() {
    let disk = MemoryDisk::new();
    disk.faults().set_capacity_bytes(Some(10));
    let store = open(&disk);
    store.commit(&row(b"a")).unwrap();
    let error = store.commit(&row(b"b")).unwrap_err();
    assert!(matches!(error.cause(), StoreError::Full(_)), "{error:?}");
    disk.faults().set_capacity_bytes(None);
    assert!(matches!(store.commit(&row(b"c")), Err(StoreError::Poisoned(_))));
    store.close().unwrap();
    open(&disk).commit(&row(b"c")).unwrap();
    assert_eq!(disk.contents().len(), 2);
}

#[test]
fn reads_and_opening_fail_when_told_to() {
    let disk = MemoryDisk::new();
    disk.faults().fail_open(StoreError::Io("scripted".into()));
    assert!(matches!(disk.opener().open().err(), Some(StoreError::Io(_))));
    let store = open(&disk);
    disk.faults().fail_reads(1, StoreError::Corrupt("scripted".into()));
    store.get(Space::Meta, b"a").unwrap();
    for _ in 0..2 {
        assert!(matches!(store.get(Space::Meta, b"a"), Err(StoreError::Corrupt(_))));
        assert!(matches!(store.rows(&Scan::all(Space::Meta)), Err(StoreError::Corrupt(_))));
    }
    disk.faults().clear();
    store.get(Space::Meta, b"a").unwrap();
}

#[test]
fn held_commits_wait_and_delayed_ones_take_their_time() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    disk.faults().hold_commits();
    thread::scope(|scope| {
        let commit = scope.spawn(|| store.commit(&row(b"a")));
        while disk.faults().commits_waiting() == 0 {
            thread::yield_now();
        }
        assert_eq!(store.get(Space::Meta, b"a").unwrap(), None);
        disk.faults().release_commits();
        commit.join().unwrap().unwrap();
    });
    assert!(store.get(Space::Meta, b"a").unwrap().is_some());
    disk.faults().set_commit_delay(Duration::from_millis(20));
    let start = Instant::now();
    store.commit(&row(b"b")).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!(disk.faults().commits(), 2);
}

#[test]
fn commits_on_their_way_overlap_and_the_first_that_fails_takes_all_behind_it_along() {
    let disk = MemoryDisk::new();
    disk.faults().set_commit_latency(Duration::from_millis(100));
    let store = open(&disk);
    let (told, answers) = std::sync::mpsc::channel();
    let begun = Instant::now();
    disk.faults().fail_commit(6, CommitFault::persisted());
    for key in 0..10u8 {
        let told = told.clone();
        let ticket = CommitTicket::new(move |done| told.send((key, done)).unwrap());
        store.submit(row(&[key]), ticket);
    }
    for expected in 0..10 {
        let (key, done) = answers.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(key, expected);
        match key {
            0..6 => assert!(done.is_ok(), "{done:?}"),
            6 => assert!(matches!(done, Err(StoreError::UnknownOutcome { .. })), "{done:?}"),
            _ => assert!(matches!(done, Err(StoreError::Poisoned(_))), "{done:?}"),
        }
    }
    // One after the other they would take a second.
    assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
    store.close().unwrap();
    assert_eq!(open(&disk).rows(&Scan::all(Space::Meta)).unwrap().len(), 7);
}

#[test]
fn a_copy_of_a_disk_goes_its_own_way() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    store.commit(&row(b"a")).unwrap();
    let copy = disk.copy();
    store.commit(&row(b"b")).unwrap();
    copy.tamper(Space::Meta, b"a", Some(b"forged"));
    let old = open(&copy);
    assert_eq!(old.get(Space::Meta, b"a").unwrap().unwrap(), b"forged");
    assert_eq!(old.get(Space::Meta, b"b").unwrap(), None);
    assert_eq!(store.get(Space::Meta, b"a").unwrap().unwrap(), b"value");
}
