//! Exit codes, messages and looks.

use crate::harness::{Ran, Server, program};

fn alone(args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Ran::of(program(folder.path()).args(args).output().expect("the program runs"))
}

#[test]
fn wrong_use_exits_with_64_and_help_with_0() {
    for args in [
        &["nonsense"][..],
        &[],
        &["append"],
        &["append", "Bad Name"],
        &["list", "l", "--limit", "x"],
    ] {
        assert_eq!(alone(args).code, 64, "{args:?}");
    }
    for args in [&["--help"][..], &["append", "--help"], &["--version"]] {
        let ran = alone(args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        assert!(!ran.out.is_empty());
    }
}

#[test]
fn version_and_completions_need_no_server() {
    assert!(alone(&["version"]).out.starts_with("indelible 0."));
    assert!(alone(&["version", "--json"]).out.contains("\"version\":\"0."));
    for shell in ["bash", "zsh", "fish"] {
        let ran = alone(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("append"), "{shell}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_in_one_message_with_advice() {
    let ran = alone(&["ledger", "list", "--url", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("error: http://127.0.0.1:1 cannot be reached"), "{}", ran.err);
    assert!(ran.err.contains("indelible serve"), "{}", ran.err);
}

#[test]
fn refusals_show_code_and_advice() {
    let server = Server::start();
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let mut without = program(elsewhere.path());
    without.args(["ledger", "list"]).env("INDELIBLE_URL", server.url());
    let ran = Ran::of(without.output().expect("the program runs"));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("token_missing, HTTP 401"), "{}", ran.err);
    assert!(ran.err.contains("--token-file"), "{}", ran.err);

    let ran = server.run("get payments 1");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("ledger_not_found, HTTP 404"), "{}", ran.err);
    assert!(ran.err.contains("indelible ledger create"), "{}", ran.err);
    let ran = server.run_with("append payments", "{}\n");
    assert!(ran.code == 2 && ran.err.contains("ledger_not_found"), "{ran:?}");
}

#[test]
fn beside_the_data_folder_its_token_is_used_but_never_for_another_machine() {
    let server = Server::start();
    let mut here = program(server.home.path());
    here.args(["ledger", "list"]).env("INDELIBLE_URL", server.url());
    assert_eq!(Ran::of(here.output().expect("the program runs")).code, 0);
    // 0.0.0.0 reaches this machine, but is none of its loopback addresses.
    let elsewhere = server.url().replace("127.0.0.1", "0.0.0.0");
    let mut away = program(server.home.path());
    away.args(["ledger", "list"]).env("INDELIBLE_URL", elsewhere);
    let ran = Ran::of(away.output().expect("the program runs"));
    assert!(ran.code == 2 && ran.err.contains("token_missing"), "{ran:?}");
}

#[test]
fn the_token_may_come_from_the_environment_and_a_missing_file_is_named() {
    let server = Server::start();
    let token = server.read("indelible-data/admin.token");
    let mut command = program(server.home.path());
    command.args(["ledger", "list"]).env("INDELIBLE_URL", server.url());
    command.env("INDELIBLE_TOKEN", token.trim());
    assert_eq!(Ran::of(command.output().expect("the program runs")).code, 0);
    let ran = server.run("ledger list --token-file nowhere.token");
    assert!(ran.code == 2 && ran.err.contains("nowhere.token"), "{ran:?}");
}

#[test]
fn output_that_is_piped_has_no_colours() {
    let server = Server::start();
    server.good("ledger create audit");
    for line in [
        "ledger list",
        "ledger show audit",
        "list audit",
        "doctor --data indelible-data",
        "get audit 0",
    ] {
        let ran = server.run(line);
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{line}: {ran:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let server = Server::start();
    server.good("ledger create audit");
    let lines: String = (0..5000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    server.write("input.ndjson", &lines);
    server.good("append audit input.ndjson");
    let mut child = server
        .command(["list", "audit", "--all"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take()); // as `| head -0` would
    let ran = Ran::of(child.wait_with_output().expect("the program ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
