//! Ids are looked up by whoever submits, and a known one costs nobody else anything.

mod engine_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use engine_support::*;
use indelible_core::name::{EventId, ServerName};
use indelible_core::system::SignPer;
use indelible_core::time::Timestamp;
use indelible_ledger::store::StoreError;
use indelible_ledger::testing::ManualClock;
use indelible_ledger::{Accepted, Atomicity, Engine, EngineConfig, EventError, Submission};

/// As many as one group holds.
const MANY: u64 = 2_048;

/// Appends events without ids, and returns what the engine said of them.
fn made(engine: &Engine, ledger: &str, numbers: std::ops::Range<u64>) -> Vec<Accepted> {
    let events = numbers.map(without_id).collect();
    append(engine, ledger, events).unwrap().results.into_iter().map(Result::unwrap).collect()
}

fn again(accepted: &[Accepted], from: u64) -> Vec<Submission> {
    let numbers = (from..).map(event);
    accepted
        .iter()
        .zip(numbers)
        .map(|(one, event)| Submission::new(Some(one.id.clone()), event))
        .collect()
}

fn are_duplicates(answers: &[Result<Accepted, EventError>], of: &[Accepted]) {
    assert_eq!(answers.len(), of.len());
    for (answer, of) in answers.iter().zip(of) {
        assert_eq!(answer.as_ref(), Ok(&Accepted { duplicate: true, ..of.clone() }));
    }
}

#[test]
fn the_pipeline_reads_nothing_for_ids_that_are_in_the_ledger() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    let before = made(&engine, "a", 0..MANY / 2);
    let given: Vec<_> = (0..MANY / 2).map(|n| with_id(&format!("given {n}"), n)).collect();
    let given: Vec<_> =
        append(&engine, "a", given).unwrap().results.into_iter().map(Result::unwrap).collect();
    let mut events = again(&before, 0);
    events.extend(again(&given, 0));
    let faults = place.disk.faults();
    faults.hold_commits();
    let held = engine.submit(&name("a"), vec![without_id(7)], Atomicity::Each).unwrap();
    let pending = engine.submit(&name("a"), events, Atomicity::AllOrNothing).unwrap();
    // Whatever is read from here on fails.
    faults.fail_reads(0, StoreError::Io("scripted".into()));
    faults.release_commits();
    held.wait().unwrap();
    let answers = pending.wait().unwrap().results;
    are_duplicates(&answers, &[before, given].concat());
    faults.clear();
    run(engine.close());
    place.check();
}

#[test]
fn known_ids_in_thousands_do_not_hold_up_another_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let server = ServerName::new("test.example").unwrap();
    let engine =
        Engine::open(EngineConfig::new(dir.path().join("data"), server), Arc::new(signer()))
            .unwrap();
    create(&engine, "noisy", SignPer::Commit);
    create(&engine, "quiet", SignPer::Record);
    let before: Vec<_> =
        (0..10).map(|n| made(&engine, "noisy", n * MANY..(n + 1) * MANY)).collect();
    let stop = AtomicBool::new(false);
    let (slowest, arrays) = std::thread::scope(|threads| {
        let noise = threads.spawn(|| {
            let mut arrays = 0;
            while !stop.load(SeqCst) {
                for (n, accepted) in (0..).zip(&before) {
                    let answers = append(&engine, "noisy", again(accepted, n * MANY)).unwrap();
                    are_duplicates(&answers.results, accepted);
                    arrays += 1;
                }
            }
            arrays
        });
        let mut slowest = Duration::ZERO;
        for n in 0..40 {
            let begun = Instant::now();
            append_one(&engine, "quiet", without_id(n)).unwrap();
            slowest = slowest.max(begun.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, SeqCst);
        (slowest, noise.join().unwrap())
    });
    // One array held the others up for more than two seconds when the sequencer looked its ids up.
    assert!(arrays >= 10 && slowest < Duration::from_millis(1_000), "{arrays} arrays, {slowest:?}");
    run(engine.close());
}

#[test]
fn an_id_costs_a_few_reads_however_many_records_share_its_time() {
    let start = Timestamp::from_micros(1_800_000_000_000_000).unwrap();
    let later = Timestamp::from_micros(1_800_000_060_000_000).unwrap();
    let place = Place::new();
    let clock = Arc::new(ManualClock::new(start));
    let mut config = place.config();
    config.clock = clock.clone();
    let engine = place.open_as(config, Arc::new(signer())).unwrap();
    create(&engine, "a", SignPer::Commit);
    clock.set(later);
    let mut all = made(&engine, "a", 0..5);
    // The clock is behind the ledger from now on: everything gets the time of the last record.
    clock.jump(start);
    for n in 0..60 {
        all.extend(made(&engine, "a", 5 + n * 100..5 + (n + 1) * 100));
    }
    assert!(all.iter().all(|one| one.time == later));
    let faults = place.disk.faults();
    for n in [0, 3, 4, 5, 6, 1_000, 3_333, 6_004] {
        let one = &all[n];
        let before = faults.reads();
        assert_eq!(engine.find_id(&name("a"), &one.id).unwrap(), Some(one.seq));
        let answer = append(&engine, "a", again(std::slice::from_ref(one), n as u64)).unwrap();
        are_duplicates(&answer.results, std::slice::from_ref(one));
        let reads = faults.reads() - before;
        assert!(reads < 100, "{reads} reads for record {}", one.seq);
    }
    // One that the engine could have made then, and did not.
    let foreign = EventId::new(&all[4].id).unwrap();
    create(&engine, "b", SignPer::Commit);
    let before = faults.reads();
    assert_eq!(engine.find_id(&name("b"), &foreign).unwrap(), None);
    assert!(faults.reads() - before < 100);
    run(engine.close());
    place.check();
}
