//! `indelible clock show|accept`.

use clap::Subcommand;
use indelible_core::code::EXIT_GOOD;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::output;

/// See how the server's clock stands to its ledgers, and accept a jump
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Show(ShowArgs),
    Accept(AcceptArgs),
}

/// Show the server's clock, how far its ledgers are ahead of it, and whether a jump is held
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible clock show")]
pub(super) struct ShowArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Say that the server's clock is right although it has jumped ahead, so that appends are taken again
///
/// What is appended from then on carries the time that the clock says, for ever. A restart does not
/// accept a jump; setting the clock right ends it without this.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible clock accept")]
pub(super) struct AcceptArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Show(args) => {
            let clock: Value = args.connect.client()?.get_json("/v1/clock").await?;
            if args.json {
                output::json(&clock)?;
                return Ok(EXIT_GOOD);
            }
            show(&clock)?;
        }
        Command::Accept(args) => {
            let client = args.connect.client()?;
            let (clock, _): (Value, bool) =
                client.post_json("/v1/clock/accept", &json!({})).await?;
            if args.json {
                output::json(&clock)?;
                return Ok(EXIT_GOOD);
            }
            match clock.get("accepted_seconds").and_then(Value::as_u64) {
                Some(seconds) => output::line(&format!(
                    "accepted: the clock had jumped {} s ahead; appends are taken again",
                    output::number(seconds)
                ))?,
                None => output::line("there was nothing to accept")?,
            }
        }
    }
    Ok(EXIT_GOOD)
}

fn show(clock: &Value) -> anyhow::Result<()> {
    let seconds = |name: &str| clock.get(name).and_then(Value::as_u64);
    let held = match seconds("held_seconds") {
        Some(jump) => {
            format!("yes: it jumped {} s ahead, appends are refused", output::number(jump))
        }
        None => "no".to_owned(),
    };
    let time = clock.get("time").and_then(Value::as_str).unwrap_or("-");
    output::facts(&[
        ("time", output::harmless(time)),
        (
            "ledgers ahead",
            format!("{} s", output::number(seconds("ledgers_ahead_seconds").unwrap_or(0))),
        ),
        ("held", held),
    ])?;
    Ok(())
}
