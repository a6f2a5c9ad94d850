//! The order of names: by the UTF-16 code units of what they stand for (RFC 8785 section 3.2.3).
//!
//! Names are compared in canonical form, as they stand in the output. Three ways lead to the same
//! answer, the cheapest that fits is taken.

use core::cmp::Ordering;

use super::string::read_escape;

/// Compares two names without escapes.
///
/// UTF-8 bytes order like UTF-16 units except where a character beyond U+FFFF (first byte 0xf0 up,
/// surrogates from 0xd800) meets one from U+E000 to U+FFFF (first byte 0xee or 0xef).
pub(super) fn compare_unescaped(left: &[u8], right: &[u8]) -> Ordering {
    let differing = left.iter().zip(right).find(|(a, b)| a != b);
    match differing {
        Some((&a, &b)) if a >= 0xee && b >= 0xee => {
            // Swapping the two groups: 0xee and 0xef move above 0xf4.
            let rank = |byte: u8| if byte < 0xf0 { byte + 8 } else { byte - 8 };
            rank(a).cmp(&rank(b))
        }
        Some((a, b)) => a.cmp(b),
        None => left.len().cmp(&right.len()),
    }
}

/// Compares any two names.
pub(super) fn compare_escaped(left: &[u8], right: &[u8]) -> Ordering {
    ranks(left).cmp(ranks(right))
}

/// The characters of a name as numbers that order as UTF-16 does: U+E000 to U+FFFF move above
/// everything that needs surrogates.
fn ranks(name: &[u8]) -> impl Iterator<Item = u32> {
    let text = core::str::from_utf8(name).unwrap_or_default();
    let mut at = 0;
    core::iter::from_fn(move || {
        let c = match text.get(at..)?.chars().next()? {
            '\\' => {
                let (c, behind) = read_escape(name, at).ok()?;
                at = behind;
                c
            }
            c => {
                at += c.len_utf8();
                c
            }
        };
        let code = u32::from(c);
        Some(if (0xe000..=0xffff).contains(&code) { code + 0x11_0000 } else { code })
    })
}
