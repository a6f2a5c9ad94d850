//! The order of names: by the UTF-16 code units of what they stand for (RFC 8785 section 3.2.3).

use core::cmp::Ordering;

use super::string::read_escape;

/// Bytes that are skipped at a time while names are equal.
const STRIDE: usize = 16;

/// Compares two names as canonical form writes them, without their quotes.
///
/// Nothing is decoded: canonical form spells every character in one way, so the first byte that
/// differs lies in the first characters that differ, and only those decide.
#[inline]
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let strides = left.chunks_exact(STRIDE).zip(right.chunks_exact(STRIDE));
    let equal = STRIDE * strides.take_while(|(a, b)| a == b).count();
    let (left_rest, right_rest) = (&left[equal..], &right[equal..]);
    match left_rest.iter().zip(right_rest).position(|(a, b)| a != b) {
        None => left.len().cmp(&right.len()),
        Some(differing) => {
            let at = escape_start(left, equal + differing);
            rank(left, at).cmp(&rank(right, at))
        }
    }
}

/// The start of the escape that `at` lies in, or `at`.
#[inline]
fn escape_start(name: &[u8], at: usize) -> usize {
    let Some(back) = name[..at].iter().rev().take(5).position(|&byte| byte == b'\\') else {
        return at;
    };
    let slash = at - 1 - back;
    // Of a row of backslashes every second one is the escaped one of a pair.
    let before = name[..slash].iter().rev().take_while(|&&byte| byte == b'\\').count();
    let len = if name.get(slash + 1) == Some(&b'u') { 6 } else { 2 };
    if before % 2 == 0 && at < slash + len { slash } else { at }
}

/// A number for the byte at `at` that orders as UTF-16 does. UTF-8 orders alike except where U+E000 to
/// U+FFFF (first byte 0xee or 0xef) meet characters that need surrogates (from 0xd800; first byte 0xf0
/// up). What is escaped in canonical form is ASCII and counts as itself.
#[inline]
fn rank(name: &[u8], at: usize) -> u32 {
    match name.get(at) {
        Some(b'\\') => read_escape(name, at).map_or(0, |(c, _)| u32::from(c)),
        Some(&byte @ (0xee | 0xef)) => u32::from(byte) + 0x10,
        Some(&byte) => u32::from(byte),
        None => 0,
    }
}
