//! Texts of other people within sentences of ours: how much of them is shown, and how.

use std::borrow::Cow;

/// The beginning of `text`, at most `bytes_max` bytes and, where it is longer, an ellipsis.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    match text.get(..text.floor_char_boundary(bytes_max)) {
        Some(begin) if begin.len() < text.len() => Cow::Owned(format!("{begin}\u{2026}")),
        _ => Cow::Borrowed(text),
    }
}

/// `text` with its control characters as escapes (`\u{1b}`), so that it cannot speak to a terminal.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// The beginning of `text`, printable.
#[must_use]
pub fn shown(text: &str, bytes_max: usize) -> String {
    printable(&cut(text, bytes_max)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_only_when_it_is_too_long() {
        for (text, bytes_max, expected) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc\u{2026}"),
            ("a\u{e9}b", 2, "a\u{2026}"),
            ("a\u{e9}b", 3, "a\u{e9}\u{2026}"),
            ("\u{1f600}", 3, "\u{2026}"),
        ] {
            assert_eq!(cut(text, bytes_max), expected);
        }
    }

    #[test]
    fn no_control_character_is_left() {
        assert_eq!(printable("a\u{1b}[31m\u{9b}\u{7f}\n"), "a\\u{1b}[31m\\u{9b}\\u{7f}\\u{a}");
        assert_eq!(shown("\u{1b}abc", 2), "\\u{1b}a\u{2026}");
    }
}
