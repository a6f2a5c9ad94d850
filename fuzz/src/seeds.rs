//! Honest evidence and the keys that signed it, for the targets that believe something.
//!
//! It is read from the golden cases that every verifier is held to. Where those are absent nothing can
//! be fuzzed, and the run fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use indelible_core::hash::Digest;
use indelible_core::key::{Trust, VKey};
use indelible_core::note::SignedNote;
use indelible_core::segment::Line;
use serde_json::Value;

/// The folder is two levels below the repository for every crate that includes this file.
const CHECKING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/checking");

/// The key of the cases and of the golden manifests, the key of the golden receipts, and the one of the
/// golden checkpoints.
const VKEYS: [&str; 3] = [
    include_str!("../../core/tests/vectors/key.vkey"),
    include_str!("../../core/tests/vectors/receipt.vkey"),
    "example.com/ledger-test+83434d38+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
];

/// Golden notes of the checkpoints and manifests of `core`.
pub const CHECKPOINTS: [&[u8]; 4] = [
    include_bytes!("../../core/tests/vectors/checkpoint_0.note"),
    include_bytes!("../../core/tests/vectors/checkpoint_3.note"),
    include_bytes!("../../core/tests/vectors/checkpoint_7.note"),
    include_bytes!("../../core/tests/vectors/checkpoint_7_witnessed.note"),
];
pub const MANIFESTS: [&[u8]; 2] = [
    include_bytes!("../../core/tests/vectors/manifest_0.note"),
    include_bytes!("../../core/tests/vectors/manifest_3.note"),
];
/// Golden receipts of `core`.
pub const RECEIPTS: [&[u8]; 3] = [
    include_bytes!("../../core/tests/vectors/receipt_creation.json"),
    include_bytes!("../../core/tests/vectors/receipt_signed.json"),
    include_bytes!("../../core/tests/vectors/receipt_unsigned.json"),
];

/// The keys that signed all seeds.
pub fn trust() -> Trust {
    VKEYS.iter().map(|vkey| VKey::parse_file(vkey).expect("a golden key")).collect()
}

/// A golden case that is good for the first key alone.
pub struct Case {
    pub name: String,
    /// Contents by path; an export or a receipt has one file, whose path is empty.
    pub files: BTreeMap<String, Vec<u8>>,
    pub heads: Vec<Vec<u8>>,
}

/// All good cases of a kind: `export`, `vault` or `receipt`.
pub fn good(kind: &str) -> Vec<Case> {
    let index = fs::read(format!("{CHECKING}/index.json")).expect("the index of the golden cases");
    let index: Value = serde_json::from_slice(&index).expect("an index in JSON");
    let cases = index["cases"].as_array().expect("cases");
    let good: Vec<Case> = cases.iter().filter(|case| is_good(case, kind)).map(read).collect();
    assert!(!good.is_empty(), "there is no good case of kind {kind}");
    good
}

fn is_good(case: &Value, kind: &str) -> bool {
    let plain =
        ["folders", "links", "ledgers", "secrets"].iter().all(|name| case.get(name).is_none());
    let keys = Value::from([VKEYS[0].trim_end()].as_slice());
    plain && case["kind"] == kind && case["verdict"] == "good" && case["keys"] == keys
}

fn read(case: &Value) -> Case {
    let file = |name: &Value| {
        let name = name.as_str().expect("the name of a file");
        fs::read(format!("{CHECKING}/files/{name}")).expect("a file of a golden case")
    };
    let files = case["files"].as_object().expect("files");
    Case {
        name: case["name"].as_str().expect("a name").to_owned(),
        files: files.iter().map(|(path, name)| (path.clone(), file(name))).collect(),
        heads: case["heads"].as_array().into_iter().flatten().map(file).collect(),
    }
}

/// The different files of cases that have one.
pub fn files(cases: &[Case]) -> Vec<Vec<u8>> {
    let files: BTreeSet<&Vec<u8>> = cases.iter().flat_map(|case| case.files.values()).collect();
    files.into_iter().cloned().collect()
}

/// The text of a golden note.
pub fn text(note: &[u8]) -> &str {
    SignedNote::parse(note).expect("a golden note").text()
}

/// Records with their stated digests, in order.
pub type Records = Vec<(Vec<u8>, Digest)>;

/// The records of whole lines; `None` where one is none.
pub fn records(lines: &[u8]) -> Option<Records> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    let record = |line: &[u8]| {
        let line = Line::parse(line.strip_suffix(b"\n")?).ok()?;
        Some((line.record.to_vec(), line.digest))
    };
    lines.map(record).collect()
}
