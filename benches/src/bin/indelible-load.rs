//! Measures a whole server from outside: events a second, server CPU per event, latency.
//!
//! It starts a server process of its own on a fresh folder, loads it over loopback, counts what both
//! sides spent, and checks at the end that the checkpoints hold every event that was sent.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use indelible_benches::load::drive::{self, Outcome, Plan};
use indelible_benches::load::http::Connection;
use indelible_benches::load::{cpu, flush, server::Server};

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// One streamed NDJSON request a connection.
    Ndjson,
    /// Arrays of --batch events, each request to the next ledger.
    Array,
    /// One event a request.
    Single,
}

/// Measure a whole Indelible server from outside.
///
/// Example: indelible-load --mode ndjson --connections 2 --events 2000000
#[derive(Parser)]
struct Args {
    /// The server program.
    #[arg(long, default_value = "target/release/indelible")]
    program: PathBuf,
    /// Where the data folder is made (removed afterwards); must be the disk to be measured.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Shape of the load.
    #[arg(long, value_enum, default_value = "ndjson")]
    mode: Mode,
    /// What is signed: record or commit.
    #[arg(long, default_value = "record")]
    sign_per: String,
    /// Connections at the same time.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Events in all.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Bytes of each event.
    #[arg(long, default_value_t = 512)]
    event_bytes: usize,
    /// Send a random id with each line of a stream.
    #[arg(long)]
    ids: bool,
    /// Ledgers, written round robin (a stream writes one).
    #[arg(long, default_value_t = 1)]
    ledgers: usize,
    /// Events in an array.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Requests a second (single only); as fast as answers come when absent.
    #[arg(long)]
    rate: Option<f64>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::Builder::new().prefix("indelible-load-").tempdir_in(&args.folder)?;
    let disk = flush::probe(folder.path(), 500)?;
    let data = folder.path().join("data");
    let server = Server::start(&args.program, &data)?;
    let mut admin = Connection::open(&server.address, &server.token).await?;
    let ledgers: Vec<String> = (0..args.ledgers).map(|n| format!("load-{n:05}")).collect();
    for ledger in &ledgers {
        admin.create_ledger(ledger, &args.sign_per).await?;
    }
    let plan = Plan {
        address: server.address.clone(),
        token: server.token.clone(),
        ledgers: ledgers.clone(),
        connections: args.connections,
        events: args.events,
        event_bytes: args.event_bytes,
        ids: args.ids,
    };
    let before = cpu::seconds(server.pid())?;
    let outcome = match args.mode {
        Mode::Ndjson => drive::ndjson(&plan).await?,
        Mode::Array => drive::arrays(&plan, args.batch).await?,
        Mode::Single => drive::singles(&plan, args.rate).await?,
    };
    let spent = cpu::seconds(server.pid())? - before;
    let mut stored = 0;
    for ledger in &ledgers {
        stored += admin.size(ledger).await? - 1;
    }
    let sent = match args.mode {
        Mode::Array => args.events.div_ceil(args.batch as u64) * args.batch as u64,
        _ => args.events,
    };
    ensure!(stored == sent, "{sent} events were sent, the checkpoints hold {stored}");
    let peak = cpu::peak_mib(server.pid())?;
    drop(admin);
    server.stop().context("stopping the server")?;
    let disk_bytes = folder_bytes(&data)?;
    report(&args, &outcome, sent, spent, peak, disk_bytes, &disk);
    Ok(())
}

fn report(
    args: &Args,
    outcome: &Outcome,
    sent: u64,
    spent: f64,
    peak: f64,
    disk_bytes: u64,
    disk: &hdrhistogram::Histogram<u64>,
) {
    let seconds = outcome.elapsed.as_secs_f64();
    let rate = sent as f64 / seconds;
    let cpu_us = spent * 1e6 / sent as f64;
    let own = cpu::seconds(std::process::id()).unwrap_or(0.0) * 1e6 / sent as f64;
    let at = |quantile| outcome.latency.value_at_quantile(quantile);
    let per_event = disk_bytes / sent.max(1);
    let (flush_p50, flush_p99) = (disk.value_at_quantile(0.5), disk.value_at_quantile(0.99));
    if args.json {
        println!(
            "{{\"busy\":{},\"client_cpu_us\":{own:.2},\"cpu_us\":{cpu_us:.2},\"disk_bytes_per_event\":{per_event},\
             \"events\":{sent},\"events_per_s\":{rate:.0},\"flush_p50_us\":{flush_p50},\"flush_p99_us\":{flush_p99},\
             \"p50_us\":{},\"p99_us\":{},\"peak_mib\":{peak:.0},\"seconds\":{seconds:.2}}}",
            outcome.busy,
            at(0.5),
            at(0.99),
        );
        return;
    }
    println!("events          {sent} in {seconds:.2} s");
    println!("rate            {rate:.0} events/s");
    println!("server CPU      {cpu_us:.2} us per event (client {own:.2} us)");
    if !outcome.latency.is_empty() {
        println!(
            "latency         p50 {} us, p99 {} us; busy answers {}",
            at(0.5),
            at(0.99),
            outcome.busy
        );
    }
    println!("disk flush      p50 {flush_p50} us, p99 {flush_p99} us (4 KiB, before the run)");
    println!("on disk         {per_event} bytes per event, after the stop");
    println!("server memory   {peak:.0} MiB at its peak");
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        total += if meta.is_dir() { folder_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(total)
}
