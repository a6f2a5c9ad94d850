//! `indelible version`.

use indelible_core::code::EXIT_GOOD;
use serde_json::json;

use super::output;

/// Print the version
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible version --json")]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    if args.json {
        output::json(&json!({ "platform": platform, "version": version }))?;
    } else {
        output::line(&format!("indelible {version} ({platform})"))?;
    }
    Ok(EXIT_GOOD)
}
