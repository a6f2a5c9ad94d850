//! Numbers that were kept as text, from what a client sends to what a reader of the record accepts,
//! against a model that walks over a tree and builds every path.

use indelible_core::json::{CanonicalObject, names_numbers_as_text};
use indelible_core::json::{JsonErrorCode, Limits, Numbers, canonicalize_array, push_string};
use indelible_core::limits::{EVENT_BYTES_MAX, NUMBERS_AS_TEXT_BYTES_MAX, RECORD_BYTES_MAX};
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_core::record::{Body, Place, PreparedEvent, RecordError, RecordView};
use proptest::prelude::*;
use serde_json::{Value, json};

const INEXACT: [&str; 6] = [
    "9007199254740992",
    "-18446744073709551616",
    "1e20",
    "1E400",
    "-1e-400",
    "0.10000000000000000",
];

fn sealed(event: &PreparedEvent) -> String {
    let (ledger, id) = (LedgerName::new("l").unwrap(), EventId::new("i").unwrap());
    let time = "2026-11-21T05:14:00.123456Z".parse().unwrap();
    let place = Place { ledger: &ledger, id: &id, seq: Seq::new(4).unwrap(), time };
    let mut record = Vec::new();
    event.seal(&place, None, &mut record);
    String::from_utf8(record).unwrap()
}

fn prepare(text: &str) -> PreparedEvent {
    PreparedEvent::prepare(text.as_bytes(), Numbers::Text).unwrap()
}

/// A tree whose strings begin with `n` where they are sent as number literals, and with `s` elsewhere.
fn any_event() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..INEXACT.len()).prop_map(|n| Value::from(format!("n{}", INEXACT[n]))),
        (0..INEXACT.len()).prop_map(|n| Value::from(format!("s{}", INEXACT[n]))),
        "s\\PC{0,4}".prop_map(Value::from),
        Just(json!(1.5)),
        Just(Value::Null),
    ];
    // Names that begin alike, that sort otherwise in UTF-16, and that a pointer must escape.
    let name = "[a\u{e9}\u{ffff}\u{1f600}/~\"0-]{0,3}";
    let tree = leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::hash_map(name, tree, 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// The text that a client sends.
fn sent(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => match text.strip_prefix('n') {
            Some(literal) => out.push_str(literal),
            None => out.push_str(&json!(text.get(1..)).to_string()),
        },
        Value::Array(elements) => {
            out.push('[');
            for (n, element) in elements.iter().enumerate() {
                out.push_str(if n > 0 { " , " } else { "" });
                sent(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            // Backwards, so that they have to be sorted.
            for (n, (name, member)) in members.iter().rev().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                out.push_str(&json!(name).to_string());
                out.push_str(": ");
                sent(member, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// The event as it is kept, and the pointers: whether to numbers, or to what only looks like one.
fn kept(value: &Value, path: &str, numbers: &mut Vec<String>, texts: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => {
            if text.starts_with('n') {
                numbers.push(path.to_owned());
            } else if INEXACT.contains(&&text[1..]) {
                texts.push(path.to_owned());
            }
            Value::from(text.get(1..))
        }
        Value::Array(elements) => {
            let each = elements.iter().enumerate();
            each.map(|(n, element)| kept(element, &format!("{path}/{n}"), numbers, texts)).collect()
        }
        Value::Object(members) => {
            let each = members.iter().map(|(name, member)| {
                let token = name.replace('~', "~0").replace('/', "~1");
                (name.clone(), kept(member, &format!("{path}/{token}"), numbers, texts))
            });
            Value::Object(each.collect())
        }
        other => other.clone(),
    }
}

fn list(pointers: &[String]) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(&json!(pointers)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn numbers_are_kept_where_the_model_says(tree in any_event(), extra: prop::sample::Index) {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        let event = kept(&tree, "", &mut numbers, &mut texts);
        let event = serde_json_canonicalizer::to_vec(&event).unwrap();
        numbers.sort();
        let mut text = String::new();
        sent(&tree, &mut text);

        let exact = PreparedEvent::prepare(text.as_bytes(), Numbers::Exact);
        prop_assert_eq!(exact.is_ok(), numbers.is_empty(), "{}", text);
        let prepared = prepare(&text);
        prop_assert_eq!(prepared.event(), &event);
        let expected = Some(list(&numbers)).filter(|_| !numbers.is_empty());
        prop_assert_eq!(prepared.numbers_as_text(), expected.as_deref());

        let record = sealed(&prepared);
        let view = RecordView::parse(record.as_bytes()).unwrap();
        prop_assert_eq!(view.body, Body::Event(&event));
        prop_assert_eq!(view.numbers_as_text, expected.as_deref());
        prop_assert!(prepared.is_of(&view));
        // Sent as strings from the beginning it is another event, if there was a number at all.
        let strings = PreparedEvent::new(&event).unwrap();
        prop_assert_eq!(strings.is_of(&view), numbers.is_empty());
        prop_assert_eq!(strings == prepared, numbers.is_empty());

        // A reader accepts every set of strings that are such literals, and nothing beyond.
        let mut all: Vec<_> = numbers.iter().chain(&texts).cloned().collect();
        all.sort();
        prop_assert_eq!(names_numbers_as_text(&list(&all), &event), !all.is_empty());
        for at in 0..all.len() {
            let mut fewer = all.clone();
            let one = fewer.remove(at);
            prop_assert_eq!(names_numbers_as_text(&list(&fewer), &event), !fewer.is_empty());
            for other in [format!("{one}/"), format!("{one}0"), one[..one.floor_char_boundary(one.len() - 1)].to_owned(), one.replacen('/', "/0", 1)] {
                let mut changed = fewer.clone();
                if !all.contains(&other) {
                    changed.push(other);
                    changed.sort();
                    prop_assert!(!names_numbers_as_text(&list(&changed), &event), "{:?}", changed);
                }
            }
        }
        if all.len() > 1 {
            let at = extra.index(all.len() - 1);
            all.swap(at, at + 1);
            prop_assert!(!names_numbers_as_text(&list(&all), &event), "not ascending");
            all[at + 1] = all[at].clone();
            prop_assert!(!names_numbers_as_text(&list(&all), &event), "twice");
        }
    }

    #[test]
    fn no_list_and_value_make_the_search_panic(list in "[\\[\\]\",/~01a\\\\{}:]{0,12}", value in "[\\[\\]\",/~01a\\\\{}:e9]{0,16}") {
        let _ = names_numbers_as_text(list.as_bytes(), value.as_bytes());
    }
}

const RECORD: &str = r#"{"event":{"a":"1e400","b":["x","9007199254740992"]},"id":"i","ledger":"l","numbers_as_text":["/a","/b/1"],"seq":4,"time":"2026-11-21T05:14:00.123456Z","v":1}"#;

#[test]
fn a_record_names_its_numbers_beside_the_event_and_in_one_way() {
    let prepared = prepare(r#"{"b":["x",9007199254740992],"a":1e400}"#);
    assert_eq!(sealed(&prepared), RECORD);
    assert_eq!(prepared.len(), prepared.event().len() + r#"["/a","/b/1"]"#.len());
    let view = RecordView::parse(RECORD.as_bytes()).unwrap();
    assert_eq!(view.numbers_as_text, Some(&br#"["/a","/b/1"]"#[..]));
    let of = |to: &str| RECORD.replace(r#"["/a","/b/1"]"#, to);
    for fine in [r#"["/a"]"#, r#"["/b/1"]"#] {
        assert!(RecordView::parse(of(fine).as_bytes()).is_ok(), "{fine}");
    }
    for bad in [
        "[]",
        "{}",
        "null",
        "\"/a\"",
        r#"["/b/1","/a"]"#,
        r#"["/a","/a"]"#,
        r#"["/a","/b"]"#,
        r#"["/a","/b/0"]"#,
        r#"["/a","/b/01"]"#,
        r#"["/a","/b/1/"]"#,
        r#"["/a","/b/-"]"#,
        r#"["/a","/c"]"#,
        r#"["","/a"]"#,
        r#"["a"]"#,
        r##"["#/a"]"##,
        r#"["/a",1]"#,
        r#"[["/a"]]"#,
        r#"["/event/a"]"#,
        r#"["/"]"#,
    ] {
        let refused = RecordView::parse(of(bad).as_bytes()).map(|_| ());
        assert_eq!(refused, Err(RecordError::Member("numbers_as_text")), "{bad}");
    }
    for exact in
        ["1e3", "9007199254740991", "0.5", "", "01e400", "1e400 ", "-", "1e400x", "Infinity"]
    {
        let changed = RECORD.replace("1e400", exact);
        let refused = RecordView::parse(changed.as_bytes()).map(|_| ());
        assert_eq!(refused, Err(RecordError::Member("numbers_as_text")), "{exact:?}");
    }
    let system = RECORD
        .replace(r#""event":{"a":"1e400","b":["x","9007199254740992"]},"#, "")
        .replace(r#""seq":4,"#, r#""seq":4,"system":{"a":"1e400","b":["x","1e400"],"kind":"k"},"#);
    assert_eq!(RecordView::parse(system.as_bytes()), Err(RecordError::Members));
    let last = RECORD
        .replace(r#""numbers_as_text":["/a","/b/1"],"#, "")
        .replace(r#""v":1"#, r#""v":1,"w":["/a"]"#);
    assert_eq!(RecordView::parse(last.as_bytes()), Err(RecordError::Members));
}

#[test]
fn an_envelope_keeps_numbers_within_its_event_only() {
    let read = |text: &str| {
        CanonicalObject::parse_with(text.as_bytes(), Limits::DOCUMENT, Numbers::Text).unwrap()
    };
    let envelope = read(r#"{"id":"i","event":{"b":["x",9007199254740992],"a":1e400}}"#);
    assert_eq!(envelope.numbers_as_text(), ["/event/a", "/event/b/1"]);
    let prepared = PreparedEvent::from_member(envelope, "event").unwrap();
    assert_eq!(sealed(&prepared), RECORD);
    for (text, pointer) in [
        (r#"{"id":12345678901234567890,"event":{"a":1}}"#, "/id"),
        (r#"{"event":{"a":1},"event2":{"a":1e400}}"#, "/event2/a"),
        (r#"{"a":{"event":[1e400]},"event":{"a":1e400}}"#, "/a/event/0"),
    ] {
        match PreparedEvent::from_member(read(text), "event").unwrap_err() {
            RecordError::Json(error) => {
                assert_eq!(error.code, JsonErrorCode::NumberInexact, "{text}");
                assert_eq!(error.pointer.as_deref(), Some(pointer), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    let array = br#"[{"event":{"a":1e400}}, {"x":[1e400]}]"#;
    let objects = canonicalize_array(array, Limits::DOCUMENT, 2, Numbers::Text).unwrap();
    assert_eq!(objects[0].numbers_as_text(), ["/event/a"]);
    assert_eq!(objects[1].numbers_as_text(), ["/x/0"]);
    let error = canonicalize_array(array, Limits::DOCUMENT, 2, Numbers::Exact).unwrap_err();
    assert_eq!((error.offset, error.pointer.as_deref()), (15, Some("/event/a")));
}

/// An event with so many numbers that the list is as long as said, and the list.
fn with_list_of(bytes: usize) -> String {
    // Each pointer `/<name>` of a name of 5 digits is 9 bytes with quotes and comma, the first name
    // makes up for the rest.
    let count = (bytes - 200) / 9;
    let rest = bytes - 1 - count * 9 - 4;
    let members: Vec<_> = (0..count).map(|n| format!("\"{n:05}\":1e20")).collect();
    format!("{{\"{}\":1e20,{}}}", "x".repeat(rest), members.join(","))
}

#[test]
fn the_list_has_a_limit_that_the_error_names() {
    let longest = prepare(&with_list_of(NUMBERS_AS_TEXT_BYTES_MAX));
    let list = longest.numbers_as_text().unwrap();
    assert_eq!(list.len(), NUMBERS_AS_TEXT_BYTES_MAX);
    assert!(RecordView::parse(sealed(&longest).as_bytes()).unwrap().numbers_as_text == Some(list));

    let long = with_list_of(NUMBERS_AS_TEXT_BYTES_MAX + 1);
    let name = "x".repeat(EVENT_BYTES_MAX / 2);
    for text in [long, format!("{{\"{name}\":[{}1e20]}}", "1e20,".repeat(EVENT_BYTES_MAX / 20))] {
        match PreparedEvent::prepare(text.as_bytes(), Numbers::Text).unwrap_err() {
            RecordError::Json(error) => {
                assert_eq!(error.code, JsonErrorCode::TooLarge);
                assert!(error.reason.contains(&NUMBERS_AS_TEXT_BYTES_MAX.to_string()), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    // A record of such a length is not read for another reason than its list.
    let mut list = b"[".to_vec();
    push_string(&mut list, &format!("/{}", "a".repeat(NUMBERS_AS_TEXT_BYTES_MAX)));
    list.push(b']');
    assert!(!names_numbers_as_text(&list, b"{}"));
}

#[test]
fn the_largest_event_with_the_longest_list_makes_a_record_that_can_be_read() {
    let numbers = with_list_of(NUMBERS_AS_TEXT_BYTES_MAX);
    let fill = EVENT_BYTES_MAX - prepare(&numbers).event().len() - r#""z":"","#.len();
    let text = format!("{{\"z\":\"{}\",{}", "z".repeat(fill), &numbers[1..]);
    let largest = prepare(&text);
    assert_eq!(largest.event().len(), EVENT_BYTES_MAX);
    let record = sealed(&largest);
    assert!(record.len() > EVENT_BYTES_MAX + NUMBERS_AS_TEXT_BYTES_MAX);
    assert!(record.len() <= RECORD_BYTES_MAX);
    assert!(largest.is_of(&RecordView::parse(record.as_bytes()).unwrap()));
}

/// Twenty thousand pointers that all begin alike, and as many members that do: a search that compared
/// each with each would take minutes.
#[test]
fn a_hostile_list_is_searched_in_the_time_that_its_length_takes() {
    let names: Vec<_> = (0..9_000).map(|n| format!("{}{n:05}", "a".repeat(20))).collect();
    let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":\"1e20\"")).collect();
    let event = format!("{{{}}}", members.join(","));
    let pointers: Vec<_> = names.iter().map(|name| format!("/{name}")).collect();
    let list = list(&pointers);
    assert!(list.len() < NUMBERS_AS_TEXT_BYTES_MAX);
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        assert!(names_numbers_as_text(&list, event.as_bytes()));
    }
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
