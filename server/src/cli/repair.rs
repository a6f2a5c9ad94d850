//! `indelible repair`: builds what follows from the records anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indelible_core::code::EXIT_GOOD;
use indelible_ledger::derived::{self, Checked, Finding, RebuildError, Rebuilt};
use indelible_ledger::folder::DataFolder;
use indelible_ledger::store::Store as _;
use indelible_ledger::store::rocks::{RocksBeside, RocksConfig, RocksOpener};
use serde_json::json;

use super::verify::{live, rows};
use super::{EXIT_REFUSED, data_dir_default, output};
use crate::config::{Config, OPEN_TIMEOUT_DEFAULT};
use crate::opening;

/// Findings that are listed.
const FINDINGS_MAX: usize = 20;
/// The database that is being written, in the data folder. One that an interrupted run has left means
/// nothing.
const NEW: &str = "db.new";
/// Free space that must remain beside the new database.
const SPARE_BYTES: u64 = 64 << 20;

/// Build what follows from the records anew: tiles, tree nodes, ids, index, lists, chain over commits
///
/// For a folder on which no server is running. Records, signatures, heads and state are copied as they
/// are into a new database and everything else is worked out from them; the new one is checked and put in
/// the place of the old one, which is kept as db.damaged-1 (2, 3 ...) until you delete it. Needs as much
/// free space as the database has. Refuses, and changes nothing, when the records themselves are damaged.
/// Exit code 0: repaired, or nothing to repair; 1: refused; 2: it could not be done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible repair --data indelible-data
  indelible repair --data indelible-data --check")]
pub(super) struct Args {
    /// The server's data folder
    #[arg(long, value_name = "DIR", env = "INDELIBLE_DATA_DIR", default_value_os_t = data_dir_default())]
    data: PathBuf,
    /// Only say what would be repaired
    #[arg(long)]
    check: bool,
    /// Seconds that opening the database may take; on damaged files it may never end
    #[arg(long, value_name = "SECONDS", env = "INDELIBLE_DATA_OPEN_TIMEOUT",
          default_value_t = OPEN_TIMEOUT_DEFAULT.as_secs())]
    open_timeout: u64,
    /// The result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    DataFolder::check(&args.data)?;
    let mut folder = DataFolder::open_for(&args.data, Config::load(None)?.data_access)?;
    if !folder.database().exists() {
        bail!("there is no database in {}", args.data.display());
    }
    folder.lock_database(&folder.database())?;
    let timeout = Duration::from_secs(args.open_timeout);
    // A space that is damaged enough keeps the whole from opening; its records may be sound all the same.
    let before = match live::Database::open(&args.data, timeout) {
        Ok(database) => Some(database.check_rows(FINDINGS_MAX)),
        Err(error) => {
            output::remark(&format!("the database does not open as a whole: {error:#}"));
            None
        }
    };
    match &before {
        Some(checked) if checked.findings.is_empty() => {
            said(args, "nothing", None, None)?;
            return Ok(EXIT_GOOD);
        }
        Some(checked) if !rows::is_repairable(checked) => {
            return refuse(args, checked.findings.kept());
        }
        Some(checked) if !args.json => rows::text(checked, &args.data)?,
        _ => {}
    }
    if args.check {
        said(args, "repairable", before.as_ref(), None)?;
        return Ok(EXIT_REFUSED);
    }
    enough_room(&folder)?;
    let new = args.data.join(NEW);
    remove(&new)?;
    match build(&folder, &new, timeout) {
        Ok(rebuilt) => {
            let kept = folder.replace_database(&new)?;
            said(args, "repaired", before.as_ref(), Some((&rebuilt, &kept)))?;
            Ok(EXIT_GOOD)
        }
        Err(error) => {
            remove(&new)?;
            match error.downcast_ref::<RebuildError>() {
                Some(RebuildError::Log(findings)) => refuse(args, findings.kept()),
                _ => Err(error),
            }
        }
    }
}

/// Writes the new database and checks it.
fn build(folder: &DataFolder, new: &Path, timeout: Duration) -> anyhow::Result<Rebuilt> {
    let mut config = RocksConfig::new(folder.database());
    config.tries_max = 1;
    let step = config.opening.clone();
    let truth = opening::within(timeout, &step, move || {
        RocksBeside::open_spaces(&config, &derived::TRUTH)
    })?
    .context("the records cannot be read")?;
    let config = RocksConfig::new(new);
    let store = RocksOpener::new(config.clone()).open_rocks()?;
    let rebuilt = derived::rebuild(&truth, &store, FINDINGS_MAX, &mut |_| ())?;
    store.close()?;
    let built = RocksBeside::open(&config)?;
    let checked = derived::check(&built, FINDINGS_MAX, &mut |_| ());
    if let Some(finding) = checked.findings.kept().first() {
        bail!("the new database is not right, so the old one stays: {finding}");
    }
    match live::set_back(&built, folder.read_head()?)? {
        Some(what) => Err(anyhow!("the records are sound, but are not all there were: {what}")),
        None => Ok(rebuilt),
    }
}

fn enough_room(folder: &DataFolder) -> anyhow::Result<()> {
    let mut bytes = SPARE_BYTES;
    for entry in std::fs::read_dir(folder.database())? {
        bytes += entry?.metadata()?.len();
    }
    let stat = rustix::fs::statvfs(folder.path())?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < bytes {
        bail!(
            "the new database may need {} bytes, but {} are free; make room and try again. Nothing was \
             changed",
            output::number(bytes),
            output::number(free)
        );
    }
    Ok(())
}

fn remove(new: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", new.display()))
        }
        _ => Ok(()),
    }
}

fn refuse(args: &Args, findings: &[Finding]) -> anyhow::Result<u8> {
    if args.json {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        output::json(&json!({ "result": "refused", "findings": findings }))?;
        return Ok(EXIT_REFUSED);
    }
    for finding in findings {
        let finding = output::harmless(&finding.to_string());
        output::line(&format!("{}  {finding}", output::bad("DAMAGED")))?;
    }
    output::line(
        "Records, heads or the state themselves are damaged, so nothing can be worked out from them; nothing \
         was changed. Keep a copy of the folder as it is, then restore from a backup or the archive.",
    )?;
    Ok(EXIT_REFUSED)
}

fn said(
    args: &Args,
    result: &str,
    before: Option<&Checked>,
    done: Option<(&Rebuilt, &Path)>,
) -> anyhow::Result<()> {
    if args.json {
        output::json(&json!({
            "result": result,
            "findings_total": before.map(|before| before.findings.total()),
            "records": done.map(|(rebuilt, _)| rebuilt.records),
            "rows": done.map(|(rebuilt, _)| rebuilt.rows.iter().sum::<u64>()),
            "kept": done.map(|(_, kept)| kept.display().to_string()),
        }))?;
        return Ok(());
    }
    match done {
        Some((rebuilt, kept)) => output::line(&format!(
            "Repaired: {} copied as they were, {} rows written, all of them checked. The database of before \
             is kept as {}; delete it when you no longer need it.",
            output::counted(rebuilt.records, "record"),
            output::number(rebuilt.rows.iter().sum()),
            kept.display()
        ))?,
        None if result == "nothing" => {
            output::line("Nothing to repair: every row of the database is as the records say.")?;
        }
        None => output::line("Nothing was changed.")?,
    }
    Ok(())
}
