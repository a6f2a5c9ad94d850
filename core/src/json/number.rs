//! Numbers: the grammar of RFC 8259 section 6, the layout of RFC 8785 section 3.2.2.3 (ECMAScript's),
//! and the refusal of everything that a double would change silently.

use super::error::{JsonError, JsonErrorCode, Parsed, refusal};

/// The largest integer that is safe in a double, 2^53 - 1.
const SAFE_MAX: u64 = (1 << 53) - 1;

/// Digits that are below [`SAFE_MAX`] whatever they are.
const SAFE_DIGITS: usize = 15;

/// ECMAScript writes magnitudes below this as plain digits, from here on with an exponent.
const PLAIN_DIGITS_BELOW: f64 = 1e21;

/// A number literal that was read.
pub(super) enum Literal {
    /// An integer that stands there as canonical form writes it.
    Canonical,
    /// Anything else: what it means.
    Double(f64),
}

/// Reads the literal at `start`: what it is and the position behind it.
#[inline]
pub(super) fn read(input: &[u8], start: usize) -> Parsed<(Literal, usize)> {
    let negative = input.get(start) == Some(&b'-');
    let digits = start + usize::from(negative);
    let end = digits_end(input, digits);
    if end == digits {
        return Err(refusal(JsonErrorCode::Syntax, end, "a digit is expected"));
    }
    let zero = input.get(digits) == Some(&b'0');
    if zero && end > digits + 1 {
        return Err(refusal(JsonErrorCode::Syntax, digits, "a number does not begin with a zero"));
    }
    if matches!(input.get(end), Some(b'.' | b'e' | b'E')) {
        return read_double(input, start, end);
    }
    if negative && zero {
        return Ok((Literal::Double(0.0), end));
    }
    let safe = end - digits <= SAFE_DIGITS || input.get(digits..end).and_then(parse_u64).is_some();
    if safe { Ok((Literal::Canonical, end)) } else { Err(unsafe_integer(start)) }
}

fn digits_end(input: &[u8], from: usize) -> usize {
    let mut end = from;
    while input.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    end
}

/// Reads on at `integer_end`, where a fraction or an exponent begins.
fn read_double(input: &[u8], start: usize, integer_end: usize) -> Parsed<(Literal, usize)> {
    let mut mantissa_end = integer_end;
    if input.get(integer_end) == Some(&b'.') {
        mantissa_end = some_digits(input, integer_end + 1)?;
    }
    let mut end = mantissa_end;
    if matches!(input.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(input.get(end + 1), Some(b'+' | b'-')));
        end = some_digits(input, end + 1 + sign)?;
    }
    let double = input
        .get(start..end)
        .and_then(|literal| core::str::from_utf8(literal).ok())
        .and_then(|literal| literal.parse::<f64>().ok())
        .ok_or_else(|| refusal(JsonErrorCode::Syntax, start, "a number is expected"))?;
    let mantissa = input.get(start..mantissa_end).unwrap_or_default();
    if double == 0.0 && mantissa.iter().any(|byte| (b'1'..=b'9').contains(byte)) {
        let reason = "the number is so small that it would become zero";
        return Err(refusal(JsonErrorCode::NumberRange, start, reason));
    }
    checked(double, start).map(|double| (Literal::Double(double), end))
}

fn some_digits(input: &[u8], from: usize) -> Parsed<usize> {
    let end = digits_end(input, from);
    if end > from {
        Ok(end)
    } else {
        Err(refusal(JsonErrorCode::Syntax, end, "a digit is expected"))
    }
}

/// Refuses what has no canonical form here. Magnitudes from 2^53 up to 10^21 are among it, however
/// they are spelled: canonical form writes them as plain digits, and such an integer literal is itself
/// refused, so the text could never be read again.
fn checked(double: f64, offset: usize) -> Parsed<f64> {
    let magnitude = double.abs();
    if !magnitude.is_finite() {
        let reason = "the number is larger than a double can be";
        return Err(refusal(JsonErrorCode::NumberRange, offset, reason));
    }
    if magnitude > SAFE_MAX as f64 && magnitude < PLAIN_DIGITS_BELOW {
        return Err(unsafe_integer(offset));
    }
    Ok(double)
}

fn unsafe_integer(offset: usize) -> Box<JsonError> {
    let reason = "an integer beyond 9007199254740991 (2^53 - 1) loses digits in many readers; \
                  send it as a string";
    refusal(JsonErrorCode::NumberRange, offset, reason)
}

/// Calls `with` on the canonical form of a finite number.
#[inline]
pub(super) fn formatted<T>(double: f64, with: impl FnOnce(&[u8]) -> T) -> T {
    // Both zeros are written alike (RFC 8785 section 3.2.2.3 by way of ECMAScript).
    if double == 0.0 {
        return with(b"0");
    }
    with(ryu_js::Buffer::new().format_finite(double).as_bytes())
}

/// Appends a number in canonical form.
///
/// # Errors
/// [`JsonErrorCode::NumberRange`] for infinities, NaN, and integers from 2^53 up to 10^21, which the
/// reader would refuse.
pub fn push_f64(out: &mut Vec<u8>, number: f64) -> Result<(), JsonError> {
    let number = checked(number, out.len()).map_err(|error| *error)?;
    formatted(number, |text| out.extend_from_slice(text));
    Ok(())
}

/// Appends an integer in decimal digits. Canonical for numbers up to 2^53 - 1, which all counts and
/// sequence numbers of the formats are.
pub fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Reads an integer from 0 to 2^53 - 1 in its only canonical spelling; `None` for anything else.
#[must_use]
pub fn parse_u64(digits: &[u8]) -> Option<u64> {
    // 16 digits are below 10^16 and cannot overflow the sum.
    if !(1..=SAFE_DIGITS + 1).contains(&digits.len()) || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
    })?;
    (number <= SAFE_MAX).then_some(number)
}
