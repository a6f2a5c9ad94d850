//! A receipt: one record with everything that proves it (`docs/FORMAT.md` sections 6 and 8.5).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::key::Trust;
use indelible_core::limits::RECEIPT_FILE_BYTES_MAX;
use indelible_core::name::LedgerName;
use indelible_core::receipt::{Receipt, ReceiptError, Signed};
use indelible_core::record::RecordView;
use serde::Serialize;

use crate::findings::{Finding, Unchecked};
use crate::heads::{BadHead, Head, HeadFile};
use crate::render::writer;
use crate::report::Verdict;

/// What a good receipt proves.
#[derive(Debug, Clone, Serialize)]
pub struct Proven {
    /// The ledger under its server's name.
    pub origin: String,
    /// The record's number.
    pub seq: u64,
    /// The record's id.
    pub id: String,
    /// When the ledger took it.
    pub time: String,
    /// The record's digest in hex.
    pub digest: String,
    /// The key that signed the record itself; absent where only the checkpoint covers it.
    pub signed_by: Option<String>,
    /// Who wrote it, as the server said, where its ledger's records say that.
    pub by: Option<String>,
    /// Records in the signed tree that holds it.
    pub tree_size: u64,
    /// The root of that tree in base64.
    pub root: String,
    /// The record, as text.
    pub record: String,
    /// Records that the largest head vouches for that was compared; absent where none was.
    pub known_to: Option<u64>,
}

/// What came of a receipt.
#[derive(Debug, Clone, Default)]
pub struct ReceiptReport {
    /// What is proven, if anything is.
    pub proven: Option<Proven>,
    /// What is wrong: of the receipt the first thing, and what heads cannot be used or contradict it.
    pub findings: Vec<Finding>,
    /// What could not be checked.
    pub unchecked: Vec<Unchecked>,
}

impl ReceiptReport {
    /// How it ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let of = |class| self.findings.iter().filter(|found| found.class == class).count() as u64;
        let unchecked = self.unchecked.len() as u64;
        Verdict::of(of(Class::Tampering), of(Class::Damage), of(Class::Behind), unchecked)
    }

    fn take(&mut self, bad: BadHead) {
        match bad {
            BadHead::Finding(finding) => self.findings.push(*finding),
            BadHead::Unchecked(unchecked) => self.unchecked.push(unchecked),
        }
    }
}

/// Verifies a receipt. Each of `heads` must be of the same tree to be compared with it; `wanted` are the
/// ledgers asked for, none for any.
#[must_use]
pub fn verify(
    path: &Path,
    trust: &Trust,
    heads: &[HeadFile],
    wanted: &[LedgerName],
) -> ReceiptReport {
    match read(path) {
        Ok(bytes) => verify_bytes(&bytes, trust, heads, wanted),
        Err(error) => {
            let (code, what) = (UncheckedCode::Unreadable, path.to_string_lossy().into_owned());
            let unread = Unchecked::new(code, what, error.to_string());
            ReceiptReport { unchecked: vec![unread], ..ReceiptReport::default() }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What is longer comes one byte too long, and is refused then.
    File::open(path)?.take(RECEIPT_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// [`verify`] for the bytes of a receipt's file.
#[must_use]
pub fn verify_bytes(
    bytes: &[u8],
    trust: &Trust,
    heads: &[HeadFile],
    wanted: &[LedgerName],
) -> ReceiptReport {
    let mut report = ReceiptReport::default();
    let mut opened_heads = Vec::new();
    for file in heads {
        match Head::open(file, trust) {
            Ok(head) => opened_heads.push(head),
            Err(bad) => report.take(bad),
        }
    }
    let opened = match open(bytes, trust) {
        Ok(opened) => opened,
        Err(bad) => {
            report.take(bad);
            return report;
        }
    };
    let ledger = opened.checkpoint.origin.ledger();
    if !wanted.is_empty() && !wanted.iter().any(|name| **name == *ledger) {
        let why = "it is not the ledger asked for";
        report.unchecked.push(Unchecked::new(UncheckedCode::NotFound, ledger, why).ledger(ledger));
    }
    if let Some(kind) = &opened.kind {
        let what = format!("the record's kind {kind:?}");
        let why = "this program does not know the kind, and so not what it means";
        report.unchecked.push(Unchecked::new(UncheckedCode::KindUnknown, what, why).ledger(ledger));
    }
    let mut known_to = None;
    for head in &opened_heads {
        match compare(head, &opened.checkpoint) {
            Ok(size) => known_to = known_to.max(size),
            Err(bad) => report.take(bad),
        }
    }
    report.proven = report.findings.is_empty().then_some(Proven { known_to, ..opened.proven });
    report
}

/// Compares a head with the receipt's checkpoint; how many records it then vouches for.
fn compare(head: &Head, own: &Checkpoint) -> Result<Option<u64>, BadHead> {
    let not_compared = |why: String| Err(BadHead::Unchecked(head.not_compared(why)));
    if head.size == 0 {
        return Ok(None);
    }
    if head.origin != own.origin {
        return not_compared(format!("it is of another ledger, {}", head.origin));
    }
    if head.size != own.size {
        return not_compared(format!(
            "it has {} records and the receipt's tree {}; whether one continues the other takes a consistency proof or the whole ledger",
            head.size, own.size
        ));
    }
    if head.root != own.root {
        let what = format!(
            "the ledger signed two different trees of {} records: this receipt's and the head in {}",
            head.size, head.source
        );
        let finding = Finding::tampering(Code::RootMismatch, what).between(0, head.size - 1);
        return Err(BadHead::Finding(Box::new(finding.ledger(own.origin.ledger()))));
    }
    Ok(Some(head.size))
}

/// A receipt in which nothing is wrong.
struct Opened {
    checkpoint: Checkpoint,
    /// Its kind, where that is not known.
    kind: Option<String>,
    proven: Proven,
}

fn open(bytes: &[u8], trust: &Trust) -> Result<Opened, BadHead> {
    let receipt = Receipt::from_file(bytes).map_err(wrong)?;
    let verified =
        receipt.open(trust).map_err(|error| match RecordView::parse(&receipt.record) {
            Ok(record) => placed(wrong(error), &record),
            Err(_) => wrong(error),
        })?;
    let (record, checkpoint) = (&verified.record, verified.checkpoint);
    let signed_by = match &receipt.signed {
        Signed::Own(signature) => Some(signature.key_id.to_string()),
        Signed::Creation { .. } => None,
    };
    let proven = Proven {
        origin: checkpoint.origin.to_string(),
        seq: record.seq.get(),
        id: record.id.to_string(),
        time: record.time.to_string(),
        digest: receipt.digest.to_hex(),
        signed_by,
        by: record.by.as_ref().map(writer),
        tree_size: checkpoint.size,
        root: checkpoint.root.to_base64(),
        record: String::from_utf8_lossy(&receipt.record).into_owned(),
        known_to: None,
    };
    let kind = verified.judged.unchecked_kind().map(str::to_owned);
    Ok(Opened { checkpoint, kind, proven })
}

/// The checkpoint of a receipt in which nothing is wrong.
pub(crate) fn checkpoint_of(bytes: &[u8], trust: &Trust) -> Result<Checkpoint, BadHead> {
    open(bytes, trust).map(|opened| opened.checkpoint)
}

/// What is wrong with a receipt, with the record that it is about.
fn placed(bad: BadHead, record: &RecordView<'_>) -> BadHead {
    match bad {
        BadHead::Finding(finding) => {
            let finding = finding.at(record.seq.get()).ledger(record.ledger);
            BadHead::Finding(Box::new(finding))
        }
        other => other,
    }
}

fn wrong(error: ReceiptError) -> BadHead {
    match error {
        ReceiptError::Fault { code, class, reason } => {
            BadHead::Finding(Box::new(Finding::new(code, class, reason)))
        }
        error => {
            let (code, what) = (UncheckedCode::VersionUnknown, "the receipt");
            BadHead::Unchecked(Unchecked::new(code, what, error.to_string()))
        }
    }
}
