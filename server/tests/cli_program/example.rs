//! The worked example: a git repository's history as audit events, archived and verified.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Ran, Server, clean, verify_program};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/git-history");

/// A git command that no configuration of this machine or its user changes.
pub(crate) fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    clean(&mut command);
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Ada \"the\tfirst\" L\\velace é")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Charles")
        .env("GIT_COMMITTER_EMAIL", "charles@example.com")
        .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05+02:00")
        .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05+02:00");
    command
}

pub(crate) fn commit(folder: &Path, message: &[u8]) {
    let run = |args: &[&OsStr]| {
        let output = git(folder).args(args).output().expect("git runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["add", "-A"].map(OsStr::new));
    let options = ["-c", "gc.auto=0", "commit", "-q", "--allow-empty", "-m"].map(OsStr::new);
    let message = OsStr::from_bytes(message);
    run(&options.into_iter().chain([message]).collect::<Vec<_>>());
}

/// Appends the history of `folder` through the script and the program.
fn append_history(server: &Server, folder: &Path) -> Ran {
    // The script calls git itself, in the environment that `git` makes.
    let surroundings = git(folder);
    let set = surroundings.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut history = Command::new(SCRIPT);
    let mut history =
        history.arg(folder).envs(set).stdout(Stdio::piped()).spawn().expect("the script runs");
    let mut append = server.command(["append", "history"]);
    append.stdin(history.stdout.take().expect("its output"));
    let ran = Ran::of(append.output().expect("the program runs"));
    assert!(history.wait().expect("the script ends").success());
    ran
}

#[test]
fn any_git_history_becomes_events_that_are_archived_and_verified() {
    let mut server = Server::start();
    let repository = server.path("we\"ird");
    std::fs::create_dir(&repository).expect("a folder");
    assert!(git(&repository).args(["init", "-q"]).status().expect("git runs").success());
    let odd = [&b"plain"[..], b"new\nline\ttab\x01\"quoted\"\\\xc3\xa9", b"latin\xe9"];
    for name in odd {
        std::fs::write(repository.join(OsStr::from_bytes(name)), "x").expect("a file");
    }
    commit(&repository, b"say \"hello\"\tto \\ everyone\n\nand more");
    commit(&repository, b"commit 0123456789abcdef");
    std::fs::remove_file(repository.join("plain")).expect("a file is removed");
    commit(&repository, b"remove it");

    server.good("ledger create history");
    let first = append_history(&server, &repository);
    assert_eq!((first.code, first.err.as_str()), (0, ""), "{first:?}");
    assert!(first.out.contains("3 appended, 0 duplicate, 0 refused"), "{first:?}");

    let records = server.records("history");
    let event = &records[1]["event"];
    assert_eq!(event["author"]["name"], "Ada \"the\tfirst\" L\\velace é");
    assert_eq!(event["committed"], "2026-01-02T01:04:05Z");
    assert_eq!(event["repository"], "we\"ird");
    assert_eq!(event["subject"], "say \"hello\"\tto \\ everyone");
    let paths: Vec<&str> = event["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter_map(|f| f["path"].as_str())
        .collect();
    assert_eq!(paths.len(), 3, "{event}");
    for path in ["plain", "new\nline\ttab\u{1}\"quoted\"\\é", "latin\u{fffd}"] {
        assert!(paths.contains(&path), "{path:?} is not in {paths:?}");
    }
    assert_eq!(records[2]["event"]["subject"], "commit 0123456789abcdef");
    assert_eq!(records[3]["event"]["files"][0]["status"], "D");
    assert_eq!(records[3]["event"]["parents"][0], records[2]["event"]["commit"]);

    // Only what is new is appended the next time.
    commit(&repository, b"one more");
    let second = append_history(&server, &repository);
    assert!(second.out.contains("1 appended, 3 duplicate, 0 refused"), "{second:?}");

    let archived = server.good("archive history --to vault");
    server.good("checkpoint history --out head");
    assert!(archived.starts_with("history: 5 records in 1 segment shipped"), "{archived}");
    // The same without the server, on its folder: the vault is up to date already.
    server.stop();
    let again = server.good("archive history --to vault --data indelible-data");
    assert!(again.contains("nothing new"), "{again}");
    let mut verify = Command::new(verify_program());
    verify.args("vault vault --key indelible-data/public.vkey --head head".split(' '));
    let verified = Ran::of(verify.current_dir(server.home.path()).output().expect("it runs"));
    assert_eq!(verified.code, 0, "{verified:?}");
}
