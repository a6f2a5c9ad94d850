//! `indelible verify`: the live database, read beside the server; files go to `indelible-verify`.

pub(super) mod live;
mod progress;
pub(super) mod rows;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use indelible_core::code::{Code, EXIT_GOOD, EXIT_TAMPERED, EXIT_UNCHECKED};
use indelible_core::key::Trust;
use indelible_core::name::LedgerName;
use indelible_ledger::derived::Checked;
use indelible_verifier::keys::{self, GivenKeyError};
use indelible_verifier::{
    FINDINGS_MAX_DEFAULT, HeadFile, JOBS_MAX, Options, Report, Verdict, Verifier, render,
};
use serde_json::{Value, json};

use super::{data_dir_default, output, usage};
use crate::config::OPEN_TIMEOUT_DEFAULT;
use crate::serve::PUBLIC_KEY_FILE;
use crate::signers;

/// The auditor's program, which is installed beside this one.
const VERIFY_PROGRAM: &str = "indelible-verify";

/// Replay and check the live database: every digest, signature, chain, tree, checkpoint and row
///
/// Without names of ledgers every row of the database is held against the records, so that whatever a
/// server could stumble over is named; what follows from the records `indelible repair` builds anew.
/// Reads the data folder beside a running server and changes nothing. Vaults, exports and receipts are
/// handed to indelible-verify, the auditor's program. Exit code 0: everything was checked and is good;
/// 1: tampering or damage was found; 2: something could not be checked.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  indelible verify
  indelible verify payments --head payments.checkpoint
  indelible verify vault vault --key public.vkey"
)]
pub(super) struct Args {
    #[command(subcommand)]
    files: Option<Files>,
    /// Ledgers to verify [default: all]
    ledgers: Vec<LedgerName>,
    /// The server's data folder
    #[arg(long, value_name = "DIR", env = "INDELIBLE_DATA_DIR", default_value_os_t = data_dir_default())]
    data: PathBuf,
    /// A key that you trust: a vkey, or a file with one a line; may be given more than once [default:
    /// the public keys in the data folder, which shows only that the folder agrees with itself]
    #[arg(long = "key", value_name = "VKEY_OR_FILE")]
    keys: Vec<String>,
    /// A file with the shared secret of a ledger whose records are signed with hmac-sha256; may be given
    /// more than once
    #[arg(long = "hmac-key", value_name = "FILE")]
    hmac_keys: Vec<PathBuf>,
    /// A checkpoint saved earlier, which the ledger must still contain; may be given more than once
    #[arg(long = "head", value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX as i64))]
    jobs: Option<u16>,
    /// Findings to list; all are counted
    #[arg(long, value_name = "N", default_value_t = FINDINGS_MAX_DEFAULT)]
    max_findings: usize,
    /// Seconds that opening the database may take; on damaged files it may never end
    #[arg(long, value_name = "SECONDS", env = "INDELIBLE_DATA_OPEN_TIMEOUT",
          default_value_t = OPEN_TIMEOUT_DEFAULT.as_secs())]
    open_timeout: u64,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Files {
    /// Verify a directory vault
    #[command(after_help = "Example:
  indelible verify vault vault --key public.vkey")]
    Vault(Forwarded),
    /// Verify an exported ledger
    #[command(after_help = "Example:
  indelible verify export payments.jsonl.zst --key public.vkey")]
    Export(Forwarded),
    /// Verify a receipt
    #[command(after_help = "Example:
  indelible verify receipt receipt.json --key public.vkey")]
    Receipt(Forwarded),
}

/// What indelible-verify takes after the kind; see its own --help.
#[derive(Debug, clap::Args)]
struct Forwarded {
    /// The file or folder and the options of indelible-verify
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(super) fn run(args: Args) -> anyhow::Result<u8> {
    match args.files {
        Some(Files::Vault(rest)) => forward("vault", rest),
        Some(Files::Export(rest)) => forward("export", rest),
        Some(Files::Receipt(rest)) => forward("receipt", rest),
        None => verify_live(args),
    }
}

/// Becomes the auditor's program: one piece of code checks files, whichever way it is called.
fn forward(kind: &str, rest: Forwarded) -> anyhow::Result<u8> {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(VERIFY_PROGRAM));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| VERIFY_PROGRAM.into());
    let error = Command::new(&program).arg(kind).args(rest.args).exec();
    Err(anyhow!(error).context(format!("cannot run {}", program.display())))
}

fn verify_live(args: Args) -> anyhow::Result<u8> {
    let trust = trust(&args)?;
    let heads = args.heads.iter().map(|path| HeadFile::read(path)).collect();
    let mut options = Options { findings_max: args.max_findings, heads, ..Options::default() };
    options.jobs = args.jobs.map_or(options.jobs, usize::from);
    let database = live::Database::open(&args.data, Duration::from_secs(args.open_timeout))?;
    let rows = args.ledgers.is_empty().then(|| database.check_rows(args.max_findings));
    let mut unread = Vec::new();
    let ledgers = match args.ledgers.as_slice() {
        // What cannot be listed has been found among the rows.
        [] => database.ledgers().unwrap_or_else(|error| {
            unread.push(format!("the list of ledgers: {error:#}"));
            Vec::new()
        }),
        named => named.to_vec(),
    };
    let mut verifier = Verifier::new(trust, options).with_progress(Box::new(progress::Bar::new()));
    for ledger in &ledgers {
        match database.feed(ledger, &mut verifier) {
            Ok(()) => {}
            Err(error) if error.is::<live::NoSuchLedger>() => return Err(error),
            Err(error) => unread.push(format!("{error:#}")),
        }
    }
    let report = verifier.finish();
    let set_back = database.set_back().unwrap_or_else(|error| {
        unread.push(format!("the chain over commits: {error:#}"));
        None
    });
    let outcome = Outcome { report, set_back, rows, unread };
    if args.json {
        outcome.json()?
    } else {
        outcome.text(&args)?
    }
    Ok(outcome.exit_code())
}

/// All that was found.
struct Outcome {
    report: Report,
    /// What the head file says against the database.
    set_back: Option<String>,
    /// Of every row; `None` when only some ledgers were asked for.
    rows: Option<Checked>,
    /// What could not be read on the way to the verifier.
    unread: Vec<String>,
}

impl Outcome {
    fn exit_code(&self) -> u8 {
        let of_rows = self.rows.as_ref().map_or(EXIT_GOOD, rows::exit_code);
        let unread = if self.unread.is_empty() { EXIT_GOOD } else { EXIT_UNCHECKED };
        match self.report.verdict() {
            _ if self.set_back.is_some() => EXIT_TAMPERED,
            Verdict::Tampered => EXIT_TAMPERED,
            _ if of_rows == EXIT_TAMPERED => EXIT_TAMPERED,
            Verdict::Damaged => EXIT_TAMPERED,
            Verdict::Behind | Verdict::Unchecked => EXIT_UNCHECKED,
            Verdict::Good => of_rows.max(unread),
        }
    }

    fn json(&self) -> anyhow::Result<()> {
        let mut value = render::json(&self.report);
        if let Some(what) = &self.set_back {
            add_set_back(&mut value, what);
        }
        let exit_code = self.exit_code();
        if exit_code != self.report.verdict().exit_code() && self.set_back.is_none() {
            let verdict = if exit_code == EXIT_TAMPERED { "damaged" } else { "unchecked" };
            value["verdict"] = verdict.into();
            value["exit_code"] = exit_code.into();
        }
        value["database"] = self.rows.as_ref().map_or(Value::Null, rows::json);
        value["unread"] = json!(self.unread);
        Ok(output::json(&value)?)
    }

    fn text(&self, args: &Args) -> anyhow::Result<()> {
        let width = output::terminal_width().and_then(|width| u16::try_from(width).ok());
        anstream::print!("{}", render::text(&self.report, width));
        if let Some(what) = &self.set_back {
            output::line(&format!("{}  {what}", output::bad(Code::HeadBehind.as_str())))?;
        }
        for what in &self.unread {
            let what = output::harmless(what);
            output::line(&format!("{}  {what}", output::doubtful("UNREADABLE")))?;
        }
        match &self.rows {
            Some(rows) => rows::text(rows, &args.data)?,
            None => output::remark(
                "only the records of these ledgers were checked; without names every row of the \
                 database is",
            ),
        }
        Ok(())
    }
}

/// Makes the database's being older than the head file a finding like those of the verifier, which
/// knows nothing of head files.
fn add_set_back(report: &mut Value, what: &str) {
    let code = Code::HeadBehind.as_str();
    let finding =
        json!({ "code": code, "class": "tampering", "ledger": "", "message": what, "times": 1 });
    if let Some(findings) = report["findings"].as_array_mut() {
        findings.insert(0, finding);
    }
    let total = report["findings_total"].as_u64().unwrap_or(0);
    report["findings_total"] = (total + 1).into();
    report["findings_by_code"][code] = 1.into();
    report["verdict"] = json!(Verdict::Tampered);
    report["exit_code"] = EXIT_TAMPERED.into();
}

/// The keys that were given, or the folder's own, with a word about what that is worth.
fn trust(args: &Args) -> anyhow::Result<Trust> {
    let mut trust = Trust::new();
    if args.keys.is_empty() {
        let path = args.data.join(PUBLIC_KEY_FILE);
        keys::add_file(&mut trust, &path).context("no key was given with --key")?;
        signers::public_keys(&args.data)?.into_iter().for_each(|signer| trust.add(signer.vkey));
        let keys = if trust.vkeys().len() == 1 { "key comes" } else { "keys come" };
        output::warning(&format!(
            "the {keys} from {} itself, so this shows only that the folder agrees with itself; \
             give the key that auditors hold with --key",
            args.data.display()
        ));
    }
    for given in &args.keys {
        keys::add_given(&mut trust, given).map_err(|error| unfit("--key", &error))?;
    }
    for path in &args.hmac_keys {
        keys::add_hmac_file(&mut trust, path).map_err(|error| unfit("--hmac-key", &error))?;
    }
    Ok(trust)
}

fn unfit(option: &str, error: &GivenKeyError) -> anyhow::Error {
    match error {
        GivenKeyError::Unreadable { .. } => anyhow!("{option} {error}"),
        error => usage(format!("{option} {error}")),
    }
}
