//! The one place where text of strangers becomes text that is shown.
//!
//! Evidence is written by whoever is checked. A file name with escape sequences could move a terminal's
//! cursor over a verdict, a bidirectional control could turn a word around, and markup could draw another
//! report into ours. Whatever is shown passes through here; how it looks then is the same everywhere:
//! `\u{1b}`, visible and harmless.

use std::fmt::{self, Write as _};

/// Text without anything that a terminal or a browser would obey or hide, as a value that is displayed.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_unseen(c) { write!(f, "{}", c.escape_unicode())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// [`Printable`] as a string.
#[must_use]
pub fn printable(text: &str) -> String {
    Printable(text).to_string()
}

/// Bytes that may be no text at all: what is no UTF-8 is shown as `\xff`.
#[must_use]
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", Printable(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// JSON whose strings show what is not seen as JSON spells it (`\u009b`): another spelling of the same
/// document. Control characters below U+0020, which stand between its parts, stay.
#[must_use]
pub fn json_printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c >= ' ' && is_unseen(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// At most `bytes_max` of a text, cut between characters, and what was cut off is said.
#[must_use]
pub fn clipped(text: &str, bytes_max: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let kept = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    format!("{kept}… ({} bytes in all)", text.len()).into()
}

/// Text for HTML, in elements and quoted attributes: [`Printable`], and what markup is made of spelt out.
#[derive(Debug, Clone, Copy)]
pub struct Html<'a>(pub &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if is_unseen(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Whether a character is obeyed or not seen: controls (C0, DEL, C1), those that reverse or join text
/// (Unicode's Bidi_Control), line and paragraph separators, and everything that has no width or no ink
/// of its own (Default_Ignorable_Code_Point), in which a second text can be hidden.
#[must_use]
pub const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_write_over_the_verdict() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{202e}c"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c");
        assert_eq!(printable("größe 猫"), "größe 猫");
        for hidden in ['\u{9b}', '\u{61c}', '\u{2028}', '\u{200d}', '\u{2066}', '\u{e0041}', '\n'] {
            let shown = printable(&format!("a{hidden}b"));
            assert!(shown.starts_with("a\\u{") && shown.ends_with("}b"), "{shown}");
        }
    }

    #[test]
    fn markup_is_text() {
        let text = "<script>alert('\"&')</script>\u{202e}";
        assert_eq!(
            Html(text).to_string(),
            "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;\\u{202e}"
        );
    }

    #[test]
    fn json_stays_the_same_document() {
        let text = "{\n \"a\u{9b}\u{202e}\": \"\u{e0041}ö\"}\n";
        let shown = json_printable(text);
        assert_eq!(shown, "{\n \"a\\u009b\\u202e\": \"\\udb40\\udc41ö\"}\n");
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn bytes_that_are_no_text_are_spelt_out() {
        assert_eq!(printable_bytes(b"a\xff\x1bb"), "a\\xff\\u{1b}b");
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(clipped("größe", 3), "gr… (7 bytes in all)");
        assert_eq!(clipped("größe", 7), "größe");
    }
}
