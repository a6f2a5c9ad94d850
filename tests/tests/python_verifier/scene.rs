//! Evidence laid out for both programs, and ways to change it.

use std::fs;
use std::path::{Path, PathBuf};

use indelible_tests::forge::{self, Row};
use tempfile::TempDir;

use crate::python::{Case, agree};
use crate::report::Precision;
use crate::support::{self, Ledger, Made, Plan, SERVER, Signer};

/// Where the vaults of 21 records are cut into segments.
pub const CUTS: [u64; 3] = [7, 13, 16];

/// Signed per record, and signed per commit.
pub fn plans() -> [Plan; 2] {
    [Plan::new("orders"), Plan::new("orders").per_commit(5)]
}

/// A folder in which cases are laid out side by side, to be judged together.
pub struct Scene {
    folder: TempDir,
    key: String,
    cases: Vec<Case>,
}

impl Scene {
    pub fn new() -> Self {
        let key = Signer::new(7).vkey(SERVER).to_string();
        Self { folder: tempfile::tempdir().unwrap(), key, cases: Vec::new() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(self.cases.len().to_string())
    }

    pub fn add(&mut self, name: &str, what: &str, path: &Path, head: Option<&str>, codes: &[&str]) {
        let mut arguments = vec![what.to_owned(), path.display().to_string()];
        arguments.extend(["--key".to_owned(), self.key.clone()]);
        if let Some(head) = head {
            let file = self.folder.path().join(format!("{}.head", self.cases.len()));
            fs::write(&file, head).unwrap();
            arguments.extend(["--head".to_owned(), file.display().to_string()]);
        }
        let must = codes.iter().map(ToString::to_string).collect();
        self.cases.push(Case {
            name: name.to_owned(),
            arguments,
            must,
            expected: None,
            precision: Precision::Ends,
        });
    }

    /// A vault of the ledger, then something is done to it.
    pub fn vault(
        &mut self,
        name: &str,
        ledger: &Ledger,
        head: Option<&str>,
        codes: &[&str],
        attack: impl FnOnce(&Path),
    ) {
        let path = self.path();
        ledger.vault(&path, &CUTS);
        attack(&path);
        self.add(name, "vault", &path, head, codes);
    }

    pub fn file(
        &mut self,
        name: &str,
        what: &str,
        bytes: &[u8],
        head: Option<&str>,
        codes: &[&str],
    ) {
        let path = self.path();
        fs::write(&path, bytes).unwrap();
        self.add(name, what, &path, head, codes);
    }

    pub fn judge(self) {
        drop(agree(&self.cases));
    }
}

/// Bends the lines of the second segment (records 7 to 12).
pub fn bend(vault: &Path, change: impl FnOnce(&mut Vec<Row>)) {
    let mut part = forge::vault(vault, "orders").remove(1);
    change(&mut part.rows);
    part.overwrite();
}

/// An export of bent records under the honest ledger's closing line.
pub fn export_of(honest: &Ledger, bend: impl FnOnce(&mut Vec<Made>)) -> Vec<u8> {
    let mut bent = honest.clone();
    bend(&mut bent.records);
    let whole = bent.export();
    let end = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    [&whole[..end], &support::closing_line(&honest.head())].concat()
}

/// Edits an event without touching anything else.
pub fn edit(made: &mut Made) {
    let text = String::from_utf8(made.record.clone()).unwrap();
    assert!(text.contains("\"action\":\"pay\""), "{text}");
    made.record = text.replacen("\"pay\"", "\"PAY\"", 1).into_bytes();
}

/// A ledger that a key signed which nobody gave to the auditor.
pub fn stranger() -> Ledger {
    Plan { signer: Signer::new(9), ..Plan::new("orders") }.ledger(20)
}
