//! A receipt: one record with everything that proves it (`docs/FORMAT.md` section 6).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use indelible_core::code::Code;
use indelible_core::key::Trust;
use indelible_core::limits::RECEIPT_FILE_BYTES_MAX;
use indelible_core::receipt::Receipt;
use serde::Serialize;

use crate::report::{ExpectedHead, Verdict};

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
    /// Records in the signed tree that holds it.
    pub tree_size: u64,
    /// The root of that tree in base64.
    pub root: String,
    /// The record, as text.
    pub record: String,
}

/// What came of a receipt.
#[derive(Debug, Clone)]
pub struct ReceiptReport {
    /// What is proven, if anything is.
    pub proven: Option<Proven>,
    /// What is wrong: code and reason.
    pub problem: Option<(Code, String)>,
    /// What could not be checked.
    pub unchecked: Vec<String>,
}

impl ReceiptReport {
    /// How it ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(u64::from(self.problem.is_some()), self.unchecked.len() as u64)
    }

    fn wrong(code: Code, reason: impl Into<String>) -> Self {
        Self { proven: None, problem: Some((code, reason.into())), unchecked: Vec::new() }
    }
}

/// Verifies a receipt. Of `heads` (name, note), one of the same size must have the same root.
///
/// # Errors
/// When the file cannot be read.
pub fn verify(
    path: &Path,
    trust: &Trust,
    heads: &[(String, Vec<u8>)],
) -> io::Result<ReceiptReport> {
    let mut bytes = Vec::new();
    File::open(path)?.take(RECEIPT_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(verify_bytes(&bytes, trust, heads))
}

/// [`verify`] for the bytes of a receipt, which may end in a line feed.
#[must_use]
pub fn verify_bytes(bytes: &[u8], trust: &Trust, heads: &[(String, Vec<u8>)]) -> ReceiptReport {
    if bytes.len() > RECEIPT_FILE_BYTES_MAX {
        let reason = format!(
            "it has more than the {RECEIPT_FILE_BYTES_MAX} bytes that a receipt has at most"
        );
        return ReceiptReport::wrong(Code::NotCanonical, reason);
    }
    let receipt = match Receipt::from_file(bytes) {
        Ok(receipt) => receipt,
        Err(error) => return ReceiptReport::wrong(error.code, error.reason),
    };
    let verified = match receipt.open(trust) {
        Ok(verified) => verified,
        Err(error) => return ReceiptReport::wrong(error.code, error.reason),
    };
    let (record, checkpoint) = (&verified.record, &verified.checkpoint);
    let mut unchecked = Vec::new();
    for (source, note) in heads {
        let head = match ExpectedHead::open(source, note, trust) {
            Ok(head) => head,
            Err(finding) => return ReceiptReport::wrong(finding.code, finding.message),
        };
        if head.origin != checkpoint.origin {
            unchecked.push(format!("the head in {source} is of another ledger, {}", head.origin));
        } else if head.size == checkpoint.size && head.root != checkpoint.root {
            let reason = format!(
                "the ledger signed two different trees of {} records: this receipt's and the one in {source}",
                head.size
            );
            return ReceiptReport::wrong(Code::RootMismatch, reason);
        } else if head.size != checkpoint.size {
            unchecked.push(format!(
                "the head in {source} has {} records and the receipt's tree {}; whether one continues the other takes a consistency proof or the whole ledger",
                head.size, checkpoint.size
            ));
        }
    }
    let proven = Proven {
        origin: checkpoint.origin.to_string(),
        seq: record.seq.get(),
        id: record.id.to_string(),
        time: record.time.to_string(),
        digest: receipt.digest.to_hex(),
        signed_by: receipt.signature.as_ref().map(|signed| signed.key_id.to_string()),
        tree_size: checkpoint.size,
        root: checkpoint.root.to_base64(),
        record: String::from_utf8_lossy(&receipt.record).into_owned(),
    };
    ReceiptReport { proven: Some(proven), problem: None, unchecked }
}
