//! What an engine promises when nothing goes wrong.

mod engine_support;

use std::sync::Arc;
use std::time::Duration;

use engine_support::*;
use indelible_core::hash::Sha256Hash;
use indelible_core::merkle::{consistency, inclusion, leaf_hash};
use indelible_core::name::{Seq, ServerName};
use indelible_core::record::RecordView;
use indelible_core::system::{SegmentArchived, SignPer, System};
use indelible_core::time::Timestamp;
use indelible_ledger::testing::ManualClock;
use indelible_ledger::{
    AppendError, Atomicity, CreateError, Direction, Engine, EngineLimits, EventError, Health,
    LocalEd25519, OpenError, ReadError,
};

#[test]
fn an_event_comes_back_as_it_went_in_with_a_receipt_that_stands_alone() {
    let place = Place::new();
    let engine = place.open();
    let info = create(&engine, "orders", SignPer::Record);
    assert_eq!((info.size, &*info.origin), (1, "test.example/orders"));
    let done = append(&engine, "orders", vec![with_id("a", 7)]).unwrap();
    let accepted = done.results[0].clone().unwrap();
    assert_eq!((accepted.seq, &*accepted.id, accepted.duplicate), (seq(1), "a", false));
    assert_eq!(done.checkpoint.checkpoint.size, 2);
    let receipt = done.receipt(0).unwrap();
    let trust = trust(&engine, "orders");
    receipt.verify(&trust).unwrap();
    let stored = engine.get(&name("orders"), seq(1)).unwrap().unwrap();
    assert_eq!(stored.record, receipt.record);
    assert_eq!((stored.digest, stored.time), (accepted.digest, accepted.time));
    assert_eq!(stored.signature, accepted.signature);
    let view = RecordView::parse(&stored.record).unwrap();
    assert_eq!((&*view.id, view.ledger), ("a", "orders"));
    let read = engine.receipt(&name("orders"), seq(1)).unwrap().unwrap();
    assert_eq!(read.to_json(), receipt.to_json());
    assert_eq!(engine.receipt(&name("orders"), seq(2)).unwrap().map(|r| r.to_json()), None);
    run(engine.close());
    assert_eq!(place.check().records, 2);
}

#[test]
fn ledgers_are_created_on_purpose_and_once() {
    let place = Place::new();
    let engine = place.open();
    let missing = engine.submit(&name("a"), vec![without_id(1)], Atomicity::Each);
    assert_eq!(missing.err(), Some(AppendError::NotFound(name("a"))));
    assert_eq!(engine.ledger(&name("a")).unwrap_err(), ReadError::NotFound(name("a")));
    let info = create(&engine, "a", SignPer::Commit);
    let again = run(engine.create_ledger(name("a"), SignPer::Record));
    assert_eq!(again, Err(CreateError::Exists(Box::new(info))));
    // Two at once: one creates, the other hears that it exists.
    let both = run(async {
        let (one, two) = (
            engine.create_ledger(name("b"), SignPer::Record),
            engine.create_ledger(name("b"), SignPer::Record),
        );
        tokio::join!(one, two)
    });
    assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1, "{both:?}");
    let listed = engine.ledgers(None, 10).unwrap();
    assert_eq!(listed.iter().map(|info| &*info.name).collect::<Vec<_>>(), ["a", "b"]);
    let listed = engine.ledgers(Some(&name("a")), 10).unwrap();
    assert_eq!(listed.len(), 1);
    run(engine.close());
    assert_eq!(place.check().sizes.len(), 2);
}

#[test]
fn all_reads_agree_over_many_commits_blocks_and_tiles() {
    let place = Place::new();
    let engine = place.open();
    for (ledger, sign_per) in [("r", SignPer::Record), ("c", SignPer::Commit)] {
        create(&engine, ledger, sign_per);
        let mut number = 1;
        for size in [1, 3, 254, 700, 2, 1100] {
            let events = (number..number + size).map(without_id).collect();
            let done = append(&engine, ledger, events).unwrap();
            number += size;
            assert_eq!(done.checkpoint.checkpoint.size, number);
            let last = done.results.last().unwrap().as_ref().unwrap();
            assert!(last.signature.is_some());
        }
        read_everything(&engine, ledger, number);
    }
    run(engine.close());
    let checked = place.check();
    assert_eq!(checked.records, 2 * 2061);
}

fn read_everything(engine: &Engine, ledger: &str, size: u64) {
    let ledger = name(ledger);
    let all = engine.range(&ledger, Seq::ZERO, Direction::Forward, usize::MAX, usize::MAX).unwrap();
    assert_eq!(all.len() as u64, size);
    let mut back =
        engine.range(&ledger, seq(size + 50), Direction::Backward, usize::MAX, usize::MAX).unwrap();
    back.reverse();
    assert_eq!(all, back);
    let part = engine.range(&ledger, seq(250), Direction::Forward, 10, usize::MAX).unwrap();
    assert_eq!(part, all[250..260]);
    let one = engine.range(&ledger, seq(9), Direction::Forward, 10, 1).unwrap();
    assert_eq!(one, all[9..10]);
    let two = engine.range(&ledger, seq(9), Direction::Backward, 2, usize::MAX).unwrap();
    assert_eq!(two, [all[9].clone(), all[8].clone()]);
    let root = engine.root_at(&ledger, size).unwrap();
    assert_eq!(root, engine.checkpoint(&ledger).unwrap().checkpoint.root);
    for at in [0, 1, 255, 256, 257, 511, 512, 1000, size - 1] {
        let record = &all[at as usize];
        assert_eq!(engine.get(&ledger, seq(at)).unwrap().as_ref(), Some(record));
        let view = RecordView::parse(&record.record).unwrap();
        assert_eq!(engine.find_id(&ledger, &id(&view.id)).unwrap(), Some(seq(at)));
        for of in [at + 1, (at + 300).min(size), size] {
            let proof = engine.inclusion_proof(&ledger, seq(at), of).unwrap();
            let root = engine.root_at(&ledger, of).unwrap();
            inclusion::verify(at, of, &leaf_hash(&record.digest), &proof, &root).unwrap();
            let (old, new) = (engine.root_at(&ledger, at).unwrap(), root);
            let proof = engine.consistency_proof(&ledger, at, of).unwrap();
            consistency::verify(at, of, &old, &new, &proof).unwrap();
        }
        let first = engine.first_at_or_after(&ledger, record.time).unwrap().unwrap();
        assert!(all[first.get() as usize].time == record.time && first.get() <= at);
        assert!(first.get() == 0 || all[first.get() as usize - 1].time < record.time);
    }
    assert!(matches!(
        engine.inclusion_proof(&ledger, seq(0), size + 1),
        Err(ReadError::OutOfRange { .. })
    ));
    assert!(matches!(engine.consistency_proof(&ledger, 5, 4), Err(ReadError::OutOfOrder { .. })));
    let signed = run(engine.checkpoint_at(&ledger, 300)).unwrap();
    assert_eq!(signed.checkpoint.root, engine.root_at(&ledger, 300).unwrap());
}

#[test]
fn a_ledger_goes_on_where_it_was_after_reopening_in_the_middle_of_a_tile() {
    let place = Place::new();
    let mut size = 1;
    for round in 0..12u64 {
        let engine = place.open();
        if round == 0 {
            create(&engine, "a", SignPer::Record);
        }
        assert_eq!(engine.ledger(&name("a")).unwrap().size, size);
        for count in [1, 60 + round] {
            let events = (0..count).map(without_id).collect();
            append(&engine, "a", events).unwrap();
            size += count;
        }
        run(engine.close());
    }
    assert_eq!(place.check().sizes[&name("a")], size);
}

#[test]
fn ten_thousand_ledgers_with_one_event_each_take_few_commits() {
    let mut place = Place::new();
    place.limits.ledgers_in_memory_max = 500;
    let engine = place.open();
    let ledgers: Vec<_> = (0..10_000).map(|number| name(&format!("ledger-{number}"))).collect();
    run(async {
        for some in ledgers.chunks(2000) {
            let created = some.iter().map(|one| engine.create_ledger(one.clone(), SignPer::Commit));
            let mut created: Vec<_> = created.map(Box::pin).collect();
            // Polled once each, so that all are in the queue before the first is awaited.
            std::future::poll_fn(|context| {
                created.retain_mut(|one| match one.as_mut().poll(context) {
                    std::task::Poll::Ready(result) => {
                        result.unwrap();
                        false
                    }
                    std::task::Poll::Pending => true,
                });
                if created.is_empty() {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        }
        let before = engine.metrics().commits.get();
        let mut pending = Vec::new();
        for ledger in &ledgers {
            pending.push(
                engine.submit_wait(ledger, vec![without_id(1)], Atomicity::Each).await.unwrap(),
            );
        }
        for one in pending {
            one.await.unwrap();
        }
        let commits = engine.metrics().commits.get() - before;
        assert!(commits < 400, "{commits} commits");
    });
    assert!(engine.metrics().ledgers_in_memory.get() < 6000);
    run(engine.close());
    assert_eq!(place.check().records, 20_000);
}

#[test]
fn per_commit_signing_signs_the_last_record_and_never_leaves_a_longer_run() {
    let mut place = Place::new();
    place.limits.max_unsigned = 10;
    let engine = place.open();
    create(&engine, "a", SignPer::Commit);
    append(&engine, "a", (0..100).map(without_id).collect()).unwrap();
    append(&engine, "a", (0..5).map(without_id).collect()).unwrap();
    let all = engine.range(&name("a"), Seq::ZERO, Direction::Forward, 1000, usize::MAX).unwrap();
    let signed: Vec<u64> =
        all.iter().filter(|one| one.signature.is_some()).map(|one| one.seq.get()).collect();
    assert_eq!(signed, [0, 11, 22, 33, 44, 55, 66, 77, 88, 99, 100, 105]);
    run(engine.close());
    place.check();
}

#[test]
fn a_clock_that_goes_back_is_reported_and_the_old_value_kept() {
    let place = Place::new();
    let at = |micros| Timestamp::from_micros(micros).unwrap();
    let clock = Arc::new(ManualClock::new(at(5_000_000_000)));
    let mut config = place.config();
    config.clock = Arc::clone(&clock) as Arc<_>;
    let engine = place.open_as(config, Arc::new(signer())).unwrap();
    create(&engine, "a", SignPer::Record);
    clock.set(at(6_000_000_000));
    assert_eq!(append_one(&engine, "a", without_id(1)).unwrap().time, at(6_000_000_000));
    assert_eq!(engine.metrics().clock_backwards.get(), 0);
    clock.set(at(1_000_000_000));
    let kept = append_one(&engine, "a", without_id(2)).unwrap();
    assert_eq!(kept.time, at(6_000_000_000));
    assert_eq!(engine.metrics().clock_backwards.get(), 1);
    // The made id carries the record's time, so it is still found.
    assert_eq!(engine.find_id(&name("a"), &kept.id).unwrap(), Some(kept.seq));
    clock.set(at(7_000_000_000));
    assert_eq!(append_one(&engine, "a", without_id(3)).unwrap().time, at(7_000_000_000));
    run(engine.close());
    place.check();
}

#[test]
fn system_records_are_appended_once_and_creations_never() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    let system = |last| {
        System::SegmentArchived(SegmentArchived {
            first_seq: seq(0),
            last_seq: seq(last),
            manifest_sha256: Sha256Hash([1; 32]),
            segment_sha256: Sha256Hash([2; 32]),
            vault: "v".into(),
        })
    };
    let first = run(engine.append_system(&name("a"), system(5), id("s"))).unwrap();
    let again = run(engine.append_system(&name("a"), system(5), id("s"))).unwrap();
    assert_eq!((first.seq, first.duplicate), (seq(1), false));
    assert_eq!((again.seq, again.duplicate), (seq(1), true));
    let other = run(engine.append_system(&name("a"), system(6), id("s"))).unwrap_err();
    assert!(matches!(other, AppendError::Event { error: EventError::Conflict { .. }, .. }));
    let event = append_one(&engine, "a", with_id("s", 1)).unwrap_err();
    assert!(matches!(event, AppendError::Event { error: EventError::Conflict { .. }, .. }));
    let stored = engine.get(&name("a"), seq(0)).unwrap().unwrap();
    let view = RecordView::parse(&stored.record).unwrap();
    let indelible_core::record::Body::System(creation) = view.body else { panic!() };
    let creation = System::parse(creation).unwrap();
    let refused = run(engine.append_system(&name("a"), creation, id("x"))).unwrap_err();
    assert!(matches!(refused, AppendError::System(_)));
    run(engine.close());
    place.check();
}

#[test]
fn texts_that_could_be_checkpoints_are_not_signed() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    for text in
        ["test.example/a\n1\nabc\n", "test.example/b\nx\n", "a b\n7\nroot\n", "no line end", ""]
    {
        let refused = run(engine.sign_note(&name("a"), text));
        assert_eq!(refused, Err(ReadError::NotSignable), "{text:?}");
    }
    let note = run(engine.sign_note(&name("a"), "indelible segment manifest v1\n{}\n")).unwrap();
    assert!(note.starts_with("indelible segment manifest v1\n{}\n\n\u{2014} test.example/a "));
}

#[test]
fn another_server_name_or_another_key_is_a_clear_error() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    run(engine.close());
    let mut config = place.config();
    config.server_name = ServerName::new("other.example").unwrap();
    let error = place.open_as(config, Arc::new(signer())).unwrap_err();
    assert!(matches!(error, OpenError::OtherServer { .. }), "{error}");
    let other = LocalEd25519::from_seed([1; 32]).unwrap();
    let engine = place.open_with(Arc::new(other)).unwrap();
    let error = append_one(&engine, "a", without_id(1)).unwrap_err();
    assert!(matches!(error, AppendError::OtherKey { .. }), "{error}");
    assert!(!error.is_retryable());
    // What is there can still be read.
    assert_eq!(engine.ledger(&name("a")).unwrap().size, 1);
}

#[test]
fn watchers_hear_of_every_durable_size() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    let mut size = engine.watch(&name("a")).unwrap();
    assert_eq!(*size.borrow_and_update(), 1);
    append_one(&engine, "a", without_id(1)).unwrap();
    run(async { tokio::time::timeout(Duration::from_secs(5), size.changed()).await })
        .unwrap()
        .unwrap();
    assert_eq!(*size.borrow(), 2);
}

#[test]
fn closing_answers_what_was_taken_and_refuses_the_rest() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    place.disk.faults().hold_commits();
    let taken: Vec<_> = (0..50)
        .map(|n| engine.submit(&name("a"), vec![without_id(n)], Atomicity::Each).unwrap())
        .collect();
    let other = engine.clone();
    let closing = std::thread::spawn(move || run(other.close()));
    while !matches!(
        engine.submit(&name("a"), vec![without_id(0)], Atomicity::Each).map(drop),
        Err(AppendError::Closed)
    ) {
        std::thread::sleep(Duration::from_millis(1));
    }
    place.disk.faults().release_commits();
    for one in taken {
        one.wait().unwrap();
    }
    closing.join().unwrap();
    assert_eq!(engine.health(), Health::Closed);
    assert!(engine.get(&name("a"), seq(0)).is_err());
    assert!(place.check().records >= 51);
}

#[test]
fn a_database_behind_the_head_file_is_refused() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    append_one(&engine, "a", without_id(1)).unwrap();
    run(engine.close());
    let backup = place.disk.copy();
    let engine = place.open();
    append_one(&engine, "a", without_id(2)).unwrap();
    run(engine.close());
    // The old backup by itself looks perfect; only the head file knows better.
    let restored = Place { disk: backup, folder: place.folder, limits: place.limits };
    let error = restored.open_with(Arc::new(signer())).unwrap_err();
    assert!(matches!(error, OpenError::HeadBehind { found: 2, expected: 3, .. }), "{error}");
    assert!(error.to_string().contains("backup"));
    restored.check();
    // An empty database in its place is refused too, and nothing is written into it.
    let empty =
        Place { disk: Default::default(), folder: restored.folder, limits: restored.limits };
    let error = empty.open_with(Arc::new(signer())).unwrap_err();
    assert!(matches!(error, OpenError::HeadBehind { found: 0, .. }), "{error}");
    assert!(empty.disk.contents().is_empty());
}

#[test]
fn a_forked_history_is_refused() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    run(engine.close());
    let fork = place.disk.copy();
    let engine = place.open();
    append_one(&engine, "a", without_id(1)).unwrap();
    run(engine.close());
    let forked =
        Place { disk: fork, folder: tempfile::tempdir().unwrap(), limits: place.limits.clone() };
    let engine = forked.open();
    append_one(&engine, "a", without_id(2)).unwrap();
    append_one(&engine, "a", without_id(3)).unwrap();
    run(engine.close());
    let swapped = Place { disk: forked.disk, folder: place.folder, limits: place.limits };
    let error = swapped.open_with(Arc::new(signer())).unwrap_err();
    assert!(matches!(error, OpenError::HeadDiffers { commit: 2, .. }), "{error}");
}

#[test]
fn limits_are_named_when_they_are_hit() {
    let mut place = Place::new();
    place.limits = EngineLimits { batch_events_max: 10, ..place.limits };
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    let error = append(&engine, "a", (0..11).map(without_id).collect()).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { events: 11, events_max: 10, .. }));
    assert_eq!(append(&engine, "a", vec![]).unwrap_err(), AppendError::Empty);
    assert_eq!(append(&engine, "a", (0..10).map(without_id).collect()).unwrap().results.len(), 10);
}
