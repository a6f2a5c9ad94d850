//! Strings: where they end, what their escapes mean, and the one way to write them (RFC 8785 section
//! 3.2.2.2).

use std::borrow::Cow;

use super::error::{JsonErrorCode, Parsed, refusal};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Bytes of string content that are looked at together.
const STRIDE: usize = 32;

/// The first position at or after `from` whose byte ends a run of string content: a quote, a
/// backslash, a control character, or the end of `input`.
///
/// Most strings are longer than one word, so a whole [`STRIDE`] is asked first whether it holds any such
/// byte, which compilers turn into vector instructions; where it does, or is too short, words find it.
/// `(word - n * ONES) & !word & HIGHS` marks the bytes below `n`; a borrow can only mark bytes above a
/// true mark by mistake, so the lowest mark is always true.
#[inline(always)]
pub(super) fn run_end(input: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = input.get(at..).and_then(<[u8]>::first_chunk::<STRIDE>) {
        let ends = chunk.iter().fold(0, |ends, &byte| ends | u8::from(ends_run(byte)));
        if ends != 0 {
            break;
        }
        at += STRIDE;
    }
    while let Some(chunk) = input.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let marks = (quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(ONES * 0x20) & !word)
            & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while input.get(at).is_some_and(|&byte| !ends_run(byte)) {
        at += 1;
    }
    at
}

#[inline(always)]
fn ends_run(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Reads the escape whose backslash stands at `start`: the character and the position behind it.
pub(super) fn read_escape(input: &[u8], start: usize) -> Parsed<(char, usize)> {
    let simple = match input.get(start + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return read_unicode_escape(input, start),
        Some(_) => return Err(refusal(JsonErrorCode::Syntax, start, "there is no such escape")),
        None => {
            return Err(refusal(
                JsonErrorCode::Syntax,
                input.len(),
                "the text ends within an escape",
            ));
        }
    };
    Ok((simple, start + 2))
}

fn read_unicode_escape(input: &[u8], start: usize) -> Parsed<(char, usize)> {
    let lone = || {
        let reason = "a surrogate without its partner stands for no character";
        refusal(JsonErrorCode::LoneSurrogate, start, reason)
    };
    let unit = code_unit(input, start)?;
    if let Some(plain) = char::from_u32(unit) {
        return Ok((plain, start + 6));
    }
    let second = start + 6;
    if unit >= 0xdc00 || input.get(second..second + 2) != Some(b"\\u") {
        return Err(lone());
    }
    let low = code_unit(input, second)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(lone());
    }
    let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(code).map(|c| (c, second + 6)).ok_or_else(lone)
}

/// The four hex digits behind the `\u` at `start`.
fn code_unit(input: &[u8], start: usize) -> Parsed<u32> {
    let digits = input.get(start + 2..start + 6);
    digits
        .and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |unit, &byte| Some(unit << 4 | char::from(byte).to_digit(16)?))
        })
        .ok_or_else(|| {
            refusal(JsonErrorCode::Syntax, start, "an escape \\u is followed by four hex digits")
        })
}

/// How canonical form writes one character within a string.
#[derive(Clone, Copy)]
pub(super) struct Written {
    bytes: [u8; 6],
    len: usize,
}

impl Written {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// RFC 8785 section 3.2.2.2: the two-letter escapes where JSON has them, `\u00xx` in lower case for
/// the other control characters below U+0020, everything else as itself.
pub(super) fn write_char(c: char) -> Written {
    let short = |letter: u8| Written { bytes: [b'\\', letter, 0, 0, 0, 0], len: 2 };
    match c {
        '"' => short(b'"'),
        '\\' => short(b'\\'),
        '\u{8}' => short(b'b'),
        '\t' => short(b't'),
        '\n' => short(b'n'),
        '\u{c}' => short(b'f'),
        '\r' => short(b'r'),
        '\0'..='\u{1f}' => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let code = c as usize;
            Written { bytes: [b'\\', b'u', b'0', b'0', HEX[code >> 4], HEX[code & 15]], len: 6 }
        }
        _ => {
            let mut bytes = [0; 6];
            let len = c.encode_utf8(&mut bytes).len();
            Written { bytes, len }
        }
    }
}

/// Appends `text` as a canonical JSON string, quotes included.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    push_content(out, text);
    out.push(b'"');
}

/// Appends `text` as the content of a canonical JSON string, without quotes.
pub(super) fn push_content(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let end = run_end(bytes, at);
        out.extend_from_slice(&bytes[at..end]);
        let Some(&special) = bytes.get(end) else { return };
        out.extend_from_slice(write_char(char::from(special)).as_bytes());
        at = end + 1;
    }
}

/// The text of a JSON string that stands in `quoted` with its quotes and nothing around it; borrowed
/// when there is nothing to unescape. `None` for anything that is not one whole valid string.
#[must_use]
pub fn parse_string(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let content = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let content = core::str::from_utf8(content).ok()?;
    let bytes = content.as_bytes();
    let mut end = run_end(bytes, 0);
    if end == bytes.len() {
        return Some(Cow::Borrowed(content));
    }
    let (mut text, mut at) = (String::with_capacity(content.len()), 0);
    loop {
        text.push_str(content.get(at..end)?);
        match bytes.get(end) {
            None => return Some(Cow::Owned(text)),
            Some(b'\\') => {
                let (c, behind) = read_escape(bytes, end).ok()?;
                text.push(c);
                at = behind;
            }
            Some(_) => return None,
        }
        end = run_end(bytes, at);
    }
}
