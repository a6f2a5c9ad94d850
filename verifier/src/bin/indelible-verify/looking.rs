//! `show` and `search`: what the files say, without checking it.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::PathBuf;

use clap::Args;
use indelible_core::code::{EXIT_GOOD, EXIT_UNCHECKED};
use indelible_core::limits::SEQ_MAX;
use indelible_core::name::LedgerName;
use indelible_core::record::{Body, RecordView};
use indelible_core::time::Timestamp;
use indelible_verifier::look::{self, Criteria, Entry, PathEquals, Pattern, Seen, Wanted};
use indelible_verifier::render::{
    fit, json_printable, printable, printable_bytes, thousands, writer,
};

use crate::out::{Stop, say, width};

/// Nothing fits what was asked for, and everything was looked through.
const EXIT_NOTHING: u8 = 1;

/// Damaged parts that are named; the others are counted.
const NAMED_MAX: u64 = 20;

/// Bytes of a line that is no record, as far as they are shown.
const DAMAGED_SHOWN_BYTES: usize = 2048;

pub(crate) const AFTER_HELP: &str = "\
Showing is not verifying: what is shown is what the files say, whoever wrote them. Verify them with
`indelible-verify vault`, `export` or `receipt`.

Exit codes, as grep's: 0 a record was found; 1 none; 2 something could not be read, whatever was found;
64 the program was used wrongly.

Examples:
  indelible-verify show /mnt/vault --ledger orders 10..20
  indelible-verify show receipt.json
  indelible-verify search orders.jsonl.zst refund
  indelible-verify search /mnt/vault --ledger orders --by billing
  indelible-verify search /mnt/vault --path /user/name=ada --from-time 2026-11-21 --json";

/// What both commands take.
#[derive(Args)]
pub(crate) struct Source {
    /// A vault's folder, an export, a segment or a receipt.
    source: PathBuf,
    /// Look only into this ledger. May be given several times.
    #[arg(long, value_name = "NAME")]
    ledger: Vec<LedgerName>,
    /// Print the records as they were signed, one a line, and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    source: Source,
    /// What to show: a number (17), a range (10..20, 10.., ..20; both ends are shown) or an event's id.
    #[arg(value_name = "SEQ|RANGE|ID", conflicts_with = "id")]
    what: Option<String>,
    /// The event with this id, also where the id looks like a number or a range.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

#[derive(Args)]
pub(crate) struct Search {
    #[command(flatten)]
    source: Source,
    /// Text that the record contains, as it stands; no pattern language.
    #[arg(value_name = "PATTERN", required_unless_present_any = ["path", "id", "by", "from_time", "to_time"])]
    pattern: Option<String>,
    /// Upper and lower case ASCII letters are the same.
    #[arg(short, long)]
    ignore_case: bool,
    /// A value in the event: a JSON pointer and what it leads to, such as /user/name=ada. May be given
    /// several times; all must fit.
    #[arg(long, value_name = "POINTER=VALUE")]
    path: Vec<PathEquals>,
    /// The event's id.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The name of who wrote it, in ledgers whose records say that.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Records of this time or later: 2026-11-21 or 2026-11-21T08:30:00Z, in UTC.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from_time: Option<Timestamp>,
    /// Records before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to_time: Option<Timestamp>,
}

/// A day, or a day and a time of day with up to six digits of fraction, in UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let full = match text.strip_suffix('Z') {
        None if text.len() == 10 => format!("{text}T00:00:00.000000Z"),
        Some(whole) => match whole.split_once('.') {
            Some((whole, fraction)) if fraction.len() <= 6 => format!("{whole}.{fraction:0<6}Z"),
            Some(_) => text.to_owned(),
            None => format!("{whole}.000000Z"),
        },
        None => text.to_owned(),
    };
    full.parse().map_err(|_| {
        "a time is written 2026-11-21 or 2026-11-21T08:30:00Z, in UTC, from 1970 to 9999".to_owned()
    })
}

/// A number or a range; `None` for what can only be an id.
fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= SEQ_MAX)
    };
    let Some((first, last)) = text.split_once("..") else {
        return number(text).map(|seq| seq..=seq);
    };
    match (first, last) {
        ("", "") => None,
        ("", last) => Some(0..=number(last)?),
        (first, "") => Some(number(first)?..=SEQ_MAX),
        (first, last) => Some(number(first)?..=number(last)?),
    }
}

pub(crate) fn show(args: &Show) -> Result<u8, Stop> {
    let seqs = args.what.as_deref().and_then(range);
    let id = args.id.clone().or_else(|| args.what.clone().filter(|_| seqs.is_none()));
    let one = id.is_some() || seqs.as_ref().is_some_and(|seqs| seqs.start() == seqs.end());
    let criteria = Criteria { seqs, id, ..Criteria::default() };
    Looking::new(&args.source, criteria, one).run()
}

pub(crate) fn search(args: &Search) -> Result<u8, Stop> {
    let criteria = Criteria {
        seqs: None,
        id: args.id.clone(),
        by: args.by.clone(),
        pattern: args.pattern.as_ref().map(|text| Pattern::new(text, args.ignore_case)),
        paths: args.path.clone(),
        from: args.from_time,
        until: args.to_time,
    };
    Looking::new(&args.source, criteria, false).run()
}

/// One run through a source.
struct Looking<'a> {
    source: &'a Source,
    criteria: Criteria,
    /// Whether each record is shown at length.
    at_length: bool,
    out: BufWriter<Box<dyn Write>>,
    to_terminal: bool,
    width: Option<usize>,
    /// The ledger whose records are being listed.
    ledger: Option<String>,
    found: u64,
    damaged: u64,
    failed: Option<io::Error>,
}

impl<'a> Looking<'a> {
    fn new(source: &'a Source, criteria: Criteria, at_length: bool) -> Self {
        let to_terminal = io::stdout().is_terminal();
        // Exact bytes: `anstream` would take out what looks like an escape sequence.
        let out: Box<dyn Write> = Box::new(io::stdout());
        Self {
            source,
            criteria,
            at_length,
            out: BufWriter::new(out),
            to_terminal,
            width: width(),
            ledger: None,
            found: 0,
            damaged: 0,
            failed: None,
        }
    }

    fn run(mut self) -> Result<u8, Stop> {
        let wanted = Wanted {
            ledgers: self.source.ledger.clone(),
            seqs: self.criteria.seqs.iter().cloned().collect(),
            bytes_max: u64::MAX,
        };
        let path = &self.source.source;
        look::walk(path, &wanted, &mut |seen| match self.one(seen) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        })
        .map_err(|error| Stop::unreadable(path, &error))?;
        let flushed = self.out.flush();
        if let Some(error) = self.failed.or(flushed.err()) {
            return Err(Stop::unprintable(&error));
        }
        if self.damaged > NAMED_MAX {
            say(&format!(
                "and {} more parts could not be read",
                thousands(self.damaged - NAMED_MAX)
            ));
        }
        if self.found == 0 {
            say("no record fits");
        } else {
            say("shown is what the files say; nothing of it was verified");
        }
        Ok(match (self.damaged, self.found) {
            (1.., _) => EXIT_UNCHECKED,
            (0, 0) => EXIT_NOTHING,
            (0, _) => EXIT_GOOD,
        })
    }

    fn one(&mut self, seen: Seen<'_>) -> io::Result<()> {
        match seen {
            Seen::Record(entry) if self.criteria.fit(&entry.record) => {
                self.found += 1;
                self.record(&entry)
            }
            Seen::Record(_) => Ok(()),
            Seen::Damaged { ledger, due, bytes, why } => {
                let seqs = self.criteria.seqs.as_ref();
                if seqs.is_some_and(|seqs| !seqs.contains(&due)) {
                    return Ok(());
                }
                let place = if ledger.is_empty() { String::new() } else { format!("{ledger}, ") };
                self.unread(&format!("{place}where record {due} should be: {why}"));
                self.damaged_line(due, bytes)
            }
            Seen::Unread { what, why } => {
                self.unread(&format!("{what}: {why}"));
                Ok(())
            }
        }
    }

    fn unread(&mut self, what: &str) {
        self.damaged += 1;
        if self.damaged <= NAMED_MAX {
            say(&format!("skipped {what}"));
        }
    }

    /// For people, what can be read of a line that is no record, where that place was asked for.
    fn damaged_line(&mut self, due: u64, bytes: &[u8]) -> io::Result<()> {
        if self.source.json || !self.at_length {
            return Ok(());
        }
        let shown = bytes.get(..DAMAGED_SHOWN_BYTES).unwrap_or(bytes);
        writeln!(self.out, "record {due} is damaged; its {} bytes are", bytes.len())?;
        let more = if shown.len() < bytes.len() { "…" } else { "" };
        writeln!(self.out, "{}{more}", printable_bytes(shown))
    }

    fn record(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if self.source.json {
            let bytes = entry.record.bytes;
            if self.to_terminal {
                self.out.write_all(json_printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
            } else {
                self.out.write_all(bytes)?;
            }
            return self.out.write_all(b"\n");
        }
        if self.at_length {
            return self.whole(entry);
        }
        let record = &entry.record;
        if self.ledger.as_deref() != Some(record.ledger) {
            let space = if self.ledger.is_some() { "\n" } else { "" };
            writeln!(self.out, "{space}ledger {}", printable(record.ledger))?;
            writeln!(self.out, "{:>8}  {:27}  id and event", "record", "time (UTC)")?;
            self.ledger = Some(record.ledger.to_owned());
        }
        let head = format!("{:>8}  {}  ", record.seq, record.time);
        let by = record
            .by
            .as_ref()
            .map_or_else(String::new, |by| format!("  by {}", printable(&writer(by))));
        let text = format!("{}{by}  {}", printable(&record.id), body_line(record));
        match self.width {
            Some(width) => writeln!(self.out, "{}", fit(&format!("{head}{text}"), width)),
            None => writeln!(self.out, "{head}{text}"),
        }
    }

    fn whole(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let record = &entry.record;
        if self.found > 1 {
            writeln!(self.out)?;
        }
        let by = record.by.as_ref().map(writer);
        let signed = entry.signed_by.map_or("no signature of its own", |key_id| key_id);
        for (name, value) in [
            ("ledger", Some(record.ledger.to_owned())),
            ("record", Some(record.seq.to_string())),
            ("id", Some(record.id.to_string())),
            ("time", Some(record.time.to_string())),
            ("written by", by),
            ("digest", Some(entry.digest.to_owned())),
            ("signed by", Some(signed.to_owned())),
        ] {
            if let Some(value) = value {
                writeln!(self.out, "{name:10} {}", printable(&value))?;
            }
        }
        let (name, body) = match record.body {
            Body::Event(body) => ("event", body),
            Body::System(body) => ("system", body),
        };
        writeln!(self.out, "{name}")?;
        let text = look::indented(body);
        for line in String::from_utf8_lossy(&text).lines() {
            writeln!(self.out, "  {}", printable(line))?;
        }
        if let Some(list) = record.numbers_as_text {
            writeln!(self.out, "numbers kept as text\n  {}", printable_bytes(list))?;
        }
        Ok(())
    }
}

fn body_line(record: &RecordView<'_>) -> String {
    match record.body {
        Body::Event(body) => printable_bytes(body),
        Body::System(body) => format!("system {}", printable_bytes(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_told_from_ids() {
        assert_eq!(range("17"), Some(17..=17));
        assert_eq!((range("3..5"), range("..5")), (Some(3..=5), Some(0..=5)));
        assert_eq!(range("3.."), Some(3..=SEQ_MAX));
        for id in ["", "..", "order-17", "0x1", "1...2", "-3", "99999999999999999999"] {
            assert_eq!(range(id), None, "{id}");
        }
    }

    #[test]
    fn times_may_be_written_short() {
        for (text, full) in [
            ("2026-11-21", "2026-11-21T00:00:00.000000Z"),
            ("2026-11-21T08:30:00Z", "2026-11-21T08:30:00.000000Z"),
            ("2026-11-21T08:30:00.5Z", "2026-11-21T08:30:00.500000Z"),
        ] {
            assert_eq!(time(text).unwrap().to_string(), full);
        }
        assert!(time("yesterday").is_err() && time("2026-11-21T08:30:00").is_err());
    }
}
