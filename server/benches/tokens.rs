//! What finding a caller by the token costs, by how many tokens there are. It must not grow with them.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use indelible_core::hash::Sha256Hash;
use indelible_server::auth::{TOKENS_FILE, Tokens};
use sha2::{Digest as _, Sha256};

fn token(number: usize) -> String {
    format!("indelible_{number:043}")
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tokens");
    for count in [1, 100, 1_000, 10_000] {
        let dir = tempfile::tempdir().expect("a folder");
        let stored = |number| {
            let sha256 = Sha256Hash(Sha256::digest(token(number).as_bytes()).into());
            serde_json::json!({
                "name": format!("token {number}"), "sha256": sha256.to_hex(), "scopes": ["append"],
                "ledgers": [format!("tenant-{number}.*")],
            })
        };
        let tokens: Vec<_> = (0..count).map(stored).collect();
        let text = serde_json::json!({ "tokens": tokens }).to_string();
        std::fs::write(dir.path().join(TOKENS_FILE), text).expect("a file");
        let tokens = Tokens::open(dir.path()).expect("tokens");
        let headers: Vec<Vec<u8>> = (0..count)
            .map(|number| format!("Bearer {}", token(number * 7919 % count)).into_bytes())
            .collect();
        let mut next = headers.iter().cycle();
        group.bench_function(BenchmarkId::new("find", count), |bench| {
            bench.iter(|| tokens.caller(black_box(next.next().map(Vec::as_slice))).is_ok());
        });
        group.bench_function(BenchmarkId::new("load", count), |bench| {
            bench.iter(|| Tokens::open(black_box(dir.path())).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, find);
criterion_main!(benches);
