//! A report as text, for a terminal 80 columns wide or for a file.
//!
//! It is written line by line as it lies in the report; nothing is laid out as a whole, and every list
//! has its bound. What stands at the end belongs to no list: the verdict, and up to which record
//! anything is known.

use std::io::{self, Write};

use super::facts::{Facts, Given, NO_HEAD, tail_of};
use super::words::{self, class_word, verdict_word};
use super::{
    BAD, BOLD, GOOD, Printable, UNSURE, byte_count, clipped, columns, counted, printable, style,
    thousands,
};
use crate::findings::{Finding, Unchecked};
use crate::receipt::Proven;
use crate::report::{LedgerReport, Report, Verdict};
use indelible_core::code::Class;

/// Ledgers that get a row of their own; those that are not good come first.
const LEDGER_ROWS_MAX: usize = 200;

/// Ledgers of which it is said by name up to where they are known.
const TAILS_MAX: usize = 20;

/// Bytes of a receipt's record that are shown; `indelible-verify show` shows all.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Columns where the output is no terminal.
const WIDTH_ELSEWHERE: usize = 100;

/// Fewer columns than this are not laid out for.
const WIDTH_MIN: usize = 40;

/// Columns of a ledger's name, unless all are shorter. A longer one stands on a line of its own.
const NAME_COLUMNS_MAX: usize = 24;

/// A report as text, with colours as ANSI sequences; `anstream` takes them out where there is no
/// terminal. `width` is the terminal's, if there is one.
#[must_use]
pub fn text(report: &Report, width: Option<u16>) -> String {
    let given = Given { source: report.source.clone(), ..Given::default() };
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_text(&mut out, &Facts::of(report, &given, &[]), width.map(usize::from));
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes a report as text. See [`text`].
///
/// # Errors
/// As those of `out`.
pub fn write_text(out: &mut dyn Write, facts: &Facts<'_>, width: Option<usize>) -> io::Result<()> {
    let width = width.unwrap_or(WIDTH_ELSEWHERE).max(WIDTH_MIN);
    writeln!(out, "{BOLD}{}{BOLD:#}", Printable(&facts.given.source))?;
    if !facts.ledgers.is_empty() {
        writeln!(out)?;
        ledgers(out, facts.ledgers, width)?;
    }
    if let Some(proven) = facts.proven {
        receipt(out, proven, width)?;
    }
    for finding in facts.findings {
        writeln!(out)?;
        self::finding(out, finding, width)?;
    }
    not_listed(out, facts)?;
    for item in facts.unchecked {
        writeln!(out)?;
        unchecked(out, item, width)?;
    }
    more(out, facts.unchecked_total, facts.unchecked.len(), "thing", "not checked")?;
    if !facts.notes.is_empty() {
        writeln!(out)?;
    }
    for note in facts.notes {
        wrapped(out, "note: ", &printable(note), width)?;
    }
    advice(out, facts, width)?;
    tails(out, facts, width)?;
    closing(out, facts, width)
}

fn ledgers(out: &mut dyn Write, ledgers: &[LedgerReport], width: usize) -> io::Result<()> {
    let bad = ledgers.iter().filter(|ledger| ledger.verdict != Verdict::Good);
    let good = ledgers.iter().filter(|ledger| ledger.verdict == Verdict::Good);
    let shown: Vec<&LedgerReport> = if ledgers.len() <= LEDGER_ROWS_MAX {
        ledgers.iter().collect()
    } else {
        bad.chain(good).take(LEDGER_ROWS_MAX).collect()
    };
    let rows: Vec<[String; 7]> = shown.iter().map(|ledger| row(ledger)).collect();
    let header = ["ledger", "records", "signed", "segments", "last time (UTC)", "head", "verdict"];
    let mut widths = header.map(columns);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = columns(cell).max(*width);
        }
    }
    widths[0] = widths[0].min(NAME_COLUMNS_MAX);
    // What a reader can best do without, where there is no room for all.
    let mut left_out = Vec::new();
    for column in [3, 2, 4] {
        let taken = |at: usize| if left_out.contains(&at) { 0 } else { widths[at] + 2 };
        if (0..7).map(taken).sum::<usize>() <= width + 2 {
            break;
        }
        left_out.push(column);
    }
    let write_row = |out: &mut dyn Write, row: [&str; 7], verdict: Option<Verdict>| {
        if columns(row[0]) > widths[0] {
            writeln!(out, "{}", row[0])?;
            write!(out, "{:width$}", "", width = widths[0])?;
        } else {
            write!(out, "{}{:pad$}", row[0], "", pad = widths[0] - columns(row[0]))?;
        }
        for at in (1..6).filter(|at| !left_out.contains(at)) {
            write!(out, "  {:>width$}", row[at], width = widths[at])?;
        }
        let style = verdict.map(style).unwrap_or(BOLD);
        writeln!(out, "  {style}{}{style:#}", row[6])
    };
    write_row(out, header, None)?;
    for (row, ledger) in rows.iter().zip(&shown) {
        let cells = row.each_ref().map(String::as_str);
        write_row(out, cells, Some(ledger.verdict))?;
    }
    more(out, ledgers.len() as u64, shown.len(), "ledger", "not listed; all were checked")
}

fn row(ledger: &LedgerReport) -> [String; 7] {
    // Seconds are enough to find a ledger's last day and hour.
    let time = ledger.last_time.as_deref().and_then(|time| time.get(..19)).unwrap_or("none");
    [
        printable(&ledger.name),
        thousands(ledger.records),
        thousands(ledger.signatures),
        thousands(ledger.segments),
        time.replace('T', " "),
        ledger.known_to.map_or_else(|| "none".to_owned(), thousands),
        verdict_word(ledger.verdict).to_owned(),
    ]
}

fn more(out: &mut dyn Write, total: u64, shown: usize, thing: &str, what: &str) -> io::Result<()> {
    match total.saturating_sub(shown as u64) {
        0 => Ok(()),
        more if shown == 0 => writeln!(out, "{} {what}", counted(more, thing)),
        more => writeln!(out, "and {} {what}", counted(more, &format!("more {thing}"))),
    }
}

/// Which records, in words; empty where none are named.
pub(super) fn place(finding: &Finding) -> String {
    match (finding.first_seq, finding.last_seq) {
        (Some(first), Some(last)) if first == last => format!("record {first}"),
        (Some(first), Some(last)) => format!("records {first} to {last}"),
        _ => String::new(),
    }
}

fn finding(out: &mut dyn Write, finding: &Finding, width: usize) -> io::Result<()> {
    let style = if finding.class == Class::Behind { UNSURE } else { BAD };
    let word = class_word(finding.class);
    let times = if finding.times > 1 {
        format!("{} times", thousands(finding.times))
    } else {
        String::new()
    };
    let parts = [printable(&finding.ledger), place(finding), times];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let parts = spaced(&parts.join(", "));
    writeln!(out, "{style}{word}{style:#}  {BOLD}{}{BOLD:#}{parts}", finding.code)?;
    if let Some(file) = &finding.file {
        wrapped(out, "  in ", &printable(file), width)?;
    }
    wrapped(out, "  ", &printable(&finding.message), width)
}

/// Something that follows after two spaces, where it is anything.
fn spaced(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("  {text}") }
}

fn not_listed(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let listed: u64 = facts.findings.iter().map(|finding| finding.times).sum();
    if facts.findings_total() <= listed {
        return Ok(());
    }
    let counts: Vec<String> =
        facts.by_code.iter().map(|(code, count)| format!("{code} {}", thousands(*count))).collect();
    writeln!(out, "\nnot all findings are listed; altogether: {}", counts.join(", "))
}

fn unchecked(out: &mut dyn Write, item: &Unchecked, width: usize) -> io::Result<()> {
    let ledger = spaced(&printable(&item.ledger));
    let (code, word) = (item.code, verdict_word(Verdict::Unchecked));
    writeln!(out, "{UNSURE}{word}{UNSURE:#}  {BOLD}{code}{BOLD:#}{ledger}")?;
    wrapped(out, "  ", &format!("{}: {}", printable(&item.what), printable(&item.why)), width)
}

/// For each code that was met, what it means and what to do.
fn advice(out: &mut dyn Write, facts: &Facts<'_>, width: usize) -> io::Result<()> {
    if facts.verdict == Verdict::Good {
        return Ok(());
    }
    let mut unchecked: Vec<_> = facts.unchecked.iter().map(|item| item.code).collect();
    unchecked.sort_unstable();
    unchecked.dedup();
    let of_findings = facts.by_code.keys().map(|code| (code.as_str(), words::code(*code)));
    let of_unchecked = unchecked.iter().map(|code| (code.as_str(), words::unchecked(*code)));
    writeln!(out, "\n{BOLD}What it means, and what to do{BOLD:#}")?;
    for (code, said) in of_findings.chain(of_unchecked) {
        writeln!(out, "{BOLD}{code}{BOLD:#}  {}", said.title)?;
        wrapped(out, "  ", &format!("{} {}", said.means, said.next), width)?;
    }
    let said = words::verdict(facts.verdict);
    let (style, word) = (style(facts.verdict), verdict_word(facts.verdict));
    writeln!(out, "{style}{word}{style:#}")?;
    wrapped(out, "  ", &format!("{} {} {}", said.title, said.means, said.next), width)
}

/// Up to where anything is known. Said every time, whatever else there is to say.
fn tails(out: &mut dyn Write, facts: &Facts<'_>, width: usize) -> io::Result<()> {
    let (said, unsaid): (Vec<&LedgerReport>, Vec<_>) =
        facts.ledgers.iter().partition(|ledger| tail_of(ledger) != NO_HEAD);
    if !facts.ledgers.is_empty() {
        writeln!(out)?;
    }
    for ledger in said.iter().take(TAILS_MAX) {
        wrapped(out, "", &format!("{}: {}", printable(&ledger.name), tail_of(ledger)), width)?;
    }
    more(
        out,
        said.len() as u64,
        said.len().min(TAILS_MAX),
        "ledger",
        "for which a head was given",
    )?;
    if unsaid.is_empty() {
        return Ok(());
    }
    let names: Vec<String> =
        unsaid.iter().take(TAILS_MAX).map(|ledger| printable(&ledger.name)).collect();
    let others = match unsaid.len() - names.len() {
        0 => String::new(),
        others => format!(" and {}", counted(others as u64, "more ledger")),
    };
    let names = format!("{}{others}", names.join(", "));
    let how = "give a checkpoint or receipt that you saved with --head";
    wrapped(out, "", &format!("{names}: {NO_HEAD} ({how})"), width)
}

fn closing(out: &mut dyn Write, facts: &Facts<'_>, width: usize) -> io::Result<()> {
    let (style, word) = (style(facts.verdict), verdict_word(facts.verdict));
    let total = facts.findings_total();
    let what = match facts.verdict {
        Verdict::Good if facts.proven.is_some() => "The receipt is good.".to_owned(),
        Verdict::Good => "All good:".to_owned(),
        Verdict::Unchecked => "Nothing wrong was seen, but not everything was checked:".to_owned(),
        _ if facts.ledgers.is_empty() => counted(total, "finding") + ".",
        _ => counted(total, "finding") + ":",
    };
    writeln!(out, "\n{style}{word}{style:#}  {what}")?;
    if facts.ledgers.is_empty() {
        return Ok(());
    }
    let said = format!(
        "{}, {}, {} in {:.1} s ({} records/s)",
        counted(facts.records(), "record"),
        counted(facts.signatures(), "signature"),
        byte_count(facts.bytes),
        facts.elapsed.as_secs_f64(),
        thousands(facts.records_per_second()),
    );
    wrapped(out, "  ", &said, width)
}

/// What a receipt proves.
fn receipt(out: &mut dyn Write, proven: &Proven, width: usize) -> io::Result<()> {
    writeln!(out, "\n{GOOD}It proves:{GOOD:#}")?;
    let mut say = |text: String| wrapped(out, "  ", &text, width);
    say(format!(
        "Record {} of the ledger {}, id {}, was taken at {}.",
        thousands(proven.seq),
        printable(&proven.origin),
        printable(&proven.id),
        printable(&proven.time)
    ))?;
    if let Some(by) = &proven.by {
        say(format!("The server said that it was written by {}.", printable(by)))?;
    }
    say(match &proven.signed_by {
        Some(key) => format!("It was signed by {key}, a key that you trust."),
        None => "It has no signature of its own; the signed tree covers it.".to_owned(),
    })?;
    say(format!(
        "It is in the tree of {} records whose root {} was signed by a key that you trust.",
        thousands(proven.tree_size),
        proven.root
    ))?;
    writeln!(out)?;
    wrapped(out, "  ", &printable(&clipped(&proven.record, RECORD_BYTES_MAX)), width)?;
    writeln!(out)?;
    let known =
        "Whether the ledger still holds it is shown by a later checkpoint or by the whole ledger.";
    wrapped(out, "", known, width)
}

/// Writes text broken at spaces so that each line fits, the lines after the first indented.
fn wrapped(out: &mut dyn Write, start: &str, text: &str, width: usize) -> io::Result<()> {
    let indent = " ".repeat(start.len().max(2).min(width / 2));
    let room = width.saturating_sub(indent.len().max(start.len())).max(20);
    let (mut line, mut used, mut begun) = (String::new(), 0, false);
    let mut flush = |out: &mut dyn Write, line: &mut String| {
        let head = if begun { &*indent } else { start };
        begun = true;
        let written = writeln!(out, "{head}{line}");
        line.clear();
        written
    };
    for word in text.split(' ') {
        if used > 0 && used + 1 + columns(word) > room {
            flush(out, &mut line)?;
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        // A word longer than a line is broken anywhere.
        for c in word.chars() {
            let column = columns(c.encode_utf8(&mut [0; 4]));
            if used + column > room {
                flush(out, &mut line)?;
                used = 0;
            }
            line.push(c);
            used += column;
        }
    }
    flush(out, &mut line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let text = format!("a few words {} and 猫の手 more of them, some longer", "x".repeat(90));
        for width in [40, 41, 57, 80] {
            let mut out = Vec::new();
            wrapped(&mut out, "note: ", &text, width).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert!(out.lines().all(|line| columns(line) <= width), "{out}");
            let strip = |text: &str| text.replace(char::is_whitespace, "");
            assert_eq!(strip(&out), format!("note:{}", strip(&text)));
        }
    }
}
