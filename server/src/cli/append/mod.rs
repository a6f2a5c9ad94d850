//! `indelible append`: a stream of events into a ledger.

mod input;
mod progress;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use indelible_core::code::EXIT_GOOD;
use indelible_core::json::Numbers;
use indelible_core::name::LedgerName;
use indelible_core::time::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::connect::ConnectArgs;
use super::ledger::NumbersArg;
use super::{EXIT_REFUSED, output, usage};
use crate::client::ClientError;
use crate::client::append::{Answer, Outcome, Patience, Report, append};
use input::{Ids, Shape};
use progress::Progress;

/// Time to keep trying unless another is given.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(60);
/// Refused lines that are printed one by one; with --json all of them are on stdout.
const REFUSED_SHOWN_MAX: u64 = 20;

/// Append events: one JSON object a line, from a file or stdin
///
/// A line {"event": {...}} or {"event": {...}, "id": "..."} is an envelope, any other object is the
/// event itself. An event without an id gets one made of the run and the line's number, so that the
/// same run can be sent again without doubling anything: a broken connection is taken up where it broke,
/// and a run that was stopped goes on with the same FILE and --run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo '{\"action\":\"login\",\"user\":\"ada\"}' | indelible append audit
  indelible append audit events.ndjson
  tail -F service.log.ndjson | indelible append audit --json")]
pub(super) struct Args {
    /// Name of the ledger
    ledger: LedgerName,
    /// NDJSON file; - or nothing reads stdin
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
    /// Take every line as an event, also one that looks like an envelope
    #[arg(long, conflicts_with = "envelopes")]
    events: bool,
    /// Take every line as an envelope
    #[arg(long)]
    envelopes: bool,
    /// Name of this run, first part of the ids it makes; the same run again doubles nothing
    #[arg(long, value_name = "NAME", value_parser = run_name)]
    run: Option<String>,
    /// Let the server make ids: a little faster, but a broken connection ends the run
    #[arg(long, conflicts_with = "run")]
    server_ids: bool,
    /// Numbers with digits that a double does not carry: refused, or kept as strings, digit for digit.
    /// Without this the ledger's own setting holds
    #[arg(long)]
    numbers: Option<NumbersArg>,
    /// Keep trying for so long while lines wait and the server cannot be reached [default: 60; without end
    /// while stdin is open]
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    /// One JSON result a line on stdout, with the input's line numbers, and a closing line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Room for the line number within an id's 128 bytes.
const RUN_NAME_BYTES_MAX: usize = 100;

fn run_name(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=RUN_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(good) {
        Ok(text.to_owned())
    } else {
        Err(format!("a run's name is 1 to {RUN_NAME_BYTES_MAX} letters, digits, '.', '_' and '-'"))
    }
}

/// A name that no other run has, and that sorts after those of earlier runs.
fn new_run_name() -> anyhow::Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let text = Timestamp::from_micros(u64::try_from(now.as_micros())?)?.to_string();
    let compact: String = text.chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    let mut salt = [0; 4];
    getrandom::fill(&mut salt).context("no random numbers from the system")?;
    Ok(format!("{compact}-{:08x}", u32::from_be_bytes(salt)))
}

pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let client = args.connect.client()?;
    let shape = match (args.events, args.envelopes) {
        (true, _) => Shape::Events,
        (_, true) => Shape::Envelopes,
        _ => Shape::Either,
    };
    let run = match args.run.clone() {
        Some(run) => run,
        None => new_run_name()?,
    };
    let ids = if args.server_ids { Ids::Servers } else { Ids::OfRun(run.clone()) };
    let (file, bytes) = open(&args.file)?;
    let (sender, receiver) = mpsc::channel(input::BATCHES_WAITING_MAX);
    // A thread of its own: reading stdin blocks. It ends with its input, or when nobody takes more.
    let reader = std::thread::Builder::new()
        .name("input".into())
        .spawn(move || input::read(file, shape, &ids, &sender))?;
    let mut summary = Summary::new(args.json, bytes);
    // Without ids of our own a second sending would double events.
    let patience = if args.server_ids {
        Patience { once_ended: Duration::ZERO, while_open: Some(Duration::ZERO) }
    } else {
        patience(args.patience, bytes.is_some())
    };
    let numbers = args.numbers.map(Numbers::from);
    let appended =
        append(&client, &args.ledger, numbers, receiver, patience, |report| summary.take(report));
    let appended = appended.await;
    summary.progress.finish();
    let closing = match appended {
        Ok(closing) => closing,
        Err(error) => return Err(summary.stopped(error, &args, &run)),
    };
    let read = reader.join().map_err(|_| anyhow::anyhow!("the reading thread failed"))?;
    let overlong = read.with_context(|| format!("cannot read {}", args.file.display()))?;
    for line in overlong {
        summary.refuse(line, "line_too_large", "longer than 2 MiB, so it was not sent");
    }
    summary.close(&args.ledger, &closing)
}

/// A pipe may be fed by something that lives for days and must not lose its reader to a restart of the
/// server; a file is there to be sent again.
fn patience(given: Option<u64>, is_file: bool) -> Patience {
    let once_ended = given.map_or(PATIENCE_DEFAULT, Duration::from_secs);
    let while_open = (given.is_some() || is_file).then_some(once_ended);
    Patience { once_ended, while_open }
}

fn open(path: &PathBuf) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(usage(format!("{} is a folder", path.display())));
    }
    Ok((Box::new(file), meta.is_file().then_some(meta.len())))
}

/// What has become of the lines so far.
struct Summary {
    json: bool,
    appended: u64,
    duplicates: u64,
    refused: u64,
    written: io::Result<()>,
    progress: Progress,
}

impl Summary {
    fn new(json: bool, bytes: Option<u64>) -> Self {
        let progress = Progress::new(bytes);
        Self { json, appended: 0, duplicates: 0, refused: 0, written: Ok(()), progress }
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Answered(answer) => self.answered(answer),
            Report::Broken { reason, pause } => {
                let again = format!("{reason}; trying again in {:.1} s", pause.as_secs_f64());
                self.progress.above(|| output::warning(&again));
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        match answer.outcome {
            Outcome::Appended => self.appended += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Refused => {
                let error = answer.members.get("error");
                let of = |name| error.and_then(|e| e.get(name)).and_then(Value::as_str);
                self.count_refused(
                    answer.number,
                    of("code").unwrap_or("?"),
                    of("detail").unwrap_or(""),
                );
            }
        }
        self.progress.answered(answer.bytes, self.appended + self.duplicates);
        self.print(&Value::Object(answer.members));
    }

    /// A line that never went to the server.
    fn refuse(&mut self, line: u64, code: &str, detail: &str) {
        self.count_refused(line, code, detail);
        self.print(&json!({ "error": { "code": code, "detail": detail }, "line": line }));
    }

    fn count_refused(&mut self, line: u64, code: &str, detail: &str) {
        self.refused += 1;
        if self.refused <= REFUSED_SHOWN_MAX {
            let text = format!("line {line} was refused: {} ({code})", output::harmless(detail));
            self.progress.above(|| output::warning(&text));
        } else if self.refused == REFUSED_SHOWN_MAX + 1 {
            self.progress.above(|| output::warning("more lines were refused; --json lists all"));
        }
    }

    fn print(&mut self, value: &Value) {
        if self.json && self.written.is_ok() {
            self.written = output::json(value);
        }
    }

    fn counts(&self) -> String {
        format!(
            "{} appended, {} duplicate, {} refused",
            output::number(self.appended),
            output::number(self.duplicates),
            output::number(self.refused)
        )
    }

    /// The run ended before its input did.
    fn stopped(&self, error: ClientError, args: &Args, run: &str) -> anyhow::Error {
        if self.appended + self.duplicates + self.refused > 0 {
            output::remark(&format!("stopped after {}", self.counts()));
        }
        if error.is_temporary() && !args.server_ids && args.file.as_os_str() != "-" {
            let numbers = args
                .numbers
                .map_or_else(String::new, |own| format!(" --numbers {}", Numbers::from(own)));
            output::remark(&format!(
                "to go on without doubling: indelible append {} {} --run {run}{numbers}",
                args.ledger,
                args.file.display()
            ));
        }
        error.into()
    }

    fn close(self, ledger: &LedgerName, closing: &Map<String, Value>) -> anyhow::Result<u8> {
        let note = closing.get("checkpoint").and_then(Value::as_str).unwrap_or_default();
        let size: Option<u64> = note.lines().nth(1).and_then(|size| size.parse().ok());
        if self.json {
            self.written?;
            output::json(&json!({
                "checkpoint": note,
                "done": { "appended": self.appended, "duplicates": self.duplicates, "refused": self.refused },
            }))?;
        } else {
            let size = size.map_or_else(|| "?".to_owned(), |size| output::counted(size, "record"));
            output::line(&format!("{ledger}: {}; signed checkpoint over {size}", self.counts()))?;
        }
        Ok(if self.refused == 0 { EXIT_GOOD } else { EXIT_REFUSED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs_fit_into_ids_and_sort_by_time() {
        let name = new_run_name().unwrap();
        assert_eq!(run_name(&name).as_ref(), Ok(&name));
        assert_eq!(name.len(), "20261121T061400-00000000".len());
        for bad in ["", "a b", "a/b", &"x".repeat(101)] {
            assert!(run_name(bad).is_err(), "{bad:?}");
        }
    }
}
