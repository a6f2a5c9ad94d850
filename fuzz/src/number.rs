//! A number is taken with its value, refused, or kept digit for digit; which of them is one decision.

use indelible_core::json::{
    CanonicalObject, JsonErrorCode, Limits, Numbers, canonicalize, names_numbers_as_text,
};

/// One run.
pub fn run(data: &[u8]) {
    // One token, so that what is read is a number if anything.
    if data.is_empty() || !data.iter().all(|byte| b"+-.0123456789eE".contains(byte)) {
        return;
    }
    let literal = core::str::from_utf8(data).expect("these are ASCII");
    let text = format!("{{\"n\":{literal}}}");
    let exact = canonicalize(data, Limits::EVENT);
    let kept = CanonicalObject::parse_with(text.as_bytes(), Limits::EVENT, Numbers::Text);
    match exact {
        Ok(written) => {
            let written = core::str::from_utf8(&written).expect("a number is ASCII");
            let value = |text: &str| text.parse::<f64>().expect("a number");
            assert_eq!(value(written), value(literal), "another number");
            let kept = kept.expect("a number that was taken");
            assert_eq!(kept.get("n"), Some(written.as_bytes()), "kept, though it was taken");
            assert!(kept.numbers_as_text().is_empty());
        }
        Err(error) if error.code == JsonErrorCode::NumberInexact => {
            let kept = kept.expect("a number that can be kept");
            let quoted = format!("\"{literal}\"");
            assert_eq!(kept.get("n"), Some(quoted.as_bytes()), "not digit for digit");
            assert_eq!(kept.numbers_as_text(), ["/n"]);
            assert!(names_numbers_as_text(b"[\"/n\"]", kept.bytes()), "its record is refused");
        }
        Err(_) => {
            assert!(kept.is_err(), "kept, though it is no number");
            let string = format!("{{\"n\":\"{literal}\"}}");
            assert!(!names_numbers_as_text(b"[\"/n\"]", string.as_bytes()), "taken for a number");
        }
    }
}
