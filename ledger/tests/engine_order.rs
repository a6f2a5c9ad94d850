//! What one client sends one after the other stands in the ledger in that order, whatever fails.
//!
//! The failure guarded against: a group fails, the ones queued behind it are taken once the store or the
//! signer works again, and the ledger holds the end of what was sent without its middle. Every test has
//! many groups in flight when something fails, and ends with the ledger being a beginning of what was
//! sent; then what failed is sent again, and all of it must be there, once and in order.

mod engine_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_support::*;
use indelible_core::record::{Body, RecordView};
use indelible_core::system::SignPer;
use indelible_ledger::store::StoreError;
use indelible_ledger::store::memory::{CommitFault, Faults};
use indelible_ledger::testing::Failing;
use indelible_ledger::{
    AppendError, Appended, Atomicity, Direction, Engine, EngineLimits, Health, Session, Signer,
    Submission,
};

const GROUPS: u64 = 40;
const EVENTS: u64 = 3;

/// A place in which a batch takes four groups, so that most of them wait in the queue, and a commit takes
/// one batch, so that there are enough of them to fail.
fn place() -> Place {
    let mut place = Place::new();
    let events = 4 * EVENTS as usize;
    place.limits =
        EngineLimits { batch_events_max: events, commit_events_max: events, ..place.limits };
    place
}

/// The events of a group: `n` counts over all groups, and makes the id.
fn group(number: u64) -> Vec<Submission> {
    let range = number * EVENTS..(number + 1) * EVENTS;
    range.map(|n| with_id(&format!("e{n}"), n)).collect()
}

/// The numbers of the events in a ledger, in its order.
fn numbers(engine: &Engine, ledger: &str) -> Vec<u64> {
    let size = engine.ledger(&name(ledger)).unwrap().size;
    let records =
        engine.range(&name(ledger), seq(0), Direction::Forward, size as usize, usize::MAX);
    let event = |record: &[u8]| match RecordView::parse(record).unwrap().body {
        Body::Event(event) => {
            let text = std::str::from_utf8(event).unwrap();
            Some(text.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap())
        }
        Body::System(_) => None,
    };
    records.unwrap().iter().filter_map(|one| event(&one.record)).collect()
}

/// Submits groups from `from` on while nothing is committed, lets `fault` set its trap, and returns what
/// became of each.
fn send(
    place: &Place,
    session: &mut Session,
    from: u64,
    fault: impl FnOnce(&Faults),
) -> Vec<Result<Appended, AppendError>> {
    let faults = place.disk.faults();
    faults.hold_commits();
    let mut pending = Vec::new();
    for number in from..GROUPS {
        pending.push(session.submit(&name("a"), group(number), Atomicity::Each));
    }
    // Where everything is there already, nothing is committed.
    let until = Instant::now() + Duration::from_millis(200);
    while faults.commits_waiting() == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    fault(faults);
    faults.release_commits();
    pending.into_iter().map(|one| one.and_then(|one| one.wait())).collect()
}

/// Nothing was appended behind a failure, and what is in the ledger is a beginning of what was sent.
/// Returns the number of the first group that has to be sent again.
fn check_order(engine: &Engine, from: u64, answers: &[Result<Appended, AppendError>]) -> u64 {
    let failed = answers.iter().position(Result::is_err).unwrap_or(answers.len());
    for (at, answer) in answers.iter().enumerate().skip(failed) {
        let error = answer.as_ref().expect_err("appended behind a failure");
        assert!(error.is_retryable() || matches!(error, AppendError::Read(_)), "{at}: {error}");
    }
    let until = Instant::now() + Duration::from_secs(10);
    while matches!(engine.health(), Health::Poisoned { .. }) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    let there = numbers(engine, "a");
    let len = there.len() as u64;
    assert!(there.iter().copied().eq(0..len), "out of order: {there:?}");
    assert!(len >= (from + failed as u64) * EVENTS, "acknowledged and lost: {len}");
    from + failed as u64
}

/// Sends with a fault, checks the order, and sends again from what failed first until all is there.
/// Returns whether anything failed.
fn run_case(place: &Place, engine: Engine, fault: impl FnOnce(&Faults)) -> bool {
    let mut answers = send(place, &mut engine.session(), 0, fault);
    let mut from = check_order(&engine, 0, &answers);
    let failed = from < GROUPS;
    place.disk.faults().clear();
    let until = Instant::now() + Duration::from_secs(10);
    while from < GROUPS {
        assert!(Instant::now() < until, "it does not recover: {:?}", engine.health());
        answers = send(place, &mut engine.session(), from, |_| {});
        from = check_order(&engine, from, &answers);
    }
    assert_eq!(numbers(&engine, "a").len() as u64, GROUPS * EVENTS, "doubled or missing");
    run(engine.close());
    assert_eq!(place.check().records, GROUPS * EVENTS + 1);
    failed
}

#[test]
fn a_commit_that_fails_takes_everything_behind_it_along() {
    type Make = fn() -> CommitFault;
    let kinds: [(&str, Make); 4] = [
        ("persisted", CommitFault::persisted),
        ("not persisted", CommitFault::not_persisted),
        ("disk full", CommitFault::full),
        ("fenced", CommitFault::fenced),
    ];
    for (what, fault) in kinds {
        for skip in 0..9 {
            let place = place();
            let engine = place.open();
            create(&engine, "a", SignPer::Record);
            let failed = run_case(&place, engine, |faults| faults.fail_commit(skip, fault()));
            assert!(failed, "{what}, {skip}: the fault has hit nothing");
        }
    }
}

#[test]
fn a_full_disk_that_gets_room_again_lets_nothing_slip_through() {
    for wait_ms in [0, 1, 5, 30] {
        let place = place();
        let engine = place.open();
        create(&engine, "a", SignPer::Commit);
        let disk = place.disk.clone();
        run_case(&place, engine, |faults| {
            faults.set_capacity_bytes(Some(0));
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(wait_ms));
                disk.faults().set_capacity_bytes(None);
            });
        });
    }
}

#[test]
fn a_read_that_fails_once_takes_everything_behind_it_along() {
    for skip in 0..40 {
        let place = place();
        let engine = place.open();
        create(&engine, "a", SignPer::Record);
        // Every group looks its ids up as it is submitted.
        place.disk.faults().fail_read(skip, StoreError::Io("scripted".into()));
        let failed = run_case(&place, engine, |_| {});
        assert!(failed, "{skip}: the fault has hit nothing");
    }
}

/// Half of each group is on its way already, so the answer needs reads after the commit.
#[test]
fn a_read_that_fails_after_the_commit_is_called_unknown_and_nothing_behind_it_appended() {
    let (mut hits, mut unknown) = (0, 0);
    for skip in 0..30 {
        let place = place();
        let engine = place.open();
        create(&engine, "a", SignPer::Record);
        let first = |number: u64| with_id(&format!("e{number}"), number);
        let mut session = engine.session();
        let faults = place.disk.faults();
        faults.hold_commits();
        let before: Vec<_> = (0..8)
            .map(|n| session.submit(&name("a"), vec![first(n)], Atomicity::Each).unwrap())
            .collect();
        // Old and new events in turn; what the old ones duplicate is read once it is durable.
        let pending: Vec<_> = (0..8)
            .map(|n| {
                let events = vec![first(n), with_id(&format!("e{}", 8 + n), 8 + n)];
                session.submit(&name("a"), events, Atomicity::Each)
            })
            .collect();
        while faults.commits_waiting() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        faults.fail_read(skip, StoreError::Io("scripted".into()));
        faults.release_commits();
        before.into_iter().for_each(|one| drop(one.wait().unwrap()));
        let answers: Vec<_> =
            pending.into_iter().map(|one| one.and_then(|one| one.wait())).collect();
        faults.clear();
        let there = numbers(&engine, "a").len() as u64 - 8;
        let failed = answers.iter().position(Result::is_err).unwrap_or(answers.len());
        assert!(answers.iter().skip(failed).all(Result::is_err), "{answers:?}");
        for (at, answer) in answers.iter().enumerate() {
            match answer {
                Err(AppendError::OutcomeUnknown { .. }) => unknown += 1,
                // Whoever is told that nothing was appended finds nothing.
                Err(_) => assert!(at as u64 >= there, "{at} is there: {answer:?}"),
                Ok(_) => assert!((at as u64) < there),
            }
        }
        hits += u32::from(failed < answers.len());
    }
    assert!(hits > 5 && unknown > 0, "{hits} hits, {unknown} unknown outcomes");
}

#[test]
fn a_signer_that_fails_once_takes_everything_behind_it_along() {
    for skip in 0..6 {
        let place = place();
        let signer = Arc::new(Failing::new(signer()));
        let engine = place.open_with(Arc::clone(&signer) as Arc<dyn Signer>).unwrap();
        create(&engine, "a", SignPer::Record);
        // The first batches are signed before the fault is set: nothing waits for their commits.
        let failed = run_case(&place, engine, |_| signer.fail(skip));
        assert!(failed, "{skip}: the fault has hit nothing");
    }
}

#[test]
fn a_session_that_failed_stays_failed_and_others_are_not_touched() {
    let place = place();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Record);
    let mut session = engine.session();
    let answers = send(&place, &mut session, 0, |f| f.fail_commit(0, CommitFault::not_persisted()));
    let failed = check_order(&engine, 0, &answers);
    let first = &answers[failed as usize];
    assert!(matches!(first, Err(AppendError::OutcomeUnknown { .. })), "{first:?}");
    // Said in the same way while the store is away and when it is back.
    let last = answers.last();
    assert!(matches!(last, Some(Err(AppendError::EarlierFailed { .. }))), "{last:?}");
    append_until_done(&engine, "b", "other", 1);
    // Not even for another ledger: the client was not told yet.
    let later = session.submit(&name("b"), vec![without_id(2)], Atomicity::Each);
    let error = later.expect_err("taken behind a failure");
    assert!(matches!(error, AppendError::EarlierFailed { .. }) && error.is_retryable());
    assert!(error.retry_after().is_some());
    let pending = engine.session().submit(&name("a"), group(failed), Atomicity::Each).unwrap();
    assert_eq!(pending.wait().unwrap().results.len() as u64, EVENTS);
}

#[test]
fn an_event_that_is_refused_for_its_own_sake_stops_nothing_behind_it() {
    let place = place();
    let engine = place.open();
    create(&engine, "a", SignPer::Record);
    append_one(&engine, "a", with_id("taken", 1)).unwrap();
    let mut session = engine.session();
    let mut submit = |events, atomicity| session.submit(&name("a"), events, atomicity).unwrap();
    let each = submit(vec![with_id("taken", 2), with_id("x", 3)], Atomicity::Each);
    let whole = submit(vec![with_id("y", 4), with_id("taken", 2)], Atomicity::AllOrNothing);
    let behind = submit(vec![with_id("z", 5)], Atomicity::Each);
    assert!(each.wait().unwrap().results[0].is_err());
    assert!(matches!(whole.wait().unwrap_err(), AppendError::Event { index: 1, .. }));
    assert!(behind.wait().unwrap().results[0].is_ok());
    assert_eq!(numbers(&engine, "a"), [1, 3, 5]);
}
