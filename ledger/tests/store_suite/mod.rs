//! What every store must do, whatever is behind it. One function for each sentence of the contract; each
//! backend runs them all.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use indelible_ledger::store::{
    Batch, CommitTicket, Read, Scan, Space, Store, StoreError, StoreOpener,
};

fn batch(rows: &[(Space, &[u8], &[u8])]) -> Batch {
    let mut batch = Batch::new();
    for (space, key, value) in rows {
        batch.put(*space, key, value);
    }
    batch
}

fn keys(store: &dyn Read, scan: &Scan<'_>) -> Vec<Vec<u8>> {
    store.rows(scan).unwrap().into_iter().map(|(key, _)| key).collect()
}

/// The same key in every space is nine different rows, and reopening finds exactly what was committed.
pub(crate) fn spaces_are_apart_and_survive_reopening(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    let mut all = Batch::new();
    for space in Space::ALL {
        all.put(space, b"key", &[space.byte()]);
    }
    store.commit(&all).unwrap();
    store
        .commit(&batch(&[(Space::Heads, b"key", b"newer"), (Space::Heads, b"", b"empty key")]))
        .unwrap();
    store.commit(&Batch::new()).unwrap();
    let check = |store: &dyn Store| {
        for space in Space::ALL {
            let expected: &[u8] = if space == Space::Heads { b"newer" } else { &[space.byte()] };
            assert_eq!(store.get(space, b"key").unwrap().as_deref(), Some(expected), "{space:?}");
            assert_eq!(store.get(space, b"other").unwrap(), None);
            let rows = store.rows(&Scan::all(space)).unwrap();
            assert_eq!(rows.len(), if space == Space::Heads { 2 } else { 1 });
        }
        assert_eq!(store.get(Space::Heads, b"").unwrap().as_deref(), Some(&b"empty key"[..]));
    };
    check(&*store);
    store.close().unwrap();
    drop(store);
    check(&*opener.open().unwrap());
}

/// What opening would find can be seen before, and seeing it changes nothing; there is nothing to see
/// where nothing was ever opened.
pub(crate) fn a_preview_shows_what_opening_finds(opener: &dyn StoreOpener) {
    assert!(opener.preview().unwrap().is_none());
    for round in 1..=3u8 {
        let store = opener.open().unwrap();
        store.commit(&batch(&[(Space::Commits, &[round], b"row")])).unwrap();
        store.close().unwrap();
        drop(store);
        for _ in 0..2 {
            let preview = opener.preview().unwrap().unwrap();
            assert_eq!(keys(&*preview, &Scan::all(Space::Commits)).len(), usize::from(round));
            // What came out of a log is never taken for settled.
            let settled = preview.settled().unwrap();
            assert!(settled.is_none_or(|key| key < vec![round]), "round {round}");
        }
    }
}

/// The last of several puts to one key counts, and commits overwrite in the order they were made.
pub(crate) fn later_rows_replace_earlier_ones(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    store.commit(&batch(&[(Space::Meta, b"k", b"1"), (Space::Meta, b"k", b"2")])).unwrap();
    assert_eq!(store.get(Space::Meta, b"k").unwrap().unwrap(), b"2");
    for n in 0..100u32 {
        store.commit(&batch(&[(Space::Meta, b"k", &n.to_be_bytes())])).unwrap();
    }
    assert_eq!(store.get(Space::Meta, b"k").unwrap().unwrap(), 99u32.to_be_bytes());
}

/// Every combination of bounds, direction and limit, against a sorted map.
pub(crate) fn scans_keep_to_their_bounds_in_both_directions(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    let inside: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"b", b"\xff\xff"];
    let mut rows = Batch::new();
    for key in inside {
        rows.put(Space::Index, key, key);
        // Neighbours in other spaces must never show up.
        rows.put(Space::Blocks, key, b"x");
        rows.put(Space::Nodes, key, b"x");
    }
    store.commit(&rows).unwrap();
    let model: BTreeMap<&[u8], ()> = inside.into_iter().map(|key| (key, ())).collect();
    let probes: Vec<&[u8]> = inside.into_iter().chain([&b"aa"[..], b"c", b"\xff"]).collect();
    let mut bounds = vec![Bound::Unbounded];
    bounds.extend(probes.iter().flat_map(|&key| [Bound::Included(key), Bound::Excluded(key)]));
    for &from in &bounds {
        for &to in &bounds {
            for rows_max in [0, 1, 2, usize::MAX] {
                let scan = Scan { from, to, ..Scan::all(Space::Index) }.take(rows_max);
                let within = |key: &&&[u8]| !scan.is_before(key) && !scan.is_after(key);
                let forward: Vec<Vec<u8>> =
                    model.keys().filter(within).take(rows_max).map(|key| key.to_vec()).collect();
                assert_eq!(keys(&*store, &scan), forward, "{scan:?}");
                let backward: Vec<Vec<u8>> = model
                    .keys()
                    .rev()
                    .filter(within)
                    .take(rows_max)
                    .map(|key| key.to_vec())
                    .collect();
                assert_eq!(keys(&*store, &scan.backward()), backward, "{scan:?}");
            }
        }
    }
}

/// A visitor that has seen enough is not called again.
pub(crate) fn a_visitor_can_end_a_scan(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    store
        .commit(&batch(&[
            (Space::Ids, b"1", b""),
            (Space::Ids, b"2", b""),
            (Space::Ids, b"3", b""),
        ]))
        .unwrap();
    let mut seen = Vec::new();
    let mut visit = |key: &[u8], _: &[u8]| {
        seen.push(key.to_vec());
        if key == b"2" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.scan(&Scan::all(Space::Ids), &mut visit).unwrap();
    assert_eq!(seen, [b"1", b"2"]);
    let first = store.first(&Scan::all(Space::Ids).backward()).unwrap().unwrap();
    assert_eq!(first.0, b"3");
    assert_eq!(store.first(&Scan::all(Space::Tiles)).unwrap(), None);
}

/// Many keys at once, in their order, missing and repeated ones included.
pub(crate) fn many_keys_are_answered_in_their_order(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    store.commit(&batch(&[(Space::Nodes, b"a", b"1"), (Space::Nodes, b"c", b"3")])).unwrap();
    let values = store.get_many(Space::Nodes, &[b"c", b"b", b"a", b"c"]).unwrap();
    let expected = [Some(b"3".to_vec()), None, Some(b"1".to_vec()), Some(b"3".to_vec())];
    assert_eq!(values, expected);
    assert_eq!(store.get_many(Space::Nodes, &[]).unwrap(), Vec::<Option<Vec<u8>>>::new());
}

/// Values of several megabytes beside empty ones.
pub(crate) fn large_and_empty_values_come_back_whole(opener: &dyn StoreOpener) {
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    let store = opener.open().unwrap();
    let mut rows = Batch::new();
    rows.put_owned(Space::Blocks, b"large", large.clone());
    rows.put(Space::Blocks, b"empty", b"");
    store.commit(&rows).unwrap();
    store.close().unwrap();
    drop(store);
    let store = opener.open().unwrap();
    assert!(store.get(Space::Blocks, b"large").unwrap().unwrap() == large);
    assert_eq!(store.get(Space::Blocks, b"empty").unwrap().unwrap(), b"");
}

/// While commits go on, a snapshot stands still, and every reader sees whole commits only.
pub(crate) fn snapshots_stand_still_and_commits_are_seen_whole(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    let write = |store: &dyn Store, n: u64| {
        let n = n.to_be_bytes();
        let rows = [
            (Space::Heads, &b"h"[..], &n[..]),
            (Space::Commits, &n, &n),
            (Space::Meta, b"state", &n),
        ];
        store.commit(&batch(&rows)).unwrap();
    };
    write(&*store, 0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..400 {
                write(&*store, n);
            }
            stop.store(true, Ordering::Release);
        });
        while !stop.load(Ordering::Acquire) {
            store.snapshot(&mut |view| check_one_state(view)).unwrap();
        }
    });
    assert_eq!(store.rows(&Scan::all(Space::Commits)).unwrap().len(), 400);
}

fn check_one_state(view: &dyn Read) -> Result<(), StoreError> {
    let head = view.get(Space::Heads, b"h")?.unwrap();
    thread::sleep(Duration::from_micros(200));
    assert_eq!(view.get(Space::Meta, b"state")?.unwrap(), head);
    assert_eq!(view.get_many(Space::Meta, &[b"state"])?, [Some(head.clone())]);
    let last = view.first(&Scan::all(Space::Commits).backward())?.unwrap();
    assert_eq!(last.0, head);
    let count = view.rows(&Scan::all(Space::Commits))?.len() as u64;
    assert_eq!((count - 1).to_be_bytes(), head[..]);
    Ok(())
}

/// What the task of a snapshot returns is what the snapshot returns.
pub(crate) fn a_snapshots_error_is_handed_on(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    let result = store.snapshot(&mut |_| Err(StoreError::Closed));
    assert!(matches!(result, Err(StoreError::Closed)));
}

/// Two handles on one store would both believe to be the only writer.
pub(crate) fn a_second_opener_is_refused_until_the_first_is_closed(opener: &dyn StoreOpener) {
    let first = opener.open().unwrap();
    let Err(error) = opener.open() else { panic!("two handles on one store") };
    assert!(matches!(error, StoreError::Locked(_)), "{error:?}");
    first.commit(&batch(&[(Space::Meta, b"k", b"v")])).unwrap();
    first.close().unwrap();
    // Closed is enough; that somebody still holds the handle must not matter.
    let second = opener.open().unwrap();
    assert_eq!(second.get(Space::Meta, b"k").unwrap().unwrap(), b"v");
    drop(second);
    opener.open().unwrap();
}

/// A closed handle neither reads nor writes, and closing it again is fine.
pub(crate) fn a_closed_handle_does_nothing(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    store.close().unwrap();
    store.close().unwrap();
    let rows = batch(&[(Space::Meta, b"k", b"v")]);
    assert!(matches!(store.commit(&rows), Err(StoreError::Closed)));
    assert!(matches!(store.get(Space::Meta, b"k"), Err(StoreError::Closed)));
    assert!(matches!(store.get_many(Space::Meta, &[b"k"]), Err(StoreError::Closed)));
    assert!(matches!(store.rows(&Scan::all(Space::Meta)), Err(StoreError::Closed)));
    assert!(matches!(store.snapshot(&mut |_| Ok(())), Err(StoreError::Closed)));
    assert!(matches!(store.stats(), Err(StoreError::Closed)));
    let reopened = opener.open().unwrap();
    assert_eq!(reopened.get(Space::Meta, b"k").unwrap(), None);
}

/// Closing waits for the reads that are under way instead of pulling the store from under them.
pub(crate) fn closing_waits_for_reads(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    store.commit(&batch(&[(Space::Meta, b"k", b"v")])).unwrap();
    let (inside, done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            store.snapshot(&mut |view| {
                inside.store(true, Ordering::Release);
                thread::sleep(Duration::from_millis(50));
                assert!(view.get(Space::Meta, b"k")?.is_some());
                done.store(true, Ordering::Release);
                Ok(())
            })
        });
        while !inside.load(Ordering::Acquire) {
            thread::yield_now();
        }
        store.close().unwrap();
        assert!(done.load(Ordering::Acquire), "closed under a running read");
    });
}

/// Threads that commit at once are served one after the other; nothing is lost or mixed.
pub(crate) fn commits_of_several_threads_all_arrive(opener: &dyn StoreOpener) {
    let store: Arc<dyn Store> = opener.open().unwrap();
    thread::scope(|scope| {
        for writer in 0..4u8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..50u8 {
                    let key = [writer, n];
                    store
                        .commit(&batch(&[(Space::Ids, &key, &key), (Space::Nodes, &key, &key)]))
                        .unwrap();
                }
            });
        }
    });
    store.close().unwrap();
    let store = opener.open().unwrap();
    for space in [Space::Ids, Space::Nodes] {
        let rows = store.rows(&Scan::all(space)).unwrap();
        assert_eq!(rows.len(), 200);
        assert!(rows.iter().all(|(key, value)| key == value));
    }
}

/// Commits that are submitted without waiting become durable in that order, and each is told of once.
pub(crate) fn submitted_commits_are_told_of_once_and_in_order(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    for n in 0..100u32 {
        let told = Arc::clone(&told);
        let rows =
            batch(&[(Space::Meta, b"k", &n.to_be_bytes()), (Space::Ids, &n.to_be_bytes(), b"")]);
        store.submit(
            rows,
            CommitTicket::new(move |done| told.lock().unwrap().push((n, done.is_ok()))),
        );
    }
    store.close().unwrap();
    let told = told.lock().unwrap();
    assert!(told.iter().copied().eq((0..100).map(|n| (n, true))), "{told:?}");
    drop(store);
    let store = opener.open().unwrap();
    assert_eq!(store.get(Space::Meta, b"k").unwrap().unwrap(), 99u32.to_be_bytes());
    assert_eq!(store.rows(&Scan::all(Space::Ids)).unwrap().len(), 100);
}

/// What is submitted to a closed handle is refused, and its ticket told so.
pub(crate) fn a_closed_handle_settles_its_tickets(opener: &dyn StoreOpener) {
    let store = opener.open().unwrap();
    store.close().unwrap();
    let (told, answer) = std::sync::mpsc::channel();
    let ticket = CommitTicket::new(move |done| told.send(done).unwrap());
    store.submit(batch(&[(Space::Meta, b"k", b"v")]), ticket);
    let answer = answer.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
    store.close().unwrap();
    assert_eq!(opener.open().unwrap().get(Space::Meta, b"k").unwrap(), None);
}

/// Random commits against a map, read back through gets, scans and a reopened handle.
pub(crate) fn random_commits_agree_with_a_map(opener: &dyn StoreOpener) {
    let mut model: BTreeMap<(Space, Vec<u8>), Vec<u8>> = BTreeMap::new();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for _ in 0..4 {
        let store = opener.open().unwrap();
        for _ in 0..25 {
            let mut rows = Batch::new();
            for _ in 0..next(20) {
                let space = Space::ALL[next(9) as usize];
                let key: Vec<u8> = (0..next(4)).map(|_| next(5) as u8).collect();
                let value = vec![next(256) as u8; next(3000) as usize];
                model.insert((space, key.clone()), value.clone());
                rows.put_owned(space, &key, value);
            }
            store.commit(&rows).unwrap();
        }
        for space in Space::ALL {
            let rows = store.rows(&Scan::all(space)).unwrap();
            let expected: Vec<_> = model
                .iter()
                .filter(|((s, _), _)| *s == space)
                .map(|((_, k), v)| (k.clone(), v.clone()))
                .collect();
            assert!(rows == expected, "{space:?}");
        }
        store.close().unwrap();
    }
}

/// Every test of the suite for one backend: `fixture` is an expression that makes a value with a method
/// `opener()`.
#[macro_export]
macro_rules! store_suite {
    ($backend:ident, $fixture:expr) => {
        mod $backend {
            use super::*;
            $crate::store_suite!(@tests $fixture,
                spaces_are_apart_and_survive_reopening,
                a_preview_shows_what_opening_finds,
                later_rows_replace_earlier_ones,
                scans_keep_to_their_bounds_in_both_directions,
                a_visitor_can_end_a_scan,
                many_keys_are_answered_in_their_order,
                large_and_empty_values_come_back_whole,
                snapshots_stand_still_and_commits_are_seen_whole,
                a_snapshots_error_is_handed_on,
                a_second_opener_is_refused_until_the_first_is_closed,
                a_closed_handle_does_nothing,
                closing_waits_for_reads,
                commits_of_several_threads_all_arrive,
                submitted_commits_are_told_of_once_and_in_order,
                a_closed_handle_settles_its_tickets,
                random_commits_agree_with_a_map,
            );
        }
    };
    (@tests $fixture:expr, $($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                let fixture = $fixture;
                store_suite::$name(&fixture.opener());
            }
        )*
    };
}
