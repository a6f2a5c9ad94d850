//! Running the Python verifier, and holding it against the Rust one.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use indelible_tests::programs::{indelible_verify, repository, run};
use serde_json::{Value, json};

/// The Python program and its interpreter.
pub struct Python {
    pub interpreter: PathBuf,
    program: PathBuf,
}

impl Python {
    /// Makes its environment, once. A machine without Python or without PyPI fails loudly.
    pub fn program() -> &'static Self {
        static PYTHON: OnceLock<Python> = OnceLock::new();
        PYTHON.get_or_init(|| {
            let folder = repository().join("tests/python");
            let made =
                Command::new(folder.join("setup")).stderr(Stdio::inherit()).output().unwrap();
            assert!(made.status.success(), "tests/python/setup failed; its reason stands above");
            let interpreter = String::from_utf8(made.stdout).unwrap();
            Self { interpreter: interpreter.trim_end().into(), program: folder.join("verify.py") }
        })
    }

    pub fn arguments(&self, arguments: &[String]) -> Vec<String> {
        let program = self.program.display().to_string();
        std::iter::once(program).chain(arguments.iter().cloned()).collect()
    }

    /// Has one process answer all questions, a line each.
    pub fn ask(&self, mode: &str, questions: &[Value]) -> Vec<Value> {
        let mut child = Command::new(&self.interpreter)
            .args(self.arguments(&[mode.to_owned()]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let answers: Vec<Value> = std::thread::scope(|scope| {
            scope.spawn(move || {
                questions.iter().for_each(|question| writeln!(input, "{question}").unwrap());
            });
            output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
        });
        assert!(child.wait().unwrap().success());
        assert_eq!(answers.len(), questions.len());
        answers
    }
}

/// A command line for both programs, and codes that must be among those found.
pub struct Case {
    pub name: String,
    pub arguments: Vec<String>,
    pub must: BTreeSet<String>,
}

/// Both programs find the same codes and end alike in each case.
#[track_caller]
pub fn agree(cases: &[Case]) {
    let questions: Vec<Value> = cases.iter().map(|case| json!(case.arguments)).collect();
    let answers = Python::program().ask("batch", &questions);
    let mut differences = Vec::new();
    for (case, python) in cases.iter().zip(answers) {
        let ran =
            run(indelible_verify(), case.arguments.iter().map(String::as_str).chain(["--json"]));
        let report = ran.json();
        let rust = found(&report);
        let same = codes(&python["codes"]) == rust && python["exit"] == ran.code;
        if !same || !case.must.is_subset(&rust) {
            differences.push(format!(
                "{} ({}): must have {:?}\n  Rust: exit {}, {rust:?} {}\n  Python: {python}",
                case.name, case.arguments[0], case.must, ran.code, report["findings"]
            ));
        }
    }
    let (count, all) = (differences.len(), cases.len());
    assert!(differences.is_empty(), "{count} of {all} differ:\n{}", differences.join("\n"));
}

fn codes(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

fn found(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}
