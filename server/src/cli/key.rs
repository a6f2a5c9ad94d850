//! `indelible key generate|show`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use indelible_core::code::EXIT_GOOD;
use indelible_core::key::{KeyId, PublicKey, VKey};
use indelible_core::name::{LedgerName, Origin, ServerName};
use indelible_core::record::{Body, RecordView};
use indelible_core::system::Creation;
use indelible_ledger::folder::{DataFolder, replace_file};
use indelible_ledger::{LocalEd25519, Signer};
use serde_json::json;

use super::connect::ConnectArgs;
use super::verify::live::Database;
use super::{data_dir_default, output, usage};
use crate::client::percent_encode;
use crate::config::Config;
use crate::serve::{PUBLIC_KEY_FILE, SIGNING_KEY_FILE};
use crate::signers;

/// Make and show signing keys
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Generate(GenerateArgs),
    Show(ShowArgs),
}

/// Make an Ed25519 signing key (mode 0600) and print its public key
///
/// A server's first start does this by itself. Make one beforehand to keep a copy in a safe, or to tell
/// auditors the public key before the first event: --data makes a data folder that holds nothing else yet.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("place").required(true).args(["out", "data"])),
    after_help = "Examples:
  indelible key generate --data indelible-data --name ledger.example.com
  indelible key generate --out signing.key --name ledger.example.com > public.vkey"
)]
pub(super) struct GenerateArgs {
    /// The new file; never written over
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A new data folder, in which the server will find key and name
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's name, under which auditors will know the key
    #[arg(long, value_name = "NAME")]
    name: ServerName,
}

/// Show the public key: what an auditor must have got from you beforehand
///
/// Where the server has further signers, --ledger says which of their keys signs that ledger.
///
/// The key's own name is the server's, which `indelible-verify` takes for all of its ledgers. Other
/// people's C2SP tools want a key to have the name that stands in the checkpoint's signature, the
/// ledger's origin: --ledger gives the key that name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible key show --data indelible-data
  indelible key show public.vkey
  indelible key show --ledger payments
  indelible key show --ledger payments --from-server")]
pub(super) struct ShowArgs {
    /// File with the public key (a vkey), instead of the one of a data folder
    file: Option<PathBuf>,
    /// The server's data folder
    #[arg(long, value_name = "DIR", env = "INDELIBLE_DATA_DIR", default_value_os_t = data_dir_default())]
    data: PathBuf,
    /// The key that signs this ledger, named with its origin, for other people's C2SP tools
    #[arg(long, value_name = "NAME")]
    ledger: Option<LedgerName>,
    /// Ask the running server which key signs the ledger, where neither data folder nor file is at hand
    #[arg(long, requires = "ledger", conflicts_with = "file")]
    from_server: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Generate(args) => generate(&args),
        Command::Show(args) => show(&args).await,
    }
}

fn generate(args: &GenerateArgs) -> anyhow::Result<u8> {
    let key = LocalEd25519::generate()?;
    let vkey = VKey::new(&args.name, key.note_key())?;
    let place = match (&args.out, &args.data) {
        (Some(out), _) => {
            key.save(out)?;
            out.clone()
        }
        (None, Some(data)) => {
            let folder = DataFolder::open_for(data, Config::load(None)?.data_access)?;
            let path = folder.path().join(SIGNING_KEY_FILE);
            key.save(&path)?;
            replace_file(&folder.path().join(PUBLIC_KEY_FILE), format!("{vkey}\n").as_bytes())?;
            path
        }
        (None, None) => return Err(usage("where to: --out FILE or --data DIR")),
    };
    output::line(&vkey.to_string())?;
    output::hint(&format!(
        "the private key is in {} (mode 0600); whoever has it can sign in this server's name",
        place.display()
    ));
    Ok(EXIT_GOOD)
}

async fn show(args: &ShowArgs) -> anyhow::Result<u8> {
    let vkey = match &args.ledger {
        Some(ledger) if args.from_server => of_server(args, ledger).await?,
        Some(ledger) => of_ledger(&signing(args, ledger)?, ledger)?,
        None => read(args)?,
    };
    let key_id = vkey.key().key_id();
    if args.json {
        output::json(&json!({
            "key_id": key_id.as_str(), "name": vkey.name(), "vkey": vkey.to_string(),
        }))?;
        return Ok(EXIT_GOOD);
    }
    output::facts(&[
        ("name", vkey.name().to_owned()),
        ("key id", key_id.as_str().to_owned()),
        ("vkey", vkey.to_string()),
    ])?;
    Ok(EXIT_GOOD)
}

/// The key in the file, or in the data folder.
fn read(args: &ShowArgs) -> anyhow::Result<VKey> {
    let path = args.file.clone().unwrap_or_else(|| args.data.join(PUBLIC_KEY_FILE));
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the public key {}", path.display()))?;
    VKey::parse_file(&text).with_context(|| path.display().to_string())
}

/// The key in the file; or that key of the data folder which signs the ledger, as its record 0 says.
fn signing(args: &ShowArgs, ledger: &LedgerName) -> anyhow::Result<VKey> {
    let own = read(args)?;
    if args.file.is_some() {
        return Ok(own);
    }
    let further = signers::public_keys(&args.data)?;
    // With one signer there is nothing to look up, and a ledger can be asked for that is yet to come.
    if further.is_empty() {
        return Ok(own);
    }
    let keys = Database::open(&args.data, Config::load(None)?.open_timeout)?.keys(ledger)?;
    let all = std::iter::once(own).chain(further.into_iter().map(|signer| signer.vkey));
    let signs = all.into_iter().find(|vkey| keys.contains(&vkey.key().key_id()));
    signs.with_context(|| {
        let keys: Vec<&str> = keys.iter().map(KeyId::as_str).collect();
        format!(
            "the ledger {ledger} is signed with {}, and no public key in {} is that one",
            keys.join(", "),
            args.data.display()
        )
    })
}

/// The same key under the name that it signs the ledger's checkpoints with.
fn of_ledger(vkey: &VKey, ledger: &LedgerName) -> anyhow::Result<VKey> {
    let server = ServerName::new(vkey.name()).with_context(|| {
        format!("the key is named '{}', which is no server's name", vkey.name())
    })?;
    Ok(VKey::new(&Origin::of(&server, ledger), vkey.key().clone())?)
}

/// What the server says of the ledger: its origin and its key stand in record 0.
async fn of_server(args: &ShowArgs, ledger: &LedgerName) -> anyhow::Result<VKey> {
    let client = args.connect.client()?;
    let path = format!("/v1/ledgers/{}/events/0", percent_encode(ledger));
    let record = client.get(&path).await?;
    let record = RecordView::parse(&record).context("record 0")?;
    let Body::System(system) = record.body else { anyhow::bail!("record 0 is no creation") };
    let creation = Creation::parse(system).context("record 0")?;
    let key = creation.keys.first().and_then(KeyId::public_key);
    let key = key.context("the ledger is not signed with an Ed25519 key")?;
    output::hint(
        "this is what the server says; an auditor takes the key from a channel of its own",
    );
    Ok(VKey::new(&creation.origin, PublicKey::from_bytes(&key)?)?)
}
