use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Server, json};

#[test]
fn events_and_envelopes_are_told_apart_and_the_summary_counts_them() {
    let server = Server::start();
    server.good("ledger create audit");
    let input = concat!(
        "{\"action\":\"login\"}\n",
        "\n",
        "{\"event\":{\"action\":\"paid\"},\"id\":\"order-1\"}\n",
        "{\"event\":\"a member like any other\",\"more\":true}\n",
        "{\"event\":{\"action\":\"paid\"},\"id\":\"order-1\"}\n",
    );
    let ran = server.run_with("append audit", input);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        "audit: 3 appended, 1 duplicate, 0 refused; signed checkpoint over 4 records\n"
    );
    assert_eq!(ran.err, "", "nothing is said on stderr when it is no terminal");
    let records = server.records("audit");
    let events: Vec<String> =
        records[1..].iter().map(|record| record["event"].to_string()).collect();
    assert_eq!(
        events,
        [
            r#"{"action":"login"}"#,
            r#"{"action":"paid"}"#,
            r#"{"event":"a member like any other","more":true}"#
        ]
    );
    assert_eq!(records[2]["id"], "order-1");
}

#[test]
fn refused_lines_are_named_and_the_rest_goes_on() {
    let server = Server::start();
    server.good("ledger create audit");
    let input = "{\"n\":1}\nnonsense\n{\"n\":2,\"n\":2}\n{\"n\":3}\n[4]\n";
    server.write("input.ndjson", input);
    let ran = server.run("append audit input.ndjson");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("2 appended, 0 duplicate, 3 refused"), "{ran:?}");
    for (line, code) in [(2, "json_syntax"), (3, "json_duplicate_name"), (5, "")] {
        let named = ran
            .err
            .lines()
            .any(|text| text.contains(&format!("line {line} was refused")) && text.contains(code));
        assert!(named, "line {line} is not named: {}", ran.err);
    }
    assert_eq!(server.size("audit"), 3);
}

#[test]
fn json_output_has_one_result_for_each_line_and_a_closing_line() {
    let server = Server::start();
    server.good("ledger create audit");
    let ran = server.run_with("append audit --json", "{\"n\":1}\n\n{\"n\":2\n{\"n\":3}\n");
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<Value> = ran.out.lines().map(json).collect();
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(numbers, [1, 3, 4], "numbers are the input's, blank lines counted: {}", ran.out);
    assert_eq!(lines[0]["seq"], 1);
    assert_eq!(lines[1]["error"]["code"], "json_syntax");
    let closing = lines.last().expect("a closing line");
    assert_eq!(closing["done"], serde_json::json!({"appended": 2, "duplicates": 0, "refused": 1}));
    assert!(closing["checkpoint"].as_str().expect("a note").lines().nth(1) == Some("3"));
}

#[test]
fn a_run_that_is_sent_again_doubles_nothing() {
    let server = Server::start();
    server.good("ledger create audit");
    let mut input = String::new();
    for n in 0..500 {
        let _ = writeln!(input, "{{\"n\":{n}}}");
    }
    server.write("input.ndjson", &input);
    server.good("append audit input.ndjson --run monday");
    let again = server.good("append audit input.ndjson --run monday");
    assert!(again.contains("0 appended, 500 duplicate, 0 refused"), "{again}");
    let other = server.good("append audit input.ndjson");
    assert!(other.contains("500 appended"), "another run is another 500 events: {other}");
    assert_eq!(server.size("audit"), 1001);
    let records = server.records("audit");
    assert_eq!(records[1]["id"], "monday-0000000001");
    assert!(records[1]["id"].as_str() < records[2]["id"].as_str(), "ids ascend");
}

#[test]
fn the_servers_ids_are_used_where_that_is_asked_for() {
    let server = Server::start();
    server.good("ledger create audit");
    let ran = server.run_with("append audit --server-ids", "{\"n\":1}\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = server.records("audit")[1]["id"].as_str().expect("an id").to_owned();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "{id} is no UUIDv7");
}

#[test]
fn nothing_to_append_is_no_failure() {
    let server = Server::start();
    server.good("ledger create audit");
    let ran = server.run_with("append audit -", "\n");
    assert_eq!((ran.code, ran.out.contains("0 appended")), (0, true), "{ran:?}");
}

#[test]
fn an_overlong_line_is_refused_and_the_rest_goes_on() {
    let server = Server::start();
    server.good("ledger create audit");
    let long = "x".repeat(3 << 20);
    let input = format!("{{\"n\":1}}\n{{\"long\":\"{long}\"}}\n{{\"n\":3}}\n");
    let ran = server.run_with("append audit", &input);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("2 appended, 0 duplicate, 1 refused"), "{}", ran.out);
    assert!(ran.err.contains("line 2 was refused"), "{}", ran.err);
}
