//! Random requests to a real server, held against a simple model of a ledger: a list of events and a
//! map from ids to places. `INDELIBLE_MODEL_SEED` repeats a run.

use std::collections::HashMap;

use indelible_core::json::{Limits, canonicalize};
use indelible_core::receipt::Receipt;
use indelible_core::record::{Body, RecordView};
use indelible_tests::check::replay;
use indelible_tests::client::{Ack, Appended, Client, Event, Line};
use indelible_tests::server::{Server, Setup};
use indelible_tests::workload::Random;

const STEPS: u64 = 400;
/// So few ids that many are met again.
const IDS: u64 = 120;

#[derive(Default)]
struct Model {
    /// Canonical events, from sequence number 1 on.
    events: Vec<Vec<u8>>,
    ids: HashMap<String, u64>,
}

/// What the model says of one event.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    New(u64),
    Again(u64),
    Conflict,
}

fn canonical(event: &Event) -> Vec<u8> {
    canonicalize(event.event.as_bytes(), Limits::EVENT).unwrap()
}

impl Model {
    fn put(&mut self, event: &Event) -> Expected {
        let canonical = canonical(event);
        let id = event.id.clone().unwrap();
        if let Some(seq) = self.ids.get(&id) {
            let is_same = self.events[*seq as usize - 1] == canonical;
            return if is_same { Expected::Again(*seq) } else { Expected::Conflict };
        }
        self.events.push(canonical);
        let seq = self.events.len() as u64;
        self.ids.insert(id, seq);
        Expected::New(seq)
    }

    /// All or nothing.
    fn put_all(&mut self, events: &[Event]) -> Option<Vec<Expected>> {
        let before = (self.events.len(), self.ids.clone());
        let results: Vec<_> = events.iter().map(|event| self.put(event)).collect();
        if results.contains(&Expected::Conflict) {
            self.events.truncate(before.0);
            self.ids = before.1;
            return None;
        }
        Some(results)
    }
}

fn agree(expected: &Expected, ack: &Ack) {
    let (seq, duplicate) = match expected {
        Expected::New(seq) => (*seq, false),
        Expected::Again(seq) => (*seq, true),
        Expected::Conflict => panic!("a conflict was taken: {ack:?}"),
    };
    assert_eq!((ack.seq, ack.duplicate), (seq, duplicate), "{ack:?}");
}

fn event(random: &mut Random) -> Event {
    let id = random.below(IDS);
    // Mostly the same event for the same id, written with or without white space; sometimes another.
    let (value, space) =
        (id * 2 + u64::from(random.below(8) == 0), " ".repeat(random.below(2) as usize));
    Event::new(
        format!("id {id} \u{e9}"),
        format!("{{{space}\"value\":{value},\"b\": [1.0,{space}\"a\"]}}"),
    )
}

fn step(client: &mut Client, server: &Server, model: &mut Model, random: &mut Random) {
    let count = 1 + random.below(12);
    let events: Vec<Event> = (0..count).map(|_| event(random)).collect();
    match random.below(5) {
        0 => {
            let expected = model.put(&events[0]);
            let answer = client.post("ledger", &events[0]).unwrap();
            if expected == Expected::Conflict {
                assert_eq!((answer.status, &*answer.problem()), (409, "id_conflict"));
                return;
            }
            let receipt = Receipt::parse(&answer.body).unwrap();
            let record = receipt.verify(&server.trust()).unwrap();
            let (id, duplicate) = (record.id.to_string(), answer.status == 200);
            agree(&expected, &Ack { id, seq: record.seq.get(), digest: receipt.digest, duplicate });
        }
        1 | 2 => match (model.put_all(&events), client.append_all("ledger", &events).unwrap()) {
            (Some(expected), Appended::Acked(acks, _)) => {
                expected.iter().zip(&acks).for_each(|(expected, ack)| agree(expected, ack));
            }
            (None, Appended::Refused(answer)) => assert_eq!(answer.problem(), "id_conflict"),
            (expected, found) => panic!("{expected:?}, but {found:?}"),
        },
        3 => {
            let mut expected = events.iter().map(|event| model.put(event));
            let each = |line: Line| match line {
                Line::Acked(_, ack) => agree(&expected.next().unwrap(), &ack),
                Line::Failed(_, code) => {
                    assert_eq!(
                        (expected.next().unwrap(), &*code),
                        (Expected::Conflict, "id_conflict")
                    );
                }
                Line::Closed(closing) => assert_eq!(closing.lines, count),
            };
            client.stream("ledger", &events, each).unwrap();
        }
        _ => look(client, model, random),
    }
}

fn look(client: &mut Client, model: &Model, random: &mut Random) {
    assert_eq!(client.size("ledger"), model.events.len() as u64 + 1);
    let seq = random.below(model.events.len() as u64 + 2);
    let path = format!("/v1/ledgers/ledger/events/{seq}");
    let answer = client.http().request("GET", &path, &[], &[]).unwrap();
    match seq.checked_sub(1).map(|place| model.events.get(place as usize)) {
        None => assert_eq!(answer.status, 200),
        Some(None) => assert_eq!((answer.status, &*answer.problem()), (404, "event_not_found")),
        Some(Some(event)) => {
            let record = RecordView::parse(&answer.body).unwrap();
            assert_eq!(record.body, Body::Event(event));
        }
    }
    let id = random.below(IDS);
    let path = format!("/v1/ledgers/ledger/events?id=id%20{id}%20%C3%A9");
    let found = client.get(&path).json();
    let seqs: Vec<u64> =
        found["events"].as_array().unwrap().iter().filter_map(|e| e["seq"].as_u64()).collect();
    let expected = model.ids.get(&format!("id {id} \u{e9}"));
    assert_eq!(seqs, Vec::from_iter(expected.copied()));
}

#[test]
fn a_server_does_what_a_list_and_a_map_of_ids_would() {
    let seed = std::env::var("INDELIBLE_MODEL_SEED").ok().and_then(|seed| seed.parse().ok());
    for sign_per in ["record", "commit"] {
        let mut random = Random::new(seed.unwrap_or(7));
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::new(&folder.path().join("data"));
        let mut server = setup.start().expect("the first start");
        server.client().create("ledger", sign_per);
        let (mut model, mut client) = (Model::default(), server.client());
        for _ in 0..STEPS {
            step(&mut client, &server, &mut model, &mut random);
            if random.below(100) == 0 {
                if random.below(2) == 0 {
                    server.stop()
                } else {
                    server.kill()
                }
                server = setup.start().expect("a later start");
                client = server.client();
            }
        }
        let replayed = replay(&mut client, "ledger");
        assert_eq!(replayed.records.len(), model.events.len() + 1);
        for (record, event) in replayed.records.iter().skip(1).zip(&model.events) {
            assert_eq!(RecordView::parse(record).unwrap().body, Body::Event(event));
        }
        server.stop();
    }
}
