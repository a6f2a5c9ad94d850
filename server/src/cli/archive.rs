//! `indelible archive`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use indelible_archiver::{Archiver, DirectoryVault, Seal, Silent, Summary};
use indelible_core::code::EXIT_GOOD;
use indelible_core::key::VKey;
use indelible_core::name::{LedgerName, ServerName};
use indelible_ledger::{Engine, EngineConfig, LocalEd25519};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::output;
use crate::client::percent_encode;
use crate::serve::{PUBLIC_KEY_FILE, SIGNING_KEY_FILE};

/// Ship a ledger into a vault: compressed segments with signed, chained manifests
///
/// Through the running server, into a folder of its machine that archive.dirs of its configuration
/// allows; or with --data directly from a data folder on which no server is running. Interrupted anywhere, the
/// next run continues; run twice, it changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible archive payments --to vault
  indelible-verify vault vault --key indelible-data/public.vkey")]
pub(super) struct Args {
    /// Name of the ledger
    ledger: LedgerName,
    /// The vault's folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Only whole segments of 65,536 records; the rest waits for more
    #[arg(long)]
    whole: bool,
    /// Work on this data folder instead of asking a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let to = std::path::absolute(&args.to)?;
    let summary = match &args.data {
        Some(data) => offline(&args, data, &to).await?,
        None => {
            let path = format!("/v1/ledgers/{}/archive", percent_encode(&args.ledger));
            let request = json!({ "to": to, "whole": args.whole });
            let (summary, _): (Value, bool) =
                args.connect.client()?.post_json_patiently(&path, &request).await?;
            summary
        }
    };
    if args.json {
        output::json(&summary)?;
        return Ok(EXIT_GOOD);
    }
    let count = |name| summary.get(name).and_then(Value::as_u64).unwrap_or(0);
    let to = args.to.display();
    if count("segments") == 0 {
        output::line(&format!("{}: nothing new for {to}", args.ledger))?;
    } else {
        output::line(&format!(
            "{}: {} in {} shipped to {to} ({} bytes, {} unpacked)",
            args.ledger,
            output::counted(count("records"), "record"),
            output::counted(count("segments"), "segment"),
            output::number(count("packed_bytes")),
            output::number(count("plain_bytes")),
        ))?;
    }
    output::how_to_check("vault", &to.to_string());
    Ok(EXIT_GOOD)
}

/// Opens the engine itself, as the server would; the folder's lock keeps the two apart.
async fn offline(args: &Args, data: &Path, to: &Path) -> anyhow::Result<Value> {
    let vkey_path = data.join(PUBLIC_KEY_FILE);
    let vkey = std::fs::read_to_string(&vkey_path)
        .with_context(|| format!("{} is no data folder of a server", data.display()))?;
    let vkey = VKey::parse_file(&vkey).with_context(|| vkey_path.display().to_string())?;
    let signer = Arc::new(LocalEd25519::load(&data.join(SIGNING_KEY_FILE))?);
    let config = EngineConfig::new(data, ServerName::new(vkey.name())?);
    let engine = Engine::open(config, signer)?;
    let vault = DirectoryVault::open(to)?;
    let seal = if args.whole { Seal::Whole } else { Seal::Now };
    let archiver = Archiver::new(engine.clone(), data.to_owned());
    let summary = archiver.archive(&args.ledger, &vault, seal, &Silent).await;
    engine.close().await;
    Ok(describe(&summary?))
}

/// What a run did, as JSON.
fn describe(summary: &Summary) -> Value {
    json!({
        "archived": summary.archived,
        "ledger": summary.ledger.as_str(),
        "packed_bytes": summary.packed_bytes,
        "plain_bytes": summary.plain_bytes,
        "records": summary.records,
        "segments": summary.segments,
        "size": summary.size,
    })
}
