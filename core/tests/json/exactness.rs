//! Which decimal literals are taken: those that say no more than the double that they denote.
//!
//! The rule is written out here once more with plain decimal arithmetic on digits: a literal is taken when
//! no decimal number of as many digits lies nearer to the double. The reader never computes a distance.

use std::cmp::Ordering;

use crate::numbers::es6;
use crate::support::{Rng, carried};
use indelible_core::json::{
    CanonicalObject, JsonErrorCode, Limits, Numbers, canonicalize, check_canonical,
};
use indelible_core::limits::POINTER_SHOWN_BYTES_MAX;

/// A decimal number: digits without leading zeros, and how many of them stand behind the point.
struct Decimal {
    digits: Vec<u8>,
    places: i64,
}

impl Decimal {
    fn of(literal: &str) -> Self {
        let literal = literal.trim_start_matches('-').to_lowercase();
        let (mantissa, exponent) = literal.split_once('e').unwrap_or((&literal, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let exponent: i64 = exponent.parse().unwrap();
        Self {
            digits: digits.trim_start_matches('0').bytes().map(|digit| digit - b'0').collect(),
            places: fraction.len() as i64 - exponent,
        }
    }

    /// The digits with `places` behind the point, at least as many as now, filled up to `width`.
    fn aligned(&self, places: i64, width: usize) -> Vec<u8> {
        let mut digits = self.digits.clone();
        digits.resize(digits.len() + usize::try_from(places - self.places).unwrap(), 0);
        let mut filled = vec![0; width.saturating_sub(digits.len())];
        filled.append(&mut digits);
        filled
    }
}

/// Twice the distance between two numbers, against one unit in the last place of the first.
fn twice_the_distance(literal: &Decimal, exact: &Decimal) -> Ordering {
    let places = literal.places.max(exact.places);
    let width = 2000;
    let (a, b) = (literal.aligned(places, width), exact.aligned(places, width));
    let (large, small) = if a >= b { (a, b) } else { (b, a) };
    let mut distance = vec![0u8; width];
    let mut borrow = 0;
    for at in (0..width).rev() {
        let digit = 10 + large[at] - small[at] - borrow;
        borrow = u8::from(digit < 10);
        distance[at] = digit % 10;
    }
    let mut twice = vec![0u8; width];
    let mut carry = 0;
    for at in (0..width).rev() {
        let digit = 2 * distance[at] + carry;
        (twice[at], carry) = (digit % 10, digit / 10);
    }
    let unit = Decimal { digits: vec![1], places: literal.places }.aligned(places, width);
    twice.cmp(&unit)
}

/// Whether the literal, which has a fraction or an exponent, is taken.
fn taken(literal: &str) -> bool {
    let double: f64 = literal.parse().unwrap();
    let (decimal, exact) = (Decimal::of(literal), Decimal::of(&format!("{double:.1080}")));
    if !carried(double) || (double == 0.0 && !decimal.digits.is_empty()) {
        return false;
    }
    let canonical = Decimal::of(&es6(double));
    decimal.digits == canonical.digits || twice_the_distance(&decimal, &exact) != Ordering::Greater
}

fn read(literal: &str) -> Result<String, JsonErrorCode> {
    let written = canonicalize(literal.as_bytes(), Limits::EVENT);
    written.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.code)
}

/// Reads the literal and holds the result against the rule.
fn check(literal: &str) -> bool {
    let taken = taken(literal);
    let expected =
        if taken { Ok(es6(literal.parse().unwrap())) } else { Err(JsonErrorCode::NumberInexact) };
    assert_eq!(read(literal), expected, "{literal}");
    taken
}

#[test]
fn renderings_of_doubles_are_taken() {
    for (literal, canonical) in [
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("0.10000000000000001", "0.1"),
        ("0.1000000000000000055511151231257827021181583404541015625", "0.1"),
        ("0.10000000000000000555111512312578270211815834045410156250000", "0.1"),
        ("52.520006600000002", "52.5200066"),
        ("52.520006599999988", "52.52000659999999"),
        ("333333333.33333331", "333333333.3333333"),
        ("9007199254740991.0", "9007199254740991"),
        ("-9007199254740991.00000000000000000000", "-9007199254740991"),
        ("9.007199254740991e15", "9007199254740991"),
        ("-0.0", "0"),
        ("0.0e-400", "0"),
        ("4.9406564584124654e-324", "5e-324"),
        ("5e-324", "5e-324"),
        ("4.94e-324", "5e-324"),
        ("1e23", "1e+23"),
        ("9.999999999999999161e22", "1e+23"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        // Not the nearest of 16 digits, but the shortest that read back.
        ("5.684341886080802e-14", "5.684341886080802e-14"),
        ("5.684341886080802E-14", "5.684341886080802e-14"),
        ("56843418860808.02e-27", "5.684341886080802e-14"),
        // The double lies exactly between the first two.
        ("-1362767757648383.2", "-1362767757648383.2"),
        ("-1362767757648383.3", "-1362767757648383.2"),
        ("-1362767757648383.25", "-1362767757648383.2"),
        ("1.0000009536743164062", "1.0000009536743164"),
        ("1.0000009536743164063", "1.0000009536743164"),
    ] {
        assert!(check(literal), "{literal}");
        assert_eq!(read(literal), Ok(canonical.into()));
    }
}

#[test]
fn digits_that_the_double_has_not_are_refused() {
    for literal in [
        "900719925474099.55",
        "0.10000000000000000",
        "0.1000000000000000055511151231257827021181583404541015626",
        "0.10000000000000000555111512312578270211815834045410156250001",
        "52.520006599999998",
        "333333333.33333329",
        "9007199254740991.5",
        "9007199254740990.6",
        "5.6843418860808020e-14",
        "-1362767757648383.24",
        "-1362767757648383.26",
        "-1362767757648383.4",
        "1.0000009536743164064",
        "1.0000009536743164061",
        "4.95e-324",
        "2.5e-324",
        "1.79769313486231575e308",
        "3.14159265358979323846",
        "1e400",
        "-1e-400",
        "1e20",
        "123456789012345678.5",
    ] {
        assert!(!check(literal), "{literal}");
    }
}

#[test]
fn every_rendering_of_random_doubles_is_judged_by_its_distance() {
    let mut rng = Rng(3);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let double = match rng.below(4) {
            0 => f64::from_bits(rng.next()),
            1 => f64::from_bits(rng.next() >> 12),
            2 => (rng.next() as i64 >> rng.below(64)) as f64 / 2f64.powi(rng.below(60) as i32),
            _ => (rng.next() as i64 >> rng.below(64)) as f64 / 10f64.powi(rng.below(30) as i32),
        };
        if !double.is_finite() || double == 0.0 {
            continue;
        }
        let digits = match rng.below(8) {
            0 => 300 + rng.below(600),
            1 => 30 + rng.below(60),
            _ => 14 + rng.below(10),
        };
        let rendered = format!("{double:.*e}", digits - 1);
        // The same, and what lies a few units beside it.
        let (mantissa, exponent) = rendered.split_once('e').unwrap();
        for by in 0..4u8 {
            let mut mantissa = mantissa.as_bytes().to_vec();
            let last = mantissa.last_mut().unwrap();
            if !last.is_ascii_digit() || *last + by > b'9' {
                continue;
            }
            *last += by;
            let literal = format!("{}e{exponent}", String::from_utf8(mantissa).unwrap());
            if check(&literal) {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(taken > 3_000 && refused > 3_000, "{taken} taken, {refused} refused");
}

#[test]
fn a_canonical_form_is_always_taken() {
    let mut rng = Rng(4);
    // Powers of two and their neighbours are where the shortest digits are not the nearest.
    let powers = (-1074..=1023).map(|power| 2f64.powi(power));
    let random = (0..20_000).map(|_| f64::from_bits(rng.next()));
    let mut shortest_is_not_nearest = 0;
    for double in powers.chain(random).filter(|double| carried(*double) && *double != 0.0) {
        let canonical = es6(double);
        assert_eq!(read(&canonical), Ok(canonical.clone()));
        assert!(check_canonical(canonical.as_bytes(), Limits::EVENT).is_ok(), "{canonical}");
        let digits = Decimal::of(&canonical).digits.len();
        shortest_is_not_nearest += usize::from(
            !format!("{double:.*e}", digits - 1).parse().is_ok_and(|back: f64| back == double),
        );
    }
    assert!(shortest_is_not_nearest > 10, "{shortest_is_not_nearest}");
}

#[test]
fn the_error_names_the_member_and_the_way_out() {
    for (text, pointer) in [
        (r#"{"amount":900719925474099.55}"#, "/amount"),
        (r#"{"a":[0,{"b":"x,]"},[[],{},9007199254740993]]}"#, "/a/2/2"),
        (r#"{"b":{"c":1},"a":"]}","d":{"e":[],"f":1e400}}"#, "/d/f"),
        (r#"[[1,2],["a","b",-1e-400]]"#, "/1/2"),
        (r#"{"a/b":{"m~n":{"":1e20}}}"#, "/a~1b/m~0n/"),
        (r#"{"\u0061\n\"":{"é":1e20}}"#, "/a\n\"/é"),
        (r#" { "x" : { } , "y" : [ "," , 1e20 ] } "#, "/y/1"),
    ] {
        let error = canonicalize(text.as_bytes(), Limits::EVENT).unwrap_err();
        assert_eq!(error.code, JsonErrorCode::NumberInexact);
        assert_eq!(error.pointer.as_deref(), Some(pointer), "{text}");
        let printable = pointer.replace('\n', "\\u{a}");
        assert!(error.reason.contains(&format!("the number at {printable} ")), "{error}");
        assert!(!error.reason.contains(char::is_control), "{error}");
        assert!(error.reason.contains("numbers=text"), "{error}");
    }
    let checked = check_canonical(br#"{"a":[0,1e+400]}"#, Limits::EVENT).map(|_| ()).unwrap_err();
    assert_eq!((checked.code, checked.offset), (JsonErrorCode::NumberInexact, 8));
    assert_eq!(checked.pointer.as_deref(), Some("/a/1"));
    let top = canonicalize(b"1e400", Limits::EVENT).unwrap_err();
    assert_eq!(top.pointer.as_deref(), Some(""));
    assert!(top.reason.starts_with("the number at the top is larger"), "{top}");
    let other = canonicalize(b"[1 2]", Limits::EVENT).unwrap_err();
    assert_eq!(other.pointer, None);
}

#[test]
fn a_long_path_is_cut_between_characters() {
    for (name, shown) in [
        ("x".repeat(POINTER_SHOWN_BYTES_MAX - 1), POINTER_SHOWN_BYTES_MAX),
        ("x".repeat(POINTER_SHOWN_BYTES_MAX), POINTER_SHOWN_BYTES_MAX),
        // A slash and two bytes each: the last one does not fit whole.
        ("é".repeat(POINTER_SHOWN_BYTES_MAX), POINTER_SHOWN_BYTES_MAX - 1),
    ] {
        let text = format!("{{\"{name}\":1e400}}");
        let error = canonicalize(text.as_bytes(), Limits::EVENT).unwrap_err();
        let pointer = error.pointer.unwrap();
        let cut = pointer.strip_suffix('\u{2026}');
        assert_eq!(cut.is_some(), name.len() >= POINTER_SHOWN_BYTES_MAX);
        let cut = cut.unwrap_or(&pointer);
        assert_eq!(cut.len(), shown);
        assert!(format!("/{name}").starts_with(cut));
    }
}

#[test]
fn what_is_kept_as_text_is_exactly_what_would_be_refused() {
    let text =
        br#"{"b":[1,1e20,"1e20",0.10,{"/":-0.10000000000000000}],"a":9007199254740992 , "c":2}"#;
    assert!(CanonicalObject::parse_with(text, Limits::EVENT, Numbers::Exact).is_err());
    let object = CanonicalObject::parse_with(text, Limits::EVENT, Numbers::Text).unwrap();
    assert_eq!(
        String::from_utf8_lossy(object.bytes()),
        r#"{"a":"9007199254740992","b":[1,"1e20","1e20",0.1,{"/":"-0.10000000000000000"}],"c":2}"#
    );
    assert_eq!(object.numbers_as_text(), ["/a", "/b/1", "/b/4/~1"]);
    assert_eq!(object.get("a"), Some(&b"\"9007199254740992\""[..]));
    // What is no number at all stays refused.
    for bad in ["{\"a\":01e400}", "{\"a\":1e}", "{\"a\":- 1e400}", "{\"a\":1e400", "{\"a\":NaN}"] {
        let refused = CanonicalObject::parse_with(bad.as_bytes(), Limits::EVENT, Numbers::Text);
        assert_eq!(refused.map(|_| ()).unwrap_err().code, JsonErrorCode::Syntax, "{bad}");
    }
    for numbers in [Numbers::Exact, Numbers::Text] {
        assert_eq!(numbers.to_string().parse(), Ok(numbers));
    }
    assert!("Text".parse::<Numbers>().is_err());
}
