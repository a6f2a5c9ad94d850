//! What the tree costs: a commit's growth on the sequencer, a proof for a receipt, a check by an auditor.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use indelible_core::hash::{Digest, LeafHash};
use indelible_core::merkle::{CompactRange, Growth, inclusion, leaf_hash};

/// A tree of about a million leaves, not a round number, so that its frontier is of ordinary length.
const BASE: u64 = 1_000_003;

fn leaves(from: u64, count: usize) -> Vec<LeafHash> {
    (from..).take(count).map(|i| leaf_hash(&digest(i))).collect()
}

fn digest(number: u64) -> Digest {
    let mut digest = Digest([0; 32]);
    digest.0[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

fn base() -> CompactRange {
    let mut range = CompactRange::new(0);
    leaves(0, BASE as usize).into_iter().for_each(|leaf| range.append(leaf));
    range
}

fn grow(frontier: CompactRange, leaves: &[LeafHash]) -> Growth {
    let mut growth = Growth::new(frontier).unwrap();
    growth.extend(leaves.iter().copied()).unwrap();
    growth
}

fn growth(c: &mut Criterion) {
    let base = base();
    let mut group = c.benchmark_group("growth");
    for count in [1, 256, 4096] {
        let leaves = leaves(BASE, count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(
            BenchmarkId::new("root_and_frontier", count),
            &leaves,
            |b, leaves| {
                b.iter_batched(
                    || base.clone(),
                    |frontier| {
                        let growth = grow(frontier, leaves);
                        (growth.root(), growth.frontier())
                    },
                    BatchSize::SmallInput,
                );
            },
        );
    }
    for count in [1, 256, 4096] {
        let grown = grow(base.clone(), &leaves(BASE, count));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("all_proofs", count), &grown, |b, grown| {
            b.iter(|| {
                for index in BASE..grown.size() {
                    black_box(grown.inclusion_proof(index));
                }
            });
        });
    }
    group.finish();
}

fn check(c: &mut Criterion) {
    let leaves = leaves(BASE, 256);
    let grown = grow(base(), &leaves);
    let index = BASE + 100;
    let (root, proof) = (grown.root(), grown.inclusion_proof(index).unwrap());
    c.bench_function("inclusion_verify", |b| {
        b.iter(|| inclusion::verify(index, grown.size(), &leaves[100], black_box(&proof), &root));
    });
    c.bench_function("leaf_hash", |b| b.iter(|| leaf_hash(black_box(&digest(7)))));
}

criterion_group!(benches, growth, check);
criterion_main!(benches);
