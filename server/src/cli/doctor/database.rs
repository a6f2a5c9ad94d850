//! The database: does it open, is it as far as the head file says, do its times lie ahead of the clock,
//! and, looked at deeply, is every row as the records say.

use std::path::Path;
use std::time::Duration;

use indelible_ledger::{Clock as _, SystemClock};

use super::{Finding, bad, good, look};
use crate::cli::verify::live::Database;
use crate::cli::verify::rows;

/// Findings of a deep look that are listed.
const FINDINGS_MAX: usize = 20;
/// Ledgers ahead of the clock that are named.
const LEDGERS_NAMED_MAX: usize = 5;
/// A ledger this little ahead of the clock has just been written to.
const AHEAD_SLACK: Duration = Duration::from_secs(5);

const KEEP: &str = "keep a copy of the folder as it is, then restore from a backup or the archive";

pub(super) fn examine(dir: &Path, timeout: Duration, deep: bool, findings: &mut Vec<Finding>) {
    let database = match Database::open(dir, timeout) {
        Ok(database) => database,
        Err(error) => return findings.push(bad("database", format!("{error:#}"), KEEP)),
    };
    findings.push(match database.set_back() {
        Ok(None) => good("database", "as far as the head file says"),
        Ok(Some(found)) => bad(
            "database",
            found,
            "probably a backup was restored; a server would fork the history and does not start: put the \
             newest copy of the database back",
        ),
        Err(error) => bad("database", format!("{error:#}"), KEEP),
    });
    findings.push(times(&database));
    if deep {
        rows_of(&database, dir, findings);
    }
}

/// Ledgers whose last record lies ahead of the clock keep that time until the clock has caught up.
fn times(database: &Database) -> Finding {
    let ahead = match database.ahead_of(SystemClock.now()) {
        Ok(ahead) => ahead,
        Err(error) => return bad("times", format!("{error:#}"), KEEP),
    };
    match ahead.first() {
        Some((_, most)) if *most > AHEAD_SLACK => {
            let named = ahead.iter().take(LEDGERS_NAMED_MAX);
            let named: Vec<_> =
                named.map(|(name, by)| format!("{name} by {} s", by.as_secs())).collect();
            let more = ahead.len().saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            look(
                "times",
                format!("ahead of the clock: {}{more}", named.join(", ")),
                "the clock was ahead once, or is behind now; until it has caught up, new records of these \
                 ledgers get the time of their last one",
            )
        }
        _ => good("times", "no ledger is ahead of the clock"),
    }
}

fn rows_of(database: &Database, dir: &Path, findings: &mut Vec<Finding>) {
    let checked = database.check_rows(FINDINGS_MAX);
    let found = &checked.findings;
    if found.is_empty() {
        let rows: u64 = checked.rows.iter().sum();
        return findings.push(good("rows", format!("{rows}, all as the records say")));
    }
    let repair = format!("stop the server and run: indelible repair --data {}", dir.display());
    let advice = if rows::is_repairable(&checked) { &repair } else { KEEP };
    findings.extend(found.kept().iter().map(|one| bad("rows", one.to_string(), advice)));
    let kept = found.kept().len() as u64;
    if found.total() > kept {
        findings.push(bad("rows", format!("and {} more", found.total() - kept), advice));
    }
}
