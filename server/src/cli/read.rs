//! `indelible get|list|receipt|checkpoint`: reading records and their proofs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::ValueEnum;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::EXIT_GOOD;
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_core::note::{self, SignedNote};
use indelible_core::receipt::Receipt;
use indelible_core::time::Timestamp;
use indelible_verifier::render::json_printable;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::connect::ConnectArgs;
use super::{EXIT_REFUSED, output};
use crate::client::{Client, ClientError, percent_encode};

/// Print one record
///
/// On a terminal it is indented to be read; into a file or pipe, and with --json, it comes byte for byte
/// as it was hashed and signed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible get payments 17
  indelible get payments --id order-2041")]
pub(super) struct GetArgs {
    #[command(flatten)]
    which: Which,
    /// The record's exact bytes, also on a terminal
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Which record of a ledger.
#[derive(Debug, clap::Args)]
struct Which {
    /// Name of the ledger
    ledger: LedgerName,
    /// Sequence number of the record
    #[arg(required_unless_present = "id", conflicts_with = "id")]
    seq: Option<Seq>,
    /// Id of the event, instead of the sequence number
    #[arg(long)]
    id: Option<EventId>,
}

/// List records
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible list payments
  indelible list payments --from 0 --limit 100
  indelible list payments --since 2026-11-21 --until 2026-11-22 --all --json")]
pub(super) struct ListArgs {
    /// Name of the ledger
    ledger: LedgerName,
    /// First sequence number; without any bound the newest records are shown
    #[arg(long, value_name = "SEQ")]
    from: Option<Seq>,
    /// Last sequence number
    #[arg(long, value_name = "SEQ")]
    to: Option<Seq>,
    /// Records of this time or later: 2026-11-21 or 2026-11-21T08:30:00Z, in UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Records before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Order
    #[arg(long, value_enum, default_value = "asc")]
    order: Order,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u64,
    /// All records of the range
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// The records' exact bytes, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Oldest first
    Asc,
    /// Newest first
    Desc,
}

/// Fetch the receipt of a record: the proof that can be checked alone, for ever
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible receipt payments 17 --out receipt.json
  indelible-verify receipt receipt.json --key indelible-data/public.vkey")]
pub(super) struct ReceiptArgs {
    #[command(flatten)]
    which: Which,
    /// Write it to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Fetch the signed checkpoint: what the ledger is committed to right now
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible checkpoint payments --out payments.checkpoint
  indelible checkpoint payments --out new.checkpoint --consistency-from payments.checkpoint --proof-out proof.json
  indelible-verify checkpoints payments.checkpoint new.checkpoint --proof proof.json --key public.vkey")]
pub(super) struct CheckpointArgs {
    /// Name of the ledger
    ledger: LedgerName,
    /// Write it to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ask for the proof that this checkpoint continues an older one, too: its number of records, or the
    /// file of a checkpoint or receipt
    #[arg(long, value_name = "SIZE_OR_FILE", requires = "proof_out", value_parser = older)]
    consistency_from: Option<u64>,
    /// Write that proof to this file
    #[arg(long, value_name = "FILE", requires = "consistency_from")]
    proof_out: Option<PathBuf>,
    /// The proof is to this number of records instead of the newest checkpoint's, which is fetched all
    /// the same
    #[arg(long, value_name = "SIZE_OR_FILE", requires = "consistency_from", value_parser = older)]
    consistency_to: Option<u64>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// One page of records, as exact bytes.
#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// What people need of a record.
#[derive(Debug, Deserialize)]
struct Glance<'a> {
    seq: u64,
    id: String,
    time: String,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
}

/// A day, or a day and a time of day, in UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let full = match text.len() {
        10 => format!("{text}T00:00:00.000000Z"),
        20.. => {
            let (whole, fraction) = match text.strip_suffix('Z').map(|t| t.split_once('.')) {
                Some(Some((whole, fraction))) if fraction.len() <= 6 => (whole, fraction),
                Some(None) => (text.trim_end_matches('Z'), ""),
                _ => (text, ""),
            };
            format!("{whole}.{fraction:0<6}Z")
        }
        _ => text.to_owned(),
    };
    full.parse().map_err(|_| {
        "a time is written 2026-11-21 or 2026-11-21T08:30:00Z, in UTC, from 1970 to 9999".to_owned()
    })
}

fn events_path(ledger: &LedgerName) -> String {
    format!("/v1/ledgers/{}/events", percent_encode(ledger))
}

/// The record with an id; `None` when there is none.
async fn find(client: &Client, ledger: &LedgerName, id: &EventId) -> anyhow::Result<Option<Page>> {
    let path = format!("{}?id={}", events_path(ledger), percent_encode(id));
    let page: Page = client.get_json(&path).await?;
    Ok((!page.events.is_empty()).then_some(page))
}

pub(super) async fn get(args: GetArgs) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let Which { ledger, seq, id } = &args.which;
    let record: Bytes = match (seq, id) {
        (Some(seq), _) => client.get(&format!("{}/{seq}", events_path(ledger))).await?,
        (None, Some(id)) => match find(&client, ledger, id).await? {
            Some(page) => page.events.iter().flat_map(|raw| raw.get().bytes()).collect(),
            None => return Ok(no_such_id(ledger, id)),
        },
        (None, None) => bail!("neither a sequence number nor --id was given"),
    };
    if output::to_terminal() && !args.json {
        let value: Value = serde_json::from_slice(&record)?;
        // JSON spells out only what is below U+0020; a terminal obeys more than that.
        output::line(&json_printable(&serde_json::to_string_pretty(&value)?))?;
    } else {
        output::bytes(&record)?;
        output::bytes(b"\n")?;
    }
    Ok(EXIT_GOOD)
}

fn no_such_id(ledger: &LedgerName, id: &EventId) -> u8 {
    output::error(&format!("{ledger} has no event with the id {:?}", id.as_str()));
    EXIT_REFUSED
}

pub(super) async fn list(args: ListArgs) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let unbounded =
        args.from.is_none() && args.to.is_none() && args.since.is_none() && args.until.is_none();
    // "The newest twenty, oldest first" is asked backwards and turned around here.
    let turn = unbounded && !args.all && args.order == Order::Asc;
    let mut query = vec![];
    let order = if turn || args.order == Order::Desc { "desc" } else { "asc" };
    query.push(format!("order={order}"));
    query.extend(args.from.map(|seq| format!("from={seq}")));
    query.extend(args.to.map(|seq| format!("to={seq}")));
    query.extend(args.since.map(|time| format!("from_time={time}")));
    query.extend(args.until.map(|time| format!("to_time={time}")));
    let path = format!("{}?{}", events_path(&args.ledger), query.join("&"));
    let mut listing = Listing { json: args.json, rows: Vec::new() };
    let limit = if args.all { u64::MAX } else { args.limit };
    for_each_record(&client, &path, limit, |record| {
        if turn {
            listing.rows.push(record);
            return Ok(());
        }
        listing.show(&[record])
    })
    .await?;
    let mut rows = std::mem::take(&mut listing.rows);
    rows.reverse();
    listing.show(&rows)?;
    Ok(EXIT_GOOD)
}

/// Calls `each` for up to `limit` records, page by page.
async fn for_each_record(
    client: &Client,
    path: &str,
    limit: u64,
    mut each: impl FnMut(Box<RawValue>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    const PAGE_MAX: u64 = 1000;
    let mut left = limit;
    let mut cursor: Option<String> = None;
    while left > 0 {
        let mut page_path = format!("{path}&limit={}", left.min(PAGE_MAX));
        if let Some(cursor) = &cursor {
            page_path.push_str(&format!("&cursor={}", percent_encode(cursor)));
        }
        let page: Page = client.get_json(&page_path).await?;
        for record in page.events {
            left = left.saturating_sub(1);
            each(record)?;
        }
        // A cursor that stands still would list for ever.
        if page.next.is_none() || page.next == cursor {
            return Ok(());
        }
        cursor = page.next;
    }
    Ok(())
}

struct Listing {
    json: bool,
    /// Kept back to be shown in the other order.
    rows: Vec<Box<RawValue>>,
}

impl Listing {
    fn show(&self, records: &[Box<RawValue>]) -> anyhow::Result<()> {
        for record in records {
            if self.json {
                output::bytes(format!("{}\n", record.get()).as_bytes())?;
            } else {
                output::line(&one_line(record.get())?)?;
            }
        }
        Ok(())
    }
}

/// A record as a line of a listing: number, time, id, what happened.
pub(super) fn one_line(record: &str) -> anyhow::Result<String> {
    let glance: Glance<'_> = serde_json::from_str(record)
        .with_context(|| "the server sent something that is no record".to_owned())?;
    let body = match (glance.event, glance.system) {
        (Some(event), _) => event.get().to_owned(),
        (None, Some(system)) => format!("system {}", system.get()),
        (None, None) => String::new(),
    };
    let head = format!("{:>8}  {}  {}  ", glance.seq, glance.time, output::harmless(&glance.id));
    Ok(format!("{head}{}", fit(&output::harmless(&body), &head)))
}

/// Cuts a text to what is left of the terminal's line; elsewhere nothing is cut.
fn fit(text: &str, head: &str) -> String {
    /// Less than this says nothing, so it is shown whatever the width.
    const WIDTH_MIN: usize = 40;
    let Some(width) = output::terminal_width() else { return text.to_owned() };
    let room = width.saturating_sub(head.chars().count()).max(WIDTH_MIN);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

pub(super) async fn receipt(args: ReceiptArgs) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let Which { ledger, seq, id } = &args.which;
    let seq = match (seq, id) {
        (Some(seq), _) => *seq,
        (None, Some(id)) => match find(&client, ledger, id).await? {
            Some(page) => {
                let record = page.events.first().map(|raw| raw.get()).unwrap_or_default();
                Seq::new(serde_json::from_str::<Glance<'_>>(record)?.seq)?
            }
            None => return Ok(no_such_id(ledger, id)),
        },
        (None, None) => bail!("neither a sequence number nor --id was given"),
    };
    let receipt = client.get(&format!("{}/{seq}/receipt", events_path(ledger))).await?;
    deliver(&receipt, args.out.as_deref(), "receipt", &format!("{ledger}-{seq}.receipt.json"))?;
    Ok(EXIT_GOOD)
}

pub(super) async fn checkpoint(args: CheckpointArgs) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let note = fetch_checkpoint(&client, &args.ledger).await?;
    match &args.out {
        Some(path) => {
            write_file(path, &note)?;
            output::hint(&format!("written to {}; give it to the verifier as", path.display()));
            output::hint(&format!("  --head {}", path.display()));
        }
        None => output::bytes(&note)?,
    }
    let (Some(from), Some(path)) = (args.consistency_from, &args.proof_out) else {
        return Ok(EXIT_GOOD);
    };
    // The newest checkpoint may be newer than a moment ago: the proof is to the one that was fetched.
    let to = args.consistency_to.map_or_else(|| size_of(&note).map_err(anyhow::Error::msg), Ok)?;
    let ledger = percent_encode(&args.ledger);
    let proof =
        client.get(&format!("/v1/ledgers/{ledger}/proofs/consistency?from={from}&to={to}")).await?;
    write_file(path, &proof)?;
    output::hint(&format!(
        "the proof from {from} to {to} records is in {}; check it with",
        path.display()
    ));
    output::hint(&format!("  indelible-verify checkpoints OLD NEW --proof {}", path.display()));
    Ok(EXIT_GOOD)
}

/// How many records a head has: a number, or the file of a checkpoint or receipt.
fn older(text: &str) -> Result<u64, String> {
    if let Ok(size) = text.parse() {
        return Ok(size);
    }
    let bytes = std::fs::read(text).map_err(|error| format!("{text}: {error}"))?;
    size_of(&bytes).map_err(|error| format!("{text}: {error}"))
}

/// What a head says of its size. Whether it is to be believed is for the verifier to find out.
fn size_of(bytes: &[u8]) -> Result<u64, String> {
    let note = match Receipt::from_file(bytes) {
        Ok(receipt) => receipt.checkpoint.into_bytes(),
        Err(_) => note::from_file(bytes).into_owned(),
    };
    let note = SignedNote::parse(&note).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
    Ok(checkpoint.size)
}

/// The ledger's signed note.
pub(super) async fn fetch_checkpoint(
    client: &Client,
    ledger: &LedgerName,
) -> Result<Bytes, ClientError> {
    client.get(&format!("/v1/ledgers/{}/checkpoint", percent_encode(ledger))).await
}

/// Writes exact bytes to a file or to stdout and says how to check them.
fn deliver(bytes: &[u8], out: Option<&Path>, kind: &str, example: &str) -> anyhow::Result<()> {
    let name = match out {
        Some(path) => {
            write_file(path, bytes)?;
            path.display().to_string()
        }
        None => {
            output::bytes(bytes)?;
            if output::to_terminal() {
                output::bytes(b"\n")?;
            }
            example.to_owned()
        }
    };
    if out.is_some() || output::to_terminal() {
        output::how_to_check(kind, &name);
    }
    Ok(())
}

/// Writes a file whole or not at all.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_written_short() {
        for (text, full) in [
            ("2026-11-21", "2026-11-21T00:00:00.000000Z"),
            ("2026-11-21T08:30:00Z", "2026-11-21T08:30:00.000000Z"),
            ("2026-11-21T08:30:00.5Z", "2026-11-21T08:30:00.500000Z"),
            ("2026-11-21T08:30:00.123456Z", "2026-11-21T08:30:00.123456Z"),
        ] {
            assert_eq!(time(text).unwrap().to_string(), full);
        }
        for bad in
            ["", "yesterday", "2026-13-01", "2026-11-21T08:30:00", "2026-11-21T08:30:00.1234567Z"]
        {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listing_shows_system_records_as_such_and_no_control_characters() {
        let record = r#"{"id":"a","ledger":"l","seq":0,"system":{"kind":"x"},"time":"t","v":1}"#;
        assert_eq!(one_line(record).unwrap(), r#"       0  t  a  system {"kind":"x"}"#);
        assert!(one_line("{}").is_err());
    }
}
