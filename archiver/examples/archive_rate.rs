//! How fast a ledger is archived: reading, checking every signature, packing, shipping and reading back.
//!
//! ```text
//! cargo run --release -p indelible-archiver --example archive_rate -- [events] [bytes of an event]
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use indelible_archiver::{Archiver, DirectoryVault, Seal, Silent};
use indelible_core::name::{LedgerName, ServerName};
use indelible_core::record::PreparedEvent;
use indelible_core::system::SignPer;
use indelible_ledger::{Atomicity, Engine, EngineConfig, LocalEd25519, Submission};

/// Events appended at once.
const GROUP: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let events: u64 = args.next().map_or(Ok(262_143), |text| text.parse())?;
    let bytes: usize = args.next().map_or(Ok(512), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let home = tempfile::tempdir()?;
    let config = EngineConfig::new(home.path().join("data"), ServerName::new("rate.example")?);
    let engine = Engine::open(config, Arc::new(LocalEd25519::generate()?))?;
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let ledger = LedgerName::new(sign_per.as_str())?;
        runtime.block_on(engine.create_ledger(ledger.clone(), sign_per))?;
        for begin in (0..events).step_by(GROUP as usize) {
            let group = (begin..events.min(begin + GROUP)).map(|number| event(number, bytes));
            let group = group.collect::<Result<_, _>>()?;
            let each = Atomicity::AllOrNothing;
            drop(runtime.block_on(engine.submit_wait(&ledger, group, each))?);
        }
        while engine.ledger(&ledger)?.size <= events {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let vault = DirectoryVault::open(&home.path().join("vault"))?;
        let archiver = Archiver::new(engine.clone(), home.path().into());
        let (begun, cpu) = (Instant::now(), cpu_seconds()?);
        let run = archiver.archive(&ledger, &vault, Seal::Now, &Silent);
        let summary = runtime.block_on(run)?;
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
        println!(
            "signed per {sign_per}: {} records in {seconds:.2} s, {:.0}/s; CPU {:.1} us each; {:.0} of {:.0} bytes a record",
            summary.records,
            summary.records as f64 / seconds,
            cpu * 1e6 / summary.records as f64,
            summary.packed_bytes as f64 / summary.records as f64,
            summary.plain_bytes as f64 / summary.records as f64,
        );
    }
    Ok(())
}

/// What the kernel has charged to this process so far, user and system, as Linux counts it: in hundredths of
/// a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, which may hold spaces, ends with the last bracket; 11 more fields come before these two.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(ticks as f64 / 100.0)
}

/// An event of about so many bytes: names and words that repeat, ids that do not.
fn event(number: u64, bytes: usize) -> Result<Submission, Box<dyn Error>> {
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = format!(
        r#"{{"action":"order.paid","actor":"user-{}","amount":{},"order":"{id:016x}","trail":""#,
        id % 5000,
        id % 100_000,
    );
    while text.len() + 18 < bytes {
        text.push_str(&format!("{:08x}step ", id.rotate_left(text.len() as u32) as u32));
    }
    text.push_str("\"}");
    Ok(Submission::new(None, PreparedEvent::new(text.as_bytes())?))
}
