//! The auditor's program.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::{Args, Parser, Subcommand};
use indelible_core::code::{EXIT_UNCHECKED, EXIT_USAGE};
use indelible_core::key::Trust;
use indelible_core::name::LedgerName;
use indelible_verifier::keys::{self, GivenKeyError};
use indelible_verifier::{
    FINDINGS_MAX_DEFAULT, HeadFile, Options, Progress, Verifier, receipt, render,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const AFTER_HELP: &str = "\
Exit codes: 0 everything was checked and is good, 1 tampering was found, 2 something could not be
checked, 64 the program was used wrongly.

Keys never come from what is checked. Get the operator's public.vkey on another way, once, and keep it.

Examples:
  indelible-verify vault /mnt/vault --key public.vkey
  indelible-verify vault /mnt/vault --key public.vkey --head checkpoint-of-last-year --json
  indelible-verify export orders.jsonl.zst --key ledger.example.com+1a2b3c4d+AT...
  indelible-verify receipt receipt.json --key public.vkey";

/// Replays an Indelible ledger from files and public keys alone, and trusts nobody.
#[derive(Parser)]
#[command(name = "indelible-verify", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    how: How,
}

#[derive(Subcommand)]
enum What {
    /// Verify the ledgers in a directory vault.
    Vault {
        /// The vault's folder, which holds a folder for each ledger.
        dir: PathBuf,
    },
    /// Verify an exported ledger, compressed or not.
    Export {
        /// The exported file.
        file: PathBuf,
    },
    /// Verify one receipt.
    Receipt {
        /// The receipt, as the ledger sent it.
        file: PathBuf,
    },
}

#[derive(Args)]
#[command(next_help_heading = "Options")]
struct How {
    /// A key that you trust: a vkey, or a file with one in each line. May be given several times.
    #[arg(long, global = true, value_name = "VKEY_OR_FILE")]
    key: Vec<String>,
    /// A checkpoint that you saved earlier. The ledger must still contain exactly that. May be given
    /// several times.
    #[arg(long, global = true, value_name = "CHECKPOINT_FILE")]
    head: Vec<PathBuf>,
    /// Verify only this ledger. May be given several times.
    #[arg(long, global = true, value_name = "NAME")]
    ledger: Vec<LedgerName>,
    /// Print the report as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Worker threads; one for each core if not given.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Findings to list; all are counted.
    #[arg(long, global = true, value_name = "N", default_value_t = FINDINGS_MAX_DEFAULT)]
    max_findings: usize,
}

/// Why the program stops before it has verified anything.
struct Stop(u8, String);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no mistake.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(Stop(code, message)) => {
            let _ = writeln!(anstream::stderr(), "indelible-verify: {message}");
            ExitCode::from(code)
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Stop> {
    let trust = trust(&cli.how.key)?;
    let heads: Vec<HeadFile> = cli.how.head.iter().map(|path| HeadFile::read(path)).collect();
    let (path, code, output) = match &cli.what {
        What::Receipt { file } => {
            let report = receipt::verify(file, &trust, &heads, &cli.how.ledger);
            let json = || render::receipt_json(&report);
            let output = if cli.how.json { pretty(&json()) } else { render::receipt_text(&report) };
            (file, report.verdict().exit_code(), output)
        }
        What::Vault { dir: path } | What::Export { file: path } => {
            let mut verifier =
                Verifier::new(trust, options(&cli.how, heads)).with_progress(Box::new(Bar::new()));
            match &cli.what {
                What::Vault { .. } => verifier.vault(path),
                _ => verifier.export(path),
            }
            let report = verifier.finish();
            let json = || render::json(&report);
            let output =
                if cli.how.json { pretty(&json()) } else { render::text(&report, width()) };
            (path, report.verdict().exit_code(), output)
        }
    };
    // A report that nobody can read must not count as one.
    anstream::stdout()
        .write_all(output.as_bytes())
        .and_then(|()| anstream::stdout().flush())
        .map_err(|error| {
            Stop(EXIT_UNCHECKED, format!("{}: cannot print the report: {error}", path.display()))
        })?;
    Ok(code)
}

fn options(how: &How, heads: Vec<HeadFile>) -> Options {
    let defaults = Options::default();
    Options {
        jobs: how.jobs.map_or(defaults.jobs, usize::from),
        findings_max: how.max_findings,
        heads,
        ledgers: how.ledger.clone(),
    }
}

/// Columns of the terminal; a table in a file or pipe is as wide as it needs.
fn width() -> Option<u16> {
    let stdout = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 20).then_some(size.ws_col)
}

fn pretty(json: &serde_json::Value) -> String {
    format!("{json:#}\n")
}

/// The keys that were given. Without any, nothing can be verified: whoever changes a ledger can also
/// put another key beside it.
fn trust(given: &[String]) -> Result<Trust, Stop> {
    if given.is_empty() {
        return Err(Stop(
            EXIT_USAGE,
            "no --key was given. Trust cannot come from the thing that is checked: whoever rewrites a \
             ledger signs it anew with a key of his own. Get the operator's vkey (the file public.vkey) \
             on another way and give it with --key"
                .to_owned(),
        ));
    }
    let mut trust = Trust::new();
    for text in given {
        keys::add_given(&mut trust, text).map_err(|error| {
            let unreadable = matches!(error, GivenKeyError::Unreadable { .. });
            let code = if unreadable { EXIT_UNCHECKED } else { EXIT_USAGE };
            Stop(code, format!("--key {error}"))
        })?;
    }
    Ok(trust)
}

/// A bar on standard error, on a terminal only.
struct Bar(Mutex<ProgressBar>);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::hidden();
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        }
        Self(Mutex::new(bar))
    }

    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        if let Ok(bar) = self.0.lock() {
            act(&bar);
        }
    }
}

impl Progress for Bar {
    fn expect(&self, what: &str, total: u64) {
        let template = if total > 0 {
            "{prefix} {wide_bar} {human_pos}/{human_len} records, {per_sec}, {eta} left"
        } else {
            "{prefix} {human_pos} records, {per_sec}"
        };
        self.with(|bar| {
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            // A ledger's name has been checked: it cannot move the cursor.
            bar.set_prefix(what.to_owned());
            bar.set_length(total);
            bar.set_position(0);
        });
    }

    fn advance(&self, records: u64) {
        self.with(|bar| bar.inc(records));
    }

    fn done(&self) {
        self.with(ProgressBar::finish_and_clear);
    }
}
