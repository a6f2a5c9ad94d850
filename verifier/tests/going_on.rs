//! A verification can stop behind any record, be written down, and be gone on from.

#[path = "support/running.rs"]
mod running;
#[path = "support/scenes.rs"]
mod scenes;
mod support;

use indelible_core::json::canonicalize;
use indelible_core::name::Origin;
use indelible_verifier::{Chunk, Options, ReplayState, Report, Verifier};
use running::{trust, with_head};
use support::{Ledger, Made, Plan};

fn chunk(records: &[Made]) -> Chunk {
    let mut chunk = Chunk::new();
    for made in records {
        chunk.push(&made.record, made.digest, made.signature.as_ref());
    }
    chunk
}

/// A finding without what depends on how it was put together with others like it.
type Found = (String, Option<u64>, Option<u64>, String);

fn found(reports: &[Report]) -> Vec<Found> {
    let findings = reports.iter().flat_map(|report| report.findings.kept());
    findings
        .map(|f| (format!("{} {}", f.code, f.class), f.first_seq, f.last_seq, f.message.clone()))
        .collect()
}

fn unchecked(reports: &[Report]) -> Vec<String> {
    let items = reports.iter().flat_map(|report| report.unchecked.kept());
    items.map(|item| format!("{} {}", item.code, item.what)).collect()
}

fn part(
    origin: &Origin,
    options: &Options,
    state: Option<ReplayState>,
    records: &[Made],
    closing: Option<&str>,
) -> (Option<ReplayState>, Report) {
    let mut verifier = Verifier::new(trust(), options.clone());
    let mut live = match state {
        Some(state) => verifier.resume(origin, state, 0),
        None => verifier.live(origin, 0),
    };
    live.feed(chunk(records));
    let state = match closing {
        Some(note) => {
            live.close(note.as_bytes());
            None
        }
        None => Some(live.pause()),
    };
    (state, verifier.finish())
}

/// A state that was written down and read back.
fn written(state: &ReplayState) -> ReplayState {
    let json = state.to_json();
    assert_eq!(canonicalize(&json, indelible_core::json::Limits::DOCUMENT).unwrap(), json);
    let read = ReplayState::parse(&json).unwrap();
    assert_eq!(read, *state);
    read
}

#[track_caller]
fn judged_the_same(name: &str, ledger: &Ledger, records: &[Made], options: &Options) {
    let origin = &ledger.plan.origin;
    let closing = ledger.head();
    let (_, whole) = part(origin, options, None, records, Some(&closing));
    for at in 0..=records.len() {
        let (first, rest) = records.split_at(at);
        let (state, before) = part(origin, options, None, first, None);
        let state = written(&state.unwrap());
        let (_, after) = part(origin, options, Some(state), rest, Some(&closing));
        let last = &after.ledgers[0];
        let parts = [before, after.clone()];
        assert_eq!(found(&parts), found(std::slice::from_ref(&whole)), "{name}, {at}");
        assert_eq!(last.verdict, whole.ledgers[0].verdict, "{name}, {at}");
        assert_eq!(
            serde_json::to_value(last).unwrap(),
            serde_json::to_value(&whole.ledgers[0]).unwrap(),
            "{name}, cut before line {at}"
        );
        assert_eq!(unchecked(&parts), unchecked(std::slice::from_ref(&whole)), "{name}, {at}");
    }
}

type Bend = (&'static str, fn(&mut Vec<Made>));

#[test]
fn wherever_a_ledger_is_split_the_same_is_said() {
    let bends: [Bend; 8] = [
        ("honest", |_| {}),
        ("edited", |made| scenes::replace(&mut made[12], "\"amount\":12", "\"amount\":99")),
        ("edited digest", |made| made[12].digest.0[3] ^= 1),
        ("edited and digested anew", |made| {
            scenes::replace(&mut made[12], "\"amount\":12", "\"amount\":99");
            made[12].digest =
                indelible_core::chain::record_digest(&made[12].record, Some(&made[11].digest));
        }),
        ("dropped", |made| drop(made.remove(12))),
        ("swapped", |made| made.swap(12, 13)),
        ("unsigned", |made| made[10..14].iter_mut().for_each(|made| made.signature = None)),
        ("into the future", |made| {
            scenes::replace(&mut made[12], "\"time\":\"2026", "\"time\":\"2153");
        }),
    ];
    for plan in [Plan::new("orders"), Plan::new("orders").per_commit(5)] {
        let ledger = plan.ledger(20);
        for (name, bend) in bends {
            let mut records = ledger.records.clone();
            bend(&mut records);
            judged_the_same(name, &ledger, &records, &running::options());
        }
    }
}

#[test]
fn a_head_behind_the_split_is_compared_by_whoever_comes_to_it() {
    let ledger = Plan::new("orders").ledger(20);
    let origin = &ledger.plan.origin;
    let options = with_head(&ledger.checkpoint(15));
    for at in 0..=21 {
        let (first, rest) = ledger.records.split_at(at);
        let (state, before) = part(origin, &options, None, first, None);
        assert_eq!(before.ledgers[0].known_to, (at >= 15).then_some(15), "{at}");
        let (_, after) = part(origin, &running::options(), state, rest, Some(&ledger.head()));
        assert_eq!(after.ledgers[0].known_to, (at >= 15).then_some(15), "{at}");
    }
}

#[test]
fn only_what_was_written_is_read() {
    let ledger = Plan::new("orders").per_commit(5).ledger(17);
    let (state, _) =
        part(&ledger.plan.origin, &running::options(), None, &ledger.records[..13], None);
    let json = String::from_utf8(state.unwrap().to_json()).unwrap();
    assert!(json.contains("\"due\":13") && json.contains("\"count\":2"), "{json}");
    for (from, to) in [
        ("\"due\":13", "\"due\":16"),
        ("\"v\":1", "\"v\":2"),
        ("\"v\":1", "\"v\":1,\"w\":1"),
        ("\"sound\":true", "\"sound\":1"),
        ("\"sound\":true", "\"sound\": true"),
        ("\"sound\":true,", ""),
        ("\"before_lost\":false", "\"before_lost\":true"),
        ("\"sign_per\":\"commit\"", "\"sign_per\":null"),
        ("\"sign_per\":\"commit\"", "\"sign_per\":\"day\""),
        ("\"count\":2", "\"count\":0"),
        ("\"kinds\":[]", "\"kinds\":null"),
    ] {
        assert!(json.contains(from), "{from} is not in {json}");
        let bad = json.replacen(from, to, 1);
        assert!(ReplayState::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}
