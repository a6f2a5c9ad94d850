//! Golden vectors: `vectors/json.json`, written by hand from RFC 8785. They never change; a release
//! that wrote other bytes could not check its own past.

use indelible_core::json::{Limits, canonicalize, check_canonical};

#[test]
fn no_byte_of_the_golden_vectors_moves() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../vectors/json.json")).unwrap();
    assert!(cases.len() >= 16);
    for case in cases {
        let (text, expected) =
            (case["text"].as_str().unwrap(), case["canonical"].as_str().unwrap());
        let written = canonicalize(text.as_bytes(), Limits::EVENT).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        assert!(check_canonical(expected.as_bytes(), Limits::EVENT).is_ok(), "{expected}");
    }
}

#[test]
fn what_the_golden_vectors_refuse_stays_refused() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../vectors/json_refused.json")).unwrap();
    assert!(cases.len() >= 17);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let error = canonicalize(text.as_bytes(), Limits::EVENT).unwrap_err();
        assert_eq!(error.code.as_str(), case["code"].as_str().unwrap(), "{text}");
        assert!(check_canonical(text.as_bytes(), Limits::EVENT).is_err(), "{text}");
    }
}
