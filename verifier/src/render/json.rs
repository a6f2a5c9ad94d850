//! A report for programs. Nothing in it depends on the number of workers but `elapsed_ms` and
//! `records_per_second`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::escape::json_printable;
use super::facts::{Facts, Given};
use super::words::{self, NOBODY_CAN_KNOW, Words};
use crate::affected::Affected;
use crate::findings::{Finding, Unchecked};
use crate::receipt::Proven;
use crate::report::{LedgerReport, Report, Verdict};

/// The document. It is written from the facts as they lie, never built up as a whole.
#[derive(Serialize)]
struct Document<'a> {
    v: u8,
    source: &'a str,
    verdict: Verdict,
    exit_code: u8,
    words: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    proven: Option<Option<&'a Proven>>,
    ledgers: Ledgers<'a>,
    findings: &'a [Finding],
    findings_total: u64,
    findings_by_code: BTreeMap<&'static str, u64>,
    unchecked: &'a [Unchecked],
    unchecked_total: u64,
    notes: &'a [String],
    notes_total: u64,
    affected: &'a [Affected],
    codes: BTreeMap<&'static str, Words>,
    nobody_can_know: [&'static str; NOBODY_CAN_KNOW.len()],
    tail_unknown: bool,
    #[serde(skip_serializing_if = "is_nothing")]
    checked: &'a Given,
    records: u64,
    signatures: u64,
    bytes: u64,
    elapsed_ms: u64,
    records_per_second: u64,
}

fn is_nothing(given: &&Given) -> bool {
    given.kind.is_empty()
}

struct Ledgers<'a>(&'a Facts<'a>);

impl Serialize for Ledgers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.ledgers.iter().map(|ledger| LedgerDocument {
            ledger,
            first_time: self.0.first_times.get(&ledger.name).map(String::as_str),
            tail_unknown: ledger.known_to.is_none(),
        }))
    }
}

#[derive(Serialize)]
struct LedgerDocument<'a> {
    #[serde(flatten)]
    ledger: &'a LedgerReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_time: Option<&'a str>,
    tail_unknown: bool,
}

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_code = self.by_code.iter();
        let of_findings = by_code.clone().map(|(code, _)| (code.as_str(), words::code(*code)));
        let of_unchecked =
            self.unchecked.iter().map(|item| (item.code.as_str(), words::unchecked(item.code)));
        Document {
            v: 1,
            source: &self.given.source,
            verdict: self.verdict,
            exit_code: self.verdict.exit_code(),
            words: words::verdict(self.verdict),
            proven: self.of_receipt.then_some(self.proven),
            ledgers: Ledgers(self),
            findings: self.findings,
            findings_total: self.findings_total(),
            findings_by_code: by_code.map(|(code, count)| (code.as_str(), *count)).collect(),
            unchecked: self.unchecked,
            unchecked_total: self.unchecked_total,
            notes: self.notes,
            notes_total: self.notes_total,
            affected: self.affected,
            codes: of_findings.chain(of_unchecked).collect(),
            nobody_can_know: NOBODY_CAN_KNOW,
            tail_unknown: self.ledgers.iter().any(|ledger| ledger.known_to.is_none()),
            checked: self.given,
            records: self.records(),
            signatures: self.signatures(),
            bytes: self.bytes,
            elapsed_ms: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            records_per_second: self.records_per_second(),
        }
        .serialize(serializer)
    }
}

/// A report as a JSON value.
#[must_use]
pub fn json(report: &Report) -> Value {
    let given = Given { source: report.source.clone(), ..Given::default() };
    // Maps have text for names and numbers are finite, so this does not fail.
    serde_json::to_value(Facts::of(report, &given, &[])).unwrap_or_default()
}

/// Writes JSON, indented, with one line feed at its end. Characters that a terminal would obey are
/// spelt out: JSON does that by itself only for those below U+0020.
///
/// # Errors
/// As those of `out`.
pub fn write_json(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let mut out = Visible(out);
    serde_json::to_writer_pretty(&mut out, document)?;
    out.0.write_all(b"\n")
}

/// Passes JSON on with [`json_printable`]. The serializer writes whole characters.
struct Visible<'a>(&'a mut dyn Write);

impl Write for Visible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_ascii() && !bytes.contains(&0x7f) {
            self.0.write_all(bytes)?;
        } else {
            self.0.write_all(json_printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
