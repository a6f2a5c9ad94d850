//! `vault`, `export` and `receipt`: the checks, and the report about them.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use indelible_core::key::Trust;
use indelible_core::name::LedgerName;
use indelible_core::time::Timestamp;
use indelible_verifier::affected::{self, Affected};
use indelible_verifier::render::{self, Facts, Given, Input, KeyGiven};
use indelible_verifier::{
    FINDINGS_MAX_DEFAULT, HeadFile, JOBS_MAX, Options, Verifier, inputs, receipt,
};

use crate::bar::Bar;
use crate::given;
use crate::out::{Stop, print, width};
use crate::page::Page;

#[derive(Args)]
pub(crate) struct Vault {
    /// The vault's folder, which holds a folder for each ledger.
    dir: PathBuf,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    replay: Replay,
}

#[derive(Args)]
pub(crate) struct Export {
    /// The exported file.
    file: PathBuf,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    replay: Replay,
}

#[derive(Args)]
pub(crate) struct Receipt {
    /// The receipt, as the ledger sent it or as another program saved it.
    file: PathBuf,
    #[command(flatten)]
    how: How,
}

/// What each check takes.
#[derive(Args)]
#[command(next_help_heading = "Options")]
struct How {
    #[command(flatten)]
    keys: given::Keys,
    /// A checkpoint or receipt that you saved earlier. The ledger must still contain exactly that. May be
    /// given several times.
    #[arg(long, value_name = "FILE")]
    head: Vec<PathBuf>,
    /// Verify only this ledger. May be given several times.
    #[arg(long, value_name = "NAME")]
    ledger: Vec<LedgerName>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Write the report as one HTML page for people, too.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// What a replay takes.
#[derive(Args)]
#[command(next_help_heading = "Options")]
struct Replay {
    /// Worker threads; one for each core if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX as i64))]
    jobs: Option<u16>,
    /// Findings to list; all are counted.
    #[arg(long, value_name = "N", default_value_t = FINDINGS_MAX_DEFAULT)]
    max_findings: usize,
}

pub(crate) fn vault(args: &Vault) -> Result<u8, Stop> {
    replay(&args.dir, "vault", &args.how, &args.replay)
}

pub(crate) fn export(args: &Export) -> Result<u8, Stop> {
    replay(&args.file, "export", &args.how, &args.replay)
}

fn replay(path: &Path, kind: &str, how: &How, replay: &Replay) -> Result<u8, Stop> {
    let check = Check::begin(path, how)?;
    let defaults = Options::default();
    let options = Options {
        jobs: replay.jobs.map_or(defaults.jobs, usize::from),
        findings_max: replay.max_findings,
        heads: check.heads.clone(),
        ledgers: how.ledger.clone(),
    };
    let (jobs, listed) = (options.jobs.to_string(), options.findings_max.to_string());
    let mut verifier =
        Verifier::new(check.trust.clone(), options).with_progress(Box::new(Bar::new()));
    if kind == "vault" {
        verifier.vault(path);
    } else {
        verifier.export(path);
    }
    let report = verifier.finish();
    let mut given = check.given(path, kind, || match kind {
        "vault" => inputs::of_vault(path, &how.ledger),
        _ => vec![inputs::of_file(path)],
    });
    given.options.push(("worker threads".to_owned(), jobs));
    given.options.push(("findings listed at most".to_owned(), listed));
    let mut affected = Vec::new();
    let mut first_times = Default::default();
    if check.at_length() {
        affected = affected::read(path, report.findings.kept(), report.bytes);
        first_times = affected::first_times(path, &report.ledgers);
    }
    check.deliver(&Facts { first_times, ..Facts::of(&report, &given, &affected) })
}

pub(crate) fn receipt(args: &Receipt) -> Result<u8, Stop> {
    let (path, how) = (&args.file, &args.how);
    let check = Check::begin(path, how)?;
    let report = receipt::verify(path, &check.trust, &check.heads, &how.ledger);
    let given = check.given(path, "receipt", || vec![inputs::of_file(path)]);
    // Of a receipt that proves nothing, the record as far as it can be read.
    let affected = match &report.proven {
        None if check.at_length() => affected::first(path),
        _ => None,
    };
    let affected: Vec<Affected> = affected.into_iter().collect();
    check.deliver(&Facts::of_receipt(&report, &given, &affected))
}

/// A check that was asked for.
struct Check<'a> {
    how: &'a How,
    trust: Trust,
    heads: Vec<HeadFile>,
    page: Option<Page>,
    begun: SystemTime,
}

impl<'a> Check<'a> {
    /// Everything that can be wrong before anything is checked comes first, the page's place included:
    /// an hour of work is not to end with a file that cannot be written.
    fn begin(source: &Path, how: &'a How) -> Result<Self, Stop> {
        let trust = how.keys.trust()?;
        let heads: Vec<HeadFile> = how.head.iter().map(|path| HeadFile::read(path)).collect();
        let page = how.report.as_deref().map(|path| Page::at(path, source)).transpose()?;
        Ok(Self { how, trust, heads, page, begun: SystemTime::now() })
    }

    /// Whether more is asked for than text on a terminal.
    fn at_length(&self) -> bool {
        self.how.json || self.page.is_some()
    }

    fn given(&self, path: &Path, kind: &str, inputs: impl FnOnce() -> Vec<Input>) -> Given {
        let source = format!("{kind} {}", path.display());
        let mut given = Given { source, ..Given::default() };
        if !self.at_length() {
            return given;
        }
        kind.clone_into(&mut given.kind);
        given.program = concat!("indelible-verify ", env!("CARGO_PKG_VERSION")).to_owned();
        given.time = moment(self.begun);
        given.inputs = inputs();
        given.keys = self.trust.vkeys().iter().map(key_given).collect();
        given.keys.extend(self.trust.secrets().iter().map(secret_given));
        given.heads = self.heads.iter().map(given::head_given).collect();
        let ledgers: Vec<&str> = self.how.ledger.iter().map(|name| name.as_str()).collect();
        let ledgers =
            if ledgers.is_empty() { "all that are there".to_owned() } else { ledgers.join(", ") };
        given.options.push(("ledgers asked for".to_owned(), ledgers));
        given
    }

    /// Prints the report and writes the page; answers with the exit code.
    fn deliver(self, facts: &Facts<'_>) -> Result<u8, Stop> {
        let printed = print(|out| match self.how.json {
            true => render::write_json(out, facts),
            false => render::write_text(out, facts, width()),
        });
        if let Some(page) = self.page {
            page.write(facts)?;
        }
        // A report that nobody can read must not count as one.
        printed.map(|()| facts.verdict.exit_code())
    }
}

fn key_given(vkey: &indelible_core::key::VKey) -> KeyGiven {
    KeyGiven {
        name: vkey.name().to_owned(),
        id: vkey.key().key_id().to_string(),
        vkey: vkey.to_string(),
    }
}

/// What can be told of a shared secret, which is not the secret.
fn secret_given(secret: &indelible_core::key::NamedHmacKey) -> KeyGiven {
    KeyGiven {
        name: secret.name().to_owned(),
        id: secret.key().key_id().to_string(),
        vkey: "a shared secret: whoever holds it, the one who checked included, could have signed \
               what it signs"
            .to_owned(),
    }
}

/// A time in UTC, to the second.
fn moment(time: SystemTime) -> Option<String> {
    let micros = time.duration_since(UNIX_EPOCH).ok()?.as_micros();
    let text = Timestamp::from_micros(u64::try_from(micros).ok()?).ok()?.to_string();
    text.get(..19).map(|text| format!("{} UTC", text.replace('T', " ")))
}
