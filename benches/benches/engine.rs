//! The engine alone: no HTTP, no JSON parsing; RocksDB on the disk, every answer synced and signed.
//!
//! ```text
//! cargo bench -p indelible-benches --bench engine -- [seconds per run] [folder]
//! ```
//!
//! For each way of signing and each size of group it keeps about 8,192 events in flight and prints events
//! a second, and the whole process's CPU time (user and system, RocksDB's threads included) an event.
//! Events are prepared before the clock starts, as a server prepares them on its own threads.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indelible_core::name::{EventId, LedgerName, ServerName};
use indelible_core::record::PreparedEvent;
use indelible_core::system::SignPer;
use indelible_ledger::{Atomicity, Engine, EngineConfig, LocalEd25519, Pending, Submission};

const EVENT_BYTES: usize = 512;
const IN_FLIGHT_EVENTS: usize = 8192;

struct Run {
    sign_per: SignPer,
    group: usize,
    ledgers: usize,
    ids: bool,
}

fn main() -> anyhow::Result<()> {
    // Cargo passes `--bench`; what is left are ours.
    let mut arguments = std::env::args().skip(1).filter(|one| !one.starts_with("--"));
    let seconds = arguments.next().map_or(Ok(5), |one| one.parse()).context("seconds per run")?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "| signed per | group | ledgers | ids | events/s | CPU us/event | events/commit | flush p50 us |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for sign_per in [SignPer::Record, SignPer::Commit] {
        for (group, ledgers, ids) in
            [(1, 1, false), (64, 1, false), (1024, 1, false), (64, 1, true), (16, 1000, false)]
        {
            let run = Run { sign_per, group, ledgers, ids };
            measure(&run, Duration::from_secs(seconds), &parent)?;
        }
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// An event of 512 bytes, each another.
fn event(number: u64) -> anyhow::Result<PreparedEvent> {
    let head = format!("{{\"actor\":\"user-{}\",\"n\":{number},\"text\":\"", number % 1000);
    let fill = "x".repeat(EVENT_BYTES.saturating_sub(head.len() + 2));
    Ok(PreparedEvent::new(format!("{head}{fill}\"}}").as_bytes())?)
}

fn measure(run: &Run, length: Duration, parent: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(parent)?;
    let config = EngineConfig::new(folder.path().join("data"), ServerName::new("bench.example")?);
    let engine = Engine::open(config, Arc::new(LocalEd25519::generate()?))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut ledgers = Vec::new();
    for number in 0..run.ledgers {
        let name = LedgerName::new(&format!("ledger-{number}"))?;
        runtime.block_on(engine.create_ledger(name.clone(), run.sign_per))?;
        ledgers.push(name);
    }
    // The same events again and again; only ids must differ.
    let events: Vec<PreparedEvent> = (0..1024).map(event).collect::<Result<_, _>>()?;
    let (mut sent, mut answered) = (0u64, 0u64);
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let commits = engine.metrics().commits.get();
    let (begun, cpu) = (Instant::now(), cpu_time());
    while begun.elapsed() < length {
        while pending.len() * run.group < IN_FLIGHT_EVENTS {
            let group = (0..run.group)
                .map(|place| {
                    let number = sent + place as u64;
                    let id = run
                        .ids
                        .then(|| EventId::new(&format!("order-{number:012}")))
                        .transpose()?;
                    let event = events.get(number as usize % events.len()).context("an event")?;
                    Ok(Submission::new(id, event.clone()))
                })
                .collect::<anyhow::Result<Vec<_>>>()?;
            let ledger = &ledgers[(sent / run.group as u64) as usize % ledgers.len()];
            match engine.submit(ledger, group, Atomicity::AllOrNothing) {
                Ok(one) => pending.push_back(one),
                Err(error) if error.is_retryable() => break,
                Err(error) => return Err(error.into()),
            }
            sent += run.group as u64;
        }
        if let Some(one) = pending.pop_front() {
            answered += one.wait()?.results.len() as u64;
        }
    }
    let (took, cpu) = (begun.elapsed(), cpu_time() - cpu);
    for one in pending {
        one.wait()?;
    }
    let commits = engine.metrics().commits.get() - commits;
    let flush = engine.metrics().store_latency_us.snapshot();
    let median =
        flush.buckets.iter().find(|(_, count)| count * 2 >= flush.count).map_or(0, |one| one.0);
    println!(
        "| {} | {} | {} | {} | {:.0} | {:.1} | {} | <= {median} |",
        run.sign_per,
        run.group,
        run.ledgers,
        if run.ids { "client's" } else { "made" },
        answered as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / answered.max(1) as f64,
        sent / commits.max(1),
    );
    runtime.block_on(engine.close());
    Ok(())
}
