//! `indelible export`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use indelible_core::code::EXIT_GOOD;
use indelible_core::name::LedgerName;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::connect::ConnectArgs;
use super::output;
use crate::client::percent_encode;

/// Write a whole ledger into one file that can be checked alone
///
/// The file ends with a signed checkpoint over every record in it. A name that ends in .zst is written
/// compressed (Zstandard).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible export payments --out payments.jsonl.zst
  indelible-verify export payments.jsonl.zst --key indelible-data/public.vkey")]
pub(super) struct Args {
    /// Name of the ledger
    ledger: LedgerName,
    /// The new file; - writes to stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let mut path = format!("/v1/ledgers/{}/export", percent_encode(&args.ledger));
    if args.out.extension().is_some_and(|extension| extension == "zst") {
        path.push_str("?compress=zstd");
    }
    let mut download = client.download(&path).await?;
    if args.out.as_os_str() == "-" {
        let mut stdout = io::stdout().lock();
        while let Some(chunk) = download.chunk().await? {
            stdout.write_all(&chunk)?;
        }
        stdout.flush()?;
        return Ok(EXIT_GOOD);
    }
    let cannot = || format!("cannot write {}", args.out.display());
    let mut name = args.out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = args.out.with_file_name(name);
    let mut file = File::create(&part).with_context(cannot)?;
    let bar = byte_counter();
    let mut bytes: u64 = 0;
    while let Some(chunk) = download.chunk().await? {
        file.write_all(&chunk).with_context(cannot)?;
        bytes += chunk.len() as u64;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    // Only a whole export gets the name that was asked for.
    file.sync_all().with_context(cannot)?;
    std::fs::rename(&part, &args.out).with_context(cannot)?;
    let out = args.out.display();
    output::line(&format!("{}: {} bytes written to {out}", args.ledger, output::number(bytes)))?;
    output::how_to_check("export", &out.to_string());
    Ok(EXIT_GOOD)
}

fn byte_counter() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
    if let Ok(style) =
        ProgressStyle::with_template("{spinner:.cyan} {binary_bytes}  {binary_bytes_per_sec}")
    {
        bar.set_style(style);
    }
    bar
}
