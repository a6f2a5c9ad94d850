//! A clock that jumps ahead does not get into a ledger unseen.

mod engine_support;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use engine_support::*;
use indelible_core::system::SignPer;
use indelible_core::time::Timestamp;
use indelible_ledger::testing::ManualClock;
use indelible_ledger::{AppendError, CreateError, Engine, Health, LocalEd25519};

const START: u64 = 1_800_000_000;
const MINUTE: u64 = 60;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

struct Scene {
    place: Place,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn new() -> Self {
        Self { place: Place::new(), clock: Arc::new(ManualClock::new(at(START))) }
    }

    fn open(&self) -> Engine {
        let mut config = self.place.config();
        config.clock = self.clock.clone();
        self.place.open_as(config, Arc::new(LocalEd25519::from_seed(SEED).unwrap())).unwrap()
    }

    /// The clock of a process that starts after the machine did: it knows of no time before.
    fn restart(&mut self, engine: Engine, now: u64) -> Engine {
        run(engine.close());
        self.clock = Arc::new(ManualClock::new(at(now)));
        self.open()
    }
}

#[track_caller]
fn refused(engine: &Engine) {
    let error = append_one(engine, "a", without_id(1)).unwrap_err();
    assert!(matches!(error, AppendError::Clock(_)), "{error}");
    assert!(error.to_string().contains("indelible clock accept"), "{error}");
    assert!(matches!(engine.health(), Health::ClockJumped(_)), "{:?}", engine.health());
}

#[test]
fn time_that_really_passed_is_no_jump_however_long() {
    let scene = Scene::new();
    let engine = scene.open();
    create(&engine, "a", SignPer::Record);
    for days in [1, 100, 10_000] {
        scene.clock.set(at(START + days * 86_400));
        assert_eq!(
            append_one(&engine, "a", without_id(1)).unwrap().time,
            at(START + days * 86_400)
        );
    }
    assert_eq!(engine.clock().ledgers_ahead, Duration::ZERO);
}

#[test]
fn a_small_step_is_taken_and_a_large_one_refused_until_an_operator_accepts_it() {
    let scene = Scene::new();
    let engine = scene.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Record);
    scene.clock.jump(at(START + 10 * MINUTE));
    append_one(&engine, "a", without_id(1)).unwrap();
    scene.clock.jump(at(START + 20 * MINUTE + 1));
    refused(&engine);
    // Not a record of any kind, in any ledger.
    append_one(&engine, "b", without_id(1)).unwrap_err();
    let creation = run(engine.create_ledger(name("c"), SignPer::Record)).unwrap_err();
    assert!(matches!(creation, CreateError::Append(AppendError::Clock(_))), "{creation}");
    assert_eq!(engine.ledger(&name("a")).unwrap().size, 2);
    let jump = engine.clock().held.unwrap();
    assert_eq!(jump.ahead, Duration::from_secs(10 * MINUTE + 1));
    assert_eq!(engine.accept_clock().unwrap(), Some(jump));
    assert_eq!(engine.accept_clock().unwrap(), None);
    assert_eq!(engine.health(), Health::Ready);
    let time = append_one(&engine, "a", without_id(1)).unwrap().time;
    assert_eq!(time, at(START + 20 * MINUTE + 1));
}

#[test]
fn a_clock_that_comes_back_is_believed_again_and_nothing_has_its_time() {
    let scene = Scene::new();
    let engine = scene.open();
    create(&engine, "a", SignPer::Record);
    scene.clock.jump(at(START + 40_000_000));
    refused(&engine);
    scene.clock.jump(at(START + 1));
    assert_eq!(
        append_one(&engine, "a", without_id(1)).unwrap_err().retry_after(),
        Some(Duration::from_secs(30))
    );
    // The engine looks once a second, and before every commit.
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while engine.health() != Health::Ready {
        assert!(std::time::Instant::now() < until, "{:?}", engine.health());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(append_one(&engine, "a", without_id(1)).unwrap().time, at(START + 1));
    assert!(!scene.place.folder.path().join("data/clock.held").exists());
}

#[test]
fn a_jump_is_noticed_at_the_first_record_and_without_any() {
    let scene = Scene::new();
    let engine = scene.open();
    scene.clock.jump(at(START + 3_600));
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while engine.health() == Health::Ready {
        assert!(std::time::Instant::now() < until, "nobody looks at the clock");
        std::thread::sleep(Duration::from_millis(20));
    }
    run(engine.create_ledger(name("a"), SignPer::Record)).unwrap_err();
}

#[test]
fn a_restart_does_not_accept_what_no_operator_has() {
    let mut scene = Scene::new();
    let engine = scene.open();
    create(&engine, "a", SignPer::Record);
    scene.clock.jump(at(START + 3_600));
    refused(&engine);
    let file = fs::read_to_string(scene.place.folder.path().join("data/clock.held")).unwrap();
    assert_eq!(file, "{\"ahead_us\":3600000000,\"seen\":\"2027-01-15T09:00:00.000000Z\",\"v\":1}");
    let engine = scene.restart(engine, START + 3_601);
    refused(&engine);
    let engine = scene.restart(engine, START + 3_700);
    refused(&engine);
    assert!(engine.accept_clock().unwrap().is_some());
    append_one(&engine, "a", without_id(1)).unwrap();
    let engine = scene.restart(engine, START + 3_800);
    append_one(&engine, "a", without_id(1)).unwrap();
}

#[test]
fn a_clock_set_right_while_the_server_was_down_needs_no_operator() {
    let mut scene = Scene::new();
    let engine = scene.open();
    create(&engine, "a", SignPer::Record);
    scene.clock.jump(at(START + 3_600));
    refused(&engine);
    let engine = scene.restart(engine, START + 60);
    // The first look releases it.
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while engine.health() != Health::Ready {
        assert!(std::time::Instant::now() < until, "{:?}", engine.health());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(append_one(&engine, "a", without_id(1)).unwrap().time, at(START + 60));
}

#[test]
fn a_damaged_note_of_a_jump_is_a_jump() {
    let scene = Scene::new();
    run(scene.open().close());
    fs::write(scene.place.folder.path().join("data/clock.held"), "{").unwrap();
    let engine = scene.open();
    assert!(matches!(engine.health(), Health::ClockJumped(_)));
    engine.accept_clock().unwrap().unwrap();
    create(&engine, "a", SignPer::Record);
}

#[test]
fn how_far_the_ledgers_are_ahead_is_told_after_a_restart_too() {
    let mut scene = Scene::new();
    let engine = scene.open();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Record);
    scene.clock.jump(at(START + 4_000_000));
    refused(&engine);
    engine.accept_clock().unwrap();
    append_one(&engine, "a", without_id(1)).unwrap();
    scene.clock.jump(at(START));
    let ahead = Duration::from_secs(4_000_000);
    assert_eq!(engine.clock().ledgers_ahead, ahead);
    // `a` keeps its time, `b` goes by the clock.
    assert_eq!(append_one(&engine, "a", without_id(2)).unwrap().time, at(START + 4_000_000));
    assert_eq!(append_one(&engine, "b", without_id(2)).unwrap().time, at(START));
    // Coming back to where the ledger is already changes nothing, so nobody is asked.
    scene.clock.jump(at(START + 4_000_000));
    append_one(&engine, "a", without_id(3)).unwrap();
    let engine = scene.restart(engine, START + 100);
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while engine.clock().ledgers_ahead.is_zero() {
        assert!(std::time::Instant::now() < until, "nobody reads the ledgers' times");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(engine.clock().ledgers_ahead, ahead - Duration::from_secs(100));
}
