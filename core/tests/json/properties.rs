//! What holds for every text, tried on made-up and on damaged ones.

use crate::support::{Rng, any_text, any_value, spell};
use indelible_core::json::{
    CanonicalObject, JsonErrorCode, Limits, Numbers, Value, canonicalize, canonicalize_array,
    check_canonical, parse_string, push_string,
};
use proptest::prelude::*;

const ANY: Limits = Limits::DOCUMENT;

fn fixed_point(text: &[u8]) -> bool {
    canonicalize(text, ANY).is_ok_and(|written| written == text)
}

/// Our tree and serde_json's say the same.
fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Number(a), serde_json::Value::Number(b)) => b.as_f64() == Some(*a),
        (Value::String(a), serde_json::Value::String(b)) => a == b,
        (Value::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| b.get(name).is_some_and(|b| same(value, b)))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn another_implementation_writes_the_same_bytes(value in any_value(), seed in any::<u64>()) {
        let expected = serde_json_canonicalizer::to_vec(&value).unwrap();
        let text = spell(&value, &mut Rng(seed));
        let written = canonicalize(text.as_bytes(), ANY);
        prop_assert_eq!(written.as_deref(), Ok(&expected[..]), "{}", text);
        prop_assert!(check_canonical(&expected, ANY).is_ok());
        prop_assert_eq!(check_canonical(text.as_bytes(), ANY).is_ok(), text.as_bytes() == expected);
        prop_assert!(same(&Value::parse(text.as_bytes(), ANY).unwrap(), &value));
        prop_assert!(same(&Value::parse_canonical(&expected, ANY).unwrap(), &value));
    }

    #[test]
    fn writing_twice_changes_nothing(value in any_value(), seed in any::<u64>()) {
        let once = canonicalize(spell(&value, &mut Rng(seed)).as_bytes(), ANY).unwrap();
        prop_assert_eq!(canonicalize(&once, ANY).unwrap(), once);
    }

    #[test]
    fn damaged_canonical_text_passes_the_check_only_where_it_is_canonical_again(
        value in any_value(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..3),
    ) {
        let mut text = serde_json_canonicalizer::to_vec(&value).unwrap();
        for (place, byte, kind) in damage {
            let at = place.index(text.len() + 1);
            match kind {
                0 => text.insert(at, byte),
                1 if at < text.len() => text[at] = byte,
                _ if at < text.len() => { text.remove(at); }
                _ => {}
            }
        }
        prop_assert_eq!(check_canonical(&text, ANY).is_ok(), fixed_point(&text));
    }

    #[test]
    fn texts_of_json_letters_pass_the_check_exactly_when_they_are_fixed_points(
        text in "[\\[\\]{},:\"\\\\ 0-9eE.+\\-ntfa-bu]{0,16}",
    ) {
        prop_assert_eq!(check_canonical(text.as_bytes(), ANY).is_ok(), fixed_point(text.as_bytes()));
        // What we take, another reader takes; the reverse does not hold, ours is stricter.
        if canonicalize(text.as_bytes(), ANY).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(check_canonical(&bytes, ANY).is_ok(), fixed_point(&bytes));
    }

    #[test]
    fn members_put_together_again_are_the_object(value in any_value(), seed in any::<u64>()) {
        let wrapped = serde_json::json!({ "a": value, "\u{1f600}\"": 1, "b": {"x": value} });
        let text = spell(&wrapped, &mut Rng(seed));
        let object = CanonicalObject::parse(text.as_bytes(), ANY).unwrap();
        let joined = object
            .members()
            .map(|(name, value)| [&b"\""[..], name, b"\":", value].concat())
            .collect::<Vec<_>>()
            .join(&b","[..]);
        prop_assert_eq!([&b"{"[..], &joined, b"}"].concat(), object.bytes());
        prop_assert_eq!(object.get("\u{1f600}\""), Some(&b"1"[..]));

        let checked = check_canonical(object.bytes(), ANY).unwrap();
        prop_assert!(checked.is_object());
        prop_assert_eq!(checked.depth(), object.depth());
        prop_assert!(checked.iter().eq(object.members()));
        prop_assert_eq!(checked.get("b"), object.get("b"));
    }

    #[test]
    fn names_alike_for_long_order_by_utf16_units(
        start in "[a\"\\\\\n\u{1}\u{e9}]{0,40}",
        ends in proptest::collection::btree_set(
            "[un01\"\\\\\n\u{1}\u{2}\u{1f}\u{e9}\u{ea}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,5}",
            0..12,
        ),
        seed in any::<u64>(),
    ) {
        let mut names: Vec<_> = ends.iter().map(|end| format!("{start}{end}")).collect();
        let members = names.iter().map(|name| (name.clone(), serde_json::Value::Null)).collect();
        let text = spell(&serde_json::Value::Object(members), &mut Rng(seed));
        names.sort_by_key(|name| name.encode_utf16().collect::<Vec<_>>());
        match Value::parse(text.as_bytes(), ANY).unwrap() {
            Value::Object(read) => {
                prop_assert!(read.iter().map(|(name, _)| name).eq(&names), "{}", text);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn an_array_gives_the_objects_that_were_put_in(
        values in proptest::collection::vec(any_value(), 0..6), seed in any::<u64>(),
    ) {
        let objects: Vec<_> = values.iter().map(|v| serde_json::json!({ "v": v })).collect();
        let text = spell(&serde_json::Value::from(objects.clone()), &mut Rng(seed));
        let read = canonicalize_array(text.as_bytes(), ANY, values.len(), Numbers::Exact).unwrap();
        prop_assert_eq!(read.len(), objects.len());
        for (read, put) in read.iter().zip(&objects) {
            prop_assert_eq!(read.bytes(), serde_json_canonicalizer::to_vec(put).unwrap());
        }
        if let Some(fewer) = values.len().checked_sub(1) {
            let error = canonicalize_array(text.as_bytes(), ANY, fewer, Numbers::Exact).unwrap_err();
            prop_assert_eq!(error.code, JsonErrorCode::TooLarge);
        }
    }

    #[test]
    fn a_text_survives_its_spelling(text in any_text(), seed in any::<u64>()) {
        let mut written = Vec::new();
        push_string(&mut written, &text);
        let expected = serde_json_canonicalizer::to_vec(&text).unwrap();
        prop_assert_eq!(&written, &expected);
        prop_assert_eq!(parse_string(&written), Some(text.as_str().into()));
        let spelled = spell(&serde_json::Value::from(text.clone()), &mut Rng(seed));
        prop_assert_eq!(parse_string(spelled.trim().as_bytes()), Some(text.as_str().into()));
    }
}
