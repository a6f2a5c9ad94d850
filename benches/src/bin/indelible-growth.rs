//! From an empty ledger to many millions of events: does the cost of an event, of a proof or of a start
//! grow with the ledger?
//!
//! It writes slice after slice over HTTP, printing rate and server CPU of each, then asks for proofs of
//! random records, stops the server, and times how long the next start takes until it answers.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use bytes::Bytes;
use clap::Parser;
use hdrhistogram::Histogram;
use hyper::Method;
use indelible_benches::load::drive::{self, Plan};
use indelible_benches::load::event::Random;
use indelible_benches::load::http::Connection;
use indelible_benches::load::{cpu, server::Server};

/// Write a ledger of many millions of events and measure what grows with it.
///
/// Example: indelible-growth --slices 20 --slice 1000000
#[derive(Parser)]
struct Args {
    /// The server program.
    #[arg(long, default_value = "target/release/indelible")]
    program: PathBuf,
    /// Where the data folder is made (removed afterwards, unless --keep).
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Slices to write.
    #[arg(long, default_value_t = 20)]
    slices: u32,
    /// Events in a slice.
    #[arg(long, default_value_t = 1_000_000)]
    slice: u64,
    /// Bytes of each event.
    #[arg(long, default_value_t = 512)]
    event_bytes: usize,
    /// Send a random id with each line of a stream.
    #[arg(long)]
    ids: bool,
    /// What is signed: record or commit.
    #[arg(long, default_value = "record")]
    sign_per: String,
    /// Connections at the same time.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Random proofs to ask for.
    #[arg(long, default_value_t = 5000)]
    proofs: u32,
    /// Keep the data folder and print where it is.
    #[arg(long)]
    keep: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut folder =
        tempfile::Builder::new().prefix("indelible-growth-").tempdir_in(&args.folder)?;
    folder.disable_cleanup(args.keep);
    let data = folder.path().join("data");
    let server = Server::start(&args.program, &data)?;
    Connection::open(&server.address, &server.token)
        .await?
        .create_ledger("growth", &args.sign_per)
        .await?;
    let plan = Plan {
        address: server.address.clone(),
        token: server.token.clone(),
        ledgers: vec!["growth".into()],
        connections: args.connections,
        events: args.slice,
        event_bytes: args.event_bytes,
        ids: args.ids,
    };
    println!("{:>12} {:>12} {:>14} {:>12}", "events", "events/s", "CPU us/event", "peak MiB");
    for slice in 1..=args.slices {
        let before = cpu::seconds(server.pid())?;
        let outcome = drive::ndjson(&plan).await?;
        let spent = cpu::seconds(server.pid())? - before;
        println!(
            "{:>12} {:>12.0} {:>14.2} {:>12.0}",
            u64::from(slice) * args.slice,
            args.slice as f64 / outcome.elapsed.as_secs_f64(),
            spent * 1e6 / args.slice as f64,
            cpu::peak_mib(server.pid())?,
        );
    }
    // The server closes a connection that was idle for so long.
    let mut admin = Connection::open(&server.address, &server.token).await?;
    let size = admin.size("growth").await?;
    ensure!(size == u64::from(args.slices) * args.slice + 1, "the checkpoint holds {size} records");
    for (what, old_parameter) in [("inclusion", false), ("consistency", true)] {
        let times = proofs(&mut admin, size, args.proofs, what, old_parameter).await?;
        println!(
            "{what} proof  p50 {} us, p99 {} us, over HTTP",
            times.value_at_quantile(0.5),
            times.value_at_quantile(0.99)
        );
    }
    drop(admin);
    server.stop()?;
    let started = Instant::now();
    let server = Server::start(&args.program, &data)?;
    let mut admin = Connection::open(&server.address, &server.token).await?;
    let again = admin.size("growth").await?;
    println!("start to first answer  {} ms", started.elapsed().as_millis());
    ensure!(again == size, "after the restart the checkpoint holds {again} records");
    server.stop()?;
    if args.keep {
        println!("kept {}", folder.path().display());
    }
    Ok(())
}

async fn proofs(
    connection: &mut Connection,
    size: u64,
    count: u32,
    what: &str,
    consistency: bool,
) -> Result<Histogram<u64>> {
    let mut random = Random::new(7);
    let mut times = Histogram::new(3)?;
    for _ in 0..count {
        let place = random.draw() % (size - 1) + u64::from(consistency);
        let query = if consistency {
            format!("from={place}&to={size}")
        } else {
            format!("seq={place}&size={size}")
        };
        let path = format!("/v1/ledgers/growth/proofs/{what}?{query}");
        let start = Instant::now();
        let (status, body) = connection.json(Method::GET, &path, Bytes::new()).await?;
        times.record(start.elapsed().as_micros() as u64)?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
    }
    Ok(times)
}
