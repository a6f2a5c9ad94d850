//! Random operations against the simplest model of a ledger: a list and a map. Its ledgers have three
//! signers, one of them outside of the process.

mod engine_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_support::*;
use indelible_core::name::Seq;
use indelible_core::record::{Body, RecordView};
use indelible_core::system::SignPer;
use indelible_ledger::store::memory::CommitFault;
use indelible_ledger::testing::Failing;
use indelible_ledger::{
    AppendError, Atomicity, Direction, Engine, EventError, LedgerSettings, LocalEd25519, Signer,
    SignerName, Signers,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Create(u8, bool),
    /// Ledger, (id, event) of each, all or nothing.
    Append(u8, Vec<(Option<u8>, u8)>, bool),
    Read(u8),
    Reopen,
    Crash,
    FailCommit(bool),
    /// The next call of the signer outside of the process is refused.
    FailSign,
}

/// The signer of each ledger by its number; the first is the default one.
const SIGNERS: [&str; 3] = ["default", "outside", "inside"];

fn key(number: u8) -> LocalEd25519 {
    if number == 0 { signer() } else { LocalEd25519::from_seed([number; 32]).unwrap() }
}

fn open(place: &Place) -> (Engine, Arc<Failing<LocalEd25519>>) {
    let called = |number: usize| SignerName::new(SIGNERS[number]).unwrap();
    let outside = Arc::new(Failing::new(key(1)));
    let signers = Signers::new(Arc::new(key(0)))
        .with(called(1), Arc::clone(&outside) as Arc<dyn Signer>)
        .and_then(|signers| signers.with(called(2), Arc::new(key(2))))
        .unwrap();
    let store = Some(Box::new(place.disk.opener()) as _);
    (Engine::open_with(place.config(), signers, store).unwrap(), outside)
}

fn check(place: &Place) -> u64 {
    place.check_keys(&[key(0).note_key(), key(1).note_key(), key(2).note_key()]).records
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = (proptest::option::of(0u8..24), 0u8..3);
    let step = prop_oneof![
        1 => (0u8..3, any::<bool>()).prop_map(|(ledger, record)| Step::Create(ledger, record)),
        8 => (0u8..3, prop::collection::vec(event, 1..40), any::<bool>())
            .prop_map(|(ledger, events, whole)| Step::Append(ledger, events, whole)),
        3 => (0u8..3).prop_map(Step::Read),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(Step::FailCommit),
        1 => Just(Step::FailSign),
    ];
    prop::collection::vec(step, 1..25)
}

/// The events of a ledger by sequence number (`None` for its creation), and where each given id is.
#[derive(Default)]
struct Model {
    events: Vec<Option<u64>>,
    ids: BTreeMap<u8, u64>,
}

impl Model {
    /// What must come of a group: for each event its place and whether it was there, or a conflict.
    fn append(
        &mut self,
        events: &[(Option<u8>, u8)],
        whole: bool,
    ) -> Option<Vec<Option<(u64, bool)>>> {
        let (len, ids) = (self.events.len(), self.ids.clone());
        let mut out = Vec::new();
        for (id, event) in events {
            let event = u64::from(*event);
            let known = id.and_then(|id| self.ids.get(&id).copied());
            match known {
                Some(seq) if self.events[seq as usize] == Some(event) => {
                    out.push(Some((seq, true)))
                }
                Some(_) if whole => {
                    self.events.truncate(len);
                    self.ids = ids;
                    return None;
                }
                Some(_) => out.push(None),
                None => {
                    let seq = self.events.len() as u64;
                    self.events.push(Some(event));
                    self.ids.extend(id.map(|id| (id, seq)));
                    out.push(Some((seq, false)));
                }
            }
        }
        Some(out)
    }
}

fn ledger(number: u8) -> String {
    format!("ledger-{number}")
}

fn append_step(
    engine: &Engine,
    model: &mut Model,
    to: &str,
    events: &[(Option<u8>, u8)],
    whole: bool,
) {
    let submissions = || {
        let one = |(id, event): &(Option<u8>, u8)| match id {
            Some(id) => with_id(&format!("id {id}"), u64::from(*event)),
            None => without_id(u64::from(*event)),
        };
        events.iter().map(one).collect::<Vec<_>>()
    };
    let atomicity = if whole { Atomicity::AllOrNothing } else { Atomicity::Each };
    let done = engine.submit(&name(to), submissions(), atomicity).and_then(|one| one.wait());
    match (model.append(events, whole), done) {
        (Some(expected), Ok(done)) => {
            assert_eq!(done.results.len(), expected.len());
            for (result, expected) in done.results.iter().zip(expected) {
                match (result, expected) {
                    (Ok(accepted), Some((seq, duplicate))) => {
                        assert_eq!((accepted.seq.get(), accepted.duplicate), (seq, duplicate));
                        assert!(done.checkpoint.checkpoint.size > seq);
                    }
                    (Err(EventError::Conflict { .. }), None) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        (None, Err(AppendError::Event { error: EventError::Conflict { .. }, .. })) => {}
        other => panic!("{other:?}"),
    }
}

fn read_step(engine: &Engine, model: &Model, of: &str) {
    let of = name(of);
    let all = engine.range(&of, Seq::ZERO, Direction::Forward, usize::MAX, usize::MAX).unwrap();
    let events: Vec<Option<u64>> = all
        .iter()
        .map(|record| match RecordView::parse(&record.record).unwrap().body {
            Body::System(_) => None,
            Body::Event(event) => Some(u64::from(event[5] - b'0')),
        })
        .collect();
    assert_eq!(events, model.events);
    for (given, seq) in &model.ids {
        assert_eq!(
            engine.find_id(&of, &id(&format!("id {given}"))).unwrap(),
            Some(crate::seq(*seq))
        );
    }
}

use engine_support::seq;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn an_engine_is_a_list_and_a_map(steps in steps()) {
        let place = Place::new();
        let (mut engine, mut outside) = open(&place);
        let mut models: BTreeMap<u8, Model> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Create(number, per_record) => {
                    let sign_per = if per_record { SignPer::Record } else { SignPer::Commit };
                    let signer = SignerName::new(SIGNERS[usize::from(number)]).ok();
                    let settings = LedgerSettings { signer, ..LedgerSettings::from(sign_per) };
                    let created = run(engine.create_ledger(name(&ledger(number)), settings));
                    prop_assert_eq!(created.is_err(), models.contains_key(&number));
                    models.entry(number).or_insert(Model { events: vec![None], ids: BTreeMap::new() });
                }
                Step::Append(number, events, whole) => match models.get_mut(&number) {
                    Some(model) => append_step(&engine, model, &ledger(number), &events, whole),
                    None => {
                        let error = append(&engine, &ledger(number), vec![without_id(1)]).unwrap_err();
                        prop_assert!(matches!(error, AppendError::NotFound(_)));
                    }
                },
                Step::Read(number) => if let Some(model) = models.get(&number) {
                    read_step(&engine, model, &ledger(number));
                },
                Step::Reopen => {
                    run(engine.close());
                    check(&place);
                    (engine, outside) = open(&place);
                }
                Step::Crash => {
                    place.disk.crash();
                    drop(engine);
                    (engine, outside) = open(&place);
                }
                Step::FailSign => if let Some(model) = models.get_mut(&1) {
                    // What is there already needs no signature.
                    if model.ids.contains_key(&98) { continue }
                    outside.fail(0);
                    let failed = append_one(&engine, &ledger(1), with_id("id 98", 1));
                    prop_assert!(matches!(failed, Err(AppendError::Signing(_))));
                    let again = append_until_done(&engine, &ledger(1), "id 98", 1);
                    prop_assert!(!again.duplicate);
                    model.append(&[(Some(98), 1)], true);
                },
                Step::FailCommit(persisted) => {
                    let Some((&number, model)) = models.iter_mut().next() else { continue };
                    let fault = if persisted { CommitFault::persisted() } else { CommitFault::not_persisted() };
                    place.disk.faults().fail_commit(0, fault);
                    let failed = append_one(&engine, &ledger(number), with_id("id 99", 1));
                    let known = model.ids.contains_key(&99);
                    if known {
                        // A duplicate writes nothing, so the fault is still to come.
                        place.disk.faults().clear();
                        prop_assert!(failed.unwrap().duplicate);
                    } else {
                        let unknown = matches!(failed, Err(AppendError::OutcomeUnknown { .. }));
                        prop_assert!(unknown);
                        let again = append_until_done(&engine, &ledger(number), "id 99", 1);
                        prop_assert_eq!(again.duplicate, persisted);
                        model.append(&[(Some(99), 1)], true);
                    }
                }
            }
        }
        drop(engine);
        let checked = check(&place);
        let records: usize = models.values().map(|model| model.events.len()).sum();
        prop_assert_eq!(checked, records as u64);
    }
}
