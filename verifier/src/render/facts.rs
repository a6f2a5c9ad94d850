//! Everything that a report says, whatever it looks like.

use std::collections::BTreeMap;
use std::time::Duration;

use indelible_core::code::Code;
use serde::Serialize;

use crate::affected::Affected;
use crate::findings::{Finding, Unchecked};
use crate::receipt::{Proven, ReceiptReport};
use crate::report::{LedgerReport, Report, Verdict};

/// What was given to be checked, and with what. What is not known stays empty.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Given {
    /// What was checked: `vault`, `export`, `receipt`, `live`.
    pub kind: String,
    /// Where it lies.
    pub source: String,
    /// The program and its version.
    pub program: String,
    /// When the check began, in UTC.
    pub time: Option<String>,
    /// The files that were checked.
    pub inputs: Vec<Input>,
    /// The keys that were trusted.
    pub keys: Vec<KeyGiven>,
    /// The heads that were compared.
    pub heads: Vec<HeadGiven>,
    /// Everything else that was asked for, as name and value.
    pub options: Vec<(String, String)>,
}

/// A file, or the files of a folder, that were checked.
#[derive(Debug, Clone, Serialize)]
pub struct Input {
    /// Its path, or what it is.
    pub what: String,
    /// Bytes.
    pub size: Option<u64>,
    /// Lower-case hex of the SHA-256 over it.
    pub sha256: Option<String>,
    /// What the hash is over, or why there is none.
    pub remark: String,
}

/// A key that was trusted.
#[derive(Debug, Clone, Serialize)]
pub struct KeyGiven {
    /// The name that it was given under, for which it counts.
    pub name: String,
    /// Its id, as it stands beside signatures.
    pub id: String,
    /// The whole vkey; of a shared secret, that it is one.
    pub vkey: String,
}

/// A head that was given.
#[derive(Debug, Clone, Serialize)]
pub struct HeadGiven {
    /// Its file.
    pub file: String,
    /// Bytes of the file.
    pub size: Option<u64>,
    /// Lower-case hex of the file's SHA-256.
    pub sha256: Option<String>,
    /// The ledger that it says it is of.
    pub origin: Option<String>,
    /// How many records it says that the ledger has.
    pub records: Option<u64>,
}

/// What a report says.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What was given.
    pub given: &'a Given,
    /// How it ended.
    pub verdict: Verdict,
    /// The ledgers.
    pub ledgers: &'a [LedgerReport],
    /// What is wrong, as far as it was kept.
    pub findings: &'a [Finding],
    /// How often each code was met.
    pub by_code: BTreeMap<Code, u64>,
    /// What was not checked, as far as it was kept.
    pub unchecked: &'a [Unchecked],
    /// How much was not checked.
    pub unchecked_total: u64,
    /// What else to know, as far as it was kept.
    pub notes: &'a [String],
    /// How many notes there were.
    pub notes_total: u64,
    /// Whether it is about a receipt, not about ledgers.
    pub of_receipt: bool,
    /// What a receipt proves.
    pub proven: Option<&'a Proven>,
    /// Records that are concerned, as far as they can still be read.
    pub affected: &'a [Affected],
    /// Times of the first records of ledgers, as far as they were read again.
    pub first_times: BTreeMap<String, String>,
    /// Plain bytes of lines read.
    pub bytes: u64,
    /// How long it took; zero for a receipt.
    pub elapsed: Duration,
}

impl<'a> Facts<'a> {
    /// Those of a report.
    #[must_use]
    pub fn of(report: &'a Report, given: &'a Given, affected: &'a [Affected]) -> Self {
        Self {
            given,
            verdict: report.verdict(),
            ledgers: &report.ledgers,
            findings: report.findings.kept(),
            by_code: report.findings.counts().clone(),
            unchecked: report.unchecked.kept(),
            unchecked_total: report.unchecked.total(),
            notes: report.notes.kept(),
            notes_total: report.notes.total(),
            of_receipt: false,
            proven: None,
            affected,
            first_times: BTreeMap::new(),
            bytes: report.bytes,
            elapsed: report.elapsed,
        }
    }

    /// Those of a receipt.
    #[must_use]
    pub fn of_receipt(
        report: &'a ReceiptReport,
        given: &'a Given,
        affected: &'a [Affected],
    ) -> Self {
        let findings = report.findings.as_slice();
        Self {
            given,
            verdict: report.verdict(),
            ledgers: &[],
            findings,
            by_code: counts(findings),
            unchecked: &report.unchecked,
            unchecked_total: report.unchecked.len() as u64,
            notes: &[],
            notes_total: 0,
            of_receipt: true,
            proven: report.proven.as_ref(),
            affected,
            first_times: BTreeMap::new(),
            bytes: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// How many findings there were, kept or not.
    #[must_use]
    pub fn findings_total(&self) -> u64 {
        self.by_code.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Records seen.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.ledgers.iter().fold(0, |sum, ledger| sum.saturating_add(ledger.records))
    }

    /// Good signatures of records.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.ledgers.iter().fold(0, |sum, ledger| sum.saturating_add(ledger.signatures))
    }

    /// Records a second.
    #[must_use]
    pub fn records_per_second(&self) -> u64 {
        (self.records() as f64 / self.elapsed.as_secs_f64().max(1e-6)) as u64
    }
}

fn counts(findings: &[Finding]) -> BTreeMap<Code, u64> {
    let mut counts = BTreeMap::new();
    findings.iter().for_each(|finding| *counts.entry(finding.code).or_default() += finding.times);
    counts
}

/// What is known of the end of a ledger.
pub(super) fn tail_of(ledger: &LedgerReport) -> String {
    let size = ledger.size;
    match (ledger.known_to.filter(|known| *known > 0), ledger.expected_size) {
        (Some(known), _) => {
            let last = known - 1;
            format!(
                "a head vouches for it up to record {last}; nothing is known after record {last}"
            )
        }
        (None, Some(expected)) if expected > size => format!(
            "it has {size} records and ends before the head of {expected} records, which could not be \
             compared with it"
        ),
        (None, Some(_)) => {
            "no head vouches for it: the one that was given was not compared, or contradicts it"
                .into()
        }
        (None, None) => NO_HEAD.to_owned(),
    }
}

/// What is not known of a ledger for which no head was given.
pub(super) const NO_HEAD: &str =
    "no head was compared, so records cut from the end could not be noticed";
