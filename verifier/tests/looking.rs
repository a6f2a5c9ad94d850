//! `show` and `search`: what files say, as people and programs ask for it.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use running::{exit_code, program};
use support::cases::{self, OBEYED};
use support::{Ledger, Plan, files};

struct Sources {
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Sources {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = cases::ledger();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        put("export", &ledger.export());
        put("export.zst", &support::pack(&ledger.export()));
        put("receipt.json", &ledger.receipt(6, 31).to_json());
        ledger.vault(&folder.path().join("vault"), &[12]);
        Plan::new("payroll").per_commit(4).ledger(9).vault(&folder.path().join("vault"), &[]);
        Self { folder, ledger }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn look(&self, command: &str, source: &str, more: &[&str]) -> Output {
        program().arg(command).arg(self.path(source)).args(more).output().unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn records_come_out_as_they_were_signed_from_every_source() {
    let sources = Sources::new();
    let expected = sources.ledger.records[6].record.clone();
    for source in ["vault", "export", "export.zst", "receipt.json"] {
        let output = sources.look("show", source, &["6", "--json", "--ledger", "orders"]);
        assert_eq!(exit_code(&output), 0, "{output:?}");
        assert_eq!(output.stdout.strip_suffix(b"\n").unwrap(), expected, "{source}");
        assert!(err(&output).contains("nothing of it was verified"));
    }
    let segment = files(Path::new(&sources.path("vault/orders")))
        .into_iter()
        .find(|file| file.to_string_lossy().ends_with(".zst"))
        .unwrap();
    let output = program().args(["show", segment.to_str().unwrap(), "--json"]).output().unwrap();
    assert_eq!(out(&output).lines().count(), 12);
    let output = sources.look("show", "vault", &["--json"]);
    assert_eq!(out(&output).lines().count(), 31 + 10);
}

#[test]
fn numbers_ranges_and_ids_select() {
    let sources = Sources::new();
    let count = |what: &[&str]| {
        let more: Vec<&str> =
            what.iter().copied().chain(["--json", "--ledger", "orders"]).collect();
        let output = sources.look("show", "vault", &more);
        (exit_code(&output), out(&output).lines().count())
    };
    assert_eq!(count(&["10..20"]), (0, 11));
    assert_eq!(count(&["28.."]), (0, 3));
    assert_eq!(count(&["..1"]), (0, 2));
    assert_eq!(count(&["event-13"]), (0, 1));
    assert_eq!(count(&["--id", "event-13"]), (0, 1));
    assert_eq!(count(&["31"]), (1, 0));
    assert_eq!(count(&["event-99"]), (1, 0));
}

#[test]
fn searching_is_by_text_value_id_and_time() {
    let sources = Sources::new();
    let seqs = |more: &[&str]| -> Vec<u64> {
        let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
        let output = sources.look("search", "export.zst", &more);
        assert_eq!(exit_code(&output), i32::from(output.stdout.is_empty()), "{output:?}");
        let seq =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64();
        out(&output).lines().map(|line| seq(line).unwrap()).collect()
    };
    assert_eq!(seqs(&["--path", "/user=eve"]), [6]);
    assert_eq!(seqs(&["--path", "/amount=7"]), [7]);
    assert_eq!(seqs(&["--path", "/action=pay", "--path", "/by=user-9"]), [9]);
    assert_eq!(seqs(&["USER-13"]), [0; 0]);
    assert_eq!(seqs(&["USER-13", "-i"]), [13]);
    assert_eq!(seqs(&["\"by\":\"user-13\""]), [13]);
    assert_eq!(seqs(&["ledger_created"]), [0]);
    assert_eq!(seqs(&["--id", "event-4"]), [4]);
    assert_eq!(seqs(&["user", "--from-time", "2026-11-21T05:14:00.007Z"]), [28, 29, 30]);
    assert_eq!(seqs(&["--to-time", "2026-11-21T05:14:00.000500Z"]), [0, 1]);
    let output = sources.look("search", "export", &["--path", "user=eve"]);
    assert_eq!(exit_code(&output), 64);
    let output = sources.look("search", "export", &[]);
    assert_eq!(exit_code(&output), 64);
}

#[test]
fn people_see_nothing_that_a_terminal_obeys() {
    let sources = Sources::new();
    for more in [&["6"][..], &["--ledger", "orders"], &["0..9"]] {
        let shown = out(&sources.look("show", "vault", more));
        assert!(shown.contains("alert(1)") && shown.contains("\\u{202e}"), "{shown}");
        for obeyed in OBEYED {
            assert!(!shown.contains(obeyed), "{obeyed:?} in {shown}");
        }
    }
    let one = out(&sources.look("show", "receipt.json", &[]));
    assert!(one.contains("event-6"), "{one}");
    let one = out(&sources.look("show", "vault", &["6", "--ledger", "orders"]));
    assert!(
        one.contains("signed by  ed25519:") && one.contains("\n    \"user\": \"eve\""),
        "{one}"
    );
}

#[test]
fn damaged_parts_are_named_and_passed_over() {
    let sources = Sources::new();
    let damaged = sources.folder.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    cases::write(&damaged);
    let output = sources.look("show", "damaged/damaged", &["--json"]);
    assert_eq!(exit_code(&output), 2);
    assert_eq!(out(&output).lines().count(), 31 - 2);
    assert!(err(&output).contains("orders, where record 8 should be"), "{}", err(&output));
    assert!(!err(&output).contains('\u{1b}'));
    // What can be read of it is shown to people who ask for it.
    let output = sources.look("show", "damaged/damaged", &["8"]);
    assert_eq!(exit_code(&output), 2);
    assert!(out(&output).contains("record 8 is damaged") && out(&output).contains("\\u{202e}"));
    // Another place is not concerned.
    assert_eq!(exit_code(&sources.look("show", "damaged/damaged", &["20"])), 0);

    let export = fs::read(sources.path("export.zst")).unwrap();
    fs::write(sources.path("cut"), &export[..export.len() / 2]).unwrap();
    assert_eq!(exit_code(&sources.look("search", "cut", &["pay"])), 2);
    for (at, why) in [(3, "no manifest speaks of it"), (0, "there is no such file")] {
        fs::remove_file(&files(Path::new(&sources.path("vault/orders")))[at]).unwrap();
        let output = sources.look("show", "vault", &["--json", "--ledger", "orders"]);
        assert_eq!(exit_code(&output), 2);
        assert!(err(&output).contains(why), "{}", err(&output));
    }
}

#[test]
fn what_is_no_source_ends_with_2() {
    let sources = Sources::new();
    fs::write(sources.path("text"), "no evidence\n").unwrap();
    fs::write(sources.path("json"), "{\"a\":1}").unwrap();
    for source in ["nowhere", "text", "json"] {
        let output = sources.look("show", source, &[]);
        assert_eq!((exit_code(&output), output.stdout.len()), (2, 0), "{source}: {output:?}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_ends_it() {
    let sources = Sources::new();
    let plan = Plan { event_bytes: 4000, ..Plan::new("large") };
    fs::write(sources.path("large"), plan.ledger(200).export()).unwrap();
    let mut show = Command::new(env!("CARGO_BIN_EXE_indelible-verify"));
    let mut show = show
        .args(["show", &sources.path("large")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(show.stdout.take());
    let output = show.wait_with_output().unwrap();
    assert_eq!((exit_code(&output), &*err(&output)), (128 + 13, ""));
}

#[test]
fn many_records_take_no_more_memory_than_few() {
    let sources = Sources::new();
    let line = sources.ledger.records[5].line();
    let file = fs::File::create(sources.path("long")).unwrap();
    let mut packer = zstd::Encoder::new(file, 1).unwrap();
    std::io::Write::write_all(
        &mut packer,
        b"{\"export\":{\"ledger\":\"orders\",\"origin\":\"a/orders\"},\"v\":1}\n",
    )
    .unwrap();
    for _ in 0..400_000 {
        std::io::Write::write_all(&mut packer, &line).unwrap();
    }
    packer.finish().unwrap();
    let script = "ulimit -v 200000; exec \"$0\" search \"$1\" nothing-of-this";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_indelible-verify"), &sources.path("long")])
        .output()
        .unwrap();
    assert_eq!(exit_code(&output), 1, "{output:?}");
}
