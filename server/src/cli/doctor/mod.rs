//! `indelible doctor`: looks at everything a server needs and says what it found.

mod database;
mod folder;
mod network;

use std::path::PathBuf;

use indelible_core::code::EXIT_GOOD;
use serde_json::json;

use super::connect::ConnectArgs;
use super::{EXIT_REFUSED, output};
use crate::config::Config;

/// Explain what is there and what is wrong: configuration, folder, key, port, lock, disk, clock, server
///
/// Changes nothing. Exit code 1 when something keeps the server from working.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible doctor
  indelible doctor --deep --data indelible-data
  indelible doctor --config /etc/indelible.toml --json")]
pub(super) struct Args {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data folder [default: from the configuration]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Hold every row of the database against the records, as `indelible verify` does; reads all of it
    #[arg(long)]
    deep: bool,
    /// As JSON, one finding a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Worth a look; a server works all the same.
    Look,
    /// A server does not work like this.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do, where something is to be done.
    advice: Option<String>,
}

fn good(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Good, found: found.into(), advice: None }
}

fn look(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Look, found: found.into(), advice: Some(advice.into()) }
}

fn bad(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { what, verdict: Verdict::Bad, found: found.into(), advice: Some(advice.into()) }
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let mut findings = Vec::new();
    let mut config = match Config::load(args.config.as_deref()) {
        Ok(config) => {
            let from = args.config.as_ref().map_or_else(
                || "defaults and environment".to_owned(),
                |path| path.display().to_string(),
            );
            findings.push(good("configuration", format!("{from}: every key is known and valid")));
            config
        }
        Err(error) => {
            findings.push(bad(
                "configuration",
                error.to_string(),
                "correct it; the rest is checked with defaults",
            ));
            Config::default()
        }
    };
    if let Some(dir) = args.data {
        config.data_dir = dir;
    }
    let running = folder::examine(&config, args.deep, &mut findings);
    network::examine(&config, &args.connect, running, &mut findings).await;
    let worst = report(&findings, args.json)?;
    Ok(if worst == Verdict::Bad { EXIT_REFUSED } else { EXIT_GOOD })
}

fn report(findings: &[Finding], json: bool) -> anyhow::Result<Verdict> {
    let mut worst = Verdict::Good;
    for finding in findings {
        let (word, styled) = match finding.verdict {
            Verdict::Good => ("ok", output::good("ok  ")),
            Verdict::Look => ("look", output::doubtful("look")),
            Verdict::Bad => ("bad", output::bad("bad ")),
        };
        if finding.verdict == Verdict::Bad || worst == Verdict::Good {
            worst = finding.verdict;
        }
        if json {
            output::json(&json!({
                "advice": finding.advice, "found": finding.found, "verdict": word, "what": finding.what,
            }))?;
            continue;
        }
        output::line(&format!(
            "{styled}  {:13}  {}",
            finding.what,
            output::harmless(&finding.found)
        ))?;
        if let Some(advice) = &finding.advice {
            output::line(&format!("{:21}{advice}", ""))?;
        }
    }
    if !json {
        output::line(match worst {
            Verdict::Good => "\nEverything is as it should be.",
            Verdict::Look => "\nIt works; the points marked `look` deserve one.",
            Verdict::Bad => "\nThe points marked `bad` keep the server from working.",
        })?;
    }
    Ok(worst)
}
