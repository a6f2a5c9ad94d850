//! `indelible archive`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use indelible_archiver::{Archiver, DirectoryVault, Progress, Seal, Summary};
use indelible_core::code::EXIT_GOOD;
use indelible_core::key::VKey;
use indelible_core::name::{LedgerName, ServerName};
use indelible_ledger::{EngineConfig, LocalEd25519};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::output;
use crate::client::percent_encode;
use crate::config::Config;
use crate::opening;
use crate::serve::{PUBLIC_KEY_FILE, SIGNING_KEY_FILE};
use crate::signers;

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
    /// Configuration file of the server, for the keys of further signers and the modes of folders
    #[arg(long, value_name = "FILE", requires = "data")]
    config: Option<PathBuf>,
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
            let client = args.connect.client()?;
            let bar = Bar::new("archiving on the server");
            let answer = client.post_json_patiently(&path, &request).await;
            bar.0.finish_and_clear();
            let (summary, _): (Value, bool) = answer?;
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
    let settings = Config::load(args.config.as_deref())?;
    let own = LocalEd25519::load(&data.join(SIGNING_KEY_FILE))?;
    let loaded = signers::load(own, &settings.signers)?;
    loaded.check(data)?;
    let mut config = EngineConfig::new(data, ServerName::new(vkey.name())?);
    config.access = settings.data_access;
    let engine = opening::engine(config, loaded.signers, None, settings.open_timeout).await?;
    let vault = DirectoryVault::open_for(to, settings.archive.vault_access)?;
    let seal = if args.whole { Seal::Whole } else { Seal::Now };
    let archiver = Archiver::new(engine.clone(), data.to_owned());
    let bar = Bar::new("looking at the vault");
    let summary = archiver.archive(&args.ledger, &vault, seal, &bar).await;
    bar.0.finish_and_clear();
    engine.close().await;
    Ok(describe(&summary?))
}

/// On stderr, and only when that is a terminal: a spinner until it is known how much there is to do.
struct Bar(ProgressBar);

impl Bar {
    fn new(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        bar.set_style(style("{spinner:.cyan} {msg}  {elapsed}"));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl Progress for Bar {
    fn begin(&self, ledger: &LedgerName, records: u64) {
        self.0.set_length(records);
        self.0.set_message(format!("records of {ledger}"));
        self.0.set_style(style(
            "{bar:30.cyan/dim} {percent:>3}%  {human_pos} of {human_len} {msg}  {per_sec}  {eta} left",
        ));
    }

    fn at(&self, records: u64) {
        self.0.set_position(records);
    }
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
