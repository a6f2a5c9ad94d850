//! Numbers that a double does not carry, from the terminal.

use crate::harness::{Server, json};

/// An event of Windows, with the number that most of its events carry.
const EVENT: &str =
    r#"{"EventID":4624,"Keywords":-9223372036854775808,"ratio":0.10000000000000001}"#;

#[test]
fn numbers_that_are_refused_are_named_and_kept_where_that_is_asked() {
    let server = Server::start();
    server.good("ledger create audit");
    server.write("events.ndjson", &format!("{EVENT}\n{{\"t\":1e3,\"price\":1.50}}\n"));
    let ran = server.run("append audit events.ndjson --run one");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("1 appended, 0 duplicate, 1 refused"), "{ran:?}");
    for part in ["line 1 was refused", "/event/Keywords", "numbers=text", "json_number_inexact"] {
        assert!(ran.err.contains(part), "no word of {part}: {}", ran.err);
    }
    let ran = server.run("append audit events.ndjson --run one --numbers text");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("1 appended, 1 duplicate, 0 refused"), "{ran:?}");
    let records = server.records("audit");
    assert_eq!(records[1]["event"], serde_json::json!({ "price": 1.5, "t": 1000 }));
    assert!(records[1]["numbers_as_text"].is_null());
    assert_eq!(records[2]["event"]["Keywords"], "-9223372036854775808");
    assert_eq!(records[2]["event"]["ratio"], 0.1);
    assert_eq!(records[2]["numbers_as_text"], serde_json::json!(["/Keywords"]));
    let again = server.good("append audit events.ndjson --run one --numbers text");
    assert!(again.contains("0 appended, 2 duplicate, 0 refused"), "{again}");
}

#[test]
fn a_ledger_is_created_with_its_numbers_and_shows_them() {
    let server = Server::start();
    let created = server.good("ledger create windows --numbers text");
    assert!(created.contains("numbers kept as text"), "{created}");
    server.good("ledger create windows --numbers text");
    let other = server.run("ledger create windows");
    assert_ne!(other.code, 0);
    assert!(other.err.contains("ledger_exists"), "{}", other.err);
    let shown = server.good("ledger show windows");
    let line = shown.lines().find(|line| line.starts_with("numbers")).expect("it is shown");
    assert!(line.ends_with(" text"), "{line}");
    assert_eq!(json(&server.good("ledger show windows --json"))["numbers"], "text");
    let ran = server.run_with("append windows", EVENT);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = server.run_with("append windows --numbers exact", EVENT);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(server.records("windows")[1]["event"]["Keywords"], "-9223372036854775808");
}
