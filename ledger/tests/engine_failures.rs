//! What an engine promises when things go wrong: the fault table, misbehaving signers, full queues,
//! repeated ids.
//!
//! The failure that every one of these guards against is the same: an answer that was given and is not
//! true afterwards. So each test keeps what it was told, and checks it against a reopened engine, whose
//! every row is recomputed by `check_engine`.

mod engine_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_support::*;
use indelible_core::system::SignPer;
use indelible_ledger::store::StoreError;
use indelible_ledger::store::memory::CommitFault;
use indelible_ledger::testing::{Failing, Lie, Lying, Slow};
use indelible_ledger::{
    Accepted, AppendError, Atomicity, Engine, EventError, Health, ReadError, SignError, Signer,
};

#[test]
fn the_same_id_with_the_same_event_is_the_same_record_wherever_the_first_one_is() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    // Within one group.
    let each = append_each(&engine, "a", vec![with_id("x", 1), with_id("x", 1), with_id("x", 2)]);
    let first = each[0].clone().unwrap();
    let second = each[1].clone().unwrap();
    assert!(second.duplicate && !first.duplicate);
    assert_eq!(Accepted { duplicate: false, ..second }, first);
    assert!(matches!(&each[2], Err(EventError::Conflict { .. })));
    // In the store.
    let again = append_one(&engine, "a", with_id("x", 1)).unwrap();
    assert_eq!(Accepted { duplicate: false, ..again.clone() }, first);
    assert!(again.duplicate);
    let other = append_one(&engine, "a", with_id("x", 2)).unwrap_err();
    let error = EventError::Conflict { id: id("x"), seq: Some(first.seq) };
    assert_eq!(other, AppendError::Event { index: 0, error });
    assert!(!other.is_retryable());
    // On its way: two groups in flight at once, in one batch and in two.
    place.disk.faults().hold_commits();
    let mut pending = Vec::new();
    for round in 0..20u64 {
        let events = vec![with_id("y", 5), with_id(&format!("z{}", round % 4), 9)];
        pending.push(engine.submit(&name("a"), events, Atomicity::Each).unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    let conflict = engine.submit(&name("a"), vec![with_id("y", 6)], Atomicity::Each).unwrap();
    place.disk.faults().release_commits();
    let mut fresh = 0;
    let mut seqs = std::collections::BTreeSet::new();
    for one in pending {
        for result in one.wait().unwrap().results {
            let accepted = result.unwrap();
            fresh += usize::from(!accepted.duplicate);
            seqs.insert(accepted.seq);
        }
    }
    assert_eq!((fresh, seqs.len()), (5, 5));
    assert!(matches!(conflict.wait().unwrap().results[0], Err(EventError::Conflict { .. })));
    // Across a reopening, and in another ledger it is another id.
    run(engine.close());
    let engine = place.open();
    assert!(append_one(&engine, "a", with_id("y", 5)).unwrap().duplicate);
    create(&engine, "b", SignPer::Record);
    assert!(!append_one(&engine, "b", with_id("y", 5)).unwrap().duplicate);
    run(engine.close());
    place.check();
}

#[test]
fn an_id_that_the_engine_made_is_known_when_a_client_sends_it() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    for number in 0..300 {
        append_one(&engine, "a", without_id(number)).unwrap();
    }
    let made = append_one(&engine, "a", without_id(1000)).unwrap();
    let again = append_one(&engine, "a", with_id(&made.id, 1000)).unwrap();
    assert_eq!((again.seq, again.duplicate), (made.seq, true));
    let other = append_one(&engine, "a", with_id(&made.id, 1001)).unwrap_err();
    assert!(matches!(other, AppendError::Event { error: EventError::Conflict { .. }, .. }));
    // In another ledger nobody has it; it gets a row like any other and stays found.
    create(&engine, "b", SignPer::Record);
    let taken = append_one(&engine, "b", with_id(&made.id, 1)).unwrap();
    assert!(!taken.duplicate);
    assert_eq!(engine.find_id(&name("b"), &made.id).unwrap(), Some(taken.seq));
    run(engine.close());
    place.check();
}

#[test]
fn a_conflict_in_an_all_or_nothing_group_leaves_nothing() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    append_one(&engine, "a", with_id("x", 1)).unwrap();
    let group = vec![with_id("n1", 1), without_id(2), with_id("x", 99), with_id("n2", 3)];
    let error = append(&engine, "a", group).unwrap_err();
    assert!(matches!(error, AppendError::Event { index: 2, error: EventError::Conflict { .. } }));
    let inside = append(&engine, "a", vec![with_id("q", 1), with_id("q", 2)]).unwrap_err();
    let expected = EventError::Conflict { id: id("q"), seq: None };
    assert_eq!(inside, AppendError::Event { index: 1, error: expected });
    assert_eq!(engine.ledger(&name("a")).unwrap().size, 2);
    assert_eq!(engine.find_id(&name("a"), &id("n1")).unwrap(), None);
    // The ids are still free.
    assert!(!append_one(&engine, "a", with_id("n1", 7)).unwrap().duplicate);
    assert!(!append_one(&engine, "a", with_id("q", 7)).unwrap().duplicate);
    run(engine.close());
    assert_eq!(place.check().records, 4);
}

/// What the clients were told: id to the number in the event and what came back.
type Told = BTreeMap<String, (u64, Accepted)>;

fn load(engine: &Engine, from: u64, told: &mut Told) -> Vec<(String, u64, AppendError)> {
    let mut pending = Vec::new();
    for number in from..from + 30 {
        let (ledger, text) = (["a", "b"][number as usize % 2], format!("id-{number}"));
        match engine.submit(&name(ledger), vec![with_id(&text, number)], Atomicity::AllOrNothing) {
            Ok(one) => pending.push((text, number, Ok(one))),
            Err(error) => pending.push((text, number, Err(error))),
        }
        if number % 3 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    let mut failed = Vec::new();
    for (text, number, one) in pending {
        match one.and_then(|one| one.wait()) {
            Ok(done) => {
                told.insert(text, (number, done.results[0].clone().unwrap()));
            }
            Err(error) => failed.push((text, number, error)),
        }
    }
    failed
}

/// Loads until the fault that was set has hit a commit: how many commits a load makes is a matter of how
/// busy the machine is.
fn load_until_failed(
    engine: &Engine,
    from: u64,
    told: &mut Told,
) -> Vec<(String, u64, AppendError)> {
    (0..20)
        .map(|round| load(engine, from + 30 * round, told))
        .find(|failed| !failed.is_empty())
        .expect("the fault has hit nothing")
}

/// After the failure: whoever heard of an error sends again, nothing told before is untrue, nothing is
/// there twice, and everything is as it should be, also after reopening.
fn recover_and_check(
    place: &Place,
    engine: Engine,
    mut told: Told,
    failed: Vec<(String, u64, AppendError)>,
) {
    let before: Told = told.clone();
    for (text, number, error) in failed {
        assert!(error.is_retryable(), "{error}");
        let ledger = ["a", "b"][number as usize % 2];
        told.insert(text.clone(), (number, append_until_done(&engine, ledger, &text, number)));
    }
    for (text, (number, accepted)) in &before {
        let ledger = ["a", "b"][*number as usize % 2];
        let again = append_one(&engine, ledger, with_id(text, *number)).unwrap();
        assert_eq!(again, Accepted { duplicate: true, ..accepted.clone() });
    }
    assert_eq!(engine.health(), Health::Ready);
    let sizes = ["a", "b"].map(|ledger| engine.ledger(&name(ledger)).unwrap().size);
    assert_eq!(sizes.iter().sum::<u64>(), told.len() as u64 + 2);
    drop(engine);
    let checked = place.check();
    assert_eq!(checked.records, told.len() as u64 + 2);
    let engine = place.open();
    for (text, (number, accepted)) in &told {
        let ledger = ["a", "b"][*number as usize % 2];
        assert_eq!(engine.find_id(&name(ledger), &id(text)).unwrap(), Some(accepted.seq));
    }
}

#[test]
fn every_commit_may_fail_whether_it_was_persisted_or_not() {
    type Make = fn() -> CommitFault;
    let faults: [(&str, Make); 4] = [
        ("persisted", CommitFault::persisted),
        ("not persisted", CommitFault::not_persisted),
        ("disk full", CommitFault::full),
        ("fenced", CommitFault::fenced),
    ];
    for (what, fault) in faults {
        for skip in 0..6 {
            let place = Place::new();
            let engine = place.open();
            create(&engine, "a", SignPer::Record);
            create(&engine, "b", SignPer::Commit);
            let mut told = Told::new();
            assert!(load(&engine, 0, &mut told).is_empty());
            place.disk.faults().fail_commit(skip, fault());
            let failed = load_until_failed(&engine, 30, &mut told);
            let unknown =
                failed.iter().any(|(_, _, e)| matches!(e, AppendError::OutcomeUnknown { .. }));
            assert!(unknown, "{what}, {skip}: {failed:?}");
            recover_and_check(&place, engine, told, failed);
        }
    }
}

#[test]
fn the_creation_of_a_ledger_may_fail_like_any_append() {
    for fault in [CommitFault::persisted(), CommitFault::not_persisted()] {
        let persisted = fault.persisted;
        let place = Place::new();
        let engine = place.open();
        place.disk.faults().fail_commit(0, fault);
        let failed = run(engine.create_ledger(name("a"), SignPer::Record)).unwrap_err();
        assert!(matches!(
            failed,
            indelible_ledger::CreateError::Append(AppendError::OutcomeUnknown { .. })
        ));
        let deadline = Instant::now() + Duration::from_secs(5);
        while !engine.health().is_ready() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let again = run(engine.create_ledger(name("a"), SignPer::Record));
        assert_eq!(again.is_err(), persisted, "{again:?}");
        append_one(&engine, "a", without_id(1)).unwrap();
        run(engine.close());
        assert_eq!(place.check().records, 2);
    }
}

#[test]
fn a_store_that_does_not_open_again_is_tried_until_it_does() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Record);
    for _ in 0..3 {
        place.disk.faults().fail_open(StoreError::Io("scripted".into()));
    }
    place.disk.faults().fail_commit(0, CommitFault::persisted());
    let mut told = Told::new();
    let failed = load(&engine, 0, &mut told);
    recover_and_check(&place, engine, told, failed);
}

#[test]
fn a_full_disk_is_a_clear_error_and_heals_when_there_is_room() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    let before = append_one(&engine, "a", with_id("before", 1)).unwrap();
    place.disk.faults().set_capacity_bytes(Some(0));
    let error = append_one(&engine, "a", with_id("full", 2)).unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    // What is there can be read all the time, but for the moment of reopening.
    std::thread::sleep(Duration::from_millis(100));
    let stored = engine.get(&name("a"), before.seq).unwrap().unwrap();
    assert_eq!(stored.digest, before.digest);
    let error = append_one(&engine, "a", with_id("full", 2)).unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    place.disk.faults().set_capacity_bytes(None);
    assert!(!append_until_done(&engine, "a", "full", 2).duplicate);
    run(engine.close());
    assert_eq!(place.check().records, 3);
}

#[test]
fn a_crash_at_any_commit_loses_nothing_that_was_acknowledged() {
    for skip in 0..6 {
        let place = Place::new();
        let mut told = Told::new();
        {
            let engine = place.open();
            create(&engine, "a", SignPer::Commit);
            create(&engine, "b", SignPer::Record);
            place.disk.faults().fail_commit(skip, CommitFault::persisted());
            // After the failure the process is dead: the disk goes away under it.
            for _ in 0..8 {
                place.disk.faults().fail_open(StoreError::Io("the process is dead".into()));
            }
            drop(load_until_failed(&engine, 0, &mut told));
            place.disk.crash();
        }
        let checked = place.check();
        assert!(checked.records >= told.len() as u64 + 2);
        let engine = place.open();
        for (text, (number, accepted)) in &told {
            let ledger = ["a", "b"][*number as usize % 2];
            let again = append_one(&engine, ledger, with_id(text, *number)).unwrap();
            assert_eq!(again, Accepted { duplicate: true, ..accepted.clone() });
        }
    }
}

#[test]
fn reads_that_fail_fail_appends_and_nothing_else() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Record);
    let mut told = Told::new();
    load(&engine, 0, &mut told);
    for skip in 0..10 {
        place.disk.faults().fail_reads(skip, StoreError::Io("scripted".into()));
        let from = 30 + skip * 30;
        let failed = load(&engine, from, &mut told);
        place.disk.faults().clear();
        for (text, number, error) in failed {
            assert!(
                matches!(error, AppendError::Read(ReadError::Store(_))) || error.is_retryable(),
                "{error}"
            );
            let ledger = ["a", "b"][number as usize % 2];
            told.insert(text.clone(), (number, append_until_done(&engine, ledger, &text, number)));
        }
    }
    recover_and_check(&place, engine, told, Vec::new());
}

#[test]
fn a_failing_signer_leaves_nothing_of_the_batch_and_the_next_one_works() {
    for skip in 0..8 {
        let place = Place::new();
        let signer = Arc::new(Failing::new(signer()));
        let engine = place.open_with(Arc::clone(&signer) as Arc<dyn Signer>).unwrap();
        create(&engine, "a", SignPer::Record);
        create(&engine, "b", SignPer::Commit);
        let mut told = Told::new();
        signer.fail(skip);
        let failed = load(&engine, 0, &mut told);
        for (_, _, error) in &failed {
            assert!(
                matches!(error, AppendError::Signing(_) | AppendError::Unavailable { .. }),
                "{error}"
            );
        }
        // Nothing of what failed is there before it is sent again.
        let sizes = ["a", "b"].map(|ledger| engine.ledger(&name(ledger)).unwrap().size);
        assert_eq!(sizes.iter().sum::<u64>(), told.len() as u64 + 2);
        recover_and_check(&place, engine, told, failed);
    }
}

#[test]
fn a_broken_signer_shows_in_the_health_until_it_works_again() {
    let place = Place::new();
    let signer = Arc::new(Failing::new(signer()));
    let engine = place.open_with(Arc::clone(&signer) as Arc<dyn Signer>).unwrap();
    create(&engine, "a", SignPer::Record);
    signer.set_broken(Some(SignError::Refused("the key is disabled".into())));
    let error = append_one(&engine, "a", with_id("x", 1)).unwrap_err();
    assert_eq!(error, AppendError::Signing(SignError::Refused("the key is disabled".into())));
    assert!(matches!(engine.health(), Health::SignerFailing { .. }));
    assert_eq!(engine.ledger(&name("a")).unwrap().size, 1);
    signer.set_broken(None);
    append_one(&engine, "a", with_id("x", 1)).unwrap();
    assert_eq!(engine.health(), Health::Ready);
    assert_eq!(engine.metrics().sign_failures.get(), 1);
}

#[test]
fn a_lying_signer_is_caught_before_anything_is_stored() {
    for lie in [Lie::Bit(0), Lie::Bit(3), Lie::LastBit, Lie::Missing, Lie::Swapped] {
        let place = Place::new();
        let signer = Arc::new(Lying::new(signer()));
        let engine = place.open_with(Arc::clone(&signer) as Arc<dyn Signer>).unwrap();
        create(&engine, "a", SignPer::Record);
        signer.lie_once(lie);
        let events = (0..5).map(|number| with_id(&format!("{number}"), number)).collect();
        let error = append(&engine, "a", events).unwrap_err();
        assert!(matches!(error, AppendError::Signing(SignError::Wrong(_))), "{lie:?}: {error}");
        assert_eq!(engine.ledger(&name("a")).unwrap().size, 1);
        append(&engine, "a", (0..5).map(|n| with_id(&n.to_string(), n)).collect()).unwrap();
        run(engine.close());
        assert_eq!(place.check().records, 6);
    }
}

#[test]
fn a_slow_signer_slows_down_and_nothing_more() {
    let place = Place::new();
    let slow = Slow::new(signer(), Duration::from_millis(20));
    let engine = place.open_with(Arc::new(slow)).unwrap();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Record);
    let mut told = Told::new();
    let failed = load(&engine, 0, &mut told);
    assert!(failed.is_empty());
    recover_and_check(&place, engine, told, failed);
}

#[test]
fn a_full_queue_refuses_with_a_time_to_try_again_and_a_stream_waits() {
    let mut place = Place::new();
    place.limits.queue_events_max = 100;
    place.limits.batch_events_max = 20;
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    place.disk.faults().hold_commits();
    let mut pending = Vec::new();
    let error = loop {
        match engine.submit(&name("a"), vec![without_id(1)], Atomicity::Each) {
            Ok(one) => pending.push(one),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Busy { .. }) && error.is_retryable());
    assert!(error.retry_after().is_some());
    assert!(engine.metrics().refused_busy.get() >= 1);
    assert!(pending.len() <= 100 + 4 * 20, "{} were taken", pending.len());
    let waiting = {
        let engine = engine.clone();
        std::thread::spawn(move || {
            run(async {
                let one =
                    engine.submit_wait(&name("a"), vec![without_id(2)], Atomicity::Each).await;
                one.unwrap().await.unwrap().results.len()
            })
        })
    };
    std::thread::sleep(Duration::from_millis(30));
    assert!(!waiting.is_finished());
    place.disk.faults().release_commits();
    assert_eq!(waiting.join().unwrap(), 1);
    for one in pending {
        one.wait().unwrap();
    }
    run(engine.close());
    place.check();
}

#[test]
fn a_noisy_ledger_does_not_starve_the_others_and_order_is_kept() {
    let mut place = Place::new();
    place.limits.queue_events_max = 2000;
    place.limits.batch_events_max = 100;
    let engine = place.open();
    create(&engine, "noisy", SignPer::Record);
    create(&engine, "quiet", SignPer::Record);
    place.disk.faults().set_commit_delay(Duration::from_millis(2));
    let mut noisy = Vec::new();
    while let Ok(one) = engine.submit(
        &name("noisy"),
        (0..10).map(|n| without_id(noisy.len() as u64 * 10 + n)).collect(),
        Atomicity::Each,
    ) {
        noisy.push(one);
    }
    // The noisy one has filled its share; there is still room for the quiet one, whose turn comes
    // within a few batches although fifteen batches of the other wait.
    let waiting = engine.metrics().commits.get();
    let quiet = engine.submit(&name("quiet"), vec![without_id(1)], Atomicity::Each).unwrap();
    quiet.wait().unwrap();
    let passed = engine.metrics().commits.get() - waiting;
    assert!(passed <= 5, "{passed} commits");
    let mut before = None;
    for one in noisy {
        for result in one.wait().unwrap().results {
            let seq = result.unwrap().seq;
            assert!(before.is_none_or(|before| before < seq));
            before = Some(seq);
        }
    }
}
