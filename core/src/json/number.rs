//! Numbers: the grammar of RFC 8259 section 6, the layout of RFC 8785 section 3.2.2.3 (ECMAScript's),
//! and the refusal of every literal that says more than the double that it denotes.
//!
//! An audit ledger must not change a number in silence, and most numbers in the world are doubles that
//! somebody printed. So a decimal literal is taken when its sender can have had that double: when it is
//! the double correctly rounded to as many digits as the literal has, or what canonical form itself
//! writes (the shortest digits that read back, which below a power of two are now and then not the
//! correctly rounded ones: 2^-44 is written 5.684341886080802e-14, and begins 5.6843418860808014).

use core::fmt;
use core::str::FromStr;

use super::error::{JsonError, JsonErrorCode, Parsed, refusal};

/// The largest integer that is safe in a double, 2^53 - 1.
const SAFE_MAX: u64 = (1 << 53) - 1;

/// Digits that a double keeps whatever they are: 10^15 is below 2^52, so between two neighbouring
/// normal doubles there is at most one number of 15 digits. Such integers are below [`SAFE_MAX`], too.
const SAFE_DIGITS: usize = 15;

/// Digits in the longest exact decimal expansion of a double; behind them all are zero.
const EXACT_DIGITS_MAX: usize = 767;

/// ECMAScript writes magnitudes below this as plain digits, from here on with an exponent.
const PLAIN_DIGITS_BELOW: f64 = 1e21;

/// What becomes of numbers whose digits a double does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Numbers {
    /// The text is refused.
    #[default]
    Exact,
    /// They become strings, digit for digit, and it is said which.
    Text,
}

impl Numbers {
    /// The text that stands in record 0.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is neither `exact` nor `text`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("numbers are 'exact' or 'text'")]
pub struct NumbersError;

impl FromStr for Numbers {
    type Err = NumbersError;
    fn from_str(text: &str) -> Result<Self, NumbersError> {
        match text {
            "exact" => Ok(Self::Exact),
            "text" => Ok(Self::Text),
            _ => Err(NumbersError),
        }
    }
}

/// A number literal that was read.
pub(super) enum Literal {
    /// An integer that stands there as canonical form writes it.
    Canonical,
    /// A decimal, or minus zero. `doubtful` when it has so many digits, or is so small, that
    /// [`is_rendering`] has to be asked unless it stands there as canonical form writes it.
    Double { double: f64, doubtful: bool },
    /// No double carries it.
    Inexact(Inexact),
}

/// Why no double carries a literal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inexact {
    /// Canonical form writes it as an integer beyond 2^53 - 1, or it is one.
    Integer,
    /// Infinite as a double.
    Large,
    /// Zero as a double, and not zero.
    Small,
    /// The nearest double has other digits; it is named.
    Digits(f64),
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer => f.write_str("is beyond 9007199254740991 (2^53 - 1)"),
            Self::Large => f.write_str("is larger than a double can be"),
            Self::Small => f.write_str("is so small that it would become zero"),
            Self::Digits(double) => formatted(*double, |text| {
                let text = core::str::from_utf8(text).unwrap_or_default();
                write!(f, "would become {text} and lose digits")
            }),
        }
    }
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
        return read_decimal(input, start, end);
    }
    if negative && zero {
        return Ok((Literal::Double { double: 0.0, doubtful: false }, end));
    }
    let safe = end - digits <= SAFE_DIGITS || input.get(digits..end).and_then(parse_u64).is_some();
    Ok((if safe { Literal::Canonical } else { Literal::Inexact(Inexact::Integer) }, end))
}

fn digits_end(input: &[u8], from: usize) -> usize {
    let mut end = from;
    while input.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    end
}

/// Reads on at `integer_end`, where a fraction or an exponent begins.
fn read_decimal(input: &[u8], start: usize, integer_end: usize) -> Parsed<(Literal, usize)> {
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
    Ok((classify(input.get(start..mantissa_end).unwrap_or_default(), double), end))
}

fn classify(mantissa: &[u8], double: f64) -> Literal {
    if double == 0.0 && mantissa.iter().any(|byte| (b'1'..=b'9').contains(byte)) {
        return Literal::Inexact(Inexact::Small);
    }
    if let Some(inexact) = unwritable(double) {
        return Literal::Inexact(inexact);
    }
    // Sign and point are counted first, which is quick and tells enough of most literals.
    let few = mantissa.len() <= SAFE_DIGITS || significant(mantissa).count() <= SAFE_DIGITS;
    Literal::Double { double, doubtful: !(few && (double.is_normal() || double == 0.0)) }
}

/// Why a double has no canonical form here. Magnitudes from 2^53 up to 10^21 are among it, however
/// they are spelled: canonical form writes them as plain digits, and such an integer literal is itself
/// refused, so the text could never be read again.
fn unwritable(double: f64) -> Option<Inexact> {
    let magnitude = double.abs();
    if !magnitude.is_finite() {
        return Some(Inexact::Large);
    }
    (magnitude > SAFE_MAX as f64 && magnitude < PLAIN_DIGITS_BELOW).then_some(Inexact::Integer)
}

fn some_digits(input: &[u8], from: usize) -> Parsed<usize> {
    let end = digits_end(input, from);
    if end > from {
        Ok(end)
    } else {
        Err(refusal(JsonErrorCode::Syntax, end, "a digit is expected"))
    }
}

/// The digits of a literal from the first that is not zero up to the exponent.
fn significant(literal: &[u8]) -> impl Iterator<Item = u8> {
    let mantissa = literal.iter().copied().take_while(|byte| !matches!(byte, b'e' | b'E'));
    mantissa.filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0')
}

/// Whether `literal`, which denotes `double`, is `double` correctly rounded to as many significant digits
/// as the literal has, or has the digits of `canonical`, its canonical form. Of two roundings that are
/// equally near either will do: programs differ there.
#[cold]
#[inline(never)]
pub(super) fn is_rendering(literal: &[u8], double: f64, canonical: &[u8]) -> bool {
    if significant(literal).eq(significant(canonical)) {
        return true;
    }
    let count = significant(literal).count().clamp(1, EXACT_DIGITS_MAX);
    if significant(literal).skip(count).any(|digit| digit != b'0') {
        return false;
    }
    let digits: Vec<u8> = significant(literal).take(count).collect();
    let (nearest, _) = rendered(double, count);
    nearest == digits || is_half_way(&digits, double)
}

/// Whether `double` lies exactly between `digits` and one of its neighbours of as many digits: then its
/// exact expansion has one digit more, a 5.
fn is_half_way(digits: &[u8], double: f64) -> bool {
    let (exact, exponent) = rendered(double, digits.len() + 1);
    let whole = i64::try_from(digits.len()).is_ok_and(|last| last - exponent == places(double));
    let one_less = || {
        let mut less = digits.to_vec();
        let kept = less.iter().rposition(|digit| *digit != b'0').unwrap_or(0);
        for (at, digit) in less.iter_mut().enumerate().skip(kept) {
            *digit = if at == kept { *digit - 1 } else { b'9' };
        }
        less
    };
    whole && (exact.starts_with(digits) || exact.starts_with(&one_less()))
}

/// The digits of a double rounded half to even, and the decimal exponent of the first. Rust renders
/// exactly at any precision.
fn rendered(double: f64, digits: usize) -> (Vec<u8>, i64) {
    let text = format!("{:.*e}", digits.saturating_sub(1), double.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    (digits, exponent.parse().unwrap_or_default())
}

/// Digits behind the point in the exact decimal expansion of a double: as many as it has binary places.
fn places(double: f64) -> i64 {
    let (bits, mantissa_bits) = (double.to_bits(), f64::MANTISSA_DIGITS - 1);
    let fraction = bits & ((1 << mantissa_bits) - 1);
    let exponent = (bits >> mantissa_bits) & 0x7ff;
    let significand = if exponent == 0 { fraction } else { fraction | 1 << mantissa_bits };
    // The exponent of the significand's last bit; subnormals have that of the smallest normal.
    let last = exponent.max(1) as i64 - 1023 - i64::from(mantissa_bits);
    (-last - i64::from(significand.trailing_zeros())).max(0)
}

/// Whether `text` is one number literal, and one that is refused where numbers are
/// [`Numbers::Exact`].
pub(super) fn is_inexact(text: &[u8]) -> bool {
    match read(text, 0) {
        Ok((_, end)) if end < text.len() => false,
        Ok((Literal::Inexact(_), _)) => true,
        Ok((Literal::Double { double, doubtful: true }, _)) => {
            formatted(double, |canonical| !is_rendering(text, double, canonical))
        }
        _ => false,
    }
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
/// [`JsonErrorCode::NumberInexact`] for infinities, NaN, and integers from 2^53 up to 10^21, which the
/// reader would refuse.
pub fn push_f64(out: &mut Vec<u8>, number: f64) -> Result<(), JsonError> {
    if let Some(inexact) = unwritable(number) {
        let reason = format!("the number {inexact}");
        return Err(*refusal(JsonErrorCode::NumberInexact, out.len(), reason));
    }
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
