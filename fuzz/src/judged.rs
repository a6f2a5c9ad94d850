//! Evidence given to the verifier, and what holds of every report whatever the evidence is.

use std::ops::ControlFlow;
use std::path::Path;

use indelible_verifier::look::{self, Seen, Wanted};
use indelible_verifier::{Options, Report, Verdict, Verifier, render};

use crate::seeds;

/// Findings that are asked for, few enough that there are often more.
const FINDINGS_MAX: usize = 3;

/// Longest text in a finding, in bytes.
const TEXT_BYTES_MAX: usize = 400;

/// Verifies with so many workers a vault, if `path` is a folder, or else an export.
pub fn with(path: &Path, jobs: usize) -> Report {
    let options = Options { jobs, findings_max: FINDINGS_MAX, ..Options::default() };
    let mut verifier = Verifier::new(seeds::trust(), options);
    if path.is_dir() {
        verifier.vault(path)
    } else {
        verifier.export(path)
    }
    verifier.finish()
}

/// Verifies with one worker and with three, which must say the same.
pub fn judge(path: &Path) -> Report {
    let report = with(path, 1);
    assert_eq!(said(&report), said(&with(path, 3)), "three workers say something else");
    assert!(report.findings.kept().len() <= FINDINGS_MAX);
    assert!(report.unchecked.kept().len() <= FINDINGS_MAX);
    assert!(report.notes.kept().len() <= FINDINGS_MAX);
    for finding in report.findings.kept() {
        assert!(finding.message.len() <= TEXT_BYTES_MAX, "{}", finding.message);
    }
    for unchecked in report.unchecked.kept() {
        assert!(unchecked.why.len() <= TEXT_BYTES_MAX, "{}", unchecked.why);
    }
    look(path, &report);
    report
}

/// Everything in a report but what depends on the clock.
pub fn said(report: &Report) -> serde_json::Value {
    let mut json = render::json(report);
    for of_the_clock in ["elapsed_ms", "records_per_second"] {
        json.as_object_mut().and_then(|members| members.remove(of_the_clock)).expect("a member");
    }
    json
}

/// Who only looks sees of good evidence all that was verified, and nothing that is damaged.
fn look(path: &Path, report: &Report) {
    let (mut records, mut others) = (0, Vec::new());
    let seen = look::walk(path, &Wanted::all(), &mut |seen| {
        match seen {
            Seen::Record(_) => records += 1,
            other => others.push(format!("{other:?}")),
        }
        ControlFlow::Continue(())
    });
    if report.verdict() == Verdict::Good {
        assert!(seen.is_ok(), "good, and cannot be opened to be looked at");
        assert_eq!(others, Vec::<String>::new(), "good, and not to be read");
        assert_eq!(records, report.records(), "other records are seen than were verified");
    }
}
