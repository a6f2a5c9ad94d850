//! `indelible tail`.

use std::time::Duration;

use indelible_core::code::EXIT_GOOD;
use indelible_core::name::{LedgerName, Seq};

use super::connect::ConnectArgs;
use super::{output, read};
use crate::client::ClientError;
use crate::client::tail::Tail;

/// Pause before connecting again, growing to the second value.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Follow a ledger: print records as they are appended
///
/// Connects again when the connection breaks, and goes on after the last record that was printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible tail payments
  indelible tail payments --from 0 --json | jq .event")]
pub(super) struct Args {
    /// Name of the ledger
    ledger: LedgerName,
    /// First sequence number; without it only what is appended from now on
    #[arg(long, value_name = "SEQ")]
    from: Option<Seq>,
    /// Stop after so many records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// The records' exact bytes, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let mut last_id: Option<String> = None;
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut pause = PAUSES.0;
    let mut connected_before = false;
    while left > 0 {
        let opened =
            Tail::open(&client, &args.ledger, args.from.map(Seq::get), last_id.as_deref()).await;
        let error = match opened {
            Ok(mut tail) => {
                connected_before = true;
                loop {
                    match tail.next().await {
                        Ok(Some(message)) if matches!(message.event.as_str(), "" | "record") => {
                            pause = PAUSES.0;
                            show(&message.data, args.json)?;
                            last_id = message.id.or(last_id);
                            left -= 1;
                            if left == 0 {
                                return Ok(EXIT_GOOD);
                            }
                        }
                        Ok(Some(_)) => {} // an event of a later version
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                }
            }
            Err(error) => Some(error),
        };
        match error {
            // A first try that fails is a wrong address or a server that is not there: say so at once.
            Some(error) if !connected_before || !error.is_temporary() => return Err(error.into()),
            Some(ClientError::Refused(problem)) => {
                pause = pause.max(problem.retry_after.unwrap_or_default())
            }
            Some(error) => output::warning(&format!("{error}; connecting again")),
            None => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(EXIT_GOOD)
}

fn show(record: &str, json: bool) -> anyhow::Result<()> {
    if json {
        output::bytes(format!("{record}\n").as_bytes())?;
    } else {
        output::line(&read::one_line(record)?)?;
    }
    Ok(())
}
