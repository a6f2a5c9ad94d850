//! A vault in which one file was replaced is good only with the records that it had.
//!
//! The first byte chooses the file, the others are what becomes of it. For a segment they may be plain
//! lines, which are packed then, as damage to a frame seldom leaves lines to be read.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use indelible_verifier::{Report, Verdict};

use crate::seeds::{Case, Records};
use crate::{judged, packed, seeds};

const VAULTS: [&str; 4] = [
    "vault: signed per record",
    "vault: signed per commit",
    "vault: two ledgers",
    "vault: packed: skippable and empty frames",
];

const SEGMENT: &str = ".jsonl.zst";

/// The vaults in which files are replaced.
pub static HONEST: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let cases = seeds::good("vault").into_iter();
    let chosen: Vec<Case> = cases.filter(|case| VAULTS.contains(&&*case.name)).collect();
    assert_eq!(chosen.len(), VAULTS.len(), "a golden vault is gone or has another name");
    assert!(chosen.iter().map(|case| case.files.len()).sum::<usize>() <= 256, "more than a byte");
    chosen
});

/// One run.
pub fn run(data: &[u8]) {
    let Some((choice, contents)) = data.split_first() else { return };
    let (vault, path) = file(*choice);
    let mut files = vault.files.clone();
    let is_plain = path.ends_with(SEGMENT) && !packed::is_packed(contents);
    let contents = if is_plain { packed::pack(contents, 0) } else { contents.to_vec() };
    files.insert(path.to_owned(), contents);
    if judge(&files).verdict() == Verdict::Good {
        let honest = records(&vault.files).expect("a golden vault");
        let found = records(&files).expect("good, and cannot be read");
        assert!(found == honest, "good, and nobody signed it: {path}");
    }
}

/// What the inputs are that replace each file by itself, and each segment by its lines.
pub fn inputs() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    let files = HONEST.iter().flat_map(|vault| &vault.files);
    for (at, (path, contents)) in files.enumerate() {
        let input = |contents: &[u8]| [&[at as u8][..], contents].concat();
        inputs.push(input(contents));
        if path.ends_with(SEGMENT) {
            inputs.push(input(&packed::unpack(contents).expect("a golden segment")));
        }
    }
    inputs
}

fn file(choice: u8) -> (&'static Case, &'static str) {
    let files =
        HONEST.iter().flat_map(|vault| vault.files.keys().map(move |path| (vault, &**path)));
    files.cycle().nth(usize::from(choice)).expect("there are files")
}

/// Verifies the vault that has these files.
pub fn judge(files: &BTreeMap<String, Vec<u8>>) -> Report {
    let folder = tempfile::tempdir().expect("a folder for the vault");
    for (path, contents) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a ledger's folder");
        fs::write(path, contents).expect("room for the vault");
    }
    judged::judge(folder.path())
}

/// The records of each segment.
fn records(files: &BTreeMap<String, Vec<u8>>) -> Option<BTreeMap<&str, Records>> {
    let segments = files.iter().filter(|(path, _)| path.ends_with(SEGMENT));
    segments
        .map(|(path, packed)| Some((&**path, seeds::records(&packed::unpack(packed).ok()?)?)))
        .collect()
}
