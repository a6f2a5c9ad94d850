//! Records, their digests and system objects, tried through the public surface.

use indelible_core::chain::record_digest;
use indelible_core::code::Code;
use indelible_core::hash::{Digest, Sha256Hash};
use indelible_core::json::{CanonicalObject, JsonErrorCode, Limits, Numbers, canonicalize};
use indelible_core::key::KeyId;
use indelible_core::name::{EventId, LedgerName, Origin, Seq};
use indelible_core::record::{
    Body, By, Place, PreparedEvent, RecordError, RecordFault, RecordView, judge, seal_system,
};
use indelible_core::system::{
    Creation, Principals, SegmentArchived, SignPer, System, SystemError, is_kind,
};
use indelible_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// A record's parts as owned values.
struct Parts {
    ledger: LedgerName,
    id: EventId,
    seq: Seq,
    time: Timestamp,
}

impl Parts {
    fn new(ledger: &str, id: &str, seq: u64, time: &str) -> Self {
        Self {
            ledger: LedgerName::new(ledger).unwrap(),
            id: EventId::new(id).unwrap(),
            seq: Seq::new(seq).unwrap(),
            time: time.parse().unwrap(),
        }
    }

    fn place(&self) -> Place<'_> {
        Place { ledger: &self.ledger, id: &self.id, seq: self.seq, time: self.time }
    }
}

/// The definition of `docs/FORMAT.md` section 4 in one line.
fn whole_hash(record: &[u8], prev: &[u8]) -> Digest {
    Digest(Sha256::digest([record, prev].concat()).into())
}

/// What the client sent for the fifth golden record, with `numbers=text`.
const WINDOWS: &str = r#"{"Keywords":-9223372036854775808,"a/b":[1,{"~":1e400},52.520006600000002],
    "id":"18446744073709551616", "ts":1795238040123456789}"#;

#[test]
fn no_byte_of_the_golden_records_moves() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("vectors/record.json")).unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let bytes = text("record").as_bytes();
        let prev = case["prev"].as_str().map(|hex| hex.parse::<Digest>().unwrap());
        let view = RecordView::parse(bytes).unwrap();
        let seq = case["seq"].as_u64().unwrap();
        assert_eq!((&*view.id, view.ledger, view.seq.get()), (text("id"), "tenant-1.orders", seq));
        assert_eq!(view.time.to_string(), text("time"));
        assert_eq!(view.bytes, bytes);

        let parts = Parts::new(view.ledger, &view.id, seq, text("time"));
        let mut sealed = Vec::new();
        let digest = match view.body {
            Body::Event(event) => {
                let prepared = match case["seq"].as_u64() {
                    Some(4) => PreparedEvent::prepare(WINDOWS.as_bytes(), Numbers::Text).unwrap(),
                    _ => PreparedEvent::new(event).unwrap(),
                };
                let prepared = match &view.by {
                    Some(by) => prepared.written_by(by).unwrap(),
                    None => prepared,
                };
                assert!(prepared.is_of(&view), "{prepared:?}");
                prepared.seal(&parts.place(), prev.as_ref(), &mut sealed)
            }
            Body::System(system) => {
                let known = System::parse(system).unwrap();
                match known.to_canonical() {
                    Some(canonical) => assert_eq!(canonical, system),
                    None => assert_eq!((known.kind(), seq), ("later_kind", 5)),
                }
                seal_system(system, &parts.place(), prev.as_ref(), &mut sealed).unwrap()
            }
        };
        assert_eq!(String::from_utf8(sealed).unwrap(), text("record"));
        assert_eq!(digest.to_hex(), text("digest"));
        assert_eq!(record_digest(bytes, prev.as_ref()), digest);
    }
}

proptest! {
    #[test]
    fn sealing_is_building_the_record_by_hand_and_hashing_it_whole(
        names in proptest::collection::btree_map(".{0,8}", ".{0,80}", 0..12),
        ledger in "[a-z0-9][a-z0-9._-]{0,127}",
        id in "[^\\p{Cc}]{1,30}",
        seq in 0..=9_007_199_254_740_991u64,
        micros in 0..=253_402_300_799_999_999u64,
        prev in proptest::option::of(any::<[u8; 32]>()),
        before in proptest::collection::vec(any::<u8>(), 0..5),
    ) {
        let time = Timestamp::from_micros(micros).unwrap().to_string();
        let parts = Parts::new(&ledger, &id, seq, &time);
        let value = json!({ "event": names, "id": id, "ledger": ledger, "seq": seq, "time": time, "v": 1 });
        let expected = serde_json_canonicalizer::to_vec(&value).unwrap();
        let prev = prev.map(Digest);

        let event = canonicalize(value["event"].to_string().as_bytes(), Limits::EVENT).unwrap();
        let prepared = PreparedEvent::new(&event).unwrap();
        prop_assert_eq!(prepared.event(), &event);
        prop_assert_eq!(prepared.len(), event.len());
        let mut out = before.clone();
        let digest = prepared.seal(&parts.place(), prev.as_ref(), &mut out);
        prop_assert_eq!(&out, &[&before[..], &expected].concat());
        let prev_bytes = prev.map(|prev| prev.0.to_vec()).unwrap_or_default();
        prop_assert_eq!(digest, whole_hash(&expected, &prev_bytes));
        // Sealing does not use the event up: the same one may be sealed again elsewhere.
        let mut again = Vec::new();
        prop_assert_eq!(prepared.seal(&parts.place(), prev.as_ref(), &mut again), digest);

        let view = RecordView::parse(&expected).unwrap();
        prop_assert_eq!(view.body, Body::Event(&event));
        prop_assert_eq!((&*view.id, view.ledger), (&*parts.id, &*parts.ledger));
        prop_assert_eq!((view.seq, view.time), (parts.seq, parts.time));
    }
}

#[test]
fn every_way_to_prepare_an_event_gives_the_same_record() {
    let event = br#"{"a":[1,2],"b":{}}"#;
    let object = CanonicalObject::parse(br#"{"b":{}, "a":[1,2.0]}"#, Limits::EVENT).unwrap();
    let envelope =
        CanonicalObject::parse(br#"{"id":"x","event":{"b":{},"a":[1,2]}}"#, Limits::DOCUMENT)
            .unwrap();
    let parts = Parts::new("l", "x", 3, "2026-11-21T05:14:00.000000Z");
    let seal = |event: PreparedEvent| {
        let mut out = Vec::new();
        (event.seal(&parts.place(), None, &mut out), out)
    };
    let prepared = PreparedEvent::new(event).unwrap();
    assert_eq!(format!("{prepared:?}"), r#"PreparedEvent({"a":[1,2],"b":{}})"#);
    let expected = seal(prepared);
    assert_eq!(seal(PreparedEvent::from_object(&object).unwrap()), expected);
    assert_eq!(seal(PreparedEvent::from_member(&envelope, "event").unwrap()), expected);
    assert_eq!(
        PreparedEvent::from_member(&envelope, "id").map(|_| ()),
        Err(RecordError::Member("event"))
    );
    assert!(PreparedEvent::from_member(&envelope, "absent").is_err());
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
}

fn json_code<T: std::fmt::Debug>(result: Result<T, RecordError>) -> (JsonErrorCode, usize) {
    match result.unwrap_err() {
        RecordError::Json(error) => (error.code, error.offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_is_a_canonical_object_within_its_limits() {
    for (bad, code) in [
        (r#"{"b":1,"a":2}"#, JsonErrorCode::NotCanonical),
        (r#"{"a": 1}"#, JsonErrorCode::NotCanonical),
        (r#"{"a":1"#, JsonErrorCode::Syntax),
        ("", JsonErrorCode::Syntax),
        (&nested(65), JsonErrorCode::Depth),
        (&format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20)), JsonErrorCode::TooLarge),
    ] {
        assert_eq!(json_code(PreparedEvent::new(bad.as_bytes())).0, code);
    }
    for bad in ["[1]", "null", "\"{}\"", "1"] {
        let refused = PreparedEvent::new(bad.as_bytes()).map(|_| ());
        assert_eq!(refused, Err(RecordError::Member("event")));
    }
    assert!(PreparedEvent::new(nested(64).as_bytes()).is_ok());

    // The envelope may be one level deeper, also when something beside the event is.
    let envelope =
        |text: String| CanonicalObject::parse(text.as_bytes(), Limits::DOCUMENT).unwrap();
    let deep = envelope(format!("{{\"event\":{}}}", nested(64)));
    assert!(PreparedEvent::from_member(&deep, "event").is_ok());
    let deeper = envelope(format!("{{\"event\":{}}}", nested(65)));
    assert_eq!(json_code(PreparedEvent::from_member(&deeper, "event")).0, JsonErrorCode::Depth);
    let beside = envelope(format!("{{\"event\":{{}},\"x\":{}}}", nested(65)));
    assert!(PreparedEvent::from_member(&beside, "event").is_ok());
    assert_eq!(json_code(PreparedEvent::from_object(&deeper)).0, JsonErrorCode::Depth);
}

#[test]
fn the_largest_event_makes_a_record_that_can_be_read() {
    let event = format!("{{\"a\":\"{}\"}}", "x".repeat((1 << 20) - 8));
    assert_eq!(event.len(), 1 << 20);
    let parts = Parts::new(
        &"l".repeat(128),
        &"\\".repeat(128),
        9_007_199_254_740_991,
        "9999-12-31T23:59:59.999999Z",
    );
    let mut record = Vec::new();
    PreparedEvent::new(event.as_bytes()).unwrap().seal(&parts.place(), None, &mut record);
    assert_eq!(&*RecordView::parse(&record).unwrap().id, parts.id.as_str());

    let mut record = Vec::new();
    let deepest = PreparedEvent::new(nested(64).as_bytes()).unwrap();
    deepest.seal(&parts.place(), None, &mut record);
    assert!(RecordView::parse(&record).is_ok());
}

const EVENT: &str =
    r#"{"event":{"a":1},"id":"i","ledger":"l","seq":4,"time":"2026-11-21T05:14:00.123456Z","v":1}"#;
const SYSTEM: &str = r#"{"id":"i","ledger":"l","seq":4,"system":{"kind":"k"},"time":"2026-11-21T05:14:00.123456Z","v":1}"#;

#[test]
fn a_record_has_exactly_its_members() {
    assert!(RecordView::parse(EVENT.as_bytes()).is_ok());
    assert!(RecordView::parse(SYSTEM.as_bytes()).is_ok());
    for (from, to) in [
        ("\"event\":{\"a\":1},", ""),
        ("\"id\":\"i\",", ""),
        ("\"ledger\":\"l\",", ""),
        ("\"seq\":4,", ""),
        ("\"time\":\"2026-11-21T05:14:00.123456Z\",", ""),
        (",\"v\":1", ""),
        ("{\"event\"", "{\"a\":1,\"event\""),
        ("\"id\"", "\"f\":1,\"id\""),
        (",\"v\":1", ",\"v\":1,\"w\":1"),
        ("\"time\"", "\"system\":{\"kind\":\"k\"},\"time\""),
        ("{\"event\"", "{\"events\""),
    ] {
        let changed = EVENT.replacen(from, to, 1);
        assert_ne!(changed, EVENT);
        assert_eq!(RecordView::parse(changed.as_bytes()), Err(RecordError::Members), "{changed}");
    }
    for other in ["{}", "[]", "null", "1"] {
        assert_eq!(RecordView::parse(other.as_bytes()), Err(RecordError::Members), "{other}");
    }
}

#[test]
fn each_member_of_a_record_has_its_form() {
    for (record, from, to, member) in [
        (EVENT, "{\"a\":1}", "[1]", "event"),
        (EVENT, "{\"a\":1}", "null", "event"),
        (EVENT, "{\"a\":1}", "\"{}\"", "event"),
        (EVENT, "\"i\"", "\"\"", "id"),
        (EVENT, "\"i\"", "7", "id"),
        (EVENT, "\"i\"", "null", "id"),
        (EVENT, "\"i\"", "\"a\\n\"", "id"),
        (EVENT, "\"i\"", "\"\u{85}\"", "id"),
        (EVENT, "\"l\"", "\"L\"", "ledger"),
        (EVENT, "\"l\"", "\"\"", "ledger"),
        (EVENT, "\"l\"", "\"..\"", "ledger"),
        (EVENT, "\"l\"", "[]", "ledger"),
        (EVENT, "\"seq\":4", "\"seq\":-1", "seq"),
        (EVENT, "\"seq\":4", "\"seq\":1.5", "seq"),
        (EVENT, "\"seq\":4", "\"seq\":\"4\"", "seq"),
        (EVENT, "\"seq\":4", "\"seq\":1e+21", "seq"),
        (EVENT, "2026-11-21T05:14:00.123456Z", "2026-11-21T05:14:00Z", "time"),
        (EVENT, "2026-11-21T05:14:00.123456Z", "2026-02-30T05:14:00.123456Z", "time"),
        (EVENT, "\"2026-11-21T05:14:00.123456Z\"", "5", "time"),
        (EVENT, "\"v\":1", "\"v\":2", "v"),
        (EVENT, "\"v\":1", "\"v\":\"1\"", "v"),
        (EVENT, "\"v\":1", "\"v\":11", "v"),
        (SYSTEM, "{\"kind\":\"k\"}", "{}", "system"),
        (SYSTEM, "{\"kind\":\"k\"}", "{\"kind\":1}", "system"),
        (SYSTEM, "{\"kind\":\"k\"}", "[]", "system"),
        (SYSTEM, "{\"kind\":\"k\"}", "\"kind\"", "system"),
    ] {
        let changed = record.replacen(from, to, 1);
        assert_ne!(changed, record, "{from}");
        let refused = RecordView::parse(changed.as_bytes());
        assert_eq!(refused, Err(RecordError::Member(member)), "{changed}");
    }
}

#[test]
fn a_record_is_canonical_and_its_event_within_limits() {
    for (record, code, offset) in [
        (EVENT.replace(":4", ": 4"), JsonErrorCode::NotCanonical, 45),
        (format!("{EVENT}\n"), JsonErrorCode::NotCanonical, EVENT.len()),
        (format!("{EVENT}x"), JsonErrorCode::Trailing, EVENT.len()),
        (EVENT.replace("\"i\"", "\"\\u0069\""), JsonErrorCode::NotCanonical, 23),
        (EVENT.replace("\"a\":1", "\"a\":1.0"), JsonErrorCode::NotCanonical, 14),
        (EVENT.replace("{\"a\":1}", &nested(65)), JsonErrorCode::Depth, 9 + 64 * 5),
        (EVENT.replace("{\"a\":1}", &nested(66)), JsonErrorCode::Depth, 9 + 65 * 5),
        (
            EVENT.replacen(":1}", &format!(":\"{}\"}}", "x".repeat(1 << 20)), 1),
            JsonErrorCode::TooLarge,
            (1 << 20) + 9,
        ),
    ] {
        assert_eq!(json_code(RecordView::parse(record.as_bytes())), (code, offset));
    }
    let longest = "x".repeat(2 << 20);
    assert_eq!(json_code(RecordView::parse(longest.as_bytes())).0, JsonErrorCode::TooLarge);
}

fn creation() -> Creation {
    Creation {
        origin: Origin::new("ledger.example.com/l").unwrap(),
        sign_per: SignPer::Commit,
        keys: vec![
            KeyId::new(&format!("ed25519:{}", "ab".repeat(32))).unwrap(),
            KeyId::new(&format!("ed25519:{}", "00".repeat(32))).unwrap(),
        ],
        max_unsigned: 65_536,
        numbers: Numbers::Text,
        principals: Principals::Full,
    }
}

#[test]
fn system_objects_survive_their_canonical_form() {
    let creation = creation();
    let archived = SegmentArchived {
        first_seq: Seq::ZERO,
        last_seq: Seq::new(65_535).unwrap(),
        manifest_sha256: Sha256Hash([1; 32]),
        segment_sha256: Sha256Hash([0xfe; 32]),
        vault: "bucket \"worm\" / é\n".into(),
    };
    assert_eq!(Creation::parse(&creation.to_canonical()), Ok(creation.clone()));
    for system in [System::LedgerCreated(creation), System::SegmentArchived(archived.clone())] {
        let bytes = system.to_canonical().unwrap();
        assert_eq!(canonicalize(&bytes, Limits::EVENT).as_ref(), Ok(&bytes));
        assert_eq!(System::parse(&bytes).unwrap(), system);
    }
    assert!(Creation::parse(&archived.to_canonical()).is_err());
    for sign_per in [SignPer::Record, SignPer::Commit] {
        assert_eq!(sign_per.as_str().parse(), Ok(sign_per));
        assert_eq!(sign_per.to_string(), sign_per.as_str());
    }
    assert!("both".parse::<SignPer>().is_err());
    for principals in [Principals::Off, Principals::Name, Principals::Full] {
        assert_eq!(principals.as_str().parse(), Ok(principals));
    }
    assert!("all".parse::<Principals>().is_err());
}

#[test]
fn system_objects_of_known_kinds_have_exactly_their_shape() {
    let created = String::from_utf8(creation().to_canonical()).unwrap();
    for (from, to, error) in [
        ("\"max_unsigned\":65536,", "", SystemError::Members),
        ("\"sign_per\"", "\"sign\":1,\"sign_per\"", SystemError::Members),
        ("65536", "65537", SystemError::Member("max_unsigned")),
        ("65536", "1.5", SystemError::Member("max_unsigned")),
        ("65536", "-1", SystemError::Member("max_unsigned")),
        ("\"commit\"", "\"batch\"", SystemError::Member("sign_per")),
        ("\"commit\"", "1", SystemError::Member("sign_per")),
        ("ledger.example.com/l", "ledger.example.com", SystemError::Member("origin")),
        ("\"ed25519:ab", "\"ed25519:AB", SystemError::Member("keys")),
        ("\"ed25519:ab", "1,\"ed25519:ab", SystemError::Member("keys")),
        ("\"kind\":\"ledger_created\"", "\"kind\":1", SystemError::Member("kind")),
        ("\"text\"", "\"strings\"", SystemError::Member("numbers")),
        ("\"text\"", "null", SystemError::Member("numbers")),
        ("{\"keys\"", "{\"informative\":true,\"keys\"", SystemError::Members),
        ("\"numbers\":\"text\",", "", SystemError::BeforeRelease("numbers")),
        ("\"principals\":\"full\",", "", SystemError::BeforeRelease("principals")),
        ("\"full\"", "\"all\"", SystemError::Member("principals")),
        ("\"full\"", "true", SystemError::Member("principals")),
    ] {
        let changed = created.replacen(from, to, 1);
        assert_ne!(changed, created, "{from}");
        assert_eq!(System::parse(changed.as_bytes()), Err(error), "{changed}");
    }
    let keyless = Creation { keys: Vec::new(), ..creation() };
    assert_eq!(Creation::parse(&keyless.to_canonical()), Err(SystemError::Member("keys")));

    let archived = |first, last| {
        let hash = "00".repeat(32);
        format!(
            r#"{{"first_seq":{first},"kind":"segment_archived","last_seq":{last},"manifest_sha256":"{hash}","segment_sha256":"{hash}","vault":"v"}}"#
        )
    };
    assert!(System::parse(archived(5, 5).as_bytes()).is_ok());
    assert_eq!(System::parse(archived(5, 4).as_bytes()), Err(SystemError::Member("last_seq")));
    let short = archived(5, 5).replacen("00", "0", 1);
    assert_eq!(System::parse(short.as_bytes()), Err(SystemError::Member("manifest_sha256")));
    assert!(matches!(System::parse(b"{\"kind\": \"x\"}"), Err(SystemError::Json(_))));
    assert_eq!(System::parse(b"[]"), Err(SystemError::Member("kind")));
}

#[test]
fn a_kind_that_nobody_knows_yet_is_a_valid_record() {
    let system = br#"{"kind":"later","what":[1]}"#;
    let parsed = System::parse(system).unwrap();
    assert_eq!((parsed.kind(), parsed.to_canonical()), ("later", None));
    let informative = |text: &str| match System::parse(text.as_bytes()).unwrap() {
        System::Unknown { kind, informative } if kind == "later" => informative,
        other => panic!("{other:?}"),
    };
    assert!(informative(r#"{"informative":true,"kind":"later"}"#));
    for not in [
        "{",
        "{\"informative\":false,",
        "{\"informative\":1,",
        "{\"informative\":\"true\",",
        "{\"a\":{\"informative\":true},",
    ] {
        assert!(!informative(&format!("{not}\"kind\":\"later\"}}")), "{not}");
    }
    let parts = Parts::new("l", "i", 1, "2026-11-21T05:14:00.000000Z");
    let (mut out, prev) = (Vec::new(), Digest([9; 32]));
    let digest = seal_system(system, &parts.place(), Some(&prev), &mut out).unwrap();
    assert_eq!(digest, whole_hash(&out, &[9; 32]));
    assert_eq!(RecordView::parse(&out).unwrap().body, Body::System(system));
    let kind = |kind: &str| format!("{{\"kind\":\"{kind}\"}}");
    for good in ["k", "key_revoked", "a1_", &"k".repeat(64)] {
        assert!(is_kind(good));
        assert!(seal_system(kind(good).as_bytes(), &parts.place(), None, &mut Vec::new()).is_ok());
        assert_eq!(System::parse(kind(good).as_bytes()).unwrap().kind(), good);
    }
    for bad in ["", "K", "1k", "_k", "k-k", "k k", "k\u{e9}", "k\\n", &"k".repeat(65)] {
        assert!(!is_kind(bad));
        assert!(
            seal_system(kind(bad).as_bytes(), &parts.place(), None, &mut out).is_err(),
            "{bad}"
        );
        assert_eq!(System::parse(kind(bad).as_bytes()), Err(SystemError::Member("kind")));
    }
    for bad in ["{}", "{\"kind\":1}", "[]", "{\"kind\": \"k\"}", "x"] {
        let before = out.clone();
        assert!(seal_system(bad.as_bytes(), &parts.place(), None, &mut out).is_err(), "{bad}");
        assert_eq!(out, before);
    }
}

#[test]
fn what_the_golden_vectors_refuse_as_a_record_stays_refused() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("vectors/record_refused.json")).unwrap();
    assert_eq!(cases.len(), 20);
    let origin = Origin::new("ledger.example.com/tenant-1.orders").unwrap();
    for case in cases {
        let record = case["record"].as_str().unwrap();
        let code = match RecordView::parse(record.as_bytes()) {
            Ok(view) => judge(&view, Some(&origin), None).unwrap_err().code(),
            Err(_) => Code::NotCanonical,
        };
        assert_eq!(code.as_str(), case["as"].as_str().unwrap(), "{}", case["why"]);
    }
}

/// Without an origin to compare with, a creation still is of the ledger that its record is of.
#[test]
fn a_creation_is_of_its_own_records_ledger_whatever_is_known() {
    let parts = Parts::new("l", "i", 0, "2026-11-21T05:14:00.000000Z");
    let judged = |origin: &str, expected: Option<&str>| {
        let creation = Creation { origin: Origin::new(origin).unwrap(), ..creation() };
        let mut out = Vec::new();
        seal_system(&creation.to_canonical(), &parts.place(), None, &mut out).unwrap();
        let expected = expected.map(|expected| Origin::new(expected).unwrap());
        judge(&RecordView::parse(&out).unwrap(), expected.as_ref(), None).map(|judged| {
            assert_eq!(judged.creation(), Some(&creation));
            assert_eq!(judged.keys(), creation.keys);
            assert_eq!(judged.unchecked_kind(), None);
        })
    };
    assert_eq!(judged("s/l", None), Ok(()));
    assert_eq!(judged("s/l", Some("s/l")), Ok(()));
    let named = Origin::new("s/m").unwrap();
    assert_eq!(judged("s/m", None), Err(RecordFault::OtherLedger(named.clone())));
    assert_eq!(judged("s/m", Some("s/m")), Err(RecordFault::OtherLedger(named)));
    let other = judged("t/l", Some("s/l")).unwrap_err();
    assert_eq!(other.to_string(), "the creation is one of t/l, where s/l is expected");
    assert_eq!(other.code(), Code::CreationInvalid);
}

#[test]
fn the_kinds_called_known_are_those_that_are_understood() {
    for kind in System::KINDS {
        // A known kind has members of its own; only an unknown one is read without them.
        assert!(System::parse(format!("{{\"kind\":\"{kind}\"}}").as_bytes()).is_err(), "{kind}");
    }
    let unknown = System::parse(b"{\"kind\":\"key_revoked\"}").unwrap();
    assert_eq!((unknown.kind(), unknown.is_informative()), ("key_revoked", false));
}

fn full(how: &str, name: &str, tenant: &str) -> By<'static> {
    let owned = |text: &str| text.to_owned().into();
    By::Full { how: owned(how), name: owned(name), tenant: owned(tenant) }
}

#[test]
fn who_wrote_it_stands_in_the_record_and_is_no_part_of_what_it_says() {
    let parts = Parts::new("l", "x", 3, "2026-11-21T05:14:00.000000Z");
    let plain = PreparedEvent::new(br#"{"a":1}"#).unwrap();
    let longest = full(&"h".repeat(64), &"\"".repeat(256), &"t".repeat(128));
    let longest_id =
        Parts::new(&"l".repeat(128), &"\"".repeat(128), 3, "2026-11-21T05:14:00.000000Z");
    for by in [By::Name("a \"b\" é".into()), full("token", "billing", "tenant-1"), longest] {
        let written = plain.clone().written_by(&by).unwrap();
        assert_eq!((written.event(), written.len()), (plain.event(), plain.len()));
        assert_eq!(written, plain, "it is the same event, whoever sends it");
        let mut record = Vec::new();
        let digest = written.seal(&parts.place(), None, &mut record);
        assert_eq!(digest, whole_hash(&record, &[]));
        assert_eq!(canonicalize(&record, Limits::RECORD).as_ref(), Ok(&record));
        let view = RecordView::parse(&record).unwrap();
        assert_eq!((view.by.as_ref(), view.principals()), (Some(&by), Some(by.principals())));
        assert!(plain.is_of(&view) && written.is_of(&view));
        // Said anew it is said instead, not besides.
        let again = written.written_by(&full("token", "other", "o")).unwrap();
        record.clear();
        again.seal(&longest_id.place(), None, &mut record);
        assert_eq!(RecordView::parse(&record).unwrap().by.unwrap().name(), "other");
    }
    for bad in [
        By::Name("".into()),
        By::Name("n".repeat(257).into()),
        By::Name("a\u{85}".into()),
        full("", "n", "t"),
        full("Token", "n", "t"),
        full(&"h".repeat(65), "n", "t"),
        full("token", "n", "a.b"),
        full("token", "n", "-a"),
        full("token", "n", &"t".repeat(129)),
    ] {
        let refused = plain.clone().written_by(&bad).map(|_| ());
        assert_eq!(refused, Err(RecordError::Member("by")), "{bad:?}");
    }
}

#[test]
fn the_largest_record_that_says_who_wrote_it_can_be_read() {
    let parts = Parts::new(
        &"l".repeat(128),
        &"\"".repeat(128),
        9_007_199_254_740_991,
        "9999-12-31T23:59:59.999999Z",
    );
    let event = format!("{{\"a\":\"{}\"}}", "x".repeat((1 << 20) - 8));
    let by = full(&"h".repeat(64), &"\\".repeat(256), &"t".repeat(128));
    let mut record = Vec::new();
    let event = PreparedEvent::new(event.as_bytes()).unwrap().written_by(&by).unwrap();
    event.seal(&parts.place(), None, &mut record);
    assert_eq!(RecordView::parse(&record).unwrap().by, Some(by));
}

/// Also says at which byte an event behind `by` is wrong.
#[test]
fn an_error_in_an_event_behind_who_wrote_it_is_found_where_it_stands() {
    let deep = format!("{}{}", "{\"a\":".repeat(64) + "{", "}".repeat(65));
    let record = format!(
        r#"{{"by":{{"name":"n"}},"event":{deep},"id":"i","ledger":"l","seq":1,"time":"2026-11-21T05:14:00.000000Z","v":1}}"#
    );
    let Err(RecordError::Json(error)) = RecordView::parse(record.as_bytes()) else { panic!() };
    assert_eq!(error.offset, record.find(&"{\"a\":".repeat(64)).unwrap() + 5 * 64);
}

#[test]
fn records_say_as_much_of_who_wrote_them_as_record_0_says() {
    let modes = [Principals::Off, Principals::Name, Principals::Full];
    let plain = PreparedEvent::new(b"{}").unwrap();
    for said in modes {
        let event = match said {
            Principals::Off => plain.clone(),
            Principals::Name => plain.clone().written_by(&By::Name("n".into())).unwrap(),
            Principals::Full => plain.clone().written_by(&full("token", "n", "t")).unwrap(),
        };
        let mut record = Vec::new();
        let parts = Parts::new("l", "x", 3, "2026-11-21T05:14:00.000000Z");
        event.seal(&parts.place(), None, &mut record);
        let view = RecordView::parse(&record).unwrap();
        assert!(judge(&view, None, None).is_ok(), "record 0 is not known");
        for expected in modes {
            match judge(&view, None, Some(expected)) {
                Ok(_) => assert_eq!(said, expected),
                Err(fault) => {
                    assert_eq!(fault, RecordFault::By { expected, found: said });
                    assert_eq!(fault.code(), Code::NotCanonical);
                }
            }
        }
    }
    // Nobody wrote what the engine says.
    let parts = Parts::new("l", "x", 3, "2026-11-21T05:14:00.000000Z");
    let mut record = Vec::new();
    seal_system(b"{\"kind\":\"later\"}", &parts.place(), None, &mut record).unwrap();
    for expected in modes {
        assert!(judge(&RecordView::parse(&record).unwrap(), None, Some(expected)).is_ok());
    }
}
