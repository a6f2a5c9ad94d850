//! How results and remarks look: tables, numbers, colours on terminals only.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::programs::beside;
use crate::serve::PUBLIC_KEY_FILE;
use crate::signers;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// A failure, on stderr.
pub(super) fn error(text: &str) {
    anstream::eprintln!("{ERROR}error:{ERROR:#} {text}");
}

/// A remark that follows an error: what to do.
pub(super) fn note(text: &str) {
    anstream::eprintln!("       {text}");
}

/// Something that needs attention but stops nothing, on stderr.
pub(super) fn warning(text: &str) {
    anstream::eprintln!("{WARNING}warning:{WARNING:#} {text}");
}

/// A remark to the person at the terminal, on stderr so that stdout stays for the result.
pub(super) fn remark(text: &str) {
    anstream::eprintln!("{text}");
}

/// A remark in the background: how to go on.
pub(super) fn hint(text: &str) {
    anstream::eprintln!("{DIM}{text}{DIM:#}");
}

/// How to check something: the kind and name that the auditor's program takes, with the public key of
/// the data folder in this place, if there is one.
pub(super) fn how_to_check(kind: &str, name: &str) {
    let dir = super::data_dir_default();
    let vkey = dir.join(PUBLIC_KEY_FILE);
    let vkey = if vkey.exists() { vkey } else { PUBLIC_KEY_FILE.into() };
    hint("check it anywhere, without the server, with the public key alone:");
    hint(&format!("  {} {kind} {name} --key {}", beside("indelible-verify"), vkey.display()));
    if signers::public_keys(&dir).is_ok_and(|further| !further.is_empty()) {
        let program = beside("indelible");
        hint(&format!(
            "or the public key of the signer that the ledger was created with: {program} key show --ledger NAME"
        ));
    }
}

/// A word in green, for terminals.
pub(super) fn good(text: &str) -> String {
    format!("{GOOD}{text}{GOOD:#}")
}

/// A word in yellow, for terminals.
pub(super) fn doubtful(text: &str) -> String {
    format!("{WARNING}{text}{WARNING:#}")
}

/// A word in red, for terminals.
pub(super) fn bad(text: &str) -> String {
    format!("{ERROR}{text}{ERROR:#}")
}

/// Prints a line of the result; fails when stdout is closed.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")
}

/// Writes bytes of the result exactly as they are.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// One JSON document on a line of its own.
pub(super) fn json(value: &Value) -> io::Result<()> {
    let mut text = value.to_string();
    text.push('\n');
    bytes(text.as_bytes())
}

/// Whether a person looks at stdout.
pub(super) fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the terminal that stdout is; `None` elsewhere.
pub(super) fn terminal_width() -> Option<usize> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col))
}

/// A table with a header, for people.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

/// Names and values, one a line, for people.
pub(super) fn facts(facts: &[(&str, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in facts {
        line(&format!("{DIM}{name:width$}{DIM:#}  {value}"))?;
    }
    Ok(())
}

/// Prints a table, its header in bold, without the spaces that pad it on both sides.
pub(super) fn print_table(table: &Table) -> io::Result<()> {
    for (index, row) in table.lines().enumerate() {
        let row = row.strip_prefix(' ').unwrap_or(&row).trim_end();
        if index == 0 {
            line(&format!("{BOLD}{row}{BOLD:#}"))?;
        } else {
            line(row)?;
        }
    }
    Ok(())
}

/// `1234567` as `1,234,567`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `one event`, `2 events`.
pub(super) fn counted(count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", number(count))
}

/// A text from outside with everything made visible that could steer a terminal or hide.
pub(super) fn harmless(text: &str) -> String {
    indelible_verifier::render::printable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (counted(1, "event"), counted(2, "event")),
            ("1 event".into(), "2 events".into())
        );
    }

    #[test]
    fn a_text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}\u{202e}é"), "a\\u{1b}[2Jb\\u{9b}\\u{202e}é");
    }
}
