//! What the check of every row found, for people and for programs.

use std::path::Path;

use indelible_core::code::{EXIT_GOOD, EXIT_TAMPERED, EXIT_UNCHECKED};
use indelible_ledger::derived::{Checked, Finding, Nature};
use indelible_ledger::store::Space;
use serde_json::{Value, json};

use crate::cli::output;

/// 1 when a row is wrong, 2 when rows could only not be read.
pub(in crate::cli) fn exit_code(checked: &Checked) -> u8 {
    match &checked.findings {
        none if none.is_empty() => EXIT_GOOD,
        some if some.is_only_unreadable() => EXIT_UNCHECKED,
        _ => EXIT_TAMPERED,
    }
}

/// Whether all that was found can be built anew from the records.
pub(in crate::cli) fn is_repairable(checked: &Checked) -> bool {
    !checked.findings.is_empty() && checked.findings.count(Nature::Log) == 0
}

pub(super) fn json(checked: &Checked) -> Value {
    let rows: serde_json::Map<String, Value> = Space::ALL
        .into_iter()
        .zip(checked.rows)
        .map(|(space, count)| (space.name().to_owned(), count.into()))
        .collect();
    let findings: Vec<Value> = checked.findings.kept().iter().map(finding).collect();
    json!({
        "findings": findings,
        "findings_total": checked.findings.total(),
        "repairable": is_repairable(checked),
        "rows_right": rows,
        "records": checked.records,
        "records_without_bodies": checked.dropped,
        "commits": checked.commit.0,
    })
}

fn finding(of: &Finding) -> Value {
    json!({
        "space": of.space.name(),
        "ledger": of.ledger,
        "first_seq": of.records.map(|(first, _)| first),
        "last_seq": of.records.map(|(_, last)| last),
        "message": of.what,
        "repairable": of.nature == Nature::Derived,
        "unreadable": of.unreadable,
    })
}

pub(in crate::cli) fn text(checked: &Checked, data: &Path) -> anyhow::Result<()> {
    let findings = &checked.findings;
    for finding in findings.kept() {
        let word = match (finding.unreadable, finding.nature) {
            (true, _) => output::doubtful("UNREADABLE"),
            (false, _) => output::bad("DAMAGED"),
        };
        output::line(&format!("{word}  {}", output::harmless(&finding.to_string())))?;
    }
    if checked.dropped > 0 {
        output::line(&format!(
            "The bodies of {} records were dropped after they were archived: their digests were taken as they \
             are stored, and could not be computed anew.",
            output::number(checked.dropped)
        ))?;
    }
    let kept = findings.kept().len() as u64;
    if findings.total() > kept {
        output::line(&format!("and {} more", output::number(findings.total() - kept)))?;
    }
    if findings.is_empty() {
        let beside = |(space, _): &(Space, u64)| !matches!(space, Space::Blocks | Space::Bodies);
        let rows = Space::ALL.into_iter().zip(checked.rows).filter(beside);
        let rows: u64 = rows.map(|(_, count)| count).sum();
        output::line(&format!(
            "Every row of the database is as the records say ({} beside the blocks of records).",
            output::number(rows)
        ))?;
    } else if is_repairable(checked) {
        output::line(&format!(
            "All of this follows from the records, which are sound: stop the server and run \
             `indelible repair --data {}`.",
            data.display()
        ))?;
    } else {
        output::line(
            "Records, heads or the state themselves are damaged. Keep a copy of the folder as it is, then \
             restore from a backup or the archive.",
        )?;
    }
    Ok(())
}
