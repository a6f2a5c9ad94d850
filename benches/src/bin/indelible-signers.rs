//! What a slow signer costs: the same load on a folder of its own with a local key, and with a signer that
//! takes its time for every call, in turn; then one ledger beside a thousand.
//!
//! Prints events a second, CPU of this process for each event, and how long answers take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use hdrhistogram::Histogram;
use indelible_core::name::{LedgerName, ServerName};
use indelible_core::record::PreparedEvent;
use indelible_core::system::SignPer;
use indelible_ledger::testing::Slow;
use indelible_ledger::{
    Atomicity, Engine, EngineConfig, LocalEd25519, Pending, Signer, Submission,
};

const EVENT_BYTES: usize = 512;

/// Measures what a slow signer costs.
#[derive(Parser)]
struct Arguments {
    /// Where the folders are made.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// How long each run takes, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// What the slow signer takes for a call, in milliseconds.
    #[arg(long, default_value_t = 50)]
    latency_ms: u64,
    /// How often everything is measured, in turn.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
}

/// One load.
struct Load {
    what: &'static str,
    sign_per: SignPer,
    ledgers: usize,
    /// Events in a group.
    group: usize,
    /// Groups that wait at once, or groups a second.
    pace: Pace,
}

enum Pace {
    Window(usize),
    Rate(u32),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let slow = Duration::from_millis(arguments.latency_ms);
    let length = Duration::from_secs(arguments.seconds);
    let commit = SignPer::Commit;
    let bulk = Load {
        what: "groups of 256",
        sign_per: commit,
        ledgers: 1,
        group: 256,
        pace: Pace::Window(150),
    };
    let steady = Load {
        what: "4,000 groups of 4 a second",
        sign_per: commit,
        ledgers: 1,
        group: 4,
        pace: Pace::Rate(4_000),
    };
    let single = |ledgers, what| Load {
        what,
        sign_per: SignPer::Record,
        ledgers,
        group: 1,
        pace: Pace::Window(1_000),
    };
    println!("| load | signer | events/s | CPU us/event | p50 ms | p99 ms |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for _ in 0..arguments.rounds {
        for load in [&bulk, &steady] {
            for latency in [None, Some(slow)] {
                measure(load, latency, length, &arguments.folder)?;
            }
        }
        measure(&single(1, "single, 1 ledger"), None, length, &arguments.folder)?;
        measure(&single(1_000, "single, 1,000 ledgers"), None, length, &arguments.folder)?;
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn event(number: usize) -> anyhow::Result<PreparedEvent> {
    let head = format!("{{\"actor\":\"user-{number}\",\"text\":\"");
    let fill = "x".repeat(EVENT_BYTES.saturating_sub(head.len() + 2));
    Ok(PreparedEvent::new(format!("{head}{fill}\"}}").as_bytes())?)
}

fn measure(
    load: &Load,
    latency: Option<Duration>,
    length: Duration,
    folder: &Path,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(folder)?;
    let config = EngineConfig::new(folder.path().join("data"), ServerName::new("bench.example")?);
    let key = LocalEd25519::generate()?;
    let signer: Arc<dyn Signer> = match latency {
        Some(latency) => Arc::new(Slow::new(key, latency)),
        None => Arc::new(key),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let engine = Engine::open(config, signer)?;
    let ledgers = (0..load.ledgers)
        .map(|number| {
            let name = LedgerName::new(&format!("ledger-{number}"))?;
            runtime.block_on(engine.create_ledger(name.clone(), load.sign_per))?;
            Ok(name)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let events = (0..256).map(event).collect::<anyhow::Result<Vec<_>>>()?;
    let window = match load.pace {
        Pace::Window(groups) => groups,
        Pace::Rate(_) => 1 << 20,
    };
    let (waiting, pending) = std::sync::mpsc::sync_channel::<(Instant, Pending)>(window);
    // Answers come in the order of submission, so one thread that waits for each in turn is in time.
    let waiter = std::thread::spawn(move || -> anyhow::Result<(usize, Histogram<u64>)> {
        let mut waits = Histogram::<u64>::new(3)?;
        let mut answered = 0;
        for (since, one) in pending {
            answered += one.wait()?.results.len();
            waits.record(since.elapsed().as_micros() as u64)?;
        }
        Ok((answered, waits))
    });
    let (begun, cpu) = (Instant::now(), cpu_time());
    let mut sent = 0usize;
    while begun.elapsed() < length {
        if let Pace::Rate(rate) = load.pace
            && sent as f64 >= begun.elapsed().as_secs_f64() * f64::from(rate)
        {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        let group = (0..load.group)
            .filter_map(|place| events.get((sent + place) % events.len()))
            .map(|event| Submission::new(None, event.clone()))
            .collect();
        let ledger = ledgers.get(sent % ledgers.len()).context("a ledger")?;
        let one = runtime.block_on(engine.submit_wait(ledger, group, Atomicity::AllOrNothing))?;
        waiting.send((Instant::now(), one)).context("the waiter has ended")?;
        sent += 1;
    }
    drop(waiting);
    let (answered, waits) =
        waiter.join().map_err(|_| anyhow::anyhow!("the waiter has panicked"))??;
    let (took, cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
    let signer = latency.map_or("local".into(), |latency| format!("{} ms", latency.as_millis()));
    println!(
        "| {} | {signer} | {:.0} | {:.1} | {:.1} | {:.1} |",
        load.what,
        answered as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / answered.max(1) as f64,
        waits.value_at_quantile(0.5) as f64 / 1e3,
        waits.value_at_quantile(0.99) as f64 / 1e3,
    );
    runtime.block_on(engine.close());
    Ok(())
}
