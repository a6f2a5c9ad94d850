//! What was found, for people and for programs: as text, as JSON, as a page.
//!
//! All three say the same [`Facts`] with the same [`words`]. Much of what they show was written by
//! strangers; every bit of it passes through `escape`.

mod escape;
mod facts;
mod json;
mod page;
mod page_given;
mod picture;
mod text;
pub mod words;

use anstyle::{AnsiColor, Style};
use indelible_core::record::By;
use unicode_width::UnicodeWidthChar as _;

pub use escape::{Html, Printable, clipped, is_unseen, json_printable, printable, printable_bytes};
pub use facts::{Facts, Given, HeadGiven, Input, KeyGiven};
pub use json::{json, write_json};
pub use page::{PAGE_BYTES_MAX, PAGE_MARK, write_page};
pub use text::{text, write_text};
pub use words::Words;

use crate::report::Verdict;

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();

/// The colour of a verdict on a terminal.
#[must_use]
pub const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Good => GOOD,
        Verdict::Tampered | Verdict::Damaged => BAD,
        Verdict::Behind | Verdict::Unchecked => UNSURE,
    }
}

/// Who wrote a record, as its server said.
#[must_use]
pub fn writer(by: &By<'_>) -> String {
    match by {
        By::Name(name) => name.to_string(),
        By::Full { how, name, tenant } => format!("{name} (known by {how}, tenant {tenant})"),
    }
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2 records`.
#[must_use]
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", thousands(count), if count == 1 { "" } else { "s" })
}

pub(crate) fn byte_count(count: u64) -> String {
    match count {
        0..10_000 => counted(count, "byte"),
        10_000..10_000_000 => format!("{} kB", thousands(count / 1000)),
        _ => format!("{} MB", thousands(count / 1_000_000)),
    }
}

/// Columns that a text takes on a terminal. What is not seen was escaped before.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A text cut to so many columns, the last of them an ellipsis where something was cut off.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!((thousands(999), thousands(1_234_567)), ("999".into(), "1,234,567".into()));
        assert_eq!(
            (counted(1, "record"), counted(0, "byte")),
            ("1 record".into(), "0 bytes".into())
        );
    }

    #[test]
    fn what_is_cut_fits_whatever_its_width() {
        assert_eq!(fit("größe", 5), "größe");
        assert_eq!(fit("größe", 4), "grö…");
        for width in 1..10 {
            assert!(columns(&fit("猫の手も借りたい", width)) <= width, "{width}");
        }
    }
}
