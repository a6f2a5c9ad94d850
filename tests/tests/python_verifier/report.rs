//! What a verifier says, as far as both verifiers must say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// How many findings the Python verifier lists, and the Rust one is asked to list.
pub const FINDINGS_LISTED_MAX: usize = 2_000;

/// Code, class and ledger of a finding.
type About = (String, String, String);

/// Verdict, exit code, findings and codes of what was not checked.
///
/// Places are runs of records. Whether one finding speaks of records 3 and 4 or two do is nobody's concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    verdict: String,
    exit_code: i64,
    findings: BTreeMap<About, Option<Places>>,
    unchecked: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places {
    of_no_record: bool,
    runs: Vec<(u64, u64)>,
}

impl Said {
    /// What the report of a verifier says.
    pub fn of_report(report: &Value, precision: Precision) -> Self {
        let mut said = Self {
            verdict: text(&report["verdict"]),
            exit_code: report["exit_code"].as_i64().unwrap_or(-1),
            findings: BTreeMap::new(),
            unchecked: report["unchecked"]
                .as_array()
                .unwrap()
                .iter()
                .map(|u| text(&u["code"]))
                .collect(),
        };
        if precision != Precision::Codes {
            for finding in report["findings"].as_array().unwrap() {
                let about =
                    (text(&finding["code"]), text(&finding["class"]), text(&finding["ledger"]));
                said.add(about, &finding["first_seq"], &finding["last_seq"]);
            }
        } else {
            said.findings = report["findings_by_code"]
                .as_object()
                .unwrap()
                .keys()
                .map(|code| code_only(code))
                .collect();
        }
        if precision == Precision::Ends { said.only_ends() } else { said }
    }

    /// What a golden case expects, if it expects anything.
    pub fn of_case(case: &Value) -> Option<Self> {
        let none = Vec::new();
        let list = |name: &str| case[name].as_array().unwrap_or(&none);
        let mut said = Self {
            verdict: case["verdict"].as_str()?.to_owned(),
            exit_code: case["exit_code"].as_i64()?,
            findings: BTreeMap::new(),
            unchecked: list("unchecked").iter().map(text).collect(),
        };
        for finding in list("findings") {
            if precision(case) == Precision::Runs {
                let about = (text(&finding[0]), text(&finding[1]), text(&finding[2]));
                said.add(about, &finding[3], &finding[4]);
            } else {
                said.findings.extend([code_only(&text(&finding[0]))]);
            }
        }
        Some(said)
    }

    fn add(&mut self, about: About, first: &Value, last: &Value) {
        let places = self.findings.entry(about).or_default().get_or_insert_default();
        match (first.as_u64(), last.as_u64()) {
            (Some(first), Some(last)) => places.add(first, last),
            _ => places.of_no_record = true,
        }
    }

    /// The same with less precision.
    fn only_ends(mut self) -> Self {
        for places in self.findings.values_mut().flatten() {
            if let (Some(first), Some(last)) = (places.runs.first(), places.runs.last()) {
                places.runs = vec![(first.0, last.1)];
            }
        }
        self
    }

    /// The codes of findings.
    pub fn codes(&self) -> BTreeSet<&str> {
        self.findings.keys().map(|(code, _, _)| code.as_str()).collect()
    }

    /// The verdict.
    pub fn verdict(&self) -> &str {
        &self.verdict
    }
}

impl Places {
    fn add(&mut self, first: u64, last: u64) {
        self.runs.push((first, last));
        self.runs.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (first, last) in self.runs.drain(..) {
            match joined.last_mut() {
                Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        self.runs = joined;
    }
}

/// How exactly findings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Codes alone: a report does not list all findings of a large case.
    Codes,
    /// Code, class, ledger, and the first and the last record of all such findings. A report may join
    /// findings that say the same of records between which others are good.
    Ends,
    /// As [`Precision::Ends`], and each run of records.
    Runs,
}

/// How exactly the findings of a case are compared.
pub fn precision(case: &Value) -> Precision {
    if case["without_places"] == true {
        Precision::Codes
    } else if case["verdict"].is_null() {
        Precision::Ends
    } else {
        Precision::Runs
    }
}

fn code_only(code: &str) -> (About, Option<Places>) {
    ((code.to_owned(), String::new(), String::new()), None)
}

/// A text; nothing for null, which some reports write for what has no ledger.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
