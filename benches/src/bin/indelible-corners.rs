//! Costs that show at the corners: many followers, many tokens, a partial tile, an archive run beside
//! appends. Each starts a server of its own on a fresh folder.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::{Parser, Subcommand};
use hdrhistogram::Histogram;
use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode};
use indelible_benches::load::drive::{self, Plan};
use indelible_benches::load::event::{Random, envelopes};
use indelible_benches::load::http::{Connection, full};
use indelible_benches::load::{cpu, server::Server};
use indelible_core::encoding::hex;
use sha2::{Digest as _, Sha256};

/// The ledger of every measurement.
const LEDGER: &str = "corners";

/// Measure what shows at the corners only.
#[derive(Parser)]
struct Args {
    /// The server program.
    #[arg(long, default_value = "target/release/indelible", global = true)]
    program: PathBuf,
    /// Where the data folder is made (removed afterwards).
    #[arg(long, default_value = ".", global = true)]
    folder: PathBuf,
    /// What is signed: record or commit.
    #[arg(long, default_value = "record", global = true)]
    sign_per: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Appends one by one, first alone, then with event streams open on the ledger.
    Followers {
        /// Event streams.
        #[arg(long, default_value_t = 1000)]
        followers: usize,
        /// Appends.
        #[arg(long, default_value_t = 300)]
        appends: usize,
    },
    /// Single appends with the first token alone and among many.
    Tokens {
        /// Tokens beside the first; at most what the server takes.
        #[arg(long, default_value_t = 10_000)]
        tokens: usize,
        /// Appends.
        #[arg(long, default_value_t = 100_000)]
        events: u64,
    },
    /// Receipts of the last records of a ledger whose tile is nearly full of single commits.
    Receipts {
        /// Receipts to ask for.
        #[arg(long, default_value_t = 5000)]
        receipts: usize,
    },
    /// An archive run over HTTP: alone, and beside single appends.
    Archive {
        /// Events in the ledger.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Events that are appended meanwhile, one a request.
        #[arg(long, default_value_t = 200_000)]
        appends: u64,
        /// Connections that append.
        #[arg(long, default_value_t = 64)]
        connections: usize,
    },
}

/// A server with one ledger, and a connection with its admin token.
struct Bench {
    server: Server,
    admin: Connection,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start(args: &Args) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("indelible-corners-").tempdir_in(&args.folder)?;
        let server = Server::start(&args.program, &folder.path().join("data"))?;
        let mut admin = Connection::open(&server.address, &server.token).await?;
        admin.create_ledger(LEDGER, &args.sign_per).await?;
        Ok(Self { server, admin, folder })
    }

    fn plan(&self, connections: usize, events: u64) -> Plan {
        Plan {
            address: self.server.address.clone(),
            token: self.server.token.clone(),
            ledgers: vec![LEDGER.into()],
            connections,
            events,
            event_bytes: 512,
        }
    }

    async fn append(&mut self, body: &str) -> Result<()> {
        let path = format!("/v1/ledgers/{LEDGER}/events");
        let body = Bytes::copy_from_slice(body.as_bytes());
        let (status, answer) = self.admin.json(Method::POST, &path, body).await?;
        ensure!(
            status == StatusCode::CREATED,
            "append: {status} {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    fn stop(self) -> Result<()> {
        drop(self.admin);
        self.server.stop()?;
        self.folder.close().context("removing the folder")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut bench = Bench::start(&args).await?;
    match args.what {
        What::Followers { followers, appends } => {
            self::followers(&mut bench, followers, appends).await?;
        }
        What::Tokens { tokens, events } => self::tokens(&bench, tokens, events).await?,
        What::Receipts { receipts } => self::receipts(&mut bench, receipts).await?,
        What::Archive { events, appends, connections } => {
            archive(&mut bench, events, appends, connections).await?;
        }
    }
    bench.stop()
}

async fn followers(bench: &mut Bench, followers: usize, appends: usize) -> Result<()> {
    let alone = one_by_one(bench, appends).await?;
    let path = format!("/v1/ledgers/{LEDGER}/events/stream");
    let mut readers = Vec::with_capacity(followers);
    for _ in 0..followers {
        let mut connection = Connection::open(&bench.server.address, &bench.server.token).await?;
        let answer = connection.send(Method::GET, &path, "text/plain", full(Bytes::new())).await?;
        ensure!(answer.status() == StatusCode::OK, "a stream was answered {}", answer.status());
        let mut body = answer.into_body();
        readers.push(tokio::spawn(async move {
            let mut bytes = 0u64;
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            drop(connection);
            bytes
        }));
    }
    let followed = one_by_one(bench, appends).await?;
    println!(
        "alone           p50 {} us, p99 {} us, {:.0} us of server CPU an append",
        alone.p50, alone.p99, alone.cpu
    );
    println!(
        "{followers} followers  p50 {} us, p99 {} us, {:.0} us of server CPU an append",
        followed.p50, followed.p99, followed.cpu
    );
    println!("added           p50 {} us", followed.p50.saturating_sub(alone.p50));
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

struct OneByOne {
    p50: u64,
    p99: u64,
    cpu: f64,
}

/// Appends with a pause between them in which followers get what is theirs.
async fn one_by_one(bench: &mut Bench, appends: usize) -> Result<OneByOne> {
    let lines = envelopes(1, 256, 512);
    let mut times = Histogram::<u64>::new(3)?;
    let before = cpu::seconds(bench.server.pid())?;
    for at in 0..appends {
        let begun = Instant::now();
        bench.append(&lines[at % lines.len()]).await?;
        times.record(begun.elapsed().as_micros() as u64)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let spent = cpu::seconds(bench.server.pid())? - before;
    Ok(OneByOne {
        p50: times.value_at_quantile(0.5),
        p99: times.value_at_quantile(0.99),
        cpu: spent * 1e6 / appends as f64,
    })
}

async fn tokens(bench: &Bench, tokens: usize, events: u64) -> Result<()> {
    let plan = bench.plan(64, events);
    drive::singles(&plan, None).await?;
    let few = singles(bench, &plan).await?;
    // Written in one piece, since the program writes the whole file for each token.
    let mut list = String::from("{\"tokens\":[");
    let mut random = Random::new(11);
    let mut token = String::new();
    for at in 0..tokens {
        token = (0..4).map(|_| format!("{:016x}", random.draw())).collect();
        let hash = hex(&Sha256::digest(token.as_bytes()));
        let comma = if at > 0 { "," } else { "" };
        list.push_str(&format!(
            "{comma}{{\"name\":\"bench-{at}\",\"sha256\":\"{hash}\",\"scopes\":[\"append\"]}}"
        ));
    }
    list.push_str("]}");
    let data = bench.folder.path().join("data");
    let (new, file) = (data.join("tokens.new"), data.join("tokens.json"));
    std::fs::write(&new, list)?;
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::rename(&new, &file)?;
    // The server looks at the file once a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    // With the last of them: a server that did not take the list refuses it, and the row fails.
    let many = singles(bench, &Plan { token, ..plan }).await?;
    println!("one token       {few:.2} us of server CPU an append");
    println!("{tokens} more    {many:.2} us; {:.2} us more", many - few);
    Ok(())
}

/// CPU microseconds of the server per event.
async fn singles(bench: &Bench, plan: &Plan) -> Result<f64> {
    let before = cpu::seconds(bench.server.pid())?;
    drive::singles(plan, None).await?;
    Ok((cpu::seconds(bench.server.pid())? - before) * 1e6 / plan.events as f64)
}

async fn receipts(bench: &mut Bench, receipts: usize) -> Result<()> {
    let lines = envelopes(1, 256, 512);
    // A full tile, and one that lacks its last: record 0 is the ledger's creation.
    for at in 0..510 {
        bench.append(&lines[at % lines.len()]).await?;
    }
    let mut random = Random::new(5);
    let mut times = Histogram::<u64>::new(3)?;
    let before = cpu::seconds(bench.server.pid())?;
    for _ in 0..receipts {
        let seq = 256 + random.draw() % 254;
        let path = format!("/v1/ledgers/{LEDGER}/events/{seq}/receipt");
        let begun = Instant::now();
        let (status, answer) = bench.admin.json(Method::GET, &path, Bytes::new()).await?;
        times.record(begun.elapsed().as_micros() as u64)?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&answer));
    }
    let spent = cpu::seconds(bench.server.pid())? - before;
    println!(
        "receipt         p50 {} us, p99 {} us, {:.0} us of server CPU",
        times.value_at_quantile(0.5),
        times.value_at_quantile(0.99),
        spent * 1e6 / receipts as f64
    );
    Ok(())
}

async fn archive(bench: &mut Bench, events: u64, appends: u64, connections: usize) -> Result<()> {
    drive::ndjson(&bench.plan(2, events)).await?;
    let alone = shipped(bench, "alone").await?;
    println!("archive alone   {:.0} records/s", (events + 1) as f64 / alone.as_secs_f64());
    // How fast appends are for as long as the run took, without and with a run beside them.
    let rate = |seconds: f64, count: u64| count as f64 / seconds;
    let plan = bench.plan(connections, appends);
    let begun = Instant::now();
    drive::singles(&plan, None).await?;
    let quiet = rate(begun.elapsed().as_secs_f64(), plan.events);
    let begun = Instant::now();
    let appending = tokio::spawn({
        let plan = plan.clone();
        async move {
            drive::singles(&plan, None).await?;
            anyhow::Ok(begun.elapsed())
        }
    });
    // Runs follow each other for as long as is appended.
    let mut runs = 0u32;
    while !appending.is_finished() {
        shipped(bench, &format!("beside-{runs}")).await?;
        runs += 1;
    }
    let busy = rate(appending.await??.as_secs_f64(), plan.events);
    println!(
        "appends         {quiet:.0}/s without a run, {busy:.0}/s beside {runs}; {:.1} % lost",
        100.0 * (1.0 - busy / quiet)
    );
    Ok(())
}

/// Ships the whole ledger into a vault of its own.
async fn shipped(bench: &mut Bench, vault: &str) -> Result<Duration> {
    let to = std::fs::canonicalize(bench.folder.path())?.join(format!("vault-{vault}"));
    let path = format!("/v1/ledgers/{LEDGER}/archive");
    let body = format!("{{\"to\":\"{}\"}}", to.display());
    // A connection of its own: the server closes one that was idle for long.
    let mut admin = Connection::open(&bench.server.address, &bench.server.token).await?;
    let begun = Instant::now();
    let (status, answer) = admin.json(Method::POST, &path, body.into()).await?;
    ensure!(status.is_success(), "archive: {status} {}", String::from_utf8_lossy(&answer));
    let took = begun.elapsed();
    std::fs::remove_dir_all(&to)?;
    bench.admin = admin;
    Ok(took)
}
