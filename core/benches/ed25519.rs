//! What checking a signature costs: one by one, strictly, and in bulk for one key.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::{Signer as _, SigningKey};
use indelible_core::ed25519::{verify, verify_bulk, verify_bulk_report, verify_strict};
use indelible_core::key::{Ed25519Signature, PublicKey};

const SIZES: [usize; 5] = [1, 64, 256, 1024, 4096];

struct Signed {
    key: PublicKey,
    messages: Vec<[u8; 32]>,
    signatures: Vec<Ed25519Signature>,
}

impl Signed {
    fn new(count: usize) -> Self {
        let signing = SigningKey::from_bytes(&[1; 32]);
        let key = PublicKey::from_bytes(signing.verifying_key().as_bytes()).unwrap();
        let messages: Vec<[u8; 32]> = (0..count)
            .map(|number| {
                let mut message = [0; 32];
                message[..8].copy_from_slice(&number.to_be_bytes());
                message
            })
            .collect();
        let signatures =
            messages.iter().map(|m| Ed25519Signature(signing.sign(m).to_bytes())).collect();
        Self { key, messages, signatures }
    }

    fn items(&self) -> Vec<(&[u8], &Ed25519Signature)> {
        self.messages.iter().map(|message| &message[..]).zip(&self.signatures).collect()
    }
}

fn one(c: &mut Criterion) {
    let signed = Signed::new(1);
    let (key, message, signature) = (&signed.key, &signed.messages[0][..], &signed.signatures[0]);
    let mut group = c.benchmark_group("ed25519");
    group.bench_function("verify", |b| b.iter(|| verify(key, black_box(message), signature)));
    group.bench_function("verify_strict", |b| {
        b.iter(|| verify_strict(key, black_box(message), signature));
    });
    group.bench_function("enrol", |b| b.iter(|| PublicKey::from_bytes(black_box(key.as_bytes()))));
    group.finish();
}

fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("ed25519_bulk");
    for size in SIZES {
        let signed = Signed::new(size);
        let items = signed.items();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::new("verify_bulk", size), &items, |b, items| {
            b.iter(|| verify_bulk(&signed.key, black_box(items), [9; 32]));
        });
    }
    group.finish();
}

/// The search for bad ones: one alone, and a batch that has nothing else.
fn report(c: &mut Criterion) {
    const SIZE: usize = 4096;
    let signed = Signed::new(SIZE);
    let mut one_bad = signed.items();
    one_bad[SIZE / 3].1 = &signed.signatures[0];
    let mut all_bad = signed.items();
    all_bad.iter_mut().zip(signed.signatures.iter().rev()).for_each(|(item, sig)| item.1 = sig);
    let mut group = c.benchmark_group("ed25519_report");
    group.throughput(Throughput::Elements(SIZE as u64)).sample_size(10);
    for (name, items) in [("one_bad", &one_bad), ("all_bad", &all_bad)] {
        group.bench_function(name, |b| {
            b.iter(|| verify_bulk_report(&signed.key, black_box(items), [9; 32]));
        });
    }
    group.finish();
}

criterion_group!(benches, one, bulk, report);
criterion_main!(benches);
