//! `indelible token create|list|revoke`: tokens of a data folder, for the one who owns the folder.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use indelible_core::code::EXIT_GOOD;
use serde_json::json;

use super::{EXIT_REFUSED, data_dir_default, output};
use crate::auth::{self, Scope};

/// Create, list and revoke tokens
///
/// Works on the data folder, beside a running server, which takes notice within a second. Only hashes of
/// tokens are stored.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// What a token allows
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    /// Append events
    Append,
    /// Read events, receipts, proofs and metrics
    Read,
    /// Everything, also creating ledgers and archiving
    Admin,
}

/// Create a token and print it; it cannot be shown again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible token create billing --scope append --ledger payments > billing.token
  indelible token create auditors --scope read --ledger 'tenant-a.*'")]
pub(super) struct CreateArgs {
    /// Who will use it; unique
    name: String,
    /// What it allows; may be given more than once
    #[arg(long = "scope", value_enum, required = true)]
    scopes: Vec<ScopeName>,
    /// A ledger it reaches, or a prefix ending in *; may be given more than once [default: all]
    #[arg(long = "ledger", value_name = "LEDGER")]
    ledgers: Vec<String>,
    /// The tenant it writes for, whichever ledger it writes to [default: the ledger's, before the first dot]
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// List tokens; never the tokens themselves
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible token list")]
pub(super) struct ListArgs {
    /// As JSON, one token a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Revoke a token
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible token revoke billing")]
pub(super) struct RevokeArgs {
    /// Name of the token
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, clap::Args)]
struct DataArgs {
    /// The server's data folder
    #[arg(long, value_name = "DIR", env = "INDELIBLE_DATA_DIR", default_value_os_t = data_dir_default())]
    data: PathBuf,
}

impl DataArgs {
    /// The folder, if it is one that a server has used: a token in any other would open nothing.
    fn folder(&self) -> anyhow::Result<&PathBuf> {
        if self.data.join(auth::ADMIN_TOKEN_FILE).exists() {
            return Ok(&self.data);
        }
        anyhow::bail!(
            "{} is no data folder of a server; give its folder with --data",
            self.data.display()
        )
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Create(args) => create(&args),
        Command::List(args) => list(&args),
        Command::Revoke(args) => revoke(&args),
    }
}

fn create(args: &CreateArgs) -> anyhow::Result<u8> {
    let scopes: Vec<Scope> = args
        .scopes
        .iter()
        .map(|scope| match scope {
            ScopeName::Append => Scope::Append,
            ScopeName::Read => Scope::Read,
            ScopeName::Admin => Scope::Admin,
        })
        .collect();
    let ledgers = (!args.ledgers.is_empty()).then(|| args.ledgers.clone());
    let tenant = args.tenant.as_deref();
    let token = auth::create_token(args.data.folder()?, &args.name, &scopes, ledgers, tenant)?;
    output::line(&token)?;
    if output::to_terminal() {
        output::hint("keep it: only its hash is stored, so it cannot be shown again;");
        output::hint("a running server knows it within a second");
    }
    Ok(EXIT_GOOD)
}

fn list(args: &ListArgs) -> anyhow::Result<u8> {
    let tokens = auth::list_tokens(args.data.folder()?)?;
    if args.json {
        for token in &tokens {
            output::json(&json!({
                "ledgers": token.ledgers, "name": token.name, "scopes": token.scopes,
                "tenant": token.tenant,
            }))?;
        }
        return Ok(EXIT_GOOD);
    }
    let mut table = output::table(&["TOKEN", "SCOPES", "LEDGERS", "TENANT"]);
    table.add_row(["(admin.token)", "admin", "all", "the ledger's"]);
    for token in &tokens {
        let ledgers = token.ledgers.as_ref().map_or_else(|| "all".into(), |list| list.join(", "));
        let tenant = token.tenant.clone().unwrap_or_else(|| "the ledger's".into());
        let (name, scopes) = (output::harmless(&token.name), token.scopes.join(", "));
        table.add_row([name, scopes, output::harmless(&ledgers), output::harmless(&tenant)]);
    }
    output::print_table(&table)?;
    Ok(EXIT_GOOD)
}

fn revoke(args: &RevokeArgs) -> anyhow::Result<u8> {
    if auth::revoke_token(args.data.folder()?, &args.name)? {
        output::line(&format!("{} is revoked", args.name))?;
        return Ok(EXIT_GOOD);
    }
    output::error(&format!("there is no token named `{}`", args.name));
    output::note("`indelible token list` shows them");
    Ok(EXIT_REFUSED)
}
