//! An export is good only with the records of an honest one, however many workers look at it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use indelible_verifier::{Report, Verdict};

use crate::seeds::Records;
use crate::{judged, packed, seeds};

static HONEST: LazyLock<BTreeSet<Records>> = LazyLock::new(|| {
    let exports = seeds::files(&seeds::good("export"));
    exports.iter().map(|export| records(export).expect("a golden export")).collect()
});

/// One run.
pub fn run(data: &[u8]) {
    if judge(data).verdict() == Verdict::Good {
        let records = records(data).expect("good, and cannot be read");
        assert!(HONEST.contains(&records), "good, and nobody signed it");
    }
}

/// Verifies the bytes as a file.
pub fn judge(data: &[u8]) -> Report {
    let folder = tempfile::tempdir().expect("a folder for the export");
    let path = folder.path().join("export");
    std::fs::write(&path, data).expect("room for the export");
    judged::judge(&path)
}

/// The records between the header and the closing line.
fn records(export: &[u8]) -> Option<Records> {
    let plain = packed::unpack(export).ok()?;
    let begin = plain.iter().position(|byte| *byte == b'\n')? + 1;
    let lines = plain.get(begin..)?.strip_suffix(b"\n")?;
    let end = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    seeds::records(&lines[..end])
}
