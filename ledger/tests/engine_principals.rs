//! Who writes: what records say of it, in each kind of ledger, and that it is no part of what an id names.

mod engine_support;

use engine_support::*;
use indelible_core::hash::Sha256Hash;
use indelible_core::json::Numbers;
use indelible_core::name::Seq;
use indelible_core::record::{Body, By, RecordView};
use indelible_core::system::{Principals, SegmentArchived, SignPer, System};
use indelible_ledger::{
    AppendError, Atomicity, Engine, EventError, LedgerSettings, Principal, Proof, Tenant,
};

fn create_with(engine: &Engine, ledger: &str, principals: Principals) {
    let sign_per = SignPer::Record;
    let settings = LedgerSettings { sign_per, numbers: Numbers::Exact, principals, signer: None };
    let info = run(engine.create_ledger(name(ledger), settings)).unwrap();
    assert_eq!(info.principals, principals);
}

fn token(token: &str, tenant: Option<&str>) -> Principal {
    Principal::new(Proof::Token, token, tenant.map(|tenant| Tenant::new(tenant).unwrap())).unwrap()
}

/// What a record says of who wrote it: how, name and tenant.
fn by(engine: &Engine, ledger: &str, seq: u64) -> Option<(String, String, String)> {
    let stored = engine.get(&name(ledger), Seq::new(seq).unwrap()).unwrap().unwrap();
    let view = RecordView::parse(&stored.record).unwrap();
    view.by.map(|by| match by {
        By::Name(name) => (String::new(), name.into_owned(), String::new()),
        By::Full { how, name, tenant } => {
            (how.into_owned(), name.into_owned(), tenant.into_owned())
        }
    })
}

fn said(how: &str, name: &str, tenant: &str) -> Option<(String, String, String)> {
    Some((how.into(), name.into(), tenant.into()))
}

#[test]
fn records_say_who_wrote_them_as_record_0_demands_and_engine_records_never_do() {
    let place = Place::new();
    let engine = place.open();
    let (ann, bob) = (token("ann", None), token("bob", Some("globex")));
    for (ledger, principals) in [
        ("acme.off", Principals::Off),
        ("acme.name", Principals::Name),
        ("acme.full", Principals::Full),
    ] {
        create_with(&engine.on_behalf_of(&ann), ledger, principals);
        append(&engine.on_behalf_of(&ann), ledger, vec![with_id("x", 1), without_id(2)]).unwrap();
        append_each(&engine.on_behalf_of(&bob), ledger, vec![without_id(3)]);
        let mut session = engine.on_behalf_of(&bob).session();
        let one = session.submit(&name(ledger), vec![without_id(4)], Atomicity::Each);
        one.unwrap().wait().unwrap();
        append(&engine, ledger, vec![without_id(5)]).unwrap();
        let news = System::SegmentArchived(SegmentArchived {
            first_seq: Seq::ZERO,
            last_seq: Seq::ZERO,
            manifest_sha256: Sha256Hash([1; 32]),
            segment_sha256: Sha256Hash([2; 32]),
            vault: "v".into(),
        });
        run(engine.on_behalf_of(&bob).append_system(&name(ledger), news, id("s"))).unwrap();
    }
    for seq in 0..=6 {
        assert_eq!(by(&engine, "acme.off", seq), None);
    }
    for ledger in ["acme.name", "acme.full"] {
        assert_eq!((by(&engine, ledger, 0), by(&engine, ledger, 6)), (None, None));
    }
    for (seq, name) in [(1, "ann"), (2, "ann"), (3, "bob"), (4, "bob"), (5, "indelible")] {
        assert_eq!(by(&engine, "acme.name", seq), said("", name, ""));
    }
    assert_eq!(by(&engine, "acme.full", 2), said("token", "ann", "acme"));
    assert_eq!(by(&engine, "acme.full", 4), said("token", "bob", "globex"), "it is bound to one");
    assert_eq!(by(&engine, "acme.full", 5), said("program", "indelible", "acme"));
    run(engine.close());
    // Every record is held to its record 0 there.
    place.check();
}

#[test]
fn an_id_names_the_same_event_whoever_sends_it_again() {
    let place = Place::new();
    let engine = place.open();
    create_with(&engine, "a", Principals::Full);
    let (ann, bob) =
        (engine.on_behalf_of(&token("ann", None)), engine.on_behalf_of(&token("bob", None)));
    let first = append(&ann, "a", vec![with_id("x", 1)]).unwrap();
    let first = first.results[0].as_ref().unwrap().clone();
    // From the store, on the way, and within one group.
    let again = append_each(&bob, "a", vec![with_id("x", 1), with_id("y", 2), with_id("y", 2)]);
    let again: Vec<_> = again.into_iter().map(Result::unwrap).collect();
    assert!(again[0].duplicate && again[0].digest == first.digest);
    assert!(!again[1].duplicate && again[2].duplicate);
    place.disk.faults().hold_commits();
    let on_its_way = ann.submit(&name("a"), vec![with_id("z", 3)], Atomicity::Each).unwrap();
    let behind = bob.submit(&name("a"), vec![with_id("z", 3)], Atomicity::Each).unwrap();
    place.disk.faults().release_commits();
    assert!(!on_its_way.wait().unwrap().results[0].as_ref().unwrap().duplicate);
    assert!(behind.wait().unwrap().results[0].as_ref().unwrap().duplicate);
    let other = append(&bob, "a", vec![with_id("x", 9)]).unwrap_err();
    let AppendError::Event { error: EventError::Conflict { .. }, .. } = other else {
        panic!("{other}")
    };
    for (seq, name) in [(1, "ann"), (2, "bob"), (3, "ann")] {
        assert_eq!(by(&engine, "a", seq), said("token", name, "a"));
    }
    let stored = engine.get(&name("a"), Seq::new(1).unwrap()).unwrap().unwrap();
    let view = RecordView::parse(&stored.record).unwrap();
    assert!(matches!(view.body, Body::Event(_)));
    run(engine.close());
    place.check();
}

/// A tenant that hammers many ledgers fills its share of the queue and no more, and another tenant's only
/// ledger is served in a few commits, whatever waits.
#[test]
fn a_tenant_with_many_ledgers_does_not_starve_another() {
    const LEDGERS: u64 = 60;
    let mut place = Place::new();
    place.limits.queue_events_max = 3000;
    place.limits.batch_events_max = 100;
    let engine = place.open();
    for number in 0..LEDGERS {
        create(&engine, &format!("many.{number}"), SignPer::Commit);
    }
    create(&engine, "one.ledger", SignPer::Commit);
    place.disk.faults().hold_commits();
    let mut pending = Vec::new();
    let mut full = 0;
    while full < LEDGERS {
        full = 0;
        for number in 0..LEDGERS {
            let events = (0..10).map(without_id).collect();
            match engine.submit(&name(&format!("many.{number}")), events, Atomicity::Each) {
                Ok(one) => pending.push(one),
                Err(_) => full += 1,
            }
        }
    }
    assert!(pending.len() >= 200, "the queue takes {} groups", pending.len());
    let mut mine = Vec::new();
    for _ in 0..10 {
        let events = (0..10).map(without_id).collect();
        mine.push(engine.submit(&name("one.ledger"), events, Atomicity::Each).unwrap());
    }
    let before = engine.metrics().commits.get();
    place.disk.faults().set_commit_delay(std::time::Duration::from_millis(3));
    place.disk.faults().release_commits();
    mine.into_iter().for_each(|one| drop(one.wait().unwrap()));
    // 100 events of half of each batch are two or three batches, behind those that were on their way.
    let passed = engine.metrics().commits.get() - before;
    assert!(passed <= 8, "{passed} commits, while {} groups of the other waited", pending.len());
    for one in pending {
        one.wait().unwrap();
    }
    run(engine.close());
    place.check();
}
