//! `indelible ledger create|list|show`.

use clap::{Subcommand, ValueEnum};
use comfy_table::CellAlignment;
use indelible_core::code::EXIT_GOOD;
use indelible_core::json::Numbers;
use indelible_core::name::LedgerName;
use indelible_core::system::Principals;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::output;
use crate::client::{Client, ClientError, percent_encode};

/// Create, list and show ledgers
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Create(CreateArgs),
    List(ListArgs),
    Show(ShowArgs),
}

/// Which records carry a signature of their own
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SignPer {
    /// Every record
    Record,
    /// The last record of every commit, which covers those before it: for slow or dear signers
    Commit,
}

/// What becomes of numbers with digits that a double does not carry
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum NumbersArg {
    /// They are refused
    Exact,
    /// They are kept as strings, digit for digit, and the record says which
    Text,
}

impl From<NumbersArg> for Numbers {
    fn from(arg: NumbersArg) -> Self {
        match arg {
            NumbersArg::Exact => Self::Exact,
            NumbersArg::Text => Self::Text,
        }
    }
}

/// What records say of who wrote them
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PrincipalsArg {
    /// Nothing
    Off,
    /// The name of the token
    Name,
    /// How it was known who wrote, the name, and the tenant
    Full,
}

impl From<PrincipalsArg> for Principals {
    fn from(arg: PrincipalsArg) -> Self {
        match arg {
            PrincipalsArg::Off => Self::Off,
            PrincipalsArg::Name => Self::Name,
            PrincipalsArg::Full => Self::Full,
        }
    }
}

/// Create a ledger; does nothing when it is there with the same settings
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible ledger create payments
  indelible ledger create bulk --sign-per commit
  indelible ledger create windows --numbers text
  indelible ledger create approvals --principals name")]
pub(super) struct CreateArgs {
    /// Name: a-z, 0-9, '.', '_' and '-'
    name: LedgerName,
    /// Which records carry a signature of their own; fixed for ever
    #[arg(long, value_enum, default_value = "record")]
    sign_per: SignPer,
    /// What becomes of numbers that a double does not carry, where an append does not say; fixed for ever
    #[arg(long, value_enum, default_value = "exact")]
    numbers: NumbersArg,
    /// What records say of who wrote them; fixed for ever
    #[arg(long, value_enum, default_value = "off")]
    principals: PrincipalsArg,
    /// Which of the server's signers signs it (signing.keys); the one of the data folder unless given
    #[arg(long, value_name = "NAME")]
    signer: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// List the ledgers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible ledger list")]
pub(super) struct ListArgs {
    /// As JSON, one ledger a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Show a ledger: size, last record, root
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible ledger show payments")]
pub(super) struct ShowArgs {
    /// Name of the ledger
    name: LedgerName,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Create(args) => create(args).await,
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
    }
}

async fn create(args: CreateArgs) -> anyhow::Result<u8> {
    let sign_per = match args.sign_per {
        SignPer::Record => "record",
        SignPer::Commit => "commit",
    };
    let numbers = Numbers::from(args.numbers);
    let principals = Principals::from(args.principals);
    let mut request = json!({
        "name": args.name.as_str(), "numbers": numbers.as_str(),
        "principals": principals.as_str(), "sign_per": sign_per,
    });
    if let (Some(signer), Some(members)) = (&args.signer, request.as_object_mut()) {
        members.insert("signer".into(), signer.as_str().into());
    }
    let client = args.connect.client()?;
    let (ledger, created): (Value, bool) = client.post_json("/v1/ledgers", &request).await?;
    if args.json {
        output::json(&ledger)?;
    } else {
        let what = if created { "created" } else { "was there already, with the same settings" };
        let kept = if numbers == Numbers::Text { ", inexact numbers kept as text" } else { "" };
        let written = match principals {
            Principals::Off => "",
            Principals::Name => ", records say the name of who wrote them",
            Principals::Full => ", records say in full who wrote them",
        };
        output::line(&format!("{} {what} (signed per {sign_per}{kept}{written})", args.name))?;
    }
    Ok(EXIT_GOOD)
}

/// One page of the listing.
#[derive(Debug, Deserialize)]
struct Page {
    ledgers: Vec<Value>,
    next: Option<String>,
}

/// Calls `each` for every ledger, page by page.
pub(super) async fn for_each(
    client: &Client,
    mut each: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut cursor: Option<String> = None;
    loop {
        let path = match &cursor {
            None => "/v1/ledgers".to_owned(),
            Some(cursor) => format!("/v1/ledgers?cursor={}", percent_encode(cursor)),
        };
        let page: Page = client.get_json(&path).await?;
        for ledger in page.ledgers {
            each(ledger)?;
        }
        // A cursor that stands still would list for ever.
        if page.next.is_none() || page.next == cursor {
            return Ok(());
        }
        cursor = page.next;
    }
}

async fn list(args: ListArgs) -> anyhow::Result<u8> {
    let mut table =
        output::table(&["LEDGER", "RECORDS", "SIGNED PER", "PRINCIPALS", "LAST RECORD"]);
    let mut count = 0_u64;
    for_each(&args.connect.client()?, |ledger| {
        count += 1;
        if args.json {
            return Ok(output::json(&ledger)?);
        }
        let size = ledger.get("size").and_then(Value::as_u64).unwrap_or(0);
        let size = output::number(size);
        table.add_row([
            text(&ledger, "name"),
            size,
            text(&ledger, "sign_per"),
            text(&ledger, "principals"),
            text(&ledger, "time"),
        ]);
        Ok(())
    })
    .await?;
    if args.json {
        return Ok(EXIT_GOOD);
    }
    if count == 0 {
        output::remark("no ledgers yet; `indelible ledger create NAME` makes one");
        return Ok(EXIT_GOOD);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    output::print_table(&table)?;
    Ok(EXIT_GOOD)
}

async fn show(args: ShowArgs) -> anyhow::Result<u8> {
    let ledger = fetch(&args.connect.client()?, &args.name).await?;
    if args.json {
        output::json(&ledger)?;
        return Ok(EXIT_GOOD);
    }
    let size = ledger.get("size").and_then(Value::as_u64).unwrap_or(0);
    output::facts(&[
        ("ledger", text(&ledger, "name")),
        ("origin", text(&ledger, "origin")),
        ("signed per", text(&ledger, "sign_per")),
        ("numbers", text(&ledger, "numbers")),
        ("principals", text(&ledger, "principals")),
        ("created", text(&ledger, "created")),
        ("records", output::number(size)),
        ("last record", text(&ledger, "time")),
        ("last digest", text(&ledger, "digest")),
        ("tree root", text(&ledger, "root")),
    ])?;
    Ok(EXIT_GOOD)
}

/// The server's description of one ledger.
pub(super) async fn fetch(client: &Client, name: &LedgerName) -> Result<Value, ClientError> {
    client.get_json(&format!("/v1/ledgers/{}", percent_encode(name))).await
}

/// A member of a document as a person reads it.
fn text(document: &Value, name: &str) -> String {
    match document.get(name) {
        Some(Value::String(text)) => output::harmless(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}
