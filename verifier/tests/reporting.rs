//! The report as text, as JSON and as a page: the same facts, in bounds, and harmless whatever the
//! evidence says.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use running::{exit_code, run};
use serde_json::Value;
use support::cases::{self, Case, HOSTILE, OBEYED};
use support::{Plan, closing_line};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

fn with(case: &Case, more: &[&str]) -> Output {
    let arguments: Vec<&str> =
        case.arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    run(&arguments)
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn assert_harmless(text: &str) {
    for obeyed in OBEYED {
        assert!(!text.contains(obeyed), "{obeyed:?} in {text}");
    }
}

#[test]
fn every_verdict_has_its_word_its_code_and_its_advice() {
    let folder = Folder::new();
    for case in cases::write(folder.0.path()) {
        let output = with(&case, &[]);
        let text = text(&output);
        assert_eq!(exit_code(&output), case.exit_code, "{}: {text}", case.name);
        let last = text.lines().rev().find(|line| !line.starts_with(' ') && !line.is_empty());
        assert!(last.unwrap().starts_with(case.word), "{}: {text}", case.name);
        assert_eq!(text.contains("What it means, and what to do"), case.word != "GOOD", "{text}");
        assert_harmless(&text);
        assert!(output.stderr.is_empty(), "{output:?}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}

#[test]
fn a_page_says_what_the_text_says_and_is_complete_in_itself() {
    let folder = Folder::new();
    for case in cases::write(folder.0.path()) {
        let page = folder.path(&format!("{}.html", case.name));
        let output = with(&case, &["--report", &page, "--json"]);
        assert_eq!(exit_code(&output), case.exit_code, "{output:?}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_harmless(&text(&output));
        let page = fs::read_to_string(page).unwrap();
        assert_harmless(&page);
        assert!(page.contains(&format!("<b>{}</b>", case.word)), "{}", case.name);
        for forbidden in ["<script", "<img", "http:", "https:", "onerror=alert(2)>", "url("] {
            assert!(!page.contains(forbidden), "{forbidden} in {}", case.name);
        }
        for heading in
            ["What is wrong", "What was not checked", "What nobody can know", "What was given"]
        {
            assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading} in {}", case.name);
        }
        for finding in json["findings"].as_array().unwrap() {
            assert!(page.contains(finding["code"].as_str().unwrap()), "{finding}");
        }
        for (_, said) in json["codes"].as_object().unwrap() {
            assert!(page.contains(said["next"].as_str().unwrap()), "{said}");
        }
        let checked = &json["checked"];
        assert_eq!(checked["keys"][0]["id"], running::trust().vkeys()[0].key().key_id().as_str());
        assert!(page.contains(checked["keys"][0]["vkey"].as_str().unwrap()));
        let hash = checked["inputs"][0]["sha256"].as_str().unwrap();
        assert!(hash.len() == 64 && page.contains(hash), "{checked}");
        assert!(page.contains(checked["time"].as_str().unwrap()));
        for head in checked["heads"].as_array().unwrap() {
            assert_eq!(head["origin"], "ledger.example.com/orders");
            assert!(page.contains(head["sha256"].as_str().unwrap()));
        }
        let open = |tag: &str| page.matches(&format!("<{tag}")).count();
        let close = |tag: &str| page.matches(&format!("</{tag}>")).count();
        for tag in ["table", "div", "ul", "tr", "td", "svg", "h2", "pre"] {
            assert_eq!(open(tag), close(tag), "{tag} in {}", case.name);
        }
    }
}

#[test]
fn affected_records_are_shown_as_far_as_they_can_be_read() {
    let folder = Folder::new();
    let case =
        cases::write(folder.0.path()).into_iter().find(|case| case.name == "damaged").unwrap();
    let json: Value = serde_json::from_slice(&with(&case, &["--json"]).stdout).unwrap();
    let affected = |seq: u64| {
        let all = json["affected"].as_array().unwrap();
        all.iter().find(|record| record["seq"] == seq).cloned().unwrap_or_else(|| panic!("{all:?}"))
    };
    let edited = affected(3);
    assert_eq!((&edited["is_record"], &edited["id"]), (&true.into(), &"event-3".into()));
    assert!(edited["text"].as_str().unwrap().contains("\"action\":\"PAY\""));
    assert!(edited["codes"].as_array().unwrap().contains(&"HASH_MISMATCH".into()));
    let garbage = affected(8);
    assert_eq!(garbage["is_record"], false);
    assert!(garbage["text"].as_str().unwrap().starts_with("<script>"), "{garbage}");
    assert_eq!(affected(9)["text"], Value::Null);
}

#[test]
fn what_is_not_known_of_the_end_is_said_whatever_is_listed() {
    let folder = Folder::new();
    for case in cases::write(folder.0.path()) {
        if case.name == "receipt" || case.name == "forged" {
            continue;
        }
        let headless = &case.arguments[..2];
        let arguments: Vec<&str> =
            headless.iter().map(String::as_str).chain(["--max-findings", "0"]).collect();
        let said = text(&run(&arguments));
        assert!(said.contains("records cut from the end could not be noticed"), "{said}");
        let said = text(&with(&case, &["--max-findings", "0"]));
        if case.name == "good" {
            assert!(said.contains("nothing is known after record 30"), "{said}");
        }
    }
    let old = cases::ledger().checkpoint(9);
    let old = folder.write("old", old.as_bytes());
    let output = run(&["vault", &folder.path("good"), "--head", &old, "--max-findings", "0"]);
    assert!(text(&output).contains("nothing is known after record 8"), "{}", text(&output));
}

#[test]
fn a_page_of_endless_damage_stays_small_and_so_does_the_text() {
    let folder = Folder::new();
    let ledger = Plan::new("orders").ledger(20);
    let mut export = ledger.export();
    export.truncate(export.len() - closing_line(&ledger.head()).len());
    for n in 0..9_000 {
        export.extend(format!("{n}{}\n", HOSTILE.repeat(20)).bytes());
    }
    export.extend(closing_line(&ledger.head()));
    let export = folder.write("export", &export);
    let page = folder.path("page.html");
    let output = run(&["export", &export, "--report", &page, "--max-findings", "100000"]);
    assert_eq!(exit_code(&output), 1);
    assert_harmless(&text(&output));
    assert!(output.stdout.len() < 20 << 20, "{}", output.stdout.len());
    let page = fs::read(page).unwrap();
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    assert!(page.ends_with(b"</body></html>\n"));
    let output = run(&["export", &export]);
    assert!(text(&output).contains("not all findings are listed"), "{}", text(&output));
}

#[test]
fn a_report_never_replaces_anything_but_a_report() {
    let folder = Folder::new();
    let cases = cases::write(folder.0.path());
    let (good, damaged) = (&cases[0], &cases[1]);
    let head = folder.path("head");
    let before = fs::read(&head).unwrap();
    for place in [
        &*head,
        &folder.path("good"),
        &folder.path("nowhere/page.html"),
        &folder.path("good/page.html"),
    ] {
        let output = with(good, &["--report", place]);
        assert!([2, 64].contains(&exit_code(&output)), "{place}: {output:?}");
        assert!(output.stdout.is_empty(), "nothing is checked for a page that cannot be written");
    }
    assert_eq!(fs::read(&head).unwrap(), before);
    let page = folder.path("page.html");
    assert_eq!(exit_code(&with(good, &["--report", &page])), 0);
    assert_eq!(exit_code(&with(damaged, &["--report", &page])), 1);
    assert!(fs::read_to_string(&page).unwrap().contains("<b>DAMAGED OR CHANGED</b>"));
    let left = fs::read_dir(folder.0.path()).unwrap();
    let left: Vec<PathBuf> = left.map(|entry| entry.unwrap().path()).collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(".tmp-")), "{left:?}");
}

#[test]
fn the_hash_of_a_vault_is_that_of_ordinary_tools() {
    let folder = Folder::new();
    let case = cases::write(folder.0.path()).remove(0);
    let json: Value = serde_json::from_slice(&with(&case, &["--json"]).stdout).unwrap();
    let shell = "cd \"$1\" && LC_ALL=C sha256sum */*.manifest | sha256sum";
    let output = std::process::Command::new("sh")
        .args(["-c", shell, "sh", &folder.path("good")])
        .output()
        .unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    assert_eq!(json["checked"]["inputs"][0]["sha256"], expected[..64]);
}

#[test]
fn on_a_terminal_of_80_columns_lines_fit_and_only_colours_are_sent() {
    let folder = Folder::new();
    for case in cases::write(folder.0.path()) {
        let quoted = case.arguments.iter().map(|argument| format!("'{argument}' "));
        let command = format!(
            "stty cols 80 rows 24 && exec '{}' {}--key '{}' 2>{}",
            env!("CARGO_BIN_EXE_indelible-verify"),
            quoted.collect::<String>(),
            running::vkey(),
            folder.path("errors")
        );
        // From bsdutils: the program's output is a terminal.
        let output = std::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm")
            .output()
            .expect("`script` of bsdutils is there");
        assert_eq!(exit_code(&output), case.exit_code, "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\u{1b}[1m"), "no colours: {text}");
        let mut plain = String::new();
        for part in text.replace("\r\n", "\n").split("\u{1b}[") {
            let rest = part.split_once('m').filter(|(digits, _)| {
                digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
            });
            // Only the first part has no sequence before it.
            plain.push_str(rest.map_or(part, |(_, rest)| rest));
        }
        assert_harmless(&plain);
        for line in plain.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", case.name);
        }
    }
}
