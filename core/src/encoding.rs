//! Hex and base64 as `docs/FORMAT.md` fixes them: lower-case hex, padded standard base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the lower-case hex of `bytes` to `out`.
pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len() * 2, 0);
    for (pair, byte) in out[start..].as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
}

/// The lower-case hex of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    push_hex(&mut out, bytes);
    // Hex digits are ASCII, so nothing is ever lost here.
    String::from_utf8(out).unwrap_or_default()
}

/// What each byte means as a lower-case hex digit; [`NO_DIGIT`] for all that are none.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < HEX.len() {
        digits[HEX[value] as usize] = value as u8;
        value += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xff;

/// Reads lower-case hex of exactly `N` bytes; anything else is `None`.
#[must_use]
pub fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let pairs = text.as_chunks::<2>().0;
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0u8; N];
    // Without a branch for each digit: every line of a segment has two or three of these.
    let mut seen = 0;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < 16).then_some(out)
}

/// Appends the base64 of `bytes` to `out`.
pub fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The slice is exactly as long as the encoding needs, so this cannot fail; an error would leave
    // zero bytes behind, which no reader accepts.
    let _ = STANDARD.encode_slice(bytes, &mut out[start..]);
}

/// The base64 of `bytes`.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64 (padding required, no stray bits); anything else is `None`.
#[must_use]
pub fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads base64 of exactly `N` bytes; anything else is `None`.
#[must_use]
pub fn unbase64_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    unbase64(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sixteen_lower_case_digits_are_read_and_each_comes_back() {
        for byte in 0..=255u8 {
            let digit = b"0123456789abcdef".iter().position(|&digit| digit == byte);
            let expected = digit.map(|value| [value as u8, (value as u8) << 4]);
            assert_eq!(unhex(&[b'0', byte, byte, b'0']), expected, "{byte:#x}");
            assert_eq!(unhex(hex(&[byte]).as_bytes()), Some([byte]));
        }
        for length in [0, 1, 3, 5, 6] {
            assert_eq!(unhex::<2>(&vec![b'a'; length]), None);
        }
    }
}
