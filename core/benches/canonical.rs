//! What one event costs on its way into a record and out again, on one core.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use indelible_core::hash::Digest;
use indelible_core::json::{Limits, canonicalize, check_canonical};
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_core::record::{Place, PreparedEvent, RecordView};
use indelible_core::time::Timestamp;

/// An audit event of 500 bytes, names in canonical order, without white space.
const SORTED: &str = r#"{"action":"invoice.approve","actor":{"id":"usr_01HZX8K4T2N6W9","ip":"203.0.113.42","kind":"user","roles":["accountant","approver"]},"amount":{"currency":"EUR","value":1249.5},"context":{"request_id":"7f3c9a52-18be-4c0d-9d6e-2b1f0a64c7e8","session":"s-88213377","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"},"note":"Second approval, limit of 10\u0000 exceeded","outcome":"success","resource":{"id":"inv-2026-004711","type":"invoice","version":17},"retries":0,"tags":["finance","q4"],"urgent":false}"#;

/// The same members as a service might send them: in the order it thought of them.
const SHUFFLED: &str = r#"{"resource":{"type":"invoice","id":"inv-2026-004711","version":17},"outcome":"success","actor":{"kind":"user","id":"usr_01HZX8K4T2N6W9","ip":"203.0.113.42","roles":["accountant","approver"]},"action":"invoice.approve","urgent":false,"amount":{"value":1249.5,"currency":"EUR"},"context":{"session":"s-88213377","request_id":"7f3c9a52-18be-4c0d-9d6e-2b1f0a64c7e8","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"},"tags":["finance","q4"],"note":"Second approval, limit of 10\u0000 exceeded","retries":0}"#;

const NUMBERS: u64 = 256;

/// An array of doubles of all digits, as shortest text or with so many digits behind the first.
fn numbers(precision: Option<usize>) -> String {
    let doubles = (1..=NUMBERS).map(|n| (n as f64).sqrt() * 10f64.powi((n % 20) as i32 - 10));
    let texts = doubles.map(|double| match precision {
        None => format!("{double:e}"),
        Some(digits) => format!("{double:.digits$e}"),
    });
    format!("[{}]", texts.collect::<Vec<_>>().join(","))
}

fn canonical_form(c: &mut Criterion) {
    let mut group = c.benchmark_group("json");
    let spaced = SHUFFLED.replace(",\"", ", \"").replace("\":", "\": ");
    for (name, text) in [("sorted", SORTED), ("shuffled", SHUFFLED), ("spaced", &spaced)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("canonicalize_{name}"), |b| {
            b.iter(|| canonicalize(black_box(text.as_bytes()), Limits::EVENT));
        });
    }
    for (name, text) in [("shortest", numbers(None)), ("17_digits", numbers(Some(16)))] {
        group.throughput(Throughput::Elements(NUMBERS));
        group.bench_function(format!("canonicalize_numbers_{name}"), |b| {
            b.iter(|| canonicalize(black_box(text.as_bytes()), Limits::EVENT));
        });
    }
    group.throughput(Throughput::Bytes(SORTED.len() as u64));
    group.bench_function("check_canonical_event", |b| {
        b.iter(|| check_canonical(black_box(SORTED.as_bytes()), Limits::EVENT).is_ok());
    });
    group.finish();
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    let ledger = LedgerName::new("tenant-42.billing").expect("a valid name");
    let id = EventId::new("0199c3a1-7d7b-7f3e-8a52-c41e09d27b60").expect("a valid id");
    let time = Timestamp::from_micros(1_795_238_040_123_456).expect("a valid time");
    let seq = Seq::new(1_234_567).expect("a valid place");
    let place = Place { ledger: &ledger, id: &id, seq, time };
    let prev = Digest([7; 32]);

    group.bench_function("prepare", |b| {
        b.iter(|| PreparedEvent::new(black_box(SORTED.as_bytes())));
    });
    let event = PreparedEvent::new(SORTED.as_bytes()).expect("a canonical event");
    let mut record = Vec::new();
    group.bench_function("seal", |b| {
        b.iter(|| {
            record.clear();
            event.seal(black_box(&place), Some(&prev), &mut record)
        });
    });
    group.throughput(Throughput::Bytes(record.len() as u64));
    group.bench_function("check_canonical", |b| {
        b.iter(|| check_canonical(black_box(&record), Limits::RECORD).is_ok());
    });
    group.bench_function("parse", |b| {
        b.iter(|| RecordView::parse(black_box(&record)).is_ok());
    });
    group.finish();
}

criterion_group!(benches, canonical_form, records);
criterion_main!(benches);
