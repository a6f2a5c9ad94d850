//! The examples in `docs/FORMAT.md` are the golden vectors: who writes a verifier from the page alone
//! compares with them.

use serde_json::Value;

const PAGE: &str = include_str!("../../docs/FORMAT.md");

fn member<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[track_caller]
fn shows(text: &str) {
    assert!(PAGE.contains(text), "docs/FORMAT.md does not show {text}");
}

#[test]
fn the_page_shows_the_second_golden_record() {
    let records: Vec<Value> = serde_json::from_str(include_str!("vectors/record.json")).unwrap();
    let record = member(&records[1], "record");
    shows(&format!("99 bytes:\n\n    {record}\n"));
    assert_eq!(record.len(), 99);
    shows(&format!("    prev   {}\n", member(&records[1], "prev")));
    shows(&format!("    digest {}\n", member(&records[1], "digest")));
}

#[test]
fn the_page_shows_the_last_line_of_the_first_golden_segment() {
    let lines: Vec<Value> = include_str!("vectors/segment_0.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [.., before, last] = &*lines else { panic!("two lines at least") };
    shows(&format!("    prev   {}\n", member(before, "digest")));
    shows(&format!("    digest {}\n", member(last, "digest")));
    shows(&format!("    sig    {}\n", member(last, "sig")));
    shows(&format!("    kid    {}\n", member(last, "kid")));
    shows(&format!("    vkey   {}", include_str!("vectors/key.vkey")));
}

#[test]
fn the_page_shows_the_golden_checkpoint_and_manifest() {
    for line in include_str!("vectors/checkpoint_3.note").lines().filter(|line| !line.is_empty()) {
        shows(&format!("    {line}\n"));
    }
    let manifest = include_str!("vectors/manifest_3.note");
    shows(&format!("    {}\n", manifest.lines().last().unwrap()));
    // The page breaks the JSON into lines for reading.
    let joined = PAGE.replace("\n     ", "");
    let json = manifest.lines().nth(1).unwrap();
    let broken = json.replace("orders 2C66", "orders2C66");
    assert!(joined.contains(&broken), "docs/FORMAT.md does not show the golden manifest");
}

/// The tables of section 1 say what the reader does.
#[test]
fn the_pages_tables_of_numbers_hold() {
    use indelible_core::json::{JsonErrorCode, Limits, canonicalize};
    let mut rows = 0;
    for line in PAGE.lines().skip_while(|line| *line != "| text | canonical form |").skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [text, form] = &*cells else { break };
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        if form.trim_start().starts_with("refused, ") {
            for text in quoted(text) {
                let error = canonicalize(text.as_bytes(), Limits::EVENT).unwrap_err();
                assert_eq!(error.code, JsonErrorCode::NumberInexact, "{text}");
                rows += 1;
            }
            continue;
        }
        let written = canonicalize(quoted(text)[0].as_bytes(), Limits::EVENT).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), quoted(form)[0]);
        rows += 1;
    }
    assert!(rows >= 15, "{rows}");
}
