//! Every refusal: its code, the byte it names, and the limits that cause it.

use indelible_core::json::JsonErrorCode::{self, *};
use indelible_core::json::{
    CanonicalObject, Limits, Numbers, Value, canonicalize, canonicalize_array, check_canonical,
};
use indelible_core::limits::TREE_VALUES_MAX;

const SMALL: Limits = Limits { bytes_max: 100, depth_max: 4 };

fn refusal(text: &[u8]) -> (JsonErrorCode, usize) {
    let error = canonicalize(text, SMALL).expect_err(&String::from_utf8_lossy(text));
    assert_eq!(error.to_string(), format!("{} at byte {}", error.reason, error.offset));
    (error.code, error.offset)
}

#[test]
fn what_is_outside_of_the_grammar_is_refused_where_it_begins() {
    for (text, offset) in [
        ("", 0),
        ("  ", 2),
        ("\u{feff}{}", 0),
        ("nul", 0),
        ("True", 0),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1 2]", 3),
        ("[1", 2),
        ("[1}", 2),
        ("[", 1),
        ("{", 1),
        ("{\"a\"", 4),
        ("{\"a\" 1}", 5),
        ("{\"a\":}", 5),
        ("{\"a\":1", 6),
        ("{\"a\":1,}", 7),
        ("{\"a\":1]", 6),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("{1:1}", 1),
        ("{,}", 1),
        ("/* */1", 0),
        ("\u{c}1", 0),
        ("\u{a0}1", 0),
        ("\0", 0),
        ("'a'", 0),
        ("NaN", 0),
        ("Infinity", 0),
        ("+1", 0),
        (".5", 0),
        ("-", 1),
        ("-x", 1),
        ("--1", 1),
        ("-Infinity", 1),
        ("01", 0),
        ("-01", 1),
        ("00", 0),
        ("1.", 2),
        ("1.e5", 2),
        ("1e", 2),
        ("1e+", 3),
        ("1.5E-", 5),
        ("\"abc", 4),
        ("\"abc\\", 5),
        ("\"a\nb\"", 2),
        ("\"a\tb\"", 2),
        ("\"\u{0}\"", 1),
        ("\"aaaaaaaaaaaaaaaa\u{1f}\"", 17),
        ("\"\\x41\"", 1),
        ("\"\\'\"", 1),
        ("\"\\U0041\"", 1),
        ("\"a\\u12\"", 2),
        ("\"a\\u12g4\"", 2),
        ("\"a\\u+123\"", 2),
        ("\"a\\ud800\\u12\"", 8),
    ] {
        assert_eq!(refusal(text.as_bytes()), (Syntax, offset), "{text:?}");
        let checked = check_canonical(text.as_bytes(), SMALL).map(|_| ()).unwrap_err();
        assert!(matches!(checked.code, Syntax | NotCanonical), "{text:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_begin() {
    for (bytes, offset) in [
        (&b"\"\xff\""[..], 1),
        (b"{\"a\":\"\xc3\x28\"}", 6),
        (b"\"ab\xc0\xaf\"", 3),
        (b"\"\xed\xa0\x80\"", 1),
        (b"\"\xf4\x90\x80\x80\"", 1),
        (b"\"\xe2\x82", 1),
        (b"\xff\xfe1\0", 0),
        (b"1\x80", 1),
    ] {
        assert_eq!(refusal(bytes), (Utf8, offset), "{bytes:?}");
    }
}

#[test]
fn names_that_occur_twice_are_refused_however_they_are_spelled() {
    for (text, offset) in [
        (r#"{"a":1,"a":1}"#, 7),
        (r#"{"a":1,"\u0061":2}"#, 7),
        (r#"{"\u0061":1,"a":2}"#, 12),
        (r#"{"":1,"":2}"#, 6),
        (r#"{"b":1,"a":2,"b":3}"#, 13),
        (r#"{"a":1,"c":2,"b":3,"a":4}"#, 19),
        (r#"{"a":1,"c":2,"b":3,"a":4,"b":5}"#, 19),
        (r#"{"c":1,"a":2,"a":3,"a":4}"#, 13),
        (r#"{"\n":1,"\u000A":2}"#, 8),
        (r#"{"/":1,"\/":2}"#, 7),
        ("{\"\u{1f600}\":1,\"\\ud83d\\uDE00\":2}", 10),
        (r#"{"x":[{"y":{"a":1,"a":2}}]}"#, 18),
    ] {
        assert_eq!(refusal(text.as_bytes()), (DuplicateName, offset), "{text}");
    }
    for fine in [r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":1},{"a":1}]"#, "{\"e\u{301}\":1,\"\u{e9}\":2}"]
    {
        assert!(canonicalize(fine.as_bytes(), SMALL).is_ok(), "{fine}");
    }
}

#[test]
fn numbers_that_a_double_would_change_are_refused_at_their_first_byte() {
    for (text, offset) in [
        ("9007199254740992", 0),
        ("[1,-9007199254740992]", 3),
        ("{\"a\":18446744073709551616}", 5),
        ("1e309", 0),
        ("-1e309", 0),
        (" 1e-400", 1),
        ("[0.0,1e17]", 5),
    ] {
        assert_eq!(refusal(text.as_bytes()), (NumberInexact, offset), "{text}");
    }
}

#[test]
fn halves_of_surrogate_pairs_are_refused_at_their_backslash() {
    for (text, offset) in [
        (r#""\ud800""#, 1),
        (r#""a\udfff""#, 2),
        (r#""\uDC00\uD800""#, 1),
        (r#""\ud800\ud800""#, 1),
        (r#""\ud83dA""#, 1),
        (r#""\ud83d\n""#, 1),
        (r#""\ud83d\u0041""#, 1),
        (r#"{"\ud83d":1}"#, 2),
        (r#""\ud83d\ude00\ude00""#, 13),
    ] {
        assert_eq!(refusal(text.as_bytes()), (LoneSurrogate, offset), "{text}");
    }
}

#[test]
fn what_follows_the_value_is_refused() {
    for (text, offset) in [
        ("{}{}", 2),
        ("1 2", 2),
        ("null,", 4),
        ("[] x", 3),
        ("{} \0", 3),
        ("true1", 4),
        ("\"\"\"", 2),
    ] {
        assert_eq!(refusal(text.as_bytes()), (Trailing, offset), "{text:?}");
        assert_eq!(CanonicalObject::parse(b"{} {}", SMALL).map(|_| ()).unwrap_err().code, Trailing);
    }
    assert_eq!(canonicalize(b" \t\r\n1\n", SMALL).unwrap(), b"1");
}

#[test]
fn depth_is_counted_exactly() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let per = open.matches(['[', '{']).count();
        let nested = |levels: usize| {
            let times = levels / per;
            format!(
                "{}{}{}",
                open.repeat(times),
                if per == 1 { "1" } else { "0" },
                close.repeat(times)
            )
        };
        assert!(canonicalize(nested(4).as_bytes(), SMALL).is_ok());
        assert_eq!(check_canonical(nested(4).as_bytes(), SMALL).unwrap().depth(), 4);
        assert_eq!(refusal(nested(4 + per).as_bytes()).0, Depth);
        for (limits, most) in [(Limits::EVENT, 64), (Limits::RECORD, 66), (Limits::DOCUMENT, 66)] {
            assert!(canonicalize(nested(most).as_bytes(), limits).is_ok());
            let error = canonicalize(nested(most + per).as_bytes(), limits).unwrap_err();
            assert_eq!(error.code, Depth);
            assert!(error.reason.contains(&most.to_string()), "{error}");
            assert!(check_canonical(nested(most + per).as_bytes(), limits).is_err());
        }
    }
    assert_eq!(refusal(b"[[[[[1]]]]]"), (Depth, 4));
    assert_eq!(refusal(b"[[[[]]],[[[[]]]]]"), (Depth, 11));
}

#[test]
fn no_depth_overflows_the_stack_even_without_a_limit() {
    let limits = Limits { bytes_max: usize::MAX, depth_max: u32::MAX };
    for opening in ["[", "{\"a\":"] {
        let error = canonicalize(opening.repeat(1 << 20).as_bytes(), limits).unwrap_err();
        assert_eq!(error.code, Depth);
    }
}

#[test]
fn size_is_limited_before_and_after_writing() {
    let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
    assert!(canonicalize(text(100).as_bytes(), SMALL).is_ok());
    assert!(check_canonical(text(100).as_bytes(), SMALL).is_ok());
    let error = canonicalize(text(101).as_bytes(), SMALL).unwrap_err();
    assert_eq!((error.code, error.offset), (TooLarge, 100));
    assert_eq!(error.reason, "more than 100 bytes");
    assert_eq!(check_canonical(text(101).as_bytes(), SMALL).map(|_| ()).unwrap_err(), error);
    // 4 bytes each that become 16.
    let grows = format!("[{}1]", "9e15,".repeat(8));
    assert_eq!(refusal(grows.as_bytes()), (TooLarge, grows.len()));
    let grows = format!("{{\"a\":{grows}}}");
    let error = CanonicalObject::parse(grows.as_bytes(), SMALL).map(|_| ()).unwrap_err();
    assert_eq!(error.code, TooLarge);
}

#[test]
fn only_an_object_is_an_object() {
    for (text, offset) in [(" [1]", 1), ("null", 0), ("\"{}\"", 0), ("", 0), ("\u{c}{}", 0)] {
        let error = CanonicalObject::parse(text.as_bytes(), SMALL).map(|_| ()).unwrap_err();
        assert_eq!((error.code, error.offset), (Syntax, offset), "{text:?}");
    }
    assert!(CanonicalObject::parse(b"{}", SMALL).unwrap().is_empty());
    assert!(!check_canonical(b"[1]", SMALL).unwrap().is_object());
}

#[test]
fn an_array_of_objects_names_the_byte_of_the_whole_input() {
    for (text, code, offset) in [
        ("{}", Syntax, 0),
        ("[", Syntax, 1),
        ("[1]", Syntax, 1),
        ("[{},]", Syntax, 4),
        ("[{} {}]", Syntax, 4),
        ("[{},{\"a\":1,\"a\":2}]", DuplicateName, 11),
        ("[{},{\"a\":[[[[1]]]]}]", Depth, 12),
        ("[{},{},{},{}]", TooLarge, 10),
        ("[{}]]", Trailing, 4),
        ("[] 1", Trailing, 3),
    ] {
        let error =
            canonicalize_array(text.as_bytes(), SMALL, 3, Numbers::Exact).map(|_| ()).unwrap_err();
        assert_eq!((error.code, error.offset), (code, offset), "{text}");
    }
    let long = format!("[{{\"a\":{:100}}}]", 1);
    let error =
        canonicalize_array(long.as_bytes(), SMALL, 3, Numbers::Exact).map(|_| ()).unwrap_err();
    assert_eq!((error.code, error.offset), (TooLarge, 101));
    // Each element has its own limits, the array around them counts for nothing.
    let deep = "[ {\"a\":[[[1]]]} , {\"a\":[[[1]]]} ] ";
    assert_eq!(canonicalize_array(deep.as_bytes(), SMALL, 3, Numbers::Exact).unwrap().len(), 2);
    assert!(canonicalize_array(b" [ ] ", SMALL, 0, Numbers::Exact).unwrap().is_empty());
}

#[test]
fn the_check_names_the_first_byte_that_canonical_form_would_have_otherwise() {
    for (text, offset) in [
        (" 1", 0),
        ("1\n", 1),
        ("[1, 2]", 3),
        ("{\"a\" :1}", 4),
        ("{\"b\":1,\"a\":2}", 7),
        ("{\"\u{fb33}\":1,\"\u{1f600}\":2}", 9),
        ("1.0", 0),
        ("[1,-0]", 3),
        ("1E5", 0),
        ("1e21", 0),
        ("0.10", 0),
        (r#""a\u0041""#, 2),
        (r#""a\/""#, 2),
        (r#""\u000a""#, 1),
        (r#""\u001F""#, 1),
        (r#""\u00e9""#, 1),
        (r#""\ud83d\ude00""#, 1),
        (r#""\u007f""#, 1),
    ] {
        let error = check_canonical(text.as_bytes(), SMALL).map(|_| ()).unwrap_err();
        assert_eq!((error.code, error.offset), (NotCanonical, offset), "{text}");
        assert!(canonicalize(text.as_bytes(), SMALL).is_ok(), "{text}");
    }
    for text in
        ["1e+21", r#""\u001f\n\"\\/""#, "\"\u{7f}\u{2028}\"", "1e-7", "0.000001", "{\"a\":[]}"]
    {
        assert!(check_canonical(text.as_bytes(), SMALL).is_ok(), "{text}");
    }
}

#[test]
fn codes_have_their_published_text() {
    for (code, text) in [
        (Syntax, "json_syntax"),
        (Utf8, "json_utf8"),
        (DuplicateName, "json_duplicate_name"),
        (NumberInexact, "json_number_inexact"),
        (LoneSurrogate, "json_lone_surrogate"),
        (Trailing, "json_trailing"),
        (Depth, "json_depth"),
        (TooLarge, "json_too_large"),
        (NotCanonical, "json_not_canonical"),
    ] {
        assert_eq!((code.as_str(), code.to_string().as_str()), (text, text));
    }
}

#[test]
fn a_tree_has_a_limit_of_values_that_the_error_names() {
    for (open, value, close) in [("[", "0", "]"), ("[", "{}", "]"), ("[", "\"\"", "]")] {
        let text = |values: usize| {
            format!("{open}{}{value}{close}", format!("{value},").repeat(values - 2))
        };
        // The array itself is one.
        let most = Value::parse(text(TREE_VALUES_MAX).as_bytes(), Limits::EVENT).unwrap();
        assert_eq!(most.as_array().unwrap().len(), TREE_VALUES_MAX - 1);
        let more = text(TREE_VALUES_MAX + 1);
        let errors = [
            Value::parse(more.as_bytes(), Limits::EVENT).unwrap_err(),
            Value::parse_canonical(more.as_bytes(), Limits::EVENT).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code, TooLarge);
            assert!(error.reason.contains(&TREE_VALUES_MAX.to_string()), "{error}");
        }
        // Where no tree is built, there is no such limit.
        assert!(check_canonical(more.as_bytes(), Limits::EVENT).is_ok());
    }
    let members: Vec<_> = (0..TREE_VALUES_MAX).map(|n| format!("\"{n:05}\":0")).collect();
    let object = format!("{{{}}}", members.join(","));
    assert_eq!(Value::parse(object.as_bytes(), Limits::EVENT).unwrap_err().code, TooLarge);
}
