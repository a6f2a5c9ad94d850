use std::process::Command;

use crate::harness::{Ran, Server, json, verify_program};

fn filled() -> Server {
    let server = Server::start();
    server.good("ledger create audit");
    let lines = (1..=30).map(|n| format!("{{\"event\":{{\"n\":{n}}},\"id\":\"id {n}\"}}\n"));
    server.write("input.ndjson", &lines.collect::<String>());
    server.good("append audit input.ndjson");
    server
}

fn verify(server: &Server, line: &str) -> Ran {
    let mut command = Command::new(verify_program());
    command.args(line.split_whitespace()).current_dir(server.home.path());
    Ran::of(command.output().expect("the verifier runs"))
}

#[test]
fn records_come_by_number_and_by_id_as_exact_bytes() {
    let server = filled();
    let by_number = server.good("get audit 7");
    let ran = Ran::of(server.command(["get", "audit", "--id", "id 7"]).output().expect("it runs"));
    assert_eq!((ran.code, &ran.out), (0, &by_number));
    assert!(
        by_number
            .starts_with("{\"event\":{\"n\":7},\"id\":\"id 7\",\"ledger\":\"audit\",\"seq\":7,")
    );
    let missing =
        Ran::of(server.command(["get", "audit", "--id", "no"]).output().expect("it runs"));
    assert_eq!(missing.code, 1, "{missing:?}");
    assert_eq!(server.run("get audit 99").code, 2);
}

#[test]
fn a_listing_shows_the_newest_records_oldest_first_unless_told_otherwise() {
    let server = filled();
    let numbers = |line: &str| -> Vec<u64> {
        server.good(line).lines().map(|l| json(l)["seq"].as_u64().expect("a number")).collect()
    };
    assert_eq!(numbers("list audit --json"), (11..=30).collect::<Vec<_>>());
    assert_eq!(numbers("list audit --json --limit 3 --order desc"), [30, 29, 28]);
    assert_eq!(numbers("list audit --json --from 5 --to 7"), [5, 6, 7]);
    assert_eq!(numbers("list audit --json --all").len(), 31);
    assert_eq!(numbers("list audit --json --since 2000-01-01 --limit 2"), [0, 1]);
    assert_eq!(numbers("list audit --json --until 2000-01-01"), [0_u64; 0]);
    let shown = server.good("list audit --from 0 --to 1");
    assert!(shown.lines().next().expect("a line").contains("system {"), "{shown}");
    assert!(shown.contains("{\"n\":1}"), "{shown}");
}

#[test]
fn ledgers_are_listed_and_shown() {
    let server = filled();
    server.good("ledger create bulk --sign-per commit");
    let again = server.good("ledger create bulk --sign-per commit");
    assert!(again.contains("was there already"), "{again}");
    let other = server.run("ledger create bulk --sign-per record");
    assert!(other.code == 2 && other.err.contains("ledger_exists"), "{other:?}");
    let list = server.good("ledger list");
    let rows: Vec<Vec<&str>> = list.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..3], ["audit", "31", "record"], "{list}");
    assert_eq!(rows[2][..3], ["bulk", "1", "commit"], "{list}");
    let show = server.good("ledger show audit");
    assert!(show.contains("records      31\n"), "{show}");
}

#[test]
fn a_receipt_a_checkpoint_and_an_export_satisfy_the_auditor() {
    let server = filled();
    server.good("receipt audit 7 --out receipt.json");
    server.good("checkpoint audit --out audit.checkpoint");
    server.good("export audit --out audit.jsonl");
    server.good("export audit --out audit.jsonl.zst");
    for (what, head) in [
        ("receipt receipt.json", ""),
        ("export audit.jsonl", "--head audit.checkpoint"),
        ("export audit.jsonl.zst", "--head audit.checkpoint"),
    ] {
        let ran = verify(&server, &format!("{what} --key indelible-data/public.vkey {head}"));
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
    }
    let receipt = server.read("receipt.json");
    assert_eq!(receipt, server.good("receipt audit 7"), "the same bytes on stdout");
    server.write("forged.json", &receipt.replace("\"n\":7", "\"n\":8"));
    let ran = verify(&server, "receipt forged.json --key indelible-data/public.vkey");
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn an_export_that_fails_leaves_no_file_that_looks_whole() {
    let server = filled();
    let ran = server.run("export nothing --out out.jsonl");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!server.path("out.jsonl").exists());
}

#[test]
fn the_live_database_is_verified_beside_the_running_server() {
    let server = filled();
    server.good("ledger create second --sign-per commit");
    server.good("append second input.ndjson");
    let ran = server.run("verify --key indelible-data/public.vkey --json");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "");
    let report = json(&ran.out);
    let sizes: Vec<u64> = report["ledgers"]
        .as_array()
        .expect("ledgers")
        .iter()
        .filter_map(|ledger| ledger["records"].as_u64())
        .collect();
    assert_eq!(sizes, [31, 31], "{report}");
    // The server still takes events, and a head saved earlier still stands in the ledger.
    server.good("checkpoint audit --out head");
    server.good("append audit input.ndjson --run more --events");
    let ran = server.run("verify audit --head head");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("agrees with itself"), "the folder's own key is worth a warning");
    assert_eq!(server.run("verify nothing").code, 2);
}

#[test]
fn a_key_that_did_not_sign_and_a_database_that_was_set_back_are_found() {
    let mut server = filled();
    let other = server.good("key generate --out other.key --name localhost");
    server.write("other.vkey", &other);
    let ran = server.run("verify --key other.vkey");
    assert!(ran.code == 1 && ran.out.contains("KEY_UNKNOWN"), "{ran:?}");

    server.stop();
    let data = server.path("indelible-data");
    let copy = |from: &str, to: &str| {
        let mut command = Command::new("cp");
        let status = command.args(["-a", from, to]).current_dir(&data).status().expect("cp runs");
        assert!(status.success());
    };
    copy("db", "old");
    server.start_again();
    server.good("append audit input.ndjson --run more --events");
    server.stop();
    std::fs::remove_dir_all(data.join("db")).expect("the database is removed");
    copy("old", "db");
    let ran = server.run("verify --key indelible-data/public.vkey");
    assert!(ran.code == 1 && ran.out.contains("HEAD_BEHIND"), "{ran:?}");
}

#[test]
fn files_are_handed_to_the_auditors_program() {
    let server = filled();
    verify_program();
    server.good("receipt audit 7 --out receipt.json");
    let ran = server.run("verify receipt receipt.json --key indelible-data/public.vkey");
    assert!(ran.code == 0 && ran.out.contains("The receipt is good"), "{ran:?}");
    assert_eq!(server.run("verify export nowhere --key indelible-data/public.vkey").code, 2);
}
