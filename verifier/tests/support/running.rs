//! Running the verifier, in this process or as the auditor does.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::path::Path;
use std::process::{Command, Output};

use indelible_core::code::{Code, UncheckedCode};
use indelible_core::key::{Trust, VKey};
use indelible_verifier::{HeadFile, Options, Report, Verdict, Verifier, render};
use serde_json::Value;

use crate::support::{SERVER, Signer};

/// Trusts the key with which plans sign.
pub fn trust() -> Trust {
    [Signer::new(7).vkey(SERVER)].into_iter().collect()
}

pub fn options() -> Options {
    Options { jobs: 1, ..Options::default() }
}

pub fn with_head(note: &str) -> Options {
    Options { heads: vec![HeadFile::new("head", note)], ..options() }
}

pub fn vault(path: &Path) -> Report {
    vault_with(path, options())
}

pub fn vault_with(path: &Path, options: Options) -> Report {
    let mut verifier = Verifier::new(trust(), options);
    verifier.vault(path);
    verifier.finish()
}

pub fn export(bytes: &[u8]) -> Report {
    export_with(bytes, options())
}

pub fn export_with(bytes: &[u8], options: Options) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export");
    std::fs::write(&path, bytes).unwrap();
    let mut verifier = Verifier::new(trust(), options);
    verifier.export(&path);
    verifier.finish()
}

/// The codes found, each once, in order of their names.
pub fn codes(report: &Report) -> Vec<&'static str> {
    let mut codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
    codes.sort_unstable();
    codes
}

#[track_caller]
pub fn assert_good(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Good, "{}", render::text(report, None));
}

/// Something was found, and `code` is among it.
#[track_caller]
pub fn assert_found(report: &Report, code: Code) {
    assert!(report.verdict().exit_code() > 0, "{}", render::text(report, None));
    assert!(codes(report).contains(&code.as_str()), "no {code}:\n{}", render::text(report, None));
}

/// Exactly these codes were found.
#[track_caller]
pub fn assert_codes(report: &Report, expected: &[Code]) {
    let mut expected: Vec<_> = expected.iter().map(|code| code.as_str()).collect();
    expected.sort_unstable();
    assert_eq!(codes(report), expected, "{}", render::text(report, None));
}

/// Codes and classes that were found: `CODE class`, sorted, each once.
pub fn classes(report: &Report) -> Vec<String> {
    let mut found: Vec<String> =
        report.findings.kept().iter().map(|f| format!("{} {}", f.code, f.class)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Codes of what was not checked, each once.
pub fn unchecked(report: &Report) -> Vec<UncheckedCode> {
    let mut found: Vec<_> = report.unchecked.kept().iter().map(|item| item.code).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Exactly these codes of these classes were found.
#[track_caller]
pub fn assert_classes(report: &Report, expected: &[&str]) {
    assert_eq!(classes(report), expected, "{}", render::text(report, None));
}

/// Exactly these things were not checked.
#[track_caller]
pub fn assert_unchecked(report: &Report, expected: &[UncheckedCode]) {
    assert_eq!(unchecked(report), expected, "{}", render::text(report, None));
}

/// The report as JSON without what depends on the clock.
pub fn timeless(report: &Report) -> Value {
    let mut json = render::json(report);
    json.as_object_mut()
        .unwrap()
        .retain(|name, _| !matches!(&**name, "elapsed_ms" | "records_per_second"));
    json
}

/// The program, ready to be given arguments.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_indelible-verify"))
}

pub fn vkey() -> VKey {
    Signer::new(7).vkey(SERVER)
}

/// Runs the program with the usual key.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).arg("--key").arg(vkey().to_string()).output().unwrap()
}

pub fn exit_code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("killed: {output:?}"))
}
