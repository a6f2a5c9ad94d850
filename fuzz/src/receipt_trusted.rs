//! A receipt proves only a record that an honest one proves.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use indelible_core::receipt::{Receipt, Signed};
use indelible_verifier::receipt::{ReceiptReport, verify_bytes};
use indelible_verifier::{HeadFile, Verdict};

use crate::seeds;

/// Records that were signed and stand in seeds: the proven ones, and records 0 beside them.
static HONEST: LazyLock<BTreeSet<Vec<u8>>> = LazyLock::new(|| {
    let receipts = inputs();
    let receipts = receipts.iter().map(|seed| Receipt::from_file(seed).expect("a golden receipt"));
    receipts
        .flat_map(|receipt| match receipt.signed {
            Signed::Own(_) => vec![receipt.record],
            Signed::Creation { record, .. } => vec![receipt.record, record],
        })
        .collect()
});

/// One run.
pub fn run(data: &[u8]) {
    let report = judge(data, &[]);
    assert!(report.findings.len() + report.unchecked.len() <= 1, "more than the first fault");
    let Some(proven) = &report.proven else {
        assert_ne!(report.verdict(), Verdict::Good, "good, and nothing is proven");
        return;
    };
    assert!(HONEST.contains(proven.record.as_bytes()), "nobody signed {}", proven.record);
    assert!(proven.seq < proven.tree_size, "it lies outside of its tree");
    assert!(report.findings.is_empty(), "proven, and something is wrong");
    // It is a head of its own tree as well.
    let again = judge(data, &[HeadFile::new("itself", data)]);
    assert_eq!(again.verdict(), report.verdict());
    assert_eq!(again.proven.and_then(|proven| proven.known_to), Some(proven.tree_size));
}

/// Verifies the bytes of a receipt's file.
pub fn judge(data: &[u8], heads: &[HeadFile]) -> ReceiptReport {
    verify_bytes(data, &seeds::trust(), heads, &[])
}

/// All honest receipts.
pub fn inputs() -> Vec<Vec<u8>> {
    let mut inputs = seeds::files(&seeds::good("receipt"));
    inputs.extend(seeds::RECEIPTS.map(<[u8]>::to_vec));
    inputs
}
