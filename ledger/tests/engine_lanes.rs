//! Several signers in one engine: what fails, hangs or is slow in one lane is nobody else's trouble.
//!
//! Every test appends through all lanes at once, lets something go wrong in one of them, and ends with a
//! check of every row by the key of its ledger.

mod engine_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_support::*;
use indelible_core::system::SignPer;
use indelible_ledger::rows::block::Block;
use indelible_ledger::store::Space;
use indelible_ledger::store::memory::CommitFault;
use indelible_ledger::testing::{Failing, Hanging, Lie, Lying, Slow};
use indelible_ledger::{
    AppendError, Atomicity, CreateError, Engine, EngineLimits, Health, LaneHealth, LedgerSettings,
    LocalEd25519, SignError, Signer, SignerName, Signers, SignersError,
};

const OTHER: [u8; 32] = [43; 32];

fn other() -> LocalEd25519 {
    LocalEd25519::from_seed(OTHER).unwrap()
}

fn called(text: &str) -> SignerName {
    SignerName::new(text).unwrap()
}

/// An engine with the usual signer and `second`, called "other".
fn open(place: &Place, second: Arc<dyn Signer>) -> Engine {
    let signers = Signers::new(Arc::new(signer())).with(called("other"), second).unwrap();
    Engine::open_with(place.config(), signers, Some(Box::new(place.disk.opener()))).unwrap()
}

fn create_with(engine: &Engine, ledger: &str, who: Option<&str>) {
    let settings =
        LedgerSettings { signer: who.map(called), ..LedgerSettings::from(SignPer::Record) };
    run(engine.create_ledger(name(ledger), settings)).unwrap();
}

/// Ledger "a" of the default signer, "b" of the other one.
fn place_with(second: Arc<dyn Signer>) -> (Place, Engine) {
    let place = Place::new();
    let engine = open(&place, second);
    create_with(&engine, "a", None);
    create_with(&engine, "b", Some("other"));
    (place, engine)
}

fn check(place: &Place) -> u64 {
    place.check_keys(&[signer().note_key(), other().note_key()]).records
}

#[test]
fn each_ledger_is_signed_by_its_own_signer_and_found_again_by_its_key() {
    let (place, engine) = place_with(Arc::new(other()));
    assert_eq!(engine.ledger(&name("a")).unwrap().keys.current(), [signer().record_key().key_id()]);
    assert_eq!(engine.ledger(&name("b")).unwrap().keys.current(), [other().record_key().key_id()]);
    for number in 0..50 {
        for ledger in ["a", "b"] {
            let accepted = append_one(&engine, ledger, without_id(number)).unwrap();
            let signed = accepted.signature.unwrap().key_id;
            assert_eq!([signed], engine.ledger(&name(ledger)).unwrap().keys.current());
        }
    }
    let lanes = engine.lanes();
    assert_eq!(
        lanes.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(),
        ["default", "other"]
    );
    assert!(lanes.iter().all(|lane| lane.health == LaneHealth::Ready && lane.signatures >= 102));
    run(engine.close());
    assert_eq!(check(&place), 102);
    // Without its signer a ledger can be read, and nothing else.
    let engine = place.open();
    let error = append_one(&engine, "b", without_id(1)).unwrap_err();
    assert!(matches!(error, AppendError::OtherKey { .. }), "{error}");
    assert_eq!(engine.ledger(&name("b")).unwrap().size, 51);
    append_one(&engine, "a", without_id(1)).unwrap();
    run(engine.close());
    let engine = open(&place, Arc::new(other()));
    append_one(&engine, "b", without_id(1)).unwrap();
}

#[test]
fn signers_with_one_key_or_name_are_refused_and_unknown_ones_named() {
    let signers = Signers::new(Arc::new(signer()));
    let same = signers.clone().with(called("twin"), Arc::new(signer())).unwrap_err();
    assert!(matches!(same, SignersError::SameKey { .. }), "{same}");
    let taken = signers.with(SignerName::default(), Arc::new(other())).unwrap_err();
    assert!(matches!(taken, SignersError::SameName(_)), "{taken}");
    for bad in ["", "A", "a b", "-a", &"a".repeat(65)] {
        assert!(SignerName::new(bad).is_err(), "{bad}");
    }
    let place = Place::new();
    let engine = open(&place, Arc::new(other()));
    let settings =
        LedgerSettings { signer: Some(called("nobody")), ..LedgerSettings::from(SignPer::Record) };
    let error = run(engine.create_ledger(name("x"), settings)).unwrap_err();
    assert!(matches!(error, CreateError::UnknownSigner { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("nobody") && text.contains("'default', 'other'"), "{text}");
}

#[test]
fn a_name_is_created_once_whichever_signers_race_for_it() {
    for _ in 0..20 {
        let place = Place::new();
        let engine = open(&place, Arc::new(other()));
        let race = |who: Option<&'static str>| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                let settings = LedgerSettings {
                    signer: who.map(called),
                    ..LedgerSettings::from(SignPer::Record)
                };
                run(engine.create_ledger(name("x"), settings))
            })
        };
        let racers = [race(None), race(Some("other")), race(None), race(Some("other"))];
        let done = racers.map(|one| one.join().unwrap());
        assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1, "{done:?}");
        for error in done.into_iter().filter_map(Result::err) {
            let is_fine = match &error {
                CreateError::Exists(_) => true,
                CreateError::Append(error) => error.is_retryable(),
                _ => false,
            };
            assert!(is_fine, "{error}");
        }
        run(engine.close());
        assert_eq!(check(&place), 1);
    }
}

/// Appends to "b" in the background while `work` appends to "a".
fn beside(engine: &Engine, work: impl FnOnce()) -> (usize, usize) {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let busy = engine.clone();
    let appending = std::thread::spawn(move || {
        let (mut good, mut bad) = (0, 0);
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            match append_one(&busy, "b", without_id(good as u64)) {
                Ok(_) => good += 1,
                Err(error) => {
                    assert!(!matches!(error, AppendError::OutcomeUnknown { .. }), "{error}");
                    bad += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        (good, bad)
    });
    work();
    drop(stop);
    appending.join().unwrap()
}

fn append_twenty(engine: &Engine, ledger: &str) {
    for number in 0..20 {
        append_one(engine, ledger, without_id(number)).unwrap();
    }
}

#[test]
fn a_signer_that_fails_fails_its_own_ledgers_only() {
    let signer = Arc::new(Failing::new(other()));
    let (place, engine) = place_with(Arc::clone(&signer) as Arc<dyn Signer>);
    signer.set_broken(Some(SignError::Refused("the key is disabled".into())));
    let (_, bad) = beside(&engine, || {
        while !matches!(engine.health(), Health::SomeSignersFailing { .. }) {
            std::thread::yield_now();
        }
        append_twenty(&engine, "a");
    });
    assert!(bad > 0);
    let Health::SomeSignersFailing { reason } = engine.health() else {
        panic!("{:?}", engine.health())
    };
    assert!(reason.contains("'other'") && reason.contains("disabled"), "{reason}");
    let [first, second] = &engine.lanes()[..] else { panic!() };
    assert_eq!(first.health, LaneHealth::Ready);
    assert!(matches!(second.health, LaneHealth::Failing { .. }));
    assert!(second.last_error.as_ref().unwrap().contains("disabled") && second.sign_failures > 0);
    signer.set_broken(None);
    append_until_done(&engine, "b", "again", 1);
    assert_eq!(engine.health(), Health::Ready);
    run(engine.close());
    check(&place);
}

#[test]
fn a_signer_that_lies_is_caught_while_the_other_goes_on() {
    for lie in [Lie::Bit(0), Lie::LastBit, Lie::Missing, Lie::Swapped] {
        let signer = Arc::new(Lying::new(other()));
        let (place, engine) = place_with(Arc::clone(&signer) as Arc<dyn Signer>);
        signer.lie_once(lie);
        beside(&engine, || append_twenty(&engine, "a"));
        run(engine.close());
        check(&place);
    }
}

#[test]
fn a_signer_that_hangs_shows_before_its_deadline_and_holds_up_nobody_else() {
    let mut place = Place::new();
    place.limits.sign_deadline = Duration::from_secs(4);
    let signer = Arc::new(Hanging::new(other()));
    let engine = open(&place, Arc::clone(&signer) as Arc<dyn Signer>);
    create_with(&engine, "a", None);
    create_with(&engine, "b", Some("other"));
    signer.set_hanging(true);
    let begun = Instant::now();
    let hangs = engine.submit(&name("b"), vec![with_id("x", 1)], Atomicity::Each).unwrap();
    append_twenty(&engine, "a");
    assert!(begun.elapsed() < Duration::from_secs(4), "the other lane waited");
    while !matches!(engine.health(), Health::SomeSignersFailing { .. }) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", engine.health());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(engine.lanes()[1].batches_in_flight > 0);
    let error = hangs.wait().unwrap_err();
    assert!(matches!(error, AppendError::Signing(SignError::Unavailable(_))), "{error}");
    assert!(error.to_string().contains("sign_deadline"), "{error}");
    assert_eq!(engine.ledger(&name("b")).unwrap().size, 1);
    signer.set_hanging(false);
    append_until_done(&engine, "b", "x", 1);
    assert_eq!(engine.health(), Health::Ready);
    run(engine.close());
    check(&place);
}

#[test]
fn closing_with_a_hanging_signer_returns_and_says_that_nothing_was_written() {
    let mut place = Place::new();
    place.limits.sign_close_deadline = Duration::from_millis(300);
    let signer = Arc::new(Hanging::new(other()));
    let engine = open(&place, Arc::clone(&signer) as Arc<dyn Signer>);
    create_with(&engine, "a", None);
    create_with(&engine, "b", Some("other"));
    signer.set_hanging(true);
    let mut pending = Vec::new();
    for number in 0..200 {
        pending.push(engine.submit(&name("b"), vec![without_id(number)], Atomicity::Each).unwrap());
    }
    let begun = Instant::now();
    run(engine.close());
    // Far below the deadline of a call, and not 200 times its own.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for one in pending {
        let error = one.wait().unwrap_err();
        assert!(!matches!(error, AppendError::OutcomeUnknown { .. }), "{error}");
        assert!(error.is_retryable(), "{error}");
    }
    assert_eq!(check(&place), 2);
}

#[test]
fn a_signer_that_is_not_available_is_tried_again_and_left_alone_when_it_stays_so() {
    let mut place = Place::new();
    place.limits.sign_retries_max = 2;
    place.limits.sign_failures_max = 3;
    place.limits.signer_rest = (Duration::from_millis(500), Duration::from_secs(1));
    let signer = Arc::new(Failing::new(other()));
    let engine = open(&place, Arc::clone(&signer) as Arc<dyn Signer>);
    create_with(&engine, "b", Some("other"));
    let unavailable = || SignError::Unavailable("told to".into());
    // Two failures are overcome by trying again.
    signer.fail_with(0, unavailable());
    signer.fail_with(1, unavailable());
    append_one(&engine, "b", with_id("x", 1)).unwrap();
    assert_eq!(engine.lanes()[1].sign_failures, 0);
    signer.set_broken(Some(unavailable()));
    let rests =
        (0..50).find_map(|_| match append_one(&engine, "b", with_id("y", 2)).unwrap_err() {
            AppendError::SignerResting { retry_after, .. } => Some(retry_after),
            error => {
                assert!(matches!(error, AppendError::Signing(_) | AppendError::Unavailable { .. }));
                None
            }
        });
    assert!(rests.is_some_and(|rest| rest <= Duration::from_secs(1)), "{rests:?}");
    // Refused at once, and the signer is not asked.
    let calls = signer.calls();
    for _ in 0..100 {
        assert!(append_one(&engine, "b", with_id("y", 2)).is_err());
    }
    assert!(signer.calls() - calls <= 3, "{} calls", signer.calls() - calls);
    signer.set_broken(None);
    append_until_done(&engine, "b", "y", 2);
    run(engine.close());
    check(&place);
}

#[test]
fn a_damaged_ledger_fails_its_own_appends_and_nobody_elses() {
    let place = Place::new();
    let engine = place.open();
    create(&engine, "sound", SignPer::Record);
    create(&engine, "damaged", SignPer::Record);
    for number in 0..100 {
        append_one(&engine, "damaged", without_id(number)).unwrap();
    }
    append_one(&engine, "sound", without_id(1)).unwrap();
    run(engine.close());
    // Opened again it does not have the leaves of the last, partial tile in memory: it reads them when the
    // tile is full, and then their blocks are gone.
    let engine = place.open();
    for (space, key, value) in place.disk.contents() {
        if space == Space::Blocks && is_of(&value, 2, 60) {
            place.disk.tamper(Space::Blocks, &key, None);
        }
    }
    let mut failed = 0;
    for number in 0..400 {
        let damaged = engine.submit(&name("damaged"), vec![without_id(number)], Atomicity::Each);
        let sound =
            engine.submit(&name("sound"), vec![without_id(number)], Atomicity::Each).unwrap();
        sound.wait().unwrap();
        if let Ok(one) = damaged {
            failed += usize::from(one.wait().is_err());
        }
    }
    assert!(failed > 20, "the damage has hit only {failed} appends");
    append_twenty(&engine, "sound");
    assert_eq!(engine.ledger(&name("sound")).unwrap().size, 422);
    // What was appended to the damaged one is still there, and in order.
    let size = engine.ledger(&name("damaged")).unwrap().size;
    assert_eq!(size, 101 + 400 - failed as u64);
}

/// Whether a block is of the ledger with this number and begins before `below`.
fn is_of(block: &[u8], number: u64, below: u64) -> bool {
    let block = Block::decode(block).unwrap();
    block.ledger().0 == number && block.first_seq().get() < below
}

#[test]
fn every_commit_may_fail_with_several_lanes_in_it() {
    let faults: [fn() -> CommitFault; 2] = [CommitFault::persisted, CommitFault::not_persisted];
    for fault in faults {
        for (skip, latency_ms) in [(0, 0), (1, 0), (3, 0), (0, 3), (2, 3), (5, 3)] {
            let place = Place::new();
            let slow = Slow::new(other(), Duration::from_millis(2));
            let engine = open(&place, Arc::new(slow));
            create_with(&engine, "a", None);
            create_with(&engine, "b", Some("other"));
            place.disk.faults().set_commit_latency(Duration::from_millis(latency_ms));
            place.disk.faults().fail_commit(skip, fault());
            let mut pending = Vec::new();
            for number in 0..60u64 {
                let ledger = ["a", "b"][number as usize % 2];
                let text = format!("id-{number}");
                let one =
                    engine.submit(&name(ledger), vec![with_id(&text, number)], Atomicity::Each);
                pending.push((ledger, text, number, one));
                std::thread::sleep(Duration::from_micros(500));
            }
            let mut failed = 0;
            let mut told = Vec::new();
            for (ledger, text, number, one) in pending {
                match one.and_then(|one| one.wait()) {
                    Ok(done) => told.push((ledger, text, number, done.results[0].clone().unwrap())),
                    Err(error) => {
                        assert!(error.is_retryable(), "{error}");
                        failed += 1;
                        let again = append_until_done(&engine, ledger, &text, number);
                        told.push((ledger, text, number, again));
                    }
                }
            }
            assert!(failed > 0, "{skip}, {latency_ms} ms: the fault has hit nothing");
            for (ledger, text, number, accepted) in &told {
                let again = append_one(&engine, ledger, with_id(text, *number)).unwrap();
                assert_eq!((again.seq, again.digest), (accepted.seq, accepted.digest));
            }
            run(engine.close());
            assert_eq!(check(&place), 62);
        }
    }
}

#[test]
fn a_store_that_is_far_away_keeps_its_throughput() {
    let mut place = Place::new();
    place.limits.batch_events_max = 64;
    let engine = place.open();
    create(&engine, "a", SignPer::Commit);
    place.disk.faults().set_commit_latency(Duration::from_millis(50));
    // The engine learns how slow the store is.
    append_one(&engine, "a", without_id(0)).unwrap();
    append_one(&engine, "a", without_id(0)).unwrap();
    let begun = Instant::now();
    let pending: Vec<_> = (0..60)
        .map(|_| {
            let events = (0..64).map(without_id).collect();
            run(engine.submit_wait(&name("a"), events, Atomicity::Each)).unwrap()
        })
        .collect();
    for one in pending {
        one.wait().unwrap();
    }
    // One after the other the 60 commits would take three seconds.
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    run(engine.close());
    place.check();
}

#[test]
fn several_batches_are_with_a_slow_signer_at_once_and_stay_in_order() {
    let mut place = Place::new();
    place.limits.batch_events_max = 64;
    let slow = Slow::new(signer(), Duration::from_millis(50));
    let engine = place.open_with(Arc::new(slow)).unwrap();
    create(&engine, "a", SignPer::Commit);
    append_one(&engine, "a", without_id(0)).unwrap();
    let begun = Instant::now();
    let pending: Vec<_> = (0..60u64)
        .map(|_| {
            let events = (0..64).map(without_id).collect();
            engine.submit(&name("a"), events, Atomicity::Each).unwrap()
        })
        .collect();
    let mut before = 0;
    for one in pending {
        for accepted in one.wait().unwrap().results {
            let seq = accepted.unwrap().seq.get();
            assert!(seq > before);
            before = seq;
        }
    }
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    run(engine.close());
    place.check();
}

fn hung_place() -> (Place, Engine) {
    let mut place = Place::new();
    place.limits = EngineLimits {
        write_deadline: Duration::from_millis(300),
        close_deadline: Duration::from_secs(2),
        ..place.limits
    };
    let engine = open(&place, Arc::new(Slow::new(other(), Duration::from_millis(1))));
    create_with(&engine, "a", None);
    create_with(&engine, "b", Some("other"));
    (place, engine)
}

#[test]
fn a_write_that_hangs_is_told_as_unknown_and_is_read_when_it_comes_back() {
    let (place, engine) = hung_place();
    let kept = append_one(&engine, "a", with_id("kept", 1)).unwrap();
    place.disk.faults().hold_commits();
    let pending: Vec<_> = (0..40u64)
        .map(|number| {
            let ledger = ["a", "b"][number as usize % 2];
            let text = format!("id-{number}");
            std::thread::sleep(Duration::from_millis(1));
            engine.submit(&name(ledger), vec![with_id(&text, number)], Atomicity::Each).unwrap()
        })
        .collect();
    let mut unknown = 0;
    for one in pending {
        let error = one.wait().unwrap_err();
        assert!(error.is_retryable(), "{error}");
        if matches!(error, AppendError::OutcomeUnknown { .. }) {
            assert!(error.to_string().contains("0.3 s"), "{error}");
            unknown += 1;
        }
    }
    assert!(unknown > 0);
    let Health::Poisoned { reason } = engine.health() else { panic!("{:?}", engine.health()) };
    assert!(reason.contains("does not answer"), "{reason}");
    let refused = append_one(&engine, "b", without_id(1)).unwrap_err();
    assert!(matches!(refused, AppendError::Unavailable { .. }), "{refused}");
    assert!(refused.retry_after().is_some());
    // What is there can be read.
    assert_eq!(engine.get(&name("a"), kept.seq).unwrap().unwrap().digest, kept.digest);
    place.disk.faults().release_commits();
    for number in 0..40u64 {
        append_until_done(
            &engine,
            ["a", "b"][number as usize % 2],
            &format!("id-{number}"),
            number,
        );
    }
    assert_eq!(engine.health(), Health::Ready);
    run(engine.close());
    assert_eq!(check(&place), 43);
}

#[test]
fn closing_does_not_wait_for_a_write_that_hangs() {
    let (place, engine) = hung_place();
    place.disk.faults().hold_commits();
    let pending = engine.submit(&name("a"), vec![without_id(1)], Atomicity::Each).unwrap();
    let begun = Instant::now();
    run(engine.close());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let error = pending.wait().unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown { .. }), "{error}");
    place.disk.faults().release_commits();
}

#[test]
fn killed_at_any_commit_with_two_signers_nothing_acknowledged_is_lost() {
    for round in 0..12u64 {
        let place = Place::new();
        let mut told = Vec::new();
        {
            let engine = open(&place, Arc::new(Slow::new(other(), Duration::from_millis(1))));
            create_with(&engine, "a", None);
            create_with(&engine, "b", Some("other"));
            if round % 2 == 1 {
                place.disk.faults().set_commit_latency(Duration::from_millis(2));
            }
            let pending: Vec<_> = (0..80u64)
                .map(|number| {
                    if number == 20 + round * 3 {
                        place.disk.crash();
                    }
                    let ledger = ["a", "b"][number as usize % 2];
                    let text = format!("id-{number}");
                    let event = vec![with_id(&text, number)];
                    std::thread::sleep(Duration::from_micros(200));
                    let one = engine.submit(&name(ledger), event, Atomicity::Each);
                    (ledger, text, number, one)
                })
                .collect();
            for (ledger, text, number, one) in pending {
                if let Ok(done) = one.and_then(|one| one.wait()) {
                    told.push((ledger, text, number, done.results[0].clone().unwrap()));
                }
            }
            run(engine.close());
        }
        place.disk.crash();
        check(&place);
        let engine = open(&place, Arc::new(other()));
        for (ledger, text, number, accepted) in told {
            let again = append_one(&engine, ledger, with_id(&text, number)).unwrap();
            assert!(again.duplicate);
            assert_eq!((again.seq, again.digest), (accepted.seq, accepted.digest));
        }
    }
}
