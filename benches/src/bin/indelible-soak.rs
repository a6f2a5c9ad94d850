//! A server under mixed load for an hour: its memory, descriptors and threads must stay where they are.
//!
//! Rounds of streams, single appends on new connections, reads, event streams that nobody reads, and
//! bodies that break off. After each round the server is looked at; the end compares the last quarter
//! of the time with the second one (the first fills caches) and fails where something has grown.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use clap::Parser;
use hyper::Method;
use indelible_benches::load::cpu::{self, Held};
use indelible_benches::load::drive::{self, Plan};
use indelible_benches::load::event::Random;
use indelible_benches::load::http::{Connection, full};
use indelible_benches::load::server::Server;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const LEDGER: &str = "soak";
/// Events of a round: streamed, and one a request over this many new connections.
const STREAMED: u64 = 4000;
const SINGLE: u64 = 1000;
const CONNECTIONS: usize = 64;
/// Clients of a round that go away in the middle of something.
const LEAVING: usize = 8;
/// How long a round lasts at least, so that an hour writes gigabytes and not hundreds of them.
const ROUND: Duration = Duration::from_secs(3);
/// Growth of resident memory that is none: a tenth, and some buffers of the store.
const RSS_GROWTH: (f64, f64) = (1.10, 24.0);
/// Growth of descriptors that is none: connections that are still being closed.
const DESCRIPTORS_GROWTH: f64 = 16.0;
/// Open files beyond those in the data folder: what the store merges away is closed a little later.
const FILES_BEYOND: usize = 64;
/// Growth of threads that is none: those in which reads may block come and go.
const THREADS_GROWTH: f64 = 4.0;

/// Keep a server busy for an hour and see whether it grows.
#[derive(Parser)]
struct Args {
    /// The server program.
    #[arg(long, default_value = "target/release/indelible")]
    program: PathBuf,
    /// Where the data folder is made (removed afterwards).
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// How long. Below 20 minutes it is a try of this program and says little about the server.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::Builder::new().prefix("indelible-soak-").tempdir_in(&args.folder)?;
    let server = Server::start(&args.program, &folder.path().join("data"))?;
    Connection::open(&server.address, &server.token).await?.create_ledger(LEDGER, "record").await?;
    let (begun, until) = (Instant::now(), Duration::from_secs(args.minutes * 60));
    let (mut seen, mut shown, mut events) = (Vec::new(), Instant::now(), 0);
    let mut random = Random::new(3);
    while begun.elapsed() < until {
        let next = Instant::now() + ROUND;
        events += round(&server, &mut random, events).await?;
        seen.push((begun.elapsed(), cpu::held(server.pid())?));
        if shown.elapsed() > Duration::from_secs(60) {
            shown = Instant::now();
            report(begun.elapsed(), events, seen.last());
        }
        tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
    }
    report(begun.elapsed(), events, seen.last());
    let (open, there) = (cpu::held(server.pid())?.files, files_below(folder.path())?);
    ensure!(open <= there + FILES_BEYOND, "{open} files are open, the data folder has {there}");
    let mut admin = Connection::open(&server.address, &server.token).await?;
    let size = admin.size(LEDGER).await?;
    ensure!(size == events + 1, "{events} events were sent, the checkpoint holds {size}");
    drop(admin);
    server.stop()?;
    judge(&seen, until)
}

fn files_below(folder: &std::path::Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files_below(&entry.path())? } else { 1 };
    }
    Ok(count)
}

/// One round; the number of events that it appended.
async fn round(server: &Server, random: &mut Random, before: u64) -> Result<u64> {
    let plan = |connections, events| Plan {
        address: server.address.clone(),
        token: server.token.clone(),
        ledgers: vec![LEDGER.into()],
        connections,
        events,
        event_bytes: 512,
    };
    drive::ndjson(&plan(2, STREAMED)).await?;
    drive::singles(&plan(CONNECTIONS, SINGLE), None).await?;
    let size = before + STREAMED + SINGLE + 1;
    let mut reader = Connection::open(&server.address, &server.token).await?;
    let base = format!("/v1/ledgers/{LEDGER}");
    for _ in 0..20 {
        let seq = random.draw() % size;
        for path in [
            format!("{base}/events/{seq}/receipt"),
            format!("{base}/events?from={seq}&limit=100"),
            format!("{base}/proofs/inclusion?seq={seq}&size={size}"),
        ] {
            let (status, _) = reader.json(Method::GET, &path, Bytes::new()).await?;
            ensure!(status.is_success(), "{path}: {status}");
        }
    }
    for _ in 0..LEAVING {
        let mut follower = Connection::open(&server.address, &server.token).await?;
        let path = format!("{base}/events/stream?from={}", size.saturating_sub(500));
        let answer = follower.send(Method::GET, &path, "text/plain", full(Bytes::new())).await?;
        ensure!(answer.status().is_success(), "a stream was answered {}", answer.status());
        let mut half = TcpStream::connect(&server.address).await?;
        let head = format!(
            "POST {base}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 100000\r\n\r\n{{\"event\":",
            server.token
        );
        half.write_all(head.as_bytes()).await?;
        // Both are dropped here.
    }
    Ok(STREAMED + SINGLE)
}

fn report(elapsed: Duration, events: u64, last: Option<&(Duration, Held)>) {
    if let Some((_, held)) = last {
        println!(
            "{:>6.1} min  {events:>9} events  {:>5.0} MiB  {:>4} files  {:>4} sockets and others  {:>3} threads",
            elapsed.as_secs_f64() / 60.0,
            held.rss_mib,
            held.files,
            held.others,
            held.threads
        );
    }
}

/// Compares the medians of the second and the last quarter.
fn judge(seen: &[(Duration, Held)], whole: Duration) -> Result<()> {
    let median = |quarter: u32, of: fn(&Held) -> f64| -> Result<f64> {
        let within = whole / 4 * quarter..whole / 4 * (quarter + 1);
        let mut values: Vec<f64> =
            seen.iter().filter(|(at, _)| within.contains(at)).map(|(_, held)| of(held)).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.get(values.len() / 2).copied();
        middle.ok_or_else(|| anyhow::anyhow!("too short to judge: a quarter without a round"))
    };
    let rss = |held: &Held| held.rss_mib;
    let others = |held: &Held| held.others as f64;
    let threads = |held: &Held| held.threads as f64;
    let mut grown = Vec::new();
    for (what, of, factor, more) in [
        ("resident MiB", rss as fn(&Held) -> f64, RSS_GROWTH.0, RSS_GROWTH.1),
        ("sockets etc.", others, 1.0, DESCRIPTORS_GROWTH),
        ("threads", threads, 1.0, THREADS_GROWTH),
    ] {
        let (early, late) = (median(1, of)?, median(3, of)?);
        println!("{what:<13} {early:.0} in the second quarter, {late:.0} in the last");
        if late > early * factor + more {
            grown.push(what);
        }
    }
    if !grown.is_empty() {
        bail!("grown: {}", grown.join(", "));
    }
    println!("flat over {} minutes and {} rounds", whole.as_secs() / 60, seen.len());
    Ok(())
}
