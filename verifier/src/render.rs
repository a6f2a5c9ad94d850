//! Reports as tables for people and JSON for programs.
//!
//! Much of what is shown was written by strangers. Control characters are escaped, so that a file name
//! cannot move the cursor over a verdict.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::{Value, json};

use crate::findings::{Finding, Unchecked};
use crate::receipt::ReceiptReport;
use crate::report::{LedgerReport, Report, Verdict};

/// Ledgers that get a row of their own where there is nothing wrong with them.
const LEDGER_ROWS_MAX: usize = 200;

const LINES: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Good => GOOD,
        Verdict::Tampered | Verdict::Damaged => BAD,
        Verdict::Behind | Verdict::Unchecked => UNSURE,
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Tampered => "TAMPERED",
        Verdict::Damaged => "DAMAGED",
        Verdict::Behind => "BEHIND",
        Verdict::Unchecked => "UNCHECKED",
    }
}

/// A report as text, with colours as ANSI sequences; `anstream` takes them out where there is no
/// terminal. `width` is the terminal's, if there is one.
#[must_use]
pub fn text(report: &Report, width: Option<u16>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{BOLD}{}{BOLD:#}", printable(&report.source));
    let _ = writeln!(out, "{}", ledgers(&report.ledgers, width));
    if !report.findings.is_empty() {
        let _ = writeln!(out, "\n{}", findings(report.findings.kept(), width));
        unlisted(&mut out, report);
    }
    report.unchecked.kept().iter().for_each(|item| unchecked(&mut out, item));
    if let Some(blind) = blind(&report.ledgers) {
        let _ = writeln!(out, "note: {blind}");
    }
    for note in report.notes.kept() {
        let _ = writeln!(out, "note: {}", printable(note));
    }
    let verdict = report.verdict();
    let style = style(verdict);
    let _ = writeln!(
        out,
        "\n{style}{}{style:#} {} records, {} signatures, {} in {:.1} s ({} records/s)",
        closing(verdict, report.findings.total()),
        thousands(report.records()),
        thousands(report.signatures()),
        bytes(report.bytes),
        report.elapsed.as_secs_f64(),
        thousands(report.records_per_second() as u64),
    );
    out
}

fn unchecked(out: &mut String, item: &Unchecked) {
    let (what, why) = (printable(&item.what), printable(&item.why));
    let ledger =
        if item.ledger.is_empty() { "" } else { &*format!("{}: ", printable(&item.ledger)) };
    let code = item.code;
    let _ = writeln!(out, "{UNSURE}could not check{UNSURE:#} ({code}) {ledger}{what}: {why}");
}

fn closing(verdict: Verdict, findings: u64) -> String {
    match verdict {
        Verdict::Good => "All good:".to_owned(),
        Verdict::Behind => "Good, but older than a head that was given:".to_owned(),
        Verdict::Tampered | Verdict::Damaged => {
            let plural = if findings == 1 { "" } else { "s" };
            format!("{}, {} finding{plural}:", word(verdict), thousands(findings))
        }
        Verdict::Unchecked => {
            "Nothing wrong was seen, but not everything could be checked:".to_owned()
        }
    }
}

/// What cannot be known of ledgers with which no head was compared.
fn blind(ledgers: &[LedgerReport]) -> Option<String> {
    let mut blind = ledgers.iter().filter(|ledger| ledger.known_to.is_none());
    let some: Vec<String> = blind.by_ref().take(3).map(|ledger| printable(&ledger.name)).collect();
    let more = match blind.count() {
        0 => String::new(),
        count => format!(" and {} more", thousands(count as u64)),
    };
    (!some.is_empty()).then(|| {
        let some = some.join(", ");
        format!(
            "no head was compared for {some}{more}: if records were cut from the end there, it cannot be \
             seen"
        )
    })
}

fn table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(LINES).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table
}

fn ledgers(ledgers: &[LedgerReport], width: Option<u16>) -> String {
    let mut table = table(width);
    table.set_header([
        "ledger",
        "records",
        "signatures",
        "segments",
        "last time",
        "known to",
        "verdict",
    ]);
    let mut hidden = 0;
    for ledger in ledgers {
        if table.row_count() >= LEDGER_ROWS_MAX && ledger.verdict == Verdict::Good {
            hidden += 1;
            continue;
        }
        table.add_row([
            printable(&ledger.name),
            thousands(ledger.records),
            thousands(ledger.signatures),
            thousands(ledger.segments),
            ledger.last_time.clone().unwrap_or_default(),
            ledger.known_to.map_or_else(|| "no head".to_owned(), thousands),
            word(ledger.verdict).to_owned(),
        ]);
    }
    for column in [1, 2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.to_string();
    if hidden > 0 {
        let _ = write!(text, "\n{} more ledgers are good", thousands(hidden));
    }
    text
}

fn findings(findings: &[Finding], width: Option<u16>) -> String {
    let mut table = table(width);
    table.set_header(["code", "class", "ledger", "where", "what"]);
    for finding in findings {
        table.add_row([
            finding.code.as_str().to_owned(),
            finding.class.as_str().to_owned(),
            printable(&finding.ledger),
            place(finding),
            printable(&finding.message),
        ]);
    }
    table.to_string()
}

fn place(finding: &Finding) -> String {
    let records = match (finding.first_seq, finding.last_seq) {
        (Some(first), Some(last)) if first == last => format!("record {first}"),
        (Some(first), Some(last)) => format!("records {first} to {last}"),
        _ => String::new(),
    };
    let times =
        if finding.times > 1 { &*format!(" ({} times)", thousands(finding.times)) } else { "" };
    let file = finding.file.as_deref().map(|file| format!("\n{}", printable(file)));
    format!("{records}{times}{}", file.unwrap_or_default()).trim_start().to_owned()
}

fn unlisted(out: &mut String, report: &Report) {
    let listed: u64 = report.findings.kept().iter().map(|finding| finding.times).sum();
    if listed < report.findings.total() {
        let counts = report.findings.counts().iter();
        let counts: Vec<String> =
            counts.map(|(code, count)| format!("{code} {}", thousands(*count))).collect();
        let _ = writeln!(out, "not all are listed; altogether: {}", counts.join(", "));
    }
}

/// A report as JSON. Nothing in it depends on the number of workers but `elapsed_ms` and
/// `records_per_second`.
#[must_use]
pub fn json(report: &Report) -> Value {
    let verdict = report.verdict();
    let counts = report.findings.counts().iter();
    let ledgers: Vec<Value> = report.ledgers.iter().map(ledger_json).collect();
    json!({
        "v": 1,
        "source": report.source,
        "verdict": verdict,
        "exit_code": verdict.exit_code(),
        "ledgers": ledgers,
        "findings": report.findings.kept(),
        "findings_total": report.findings.total(),
        "findings_by_code": counts
            .map(|(code, count)| (code.as_str().to_owned(), Value::from(*count)))
            .collect::<serde_json::Map<_, _>>(),
        "unchecked": report.unchecked.kept(),
        "unchecked_total": report.unchecked.total(),
        "notes": report.notes.kept(),
        "tail_unknown": report.tail_unknown,
        "records": report.records(),
        "signatures": report.signatures(),
        "bytes": report.bytes,
        "elapsed_ms": report.elapsed.as_millis() as u64,
        "records_per_second": report.records_per_second() as u64,
    })
}

fn ledger_json(ledger: &LedgerReport) -> Value {
    let mut value = json!(ledger);
    value["tail_unknown"] = json!(ledger.known_to.is_none());
    value
}

/// What a receipt proves, in words.
#[must_use]
pub fn receipt_text(report: &ReceiptReport) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let (code, class) = (finding.code, finding.class);
        let _ = writeln!(out, "{BAD}{code}{BAD:#} ({class}) {}", printable(&finding.message));
    }
    if report.proven.is_none() {
        let _ = writeln!(out, "\n{BAD}The receipt proves nothing.{BAD:#}");
    }
    if let Some(proven) = &report.proven {
        let _ = writeln!(out, "{GOOD}The receipt is good.{GOOD:#} It proves:\n");
        let _ = writeln!(
            out,
            "  Record {} of the ledger {BOLD}{}{BOLD:#}, id {}, was taken at {}.",
            thousands(proven.seq),
            printable(&proven.origin),
            printable(&proven.id),
            proven.time
        );
        match &proven.signed_by {
            Some(key) => {
                let _ = writeln!(out, "  It was signed by {key}, a key that you trust.");
            }
            None => {
                let _ =
                    writeln!(out, "  It has no signature of its own; the signed tree covers it.");
            }
        }
        let _ = writeln!(
            out,
            "  It is in the tree of {} records whose root {} was signed by a key that you trust.",
            thousands(proven.tree_size),
            proven.root
        );
        let _ = writeln!(out, "\n  {}", printable(&proven.record));
        let _ = writeln!(
            out,
            "\nnote: whether the ledger still holds it is shown by a later checkpoint or by the whole ledger"
        );
    }
    for item in &report.unchecked {
        unchecked(&mut out, item);
    }
    out
}

/// What a receipt proves, as JSON.
#[must_use]
pub fn receipt_json(report: &ReceiptReport) -> Value {
    let verdict = report.verdict();
    json!({
        "v": 1,
        "verdict": verdict,
        "exit_code": verdict.exit_code(),
        "proven": report.proven,
        "findings": report.findings,
        "unchecked": report.unchecked,
    })
}

/// Text of a stranger without anything that a terminal would obey.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Beside control characters, those that reverse or hide text.
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || hidden {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", thousands(count / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_write_over_the_verdict() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{202e}c"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c");
        assert_eq!(printable("größe"), "größe");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!((thousands(999), thousands(1_234_567)), ("999".into(), "1,234,567".into()));
    }
}
