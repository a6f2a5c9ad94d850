//! The cases that `tests/python/make_checking.py` makes: golden ones, large ones, and ones changed at random.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use indelible_tests::programs::repository;
use serde_json::{Map, Value};

use crate::python::{Case, Python, agree};
use crate::report::{Said, precision};

/// Pieces of evidence that are changed at random, where `INDELIBLE_MUTANTS` does not ask for more.
const MUTANTS: u64 = 1_500;
/// The seed, where `INDELIBLE_MUTANTS_SEED` does not name another one.
const SEED: u64 = 1;

fn golden() -> PathBuf {
    repository().join("tests/vectors/checking")
}

/// Has the generator write into a folder.
fn make(out: &Path, arguments: &[&str]) {
    let python = Python::program();
    let program = repository().join("tests/python/make_checking.py");
    let made = Command::new(&python.interpreter)
        .arg(program)
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Lays out all cases of an index, to be judged by both programs.
fn cases(vectors: &Path, folder: &Path) -> Vec<Case> {
    let index: Value =
        serde_json::from_slice(&fs::read(vectors.join("index.json")).unwrap()).unwrap();
    let cases = index["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    let laid_out = cases.iter().enumerate().map(|(number, case)| {
        let layout = Layout { vectors, case, path: folder.join(number.to_string()) };
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            arguments: layout.arguments(),
            must: BTreeSet::new(),
            expected: Said::of_case(case),
            precision: precision(case),
        }
    });
    laid_out.collect()
}

struct Layout<'a> {
    vectors: &'a Path,
    case: &'a Value,
    path: PathBuf,
}

impl Layout<'_> {
    fn arguments(&self) -> Vec<String> {
        self.lay_out();
        let kind = self.case["kind"].as_str().unwrap();
        let mut arguments = vec![kind.to_owned(), self.path.display().to_string()];
        let mut give = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        for key in self.list("keys") {
            give("--key", key.as_str().unwrap().to_owned());
        }
        for (number, secret) in self.list("secrets").iter().enumerate() {
            let file = self.path.with_extension(format!("secret{number}"));
            fs::write(&file, format!("{}\n", secret.as_str().unwrap())).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            give("--hmac-key", file.display().to_string());
        }
        for (number, head) in self.list("heads").iter().enumerate() {
            let file = self.path.with_extension(format!("head{number}"));
            if let Some(name) = head.as_str() {
                fs::copy(self.vectors.join("files").join(name), &file).unwrap();
            }
            give("--head", file.display().to_string());
        }
        for ledger in self.list("ledgers") {
            give("--ledger", ledger.as_str().unwrap().to_owned());
        }
        arguments
    }

    fn lay_out(&self) {
        if self.case["kind"] == "vault" {
            fs::create_dir_all(&self.path).unwrap();
        }
        for folder in self.list("folders") {
            fs::create_dir_all(self.within(folder.as_str().unwrap())).unwrap();
        }
        for (path, name) in self.members("files") {
            let path = self.within(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(self.vectors.join("files").join(name.as_str().unwrap()), path).unwrap();
        }
        for (path, target) in self.members("links") {
            let path = self.within(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target.as_str().unwrap(), path).unwrap();
        }
    }

    fn within(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.path.clone() } else { self.path.join(path) }
    }

    fn list(&self, name: &str) -> &[Value] {
        self.case[name].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn members(&self, name: &str) -> Map<String, Value> {
        self.case[name].as_object().cloned().unwrap_or_default()
    }
}

#[test]
fn golden_cases_have_the_expected_findings_for_both() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(&golden(), folder.path());
    assert!(cases.iter().all(|case| case.expected.is_some()));
    let verdicts = agree(&cases);
    assert_eq!(verdicts.len(), 5, "one of the verdicts is never reached: {verdicts:?}");
}

#[test]
fn large_cases_have_the_expected_findings_for_both() {
    let folder = tempfile::tempdir().unwrap();
    make(&folder.path().join("made"), &["--large"]);
    drop(agree(&cases(&folder.path().join("made"), folder.path())));
}

#[test]
fn the_generator_makes_the_golden_cases_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    make(&made, &[]);
    let names = |of: &Path| -> BTreeSet<_> {
        fs::read_dir(of.join("files")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names(&made), names(&golden()));
    let read = |path: PathBuf| fs::read(path).unwrap();
    assert!(read(made.join("index.json")) == read(golden().join("index.json")), "another index");
    for name in names(&made) {
        let file = |of: &Path| read(of.join("files").join(&name));
        assert!(file(&made) == file(&golden()), "{name:?} comes out changed");
    }
}

#[test]
fn evidence_changed_at_random_is_the_same_to_both() {
    let asked = |name: &str, default: u64| {
        let value = std::env::var(name).ok();
        value.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
    };
    let count = asked("INDELIBLE_MUTANTS", MUTANTS).to_string();
    let seed = asked("INDELIBLE_MUTANTS_SEED", SEED).to_string();
    let folder = tempfile::tempdir().unwrap();
    make(&folder.path().join("made"), &["--mutants", &count, "--seed", &seed]);
    let verdicts = agree(&cases(&folder.path().join("made"), folder.path()));
    assert_eq!(verdicts.len(), 5, "the changes are one-sided: {verdicts:?}");
}
