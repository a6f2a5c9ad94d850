//! A report as one HTML page for a person: complete in itself, printable, without script.
//!
//! Nothing is fetched, and a content security policy forbids what markup from the evidence could try if
//! the escape had a hole. Every list and every text has its bound, so that no evidence makes a page that
//! cannot be opened.

use std::io::{self, Write};

use indelible_core::code::Class;

use super::escape::{Html, clipped};
use super::facts::{Facts, tail_of};
use super::words::{self, NOBODY_CAN_KNOW, Words, class_word, verdict_word};
use super::{byte_count, counted, page_given, picture, text::place, thousands};
use crate::affected::Affected;
use crate::findings::{Finding, Unchecked};
use crate::receipt::Proven;
use crate::report::{LedgerReport, Verdict};

/// What every page begins with, by which one is known from other files.
pub const PAGE_MARK: &str = "<!doctype html>\n<!-- indelible-verify report -->\n";

/// Largest page in bytes, which follows from the bounds below with every character escaped at its
/// longest; a page of an honest ledger has some 20 kB.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// Ledgers in the table; those that are not good come first.
const LEDGERS_MAX: usize = 200;
/// Ledgers that are drawn.
const PICTURES_MAX: usize = 40;
/// Findings that are shown.
const FINDINGS_MAX: usize = 200;
/// Things not checked that are shown.
const UNCHECKED_MAX: usize = 200;
/// Notes that are shown.
const NOTES_MAX: usize = 100;
/// Bytes of one text.
const TEXT_BYTES_MAX: usize = 600;
/// Bytes of a receipt's record.
const RECORD_BYTES_MAX: usize = 64 << 10;

const STYLE: &str = include_str!("page.css");

/// Text of a stranger, bounded and escaped.
pub(super) fn safe(text: &str) -> String {
    Html(&clipped(text, TEXT_BYTES_MAX)).to_string()
}

/// A text of ours, in which programs stand between backticks.
fn ours(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        let (before, after) = if at % 2 == 1 { ("<code>", "</code>") } else { ("", "") };
        out.push_str(&format!("{before}{}{after}", Html(part)));
    }
    out
}

/// Writes the page.
///
/// # Errors
/// As those of `out`.
pub fn write_page(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let word = verdict_word(facts.verdict);
    write!(
        out,
        "{PAGE_MARK}<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{word}: {}</title>\n<style>\n{STYLE}</style></head><body>\n",
        safe(&facts.given.source)
    )?;
    banner(out, facts)?;
    if let Some(proven) = facts.proven {
        receipt(out, proven)?;
    }
    ledgers(out, facts)?;
    findings(out, facts)?;
    affected(out, facts.affected)?;
    unchecked(out, facts)?;
    unknowable(out, facts)?;
    notes(out, facts)?;
    page_given::write(out, facts)?;
    out.write_all(b"</body></html>\n")
}

fn banner(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let (word, said) = (verdict_word(facts.verdict), words::verdict(facts.verdict));
    let when = facts.given.time.as_deref().unwrap_or("an unknown time");
    write!(
        out,
        "<h1>Verification of an audit ledger</h1>\n<p class=\"dim\"><code>{}</code>, checked {} by \
         {}</p>\n<div class=\"verdict v-{}\"><b>{word}</b><p><strong>{}</strong></p><p>{}</p></div>\n\
         <p class=\"todo\"><strong>What to do next.</strong> {}</p>\n",
        safe(&facts.given.source),
        safe(when),
        safe(&facts.given.program),
        facts.verdict.as_str(),
        said.title,
        said.means,
        said.next
    )
}

fn receipt(out: &mut dyn Write, proven: &Proven) -> io::Result<()> {
    out.write_all(b"<h2>What the receipt proves</h2>\n<table class=\"facts\">\n")?;
    let signed = match &proven.signed_by {
        Some(key) => format!("{key}, a key that you trust"),
        None => "no signature of its own; the signed tree covers it".to_owned(),
    };
    let tree = format!("{} records, root {}", thousands(proven.tree_size), proven.root);
    for (name, value) in [
        ("ledger", &*proven.origin),
        ("record", &*thousands(proven.seq)),
        ("id", &proven.id),
        ("taken at", &proven.time),
        ("written by, as the server said", proven.by.as_deref().unwrap_or_default()),
        ("digest", &proven.digest),
        ("signed by", &signed),
        ("in the signed tree of", &tree),
    ] {
        if !value.is_empty() {
            writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", safe(value))?;
        }
    }
    writeln!(out, "</table>\n<pre>{}</pre>", Html(&clipped(&proven.record, RECORD_BYTES_MAX)))
}

fn ledgers(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    if facts.ledgers.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>What was looked at, and what is intact</h2>\n<p>{} in {}, {} good, {} read. A ledger whose \
         verdict is GOOD is intact as a whole; in the others everything is intact that is not named \
         below.</p>",
        counted(facts.records(), "record"),
        counted(facts.ledgers.len() as u64, "ledger"),
        counted(facts.signatures(), "signature"),
        byte_count(facts.bytes)
    )?;
    let bad = facts.ledgers.iter().filter(|ledger| ledger.verdict != Verdict::Good);
    let good = facts.ledgers.iter().filter(|ledger| ledger.verdict == Verdict::Good);
    let shown: Vec<&LedgerReport> = bad.chain(good).take(LEDGERS_MAX).collect();
    out.write_all(
        b"<table class=\"ledgers\"><thead><tr><th>ledger</th><th>records</th><th class=\"n\">seen</th>\
          <th class=\"n\">signatures</th><th class=\"n\">segments</th><th>first and last time (UTC)</th>\
          <th class=\"n\">wrong</th><th>verdict</th></tr></thead><tbody>\n",
    )?;
    for ledger in &shown {
        ledger_row(out, ledger, facts.first_times.get(&ledger.name))?;
    }
    out.write_all(b"</tbody></table>\n")?;
    more(
        out,
        facts.ledgers.len() as u64,
        shown.len(),
        "ledger",
        "were checked and are not listed",
    )?;
    out.write_all(
        b"<p class=\"legend\"><span><i class=\"good\"></i>intact</span><span><i class=\"damaged\"></i>\
          damaged or changed</span><span><i class=\"beside\"></i>in a file that is not the signed one\
          </span><span><i class=\"tampered\"></i>tampered</span><span><i \
          class=\"missing\"></i>missing</span><span><i class=\"behind\"></i>not in this copy \
          yet</span><span><i class=\"unknown\"></i>nobody can know</span></p>\n",
    )?;
    for ledger in shown.iter().take(PICTURES_MAX) {
        let bar = picture::bar(ledger, facts.findings);
        if !bar.is_empty() {
            writeln!(out, "<h3>{}</h3>\n{bar}", safe(&ledger.name))?;
        }
    }
    if facts.findings_total() > facts.findings.len() as u64 {
        out.write_all(b"<p class=\"dim\">Only findings that are listed are drawn.</p>\n")?;
    }
    Ok(())
}

fn ledger_row(
    out: &mut dyn Write,
    ledger: &LedgerReport,
    first_time: Option<&String>,
) -> io::Result<()> {
    let first =
        first_time.map(|time| format!("{}<br>", safe(&to_seconds(time)))).unwrap_or_default();
    let range = match ledger.size {
        0 => "none".to_owned(),
        size => format!("0 to {}", thousands(size - 1)),
    };
    let origin = ledger.origin.as_deref().unwrap_or("origin unknown");
    writeln!(
        out,
        "<tr><td><strong>{}</strong><br><span class=\"dim\">{}</span></td><td>{range}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"k\">{first}{}</td>\
         <td class=\"n\">{}</td><td class=\"word w-{}\">{}</td></tr>",
        safe(&ledger.name),
        safe(origin),
        thousands(ledger.records),
        thousands(ledger.signatures),
        thousands(ledger.segments),
        safe(&ledger.last_time.as_deref().map_or_else(|| "none".to_owned(), to_seconds)),
        thousands(ledger.findings),
        ledger.verdict.as_str(),
        verdict_word(ledger.verdict)
    )
}

/// Seconds are enough to find a ledger's last day and hour.
fn to_seconds(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

fn more(out: &mut dyn Write, total: u64, shown: usize, thing: &str, what: &str) -> io::Result<()> {
    match total.saturating_sub(shown as u64) {
        0 => Ok(()),
        more => writeln!(
            out,
            "<p class=\"dim\">{} {what}.</p>",
            counted(more, &format!("more {thing}"))
        ),
    }
}

fn findings(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    out.write_all(b"<h2>What is wrong</h2>\n")?;
    if facts.by_code.is_empty() {
        return out.write_all(b"<p>Nothing was found to be wrong.</p>\n");
    }
    out.write_all(
        b"<table><thead><tr><th>code</th><th class=\"n\">times</th><th>what it means, and what to do\
          </th></tr></thead><tbody>\n",
    )?;
    for (code, count) in &facts.by_code {
        code_row(out, code.as_str(), Some(*count), words::code(*code))?;
    }
    out.write_all(b"</tbody></table>\n")?;
    let mut shown = 0;
    for class in [Class::Tampering, Class::Damage, Class::Behind] {
        let of_class = facts.findings.iter().filter(|finding| finding.class == class);
        let of_class: Vec<&Finding> = of_class.take(FINDINGS_MAX - shown).collect();
        if of_class.is_empty() {
            continue;
        }
        shown += of_class.len();
        writeln!(out, "<h3>{}</h3>\n<p>{}</p>", class_word(class), words::class(class).means)?;
        for finding in of_class {
            self::finding(out, finding)?;
        }
    }
    let listed: u64 = facts.findings.iter().take(shown).map(|finding| finding.times).sum();
    more(
        out,
        facts.findings_total().saturating_sub(listed),
        0,
        "finding",
        "of the codes above are not listed",
    )
}

fn code_row(out: &mut dyn Write, code: &str, count: Option<u64>, said: Words) -> io::Result<()> {
    let count = count.map(|n| format!("<td class=\"n\">{}</td>", thousands(n))).unwrap_or_default();
    writeln!(
        out,
        "<tr><td class=\"k\"><code>{code}</code></td>{count}<td><strong>{}.</strong> {} <em>{}</em></td></tr>",
        ours(said.title),
        ours(said.means),
        ours(said.next)
    )
}

fn finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let times = if finding.times > 1 {
        format!("{} times", thousands(finding.times))
    } else {
        String::new()
    };
    let parts = [safe(&finding.ledger), place(finding), times];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let file = match &finding.file {
        Some(file) => format!("<p class=\"dim\">in <code>{}</code></p>", safe(file)),
        None => String::new(),
    };
    writeln!(
        out,
        "<div class=\"item {}\"><p><code>{}</code> <strong>{}</strong></p><p>{}</p>{file}</div>",
        finding.class,
        finding.code,
        parts.join(", "),
        safe(&finding.message)
    )
}

fn affected(out: &mut dyn Write, affected: &[Affected]) -> io::Result<()> {
    if affected.is_empty() {
        return Ok(());
    }
    out.write_all(
        b"<h2>The records concerned</h2>\n<p>As they stand in the evidence, which is not to be relied \
          on: compare them with another copy or with receipts.</p>\n",
    )?;
    for record in affected {
        let id = record.id.as_ref().map(|id| format!(", id {}", safe(id))).unwrap_or_default();
        let time = record.time.as_ref().map(|time| format!(", {}", safe(time))).unwrap_or_default();
        let by = record.by.as_ref().map(|by| format!(", by {}", safe(by))).unwrap_or_default();
        writeln!(
            out,
            "<div class=\"item damage\"><p><strong>{} record {}</strong>{id}{time}{by} <span class=\"dim\">\
             {}</span></p>",
            safe(&record.ledger),
            thousands(record.seq),
            record.codes.join(", ")
        )?;
        match &record.text {
            Some(text) => {
                let cut = if record.cut { "…" } else { "" };
                let remark =
                    if record.is_record { "" } else { "<p>This has not the form of a record:</p>" };
                writeln!(out, "{remark}<pre>{}{cut}</pre></div>", Html(text))?;
            }
            None => {
                out.write_all(b"<p>It is not there, or cannot be read any more.</p></div>\n")?
            }
        }
    }
    Ok(())
}

fn unchecked(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    out.write_all(b"<h2>What was not checked</h2>\n")?;
    if facts.unchecked_total == 0 {
        let all = if facts.ledgers.is_empty() && facts.proven.is_none() && facts.by_code.is_empty()
        {
            "<p>There was nothing to check.</p>\n"
        } else {
            "<p>Nothing was left out.</p>\n"
        };
        return out.write_all(all.as_bytes());
    }
    let mut codes: Vec<_> = facts.unchecked.iter().map(|item| item.code).collect();
    codes.sort_unstable();
    codes.dedup();
    out.write_all(
        b"<table><thead><tr><th>code</th><th>what it means, and what to do</th></tr></thead><tbody>\n",
    )?;
    for code in codes {
        code_row(out, code.as_str(), None, words::unchecked(code))?;
    }
    out.write_all(b"</tbody></table>\n")?;
    for Unchecked { code, ledger, what, why } in facts.unchecked.iter().take(UNCHECKED_MAX) {
        writeln!(
            out,
            "<div class=\"item unchecked\"><p><code>{code}</code> <strong>{}</strong></p><p>{}: {}</p>\
             </div>",
            safe(ledger),
            safe(what),
            safe(why)
        )?;
    }
    let shown = facts.unchecked.len().min(UNCHECKED_MAX);
    more(out, facts.unchecked_total, shown, "thing", "were not checked and are not listed")
}

fn unknowable(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    out.write_all(b"<h2>What nobody can know</h2>\n<ul>\n")?;
    if facts.ledgers.len() > LEDGERS_MAX {
        let none = facts.ledgers.iter().filter(|ledger| ledger.known_to.is_none()).count() as u64;
        let said = "no head was compared: records cut from the end could not be noticed";
        writeln!(out, "<li>{}: {said}.</li>", counted(none, "ledger"))?;
    }
    for ledger in facts.ledgers.iter().take(LEDGERS_MAX) {
        writeln!(out, "<li><strong>{}</strong>: {}.</li>", safe(&ledger.name), tail_of(ledger))?;
    }
    if facts.proven.is_some() {
        out.write_all(
            b"<li>Whether the ledger still holds the record. A later checkpoint with a consistency proof, \
              or the whole ledger, shows it.</li>\n",
        )?;
    }
    for known in NOBODY_CAN_KNOW {
        writeln!(out, "<li>{}</li>", ours(known))?;
    }
    out.write_all(b"</ul>\n")
}

fn notes(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    if facts.notes.is_empty() {
        return Ok(());
    }
    out.write_all(b"<h2>Notes</h2>\n<ul>\n")?;
    for note in facts.notes.iter().take(NOTES_MAX) {
        writeln!(out, "<li>{}</li>", safe(note))?;
    }
    out.write_all(b"</ul>\n")?;
    more(out, facts.notes_total, facts.notes.len().min(NOTES_MAX), "note", "are not listed")
}
