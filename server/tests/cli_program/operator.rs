//! Keys, tokens and the doctor: what the owner of a data folder does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Ran, Server, json, program};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode is set");
}

/// The server looks for changed tokens about once a second.
fn wait_until(condition: impl Fn() -> bool, otherwise: &str) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < Duration::from_secs(20), "{otherwise}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_generated_key_is_private_and_never_written_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let generate = || {
        let mut command = program(folder.path());
        command.args(["key", "generate", "--out", "signing.key", "--name", "ledger.example.com"]);
        Ran::of(command.output().expect("the program runs"))
    };
    let first = generate();
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.out.starts_with("ledger.example.com+"), "{}", first.out);
    let path = folder.path().join("signing.key");
    assert_eq!(mode(&path), 0o600);
    let key = std::fs::read(&path).expect("the key");
    assert_eq!(generate().code, 2);
    assert_eq!(std::fs::read(&path).expect("the key"), key, "the first key is untouched");
    std::fs::write(folder.path().join("public.vkey"), &first.out).expect("the vkey is kept");
    let mut show = program(folder.path());
    let shown =
        Ran::of(show.args(["key", "show", "public.vkey", "--json"]).output().expect("it runs"));
    let shown = json(&shown.out);
    assert_eq!(shown["vkey"], first.out.trim_end());
    // The same key under the name of a ledger, whether there is such a ledger or not.
    let of_ledger = |file: &str| {
        let mut show = program(folder.path());
        Ran::of(show.args(["key", "show", file, "--ledger", "payments"]).output().expect("it runs"))
    };
    let own = of_ledger("public.vkey");
    assert!(own.out.contains("ledger.example.com/payments+"), "{own:?}");
    assert!(own.out.contains(shown["key_id"].as_str().expect("a key id")), "{own:?}");
    let vkey = own.out.split_whitespace().last().expect("a vkey").to_owned();
    std::fs::write(folder.path().join("own.vkey"), vkey + "\n").expect("a file");
    let twice = of_ledger("own.vkey");
    assert!(twice.code != 0 && twice.err.contains("no server's name"), "{twice:?}");
    assert!(shown["key_id"].as_str().expect("a key id").starts_with("ed25519:"));
}

#[test]
fn a_server_takes_up_the_folder_that_was_made_with_a_key() {
    let mut server = Server::start();
    server.kill();
    std::fs::remove_dir_all(server.path("indelible-data")).expect("the folder is removed");
    let vkey = server.good("key generate --data indelible-data --name ledger.example.com");
    assert_eq!(server.run("key generate --data indelible-data --name other.example").code, 2);
    server.start_again();
    server.good("ledger create audit");
    assert!(server.good("checkpoint audit").starts_with("ledger.example.com/audit\n1\n"));
    assert_eq!(server.read("indelible-data/public.vkey"), vkey);
}

#[test]
fn a_token_allows_what_it_says_and_nothing_after_it_is_revoked() {
    let server = Server::start();
    server.good("ledger create payments");
    server.good("ledger create other");
    let token =
        server.good("token create billing --scope append --ledger payments --data indelible-data");
    server.write("billing.token", &token);
    let append = |ledger: &str| {
        server.run_with(
            &format!("append {ledger} --token-file billing.token --patience 0"),
            "{\"n\":1}\n",
        )
    };
    wait_until(|| append("payments").code == 0, "the new token never works");
    let other = append("other");
    assert!(other.code == 2 && other.err.contains("ledger_forbidden"), "{other:?}");
    let read = server.run("list payments --token-file billing.token");
    assert!(read.code == 2 && read.err.contains("scope_missing"), "{read:?}");

    let list = server.good("token list --data indelible-data");
    assert!(
        list.lines()
            .any(|row| row.split_whitespace().take(3).eq(["billing", "append", "payments"])),
        "{list}"
    );
    assert!(
        !server.read("indelible-data/tokens.json").contains(token.trim()),
        "only its hash is kept"
    );
    server.good("token revoke billing --data indelible-data");
    assert_eq!(server.run("token revoke billing --data indelible-data").code, 1);
    wait_until(|| append("payments").code != 0, "a revoked token still works");
    let refused = append("payments");
    assert!(refused.err.contains("token_unknown"), "{refused:?}");
}

#[test]
fn a_token_for_a_folder_that_no_server_uses_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = program(folder.path());
    command.args(["token", "create", "x", "--scope", "read", "--data", "."]);
    let ran = Ran::of(command.output().expect("the program runs"));
    assert!(ran.code == 2 && ran.err.contains("no data folder"), "{ran:?}");
}

#[test]
fn the_doctor_finds_a_healthy_server_healthy() {
    let server = Server::start();
    let ran = server.run("doctor --data indelible-data --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    let findings: Vec<_> = ran.out.lines().map(json).collect();
    for what in [
        "configuration",
        "folder",
        "key",
        "admin token",
        "lock",
        "disk",
        "clock",
        "server",
        "ready",
        "token",
    ] {
        let finding = findings.iter().find(|finding| finding["what"] == what);
        assert_eq!(
            finding.unwrap_or_else(|| panic!("{what} in {findings:?}"))["verdict"],
            "ok",
            "{what}"
        );
    }
}

#[test]
fn the_doctor_names_what_keeps_a_server_from_working() {
    let mut server = Server::start();
    server.stop();
    let data = server.path("indelible-data");
    let bad = |what: &str, line: &str| {
        let ran = server.run(line);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        let found = ran.out.lines().map(json).find(|finding| finding["what"] == what);
        let found = found.unwrap_or_else(|| panic!("{what}: {ran:?}"));
        assert_eq!(found["verdict"], "bad", "{found}");
        assert!(found["advice"].is_string(), "{found}");
    };
    let doctor = "doctor --data indelible-data --json";
    set_mode(&data.join("signing.key"), 0o644);
    bad("key", doctor);
    set_mode(&data.join("signing.key"), 0o600);
    set_mode(&data.join("admin.token"), 0o644);
    bad("admin token", doctor);
    set_mode(&data.join("admin.token"), 0o600);
    server.write("wrong.toml", "[limits]\nconections_max = 5\n");
    bad("configuration", "doctor --config wrong.toml --data indelible-data --json");
    let format = data.join("format");
    let text = std::fs::read_to_string(&format).expect("the format file");
    std::fs::write(&format, "indelible data 999\n").expect("it is written");
    bad("folder", doctor);
    std::fs::write(&format, text).expect("it is written");
    let healed = server.run(doctor);
    assert_eq!(healed.code, 0, "{healed:?}");
}

/// The schedule looks at each vault once after a start; from then on a ledger to which nothing is appended
/// costs neither a flush nor a read.
#[test]
fn ledgers_that_are_idle_cost_the_schedule_nothing() {
    const LEDGERS: u64 = 200;
    let server = Server::start_after(
        "export INDELIBLE_ARCHIVE_SCHEDULE_SECONDS=1 INDELIBLE_ARCHIVE_SEAL_AFTER_SECONDS=1 \
         INDELIBLE_ARCHIVE_VAULT=vault",
    );
    for n in 0..LEDGERS {
        server.good(&format!("ledger create idle-{n}"));
    }
    let segments = || {
        let folders = std::fs::read_dir(server.path("vault")).map(Iterator::count).unwrap_or(0);
        folders as u64
    };
    let since = std::time::Instant::now();
    while segments() < LEDGERS {
        assert!(since.elapsed() < std::time::Duration::from_secs(120), "they are not archived");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    // The round that shipped the last one ends, and one more begins.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let before = server.io();
    std::thread::sleep(std::time::Duration::from_secs(4));
    let after = server.io();
    let (calls, bytes) = (after.0 - before.0, after.1 - before.1);
    assert!(calls < LEDGERS && bytes < 100_000, "{calls} calls, {bytes} bytes in four rounds");
    // And what is appended is archived as before.
    assert_eq!(server.run_with("append idle-7", "{\"n\":1}\n").code, 0);
    let folder = server.path("vault").join("idle-7");
    let since = std::time::Instant::now();
    while std::fs::read_dir(&folder).expect("a folder").count() < 4 {
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "it is not archived");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// The process dies at its first byte: a limit of file sizes ends it there as a crash would.
#[test]
fn a_process_that_dies_while_it_writes_a_secret_leaves_nothing_in_its_place() {
    let server = Server::start();
    server.good("token create first --scope read");
    let tokens = server.read("indelible-data/tokens.json");
    let dies = |line: &str| {
        let mut command = std::process::Command::new("sh");
        command.current_dir(server.home.path()).args([
            "-c",
            &format!("ulimit -c 0; ulimit -f 0; exec \"$0\" {line}"),
            crate::harness::PROGRAM,
        ]);
        let ran = command.output().expect("it runs");
        assert!(!ran.status.success(), "{ran:?}");
    };
    for _ in 0..2 {
        dies("key generate --name test --out new.key");
        assert!(!server.path("new.key").exists());
        dies("token create second --scope read --data indelible-data");
        assert_eq!(server.read("indelible-data/tokens.json"), tokens);
        dies("key generate --name test --data another");
        assert!(!server.path("another/signing.key").exists());
    }
    server.good("key generate --name test --out new.key");
    server.good("token create second --scope read");
    server.good("key generate --name test --data another");
    let left: Vec<_> = std::fs::read_dir(server.path("another"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().ends_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
