//! Running the Python verifier, and holding it against the Rust one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use indelible_tests::programs::{indelible_verify, repository, run};
use serde_json::{Value, json};

use crate::report::{FINDINGS_LISTED_MAX, Precision, Said};

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

/// A command line for both programs, and what they must say of it.
pub struct Case {
    pub name: String,
    pub arguments: Vec<String>,
    /// Codes that must be among those found.
    pub must: BTreeSet<String>,
    /// All that must be said, where that is known.
    pub expected: Option<Said>,
    pub precision: Precision,
}

/// Both programs say the same in each case, and what is expected. Gives how often which verdict was reached.
#[track_caller]
pub fn agree(cases: &[Case]) -> BTreeMap<String, usize> {
    let questions: Vec<Value> = cases.iter().map(|case| json!(case.arguments)).collect();
    let answers = Python::program().ask("batch", &questions);
    let mut verdicts = BTreeMap::new();
    let mut differences = Vec::new();
    for (case, python) in cases.iter().zip(answers) {
        // A receipt has one finding; only the others have an option for how many are listed.
        let listed = FINDINGS_LISTED_MAX.to_string();
        let more = ["--json", "--max-findings", &listed];
        let more = if case.arguments[0] == "receipt" { &more[..1] } else { &more[..] };
        let given = case.arguments.iter().map(String::as_str);
        let ran = run(indelible_verify(), given.chain(more.iter().copied()));
        let report = ran.json();
        assert_eq!(report["exit_code"], ran.code, "{}: exit code and report differ", case.name);
        let rust_said = Said::of_report(&report, case.precision);
        let python_said = Said::of_report(&python, case.precision);
        *verdicts.entry(rust_said.verdict().to_owned()).or_default() += 1;
        let same = rust_said == python_said;
        let expected = case.expected.as_ref().is_none_or(|expected| *expected == rust_said);
        let codes = rust_said.codes();
        if !same || !expected || !case.must.iter().all(|code| codes.contains(code.as_str())) {
            differences.push(format!(
                "{}: must have {:?}\n  expected {:?}\n  Rust     {rust_said:?}\n  Python   {python_said:?}\n  {}",
                case.name, case.must, case.expected, report["findings"]
            ));
        }
    }
    let (count, all) = (differences.len(), cases.len());
    assert!(differences.is_empty(), "{count} of {all} differ:\n{}", differences.join("\n"));
    verdicts
}
