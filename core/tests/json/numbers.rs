//! Numbers against an independent layout: ECMAScript's Number::toString written out here, with the
//! digits and exponent from Rust's `{:e}`, which shares no code with the formatter in use.

use crate::support::{Rng, carried};
use indelible_core::json::{
    JsonErrorCode, Limits, canonicalize, check_canonical, parse_u64, push_f64, push_u64,
};

/// ECMAScript Number::toString, steps 5 to 12.
pub(crate) fn es6(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    let (digits, exponent) = shortest(number.abs());
    let k = digits.len() as i32;
    let n = exponent + 1;
    let zeros = |count: i32| "0".repeat(count as usize);
    let text = if k <= n && n <= 21 {
        format!("{digits}{}", zeros(n - k))
    } else if 0 < n && n <= 21 {
        format!("{}.{}", &digits[..n as usize], &digits[n as usize..])
    } else if -6 < n && n <= 0 {
        format!("0.{}{digits}", zeros(-n))
    } else {
        let sign = if n > 0 { "+" } else { "-" };
        let dot = if k > 1 { "." } else { "" };
        format!("{}{dot}{}e{sign}{}", &digits[..1], &digits[1..], (n - 1).abs())
    };
    if number < 0.0 { format!("-{text}") } else { text }
}

/// The digits and the exponent of step 5: the shortest that read back as `number`; among those the
/// closest; of two that are equally close the even one (RFC 8785 section 3.2.2.3, note 2). Rust takes
/// the upper of two, which is the only difference.
fn shortest(number: f64) -> (String, i32) {
    let split = |text: String| {
        let (mantissa, exponent) = text.split_once('e').unwrap();
        (mantissa.replace('.', ""), exponent.parse::<i32>().unwrap())
    };
    let (digits, exponent) = split(format!("{number:e}"));
    let (exact, _) = split(format!("{number:.40e}"));
    let exact = exact.trim_end_matches('0');
    let between_two = exact.len() == digits.len() + 1 && exact.ends_with('5');
    let lower = exact.get(..exact.len() - 1).filter(|lower| !lower.is_empty()).unwrap_or("0");
    let reads_back = format!("{}.{}e{exponent}", &lower[..1], &lower[1..]).parse() == Ok(number);
    let even = |digits: &str| digits.ends_with(['0', '2', '4', '6', '8']);
    if between_two && reads_back && even(lower) && !even(&digits) {
        (lower.to_owned(), exponent)
    } else {
        (digits, exponent)
    }
}

/// Reads `literal`, which means `number`, and compares.
fn check(literal: &str, number: f64) {
    let written = canonicalize(literal.as_bytes(), Limits::EVENT);
    let mut pushed = Vec::new();
    let push = push_f64(&mut pushed, number);
    if carried(number) {
        let expected = es6(number);
        assert_eq!(written.as_deref(), Ok(expected.as_bytes()), "{literal}");
        assert_eq!((push, &*pushed), (Ok(()), expected.as_bytes()), "{literal}");
        assert!(check_canonical(expected.as_bytes(), Limits::EVENT).is_ok(), "{literal}");
        let canonical = check_canonical(literal.as_bytes(), Limits::EVENT).is_ok();
        assert_eq!(canonical, literal == expected, "{literal}");
    } else {
        assert_eq!(written.unwrap_err().code, JsonErrorCode::NumberInexact, "{literal}");
        assert_eq!(push.unwrap_err().code, JsonErrorCode::NumberInexact, "{literal}");
    }
}

fn check_spellings(number: f64) {
    if number.is_finite() {
        check(&format!("{number:e}"), number);
        check(&format!("{number:?}"), number);
        check(&es6(number), number);
    }
}

#[test]
fn random_bit_patterns_are_written_as_ecmascript_does() {
    let mut rng = Rng(1);
    for _ in 0..150_000 {
        check_spellings(f64::from_bits(rng.next()));
    }
}

#[test]
fn numbers_of_everyday_size_are_written_as_ecmascript_does() {
    let mut rng = Rng(2);
    for _ in 0..50_000 {
        let digits = rng.next() as i64 >> rng.below(64);
        let scale = 10f64.powi(rng.below(30) as i32 - 8);
        check_spellings(digits as f64 / scale);
        check_spellings(digits as f64);
    }
}

#[test]
fn boundaries_are_written_as_ecmascript_does() {
    let mut numbers = vec![0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::EPSILON, 5e-324, 0.1, 0.3];
    numbers.extend((-323..=308).map(|power| format!("1e{power}").parse::<f64>().unwrap()));
    numbers.extend((-1074..=1023).map(|power| 2f64.powi(power)));
    for number in numbers {
        let bits = number.to_bits();
        for bits in bits.saturating_sub(3)..=bits.saturating_add(3) {
            check_spellings(f64::from_bits(bits));
            check_spellings(-f64::from_bits(bits));
        }
    }
}

#[test]
fn the_samples_of_rfc_8785_appendix_b_come_out() {
    for (bits, text) in [
        (0x0000_0000_0000_0000u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let number = f64::from_bits(bits);
        assert_eq!(es6(number), text);
        check_spellings(number);
    }
}

#[test]
fn integers_keep_their_digits_up_to_the_safe_limit() {
    for text in ["0", "-1", "7", "999999999999999", "9007199254740991", "-9007199254740991"] {
        assert_eq!(canonicalize(text.as_bytes(), Limits::EVENT).unwrap(), text.as_bytes());
    }
    for text in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "9999999999999999",
        "10000000000000000",
        "18446744073709551615",
        "18446744073709552000",
        "-100000000000000000000",
        // The same by other means: canonical form would write them as such integers.
        "9007199254740992.0",
        "1e16",
        "-999999999999999900000e0",
        "0.5e17",
    ] {
        let error = canonicalize(text.as_bytes(), Limits::EVENT).unwrap_err();
        assert_eq!((error.code, error.offset), (JsonErrorCode::NumberInexact, 0), "{text}");
    }
}

#[test]
fn every_spelling_of_zero_is_zero_and_nothing_else_is() {
    for text in
        ["0", "-0", "0.0", "-0.0", "0e0", "-0E+5", "0.000e-999999", "0e99999999999999999999"]
    {
        assert_eq!(canonicalize(text.as_bytes(), Limits::EVENT).unwrap(), b"0", "{text}");
    }
    for text in ["1e-400", "-0.1e-400", "2e-324", "0.00001e-330", "1e-99999999999999999999"] {
        let error = canonicalize(text.as_bytes(), Limits::EVENT).unwrap_err();
        assert_eq!(error.code, JsonErrorCode::NumberInexact, "{text}");
    }
}

#[test]
fn unsigned_integers_have_one_spelling() {
    for number in [0, 1, 10, 4_294_967_296, 9_007_199_254_740_991] {
        let mut digits = Vec::new();
        push_u64(&mut digits, number);
        assert_eq!(digits, number.to_string().as_bytes());
        assert_eq!(parse_u64(&digits), Some(number));
    }
    for bad in
        ["", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "9007199254740992", "99999999999999999999"]
    {
        assert_eq!(parse_u64(bad.as_bytes()), None, "{bad}");
    }
}
